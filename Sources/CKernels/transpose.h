// Eight rows of eight floats turned into columns.
#ifndef TRANSPOSE_H
#define TRANSPOSE_H

#include "targets.h"

typedef float half_vector __attribute__((vector_size(8 * sizeof(float)), aligned(4)));

INLINE void transpose(half_vector r[8]) {
  half_vector a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    a[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int h = 0; h < 8; h += 4)
    for (int i = 0; i < 2; i++) {
      b[h + 2 * i] = __builtin_shufflevector(a[h + i], a[h + 2 + i], 0, 1, 8, 9, 4, 5, 12, 13);
      b[h + 2 * i + 1] = __builtin_shufflevector(a[h + i], a[h + 2 + i], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int i = 0; i < 4; i++) {
    r[i] = __builtin_shufflevector(b[i], b[4 + i], 0, 1, 2, 3, 8, 9, 10, 11);
    r[4 + i] = __builtin_shufflevector(b[i], b[4 + i], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

#endif
