// Vectors of which few entries matter.
#include "CKernels.h"
#include "targets.h"

#include <math.h>

// Whether entry a comes after entry b in the order of the result.
static inline bool after(float a, int32_t ia, float b, int32_t ib) { return a < b || (a == b && ia > ib); }

// Moves the entry at `hole` of a heap, whose root is the last of the order, to its place.
static void sink(int32_t *indices, float *values, size_t hole, size_t count) {
  int32_t index = indices[hole];
  float value = values[hole];
  for (size_t child; (child = 2 * hole + 1) < count; hole = child) {
    if (child + 1 < count && after(values[child + 1], indices[child + 1], values[child], indices[child])) child++;
    if (!after(values[child], indices[child], value, index)) break;
    values[hole] = values[child], indices[hole] = indices[child];
  }
  values[hole] = value, indices[hole] = index;
}

CLONES void kernel_top_k(int32_t *indices, float *values, const float *x, size_t width, size_t k) {
  if (k == 0) return;
  for (size_t i = 0; i < k; i++) indices[i] = (int32_t)i, values[i] = isnan(x[i]) ? -INFINITY : x[i];
  for (size_t i = k / 2; i-- > 0;) sink(indices, values, i, k);
  // Most blocks of 32 have nothing above the smallest entry kept, which the compiler checks 8 or 16 at a time.
  for (size_t start = k; start < width;) {
    size_t end = start + 32 < width ? start + 32 : width;
    float least = values[0];
    int any = 0;
    for (size_t i = start; i < end; i++) any |= x[i] > least;
    if (any)
      for (size_t i = start; i < end; i++)
        if (x[i] > values[0]) {
          values[0] = x[i], indices[0] = (int32_t)i;
          sink(indices, values, 0, k);
        }
    start = end;
  }
  for (size_t count = k; count-- > 1;) {
    float value = values[count];
    int32_t index = indices[count];
    values[count] = values[0], indices[count] = indices[0];
    values[0] = value, indices[0] = index;
    sink(indices, values, 0, count);
  }
}

CLONES void kernel_add_rows(float *restrict y, const int32_t *indices, const float *values, size_t k,
                            const float *restrict w, size_t width) {
  for (size_t j = 0; j < k; j++) {
    float value = values[j];
    if (value == 0) continue;
    const float *row = w + (size_t)indices[j] * width;
    for (size_t c = 0; c < width; c++) y[c] += value * row[c];
  }
}
