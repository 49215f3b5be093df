// Sums and scalings of long vectors.
#include "CKernels.h"
#include "targets.h"

CLONES void kernel_add_scaled(float *restrict y, float a, const float *restrict x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}

CLONES void kernel_scale_shift(float *y, float a, float b, const float *x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = a * x[i] + b;
}

CLONES void kernel_subtract_row(float *y, const float *x, const float *restrict v, size_t rows, size_t width) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < width; c++) y[r * width + c] = x[r * width + c] - v[c];
}
