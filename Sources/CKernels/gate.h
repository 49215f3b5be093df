// Gated units: products whose second half of outputs says how much of the first passes.
#ifndef GATE_H
#define GATE_H

#include "CKernels.h"

typedef void storing(float *y, size_t stride, const float *sums, size_t width, size_t rows, size_t outputs,
                     const float *bias, bool accumulate);

// y[r][o] = z[r][o] gelu(z[r][half + o]) of sums and biases of which both halves are there, some rows at a time.
static inline void store_gated(storing *store, float *y, size_t stride, const float *sums, size_t half_sums, size_t width,
                               size_t rows, size_t outputs, const float *bias, size_t half) {
  enum { SOME = 64 };
  float z[SOME * KERNEL_PANEL];
  for (size_t r = 0; r < rows; r += SOME) {
    size_t some = rows - r < SOME ? rows - r : SOME;
    store(z, 2 * outputs, sums + r, width, some, outputs, bias, false);
    store(z + outputs, 2 * outputs, sums + half_sums + r, width, some, outputs, bias ? bias + half : NULL, false);
    kernel_geglu(y + r * stride, stride, z, some, outputs);
  }
}

#endif
