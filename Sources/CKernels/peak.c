// How fast the processor multiplies and adds when nothing must be loaded: what products are measured by.
#include "CKernels.h"
#include "tile.h"

// As many sums as a tile has, each of which waits for itself only.
INLINE float multiply_registers(size_t count, float by, int sums_at_once) {
  vector sums[MOST_SUMS], factor = (vector){0} + by, total = {0};
#pragma clang loop unroll(full)
  for (int o = 0; o < sums_at_once; o++) sums[o] = (vector){0} + (float)o;
  for (size_t i = 0; i < count; i++)
#pragma clang loop unroll(full)
    for (int o = 0; o < sums_at_once; o++) sums[o] = sums[o] * factor + factor;
#pragma clang loop unroll(full)
  for (int o = 0; o < sums_at_once; o++) total += sums[o];
  return total[0];
}

typedef struct {
  float (*multiply)(size_t, float);
  size_t sums;
} variant;

#define VARIANT(NAME, TARGET, VECTORS, STEP)                                                                          \
  TARGET static float multiply_##NAME(size_t count, float by) { return multiply_registers(count, by, VECTORS * STEP); } \
  static const variant NAME = {multiply_##NAME, VECTORS * STEP};

VARIANTS

size_t kernel_peak(float *result, float by, size_t count) {
  const variant *v = BEST;
  *result = v->multiply(count, by);
  return 2 * LANES * v->sums * count;
}
