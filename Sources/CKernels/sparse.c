// Vectors of which few entries matter.
#include "CKernels.h"
#include "targets.h"

#include <math.h>
#include <string.h>

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

enum { BLOCK = 32 };

// The places of the numbers above `least` in a block, as bits.
INLINE uint32_t above(const float *x, float least) {
  typedef float block __attribute__((ext_vector_type(BLOCK), aligned(4)));
  typedef bool bits __attribute__((ext_vector_type(BLOCK)));
  bits found = __builtin_convertvector(*(const block *)x > least, bits);
  uint32_t result;
  memcpy(&result, &found, sizeof result);
  return result;
}

// Replaces the last entry of a heap of k by one that comes before it.
INLINE void offer(int32_t *indices, float *values, size_t k, const float *x, size_t place) {
  if (!(x[place] > values[0])) return;
  values[0] = x[place], indices[0] = (int32_t)place;
  sink(indices, values, 0, k);
}

CLONES void kernel_top_k(int32_t *indices, float *values, const float *x, size_t width, size_t k) {
  if (k == 0) return;
  for (size_t i = 0; i < k; i++) indices[i] = (int32_t)i, values[i] = isnan(x[i]) ? -INFINITY : x[i];
  for (size_t i = k / 2; i-- > 0;) sink(indices, values, i, k);
  size_t start = k;
  // Most blocks have nothing above the smallest entry kept.
  for (; start + BLOCK <= width; start += BLOCK) {
    uint32_t found = above(x + start, values[0]);
    for (; found; found &= found - 1) offer(indices, values, k, x, start + (size_t)__builtin_ctz(found));
  }
  for (; start < width; start++) offer(indices, values, k, x, start);
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
