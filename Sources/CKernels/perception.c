// Resampling of 8-bit pictures, and the distance of feature maps.
#include "CKernels.h"
#include "targets.h"

#include <math.h>

enum { FRACTION_BITS = 22, BLOCK = 64 };

CLONES void kernel_resample(uint8_t *restrict y, const uint8_t *restrict x, size_t stride,
                            const int32_t *restrict weights, size_t taps, size_t count) {
  for (size_t first = 0; first < count; first += BLOCK) {
    size_t width = count - first < BLOCK ? count - first : BLOCK;
    int32_t sums[BLOCK];
    for (size_t c = 0; c < width; c++) sums[c] = 1 << (FRACTION_BITS - 1);
    for (size_t k = 0; k < taps; k++) {
      const uint8_t *line = x + k * stride + first;
      for (size_t c = 0; c < width; c++) sums[c] += weights[k] * line[c];
    }
    for (size_t c = 0; c < width; c++) {
      int32_t value = sums[c] >> FRACTION_BITS;
      y[first + c] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
  }
}

static inline float inverse_length(const float *x, float epsilon, size_t width) {
#pragma clang fp reassociate(on)
  float sum = 0;
  for (size_t c = 0; c < width; c++) sum += x[c] * x[c];
  return 1.0f / (sqrtf(sum) + epsilon);
}

CLONES double kernel_unit_distance(const float *a, const float *b, const float *w, float epsilon, size_t rows,
                                   size_t width) {
  double total = 0;
  for (size_t r = 0; r < rows; r++, a += width, b += width) {
    // Without contraction equal rows differ by exactly 0, and the order of the two does not count.
#pragma clang fp reassociate(on) contract(off)
    float to_unit_a = inverse_length(a, epsilon, width), to_unit_b = inverse_length(b, epsilon, width);
    float sum = 0;
    for (size_t c = 0; c < width; c++) {
      float difference = a[c] * to_unit_a - b[c] * to_unit_b;
      sum += w[c] * difference * difference;
    }
    total += sum;
  }
  return total;
}
