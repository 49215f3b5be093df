// The nonlinearities.
#include "CKernels.h"
#include "exponential.h"
#include "targets.h"

#include <math.h>

static inline float silu(float x) { return x / (1.0f + vector_exp(-x)); }

// x Φ(x) with Φ(-|x|) = erfc(|x| / √2) / 2 as t (a1 + t (a2 + …)) exp(-x² / 2), t = 1 / (1 + p |x| / √2):
// Abramowitz & Stegun 7.1.26, whose error is at most 1.5e-7. The small tail is formed first, so that
// nothing cancels for negative x.
static inline float gelu(float x) {
  float z = fabsf(x) * 0.70710678118f;
  float t = 1.0f / (1.0f + 0.3275911f * z);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  float tail = 0.5f * p * t * vector_exp(-z * z);
  return x * (x < 0 ? tail : 1.0f - tail);
}

CLONES void kernel_silu(float *y, const float *x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = silu(x[i]);
}

CLONES void kernel_gelu(float *y, const float *x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = gelu(x[i]);
}

CLONES void kernel_relu(float *y, const float *x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

CLONES void kernel_quick_gelu(float *y, const float *x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = x[i] / (1.0f + vector_exp(-1.702f * x[i]));
}

CLONES void kernel_geglu(float *restrict y, size_t stride, const float *restrict x, size_t rows, size_t width) {
  for (size_t r = 0; r < rows; r++) {
    const float *value = x + r * 2 * width, *gate = value + width;
    for (size_t c = 0; c < width; c++) y[r * stride + c] = value[c] * gelu(gate[c]);
  }
}
