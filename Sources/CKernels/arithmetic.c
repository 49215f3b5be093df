// Sums and scalings of long vectors.
#include "CKernels.h"
#include "targets.h"

CLONES void kernel_add_scaled(float *restrict y, float a, const float *restrict x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}

CLONES void kernel_scale_shift(float *y, float a, float b, const float *x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = a * x[i] + b;
}
