// Layer norm over rows; group norm as moments per channel, then one scale and shift per channel.
#include "CKernels.h"
#include "exponential.h"
#include "targets.h"

#include <math.h>

CLONES void kernel_layer_norm(float *restrict y, const float *restrict x, const float *restrict weight,
                              const float *restrict bias, float epsilon, size_t rows, size_t width) {
#pragma clang fp reassociate(on)
  for (size_t r = 0; r < rows; r++, x += width, y += width) {
    float sum = 0, squares = 0;
    for (size_t c = 0; c < width; c++) sum += x[c];
    float mean = sum / (float)width;
    for (size_t c = 0; c < width; c++) squares += (x[c] - mean) * (x[c] - mean);
    float scale = 1.0f / sqrtf(squares / (float)width + epsilon);
    for (size_t c = 0; c < width; c++) y[c] = (x[c] - mean) * scale * weight[c] + bias[c];
  }
}

// Floats are summed over a few rows only, then in double: no sum grows long enough to lose digits.
enum { CHANNELS = 64, ROWS = 32 };

CLONES void kernel_channel_moments(double *restrict sum, double *restrict squares,
                                   const float *restrict shift, const float *restrict x, size_t rows,
                                   size_t width) {
  for (size_t c0 = 0; c0 < width; c0 += CHANNELS) {
    size_t channels = width - c0 < CHANNELS ? width - c0 : CHANNELS;
    for (size_t r0 = 0; r0 < rows; r0 += ROWS) {
      size_t last = r0 + ROWS < rows ? r0 + ROWS : rows;
      float s[CHANNELS] = {0}, q[CHANNELS] = {0};
      for (size_t r = r0; r < last; r++) {
        const float *row = x + r * width + c0;
        for (size_t c = 0; c < channels; c++) {
          float d = row[c] - shift[c0 + c];
          s[c] += d;
          q[c] += d * d;
        }
      }
      for (size_t c = 0; c < channels; c++) {
        sum[c0 + c] += (double)s[c];
        squares[c0 + c] += (double)q[c];
      }
    }
  }
}

CLONES void kernel_normalize(float *y, const float *x, const float *restrict center,
                             const float *restrict scale, const float *restrict shift, bool silu,
                             size_t rows, size_t width) {
  for (size_t r = 0; r < rows; r++, x += width, y += width) {
    if (silu) {
      for (size_t c = 0; c < width; c++) {
        float z = (x[c] - center[c]) * scale[c] + shift[c];
        y[c] = z / (1.0f + vector_exp(-z));
      }
    } else {
      for (size_t c = 0; c < width; c++) y[c] = (x[c] - center[c]) * scale[c] + shift[c];
    }
  }
}
