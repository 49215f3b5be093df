// Sums over the few entries of sparse codes, and the step of the optimizer.
//
// The order of every sum is fixed, so that a run gives the same bytes on any number of threads.
#include "CKernels.h"
#include "targets.h"

enum { LANES = 8, STRIP = 8 };  // elements of a vector; vectors that stay in registers

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef double doubles __attribute__((vector_size(4 * sizeof(double)), aligned(8)));

#define INLINE static inline __attribute__((always_inline))

INLINE float total(const lanes *v) {
  lanes a = *v, b = a + __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3);
  return (b[0] + b[2]) + (b[1] + b[3]);
}

// A strip of `vectors` vectors of the result, in registers from the first row to the last.
INLINE void strip(float *y, const float *base, float scale, const int32_t *rows, const float *weights,
                  size_t count, const float *x, size_t stride, int vectors) {
  lanes sums[STRIP];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) sums[v] = (lanes){0};
  for (size_t j = 0; j < count; j++) {
    const float *row = x + (size_t)rows[j] * stride;
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) sums[v] += weights[j] * *(const lanes *)(row + v * LANES);
  }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    lanes start = base ? *(const lanes *)(base + v * LANES) : (lanes){0};
    *(lanes *)(y + v * LANES) = start + scale * sums[v];
  }
}

CLONES void kernel_weighted_sum(float *y, const float *base, float scale, const int32_t *rows,
                                const float *weights, size_t count, const float *x, size_t stride,
                                size_t width) {
  size_t c = 0;
  for (; c + STRIP * LANES <= width; c += STRIP * LANES)
    strip(y + c, base ? base + c : 0, scale, rows, weights, count, x + c, stride, STRIP);
  for (; c + LANES <= width; c += LANES)
    strip(y + c, base ? base + c : 0, scale, rows, weights, count, x + c, stride, 1);
  for (; c < width; c++) {
    float sum = 0;
    for (size_t j = 0; j < count; j++) sum += weights[j] * x[(size_t)rows[j] * stride + c];
    y[c] = (base ? base[c] : 0) + scale * sum;
  }
}

// `rows` dot products at once, so that x is loaded once for all of them.
INLINE void dots(float *sums, const float *x, const int32_t *indices, int rows, const float *w, size_t stride,
                 size_t width, bool add) {
  const float *row[4];
  lanes even[4], odd[4];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) row[r] = w + (size_t)indices[r] * stride, even[r] = odd[r] = (lanes){0};
  size_t c = 0;
  for (; c + 2 * LANES <= width; c += 2 * LANES) {
    lanes a = *(const lanes *)(x + c), b = *(const lanes *)(x + c + LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      even[r] += a * *(const lanes *)(row[r] + c);
      odd[r] += b * *(const lanes *)(row[r] + c + LANES);
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) {
    even[r] += odd[r];
    float sum = total(&even[r]);
    for (size_t i = c; i < width; i++) sum += x[i] * row[r][i];
    sums[r] = add ? sums[r] + sum : sum;
  }
}

CLONES void kernel_row_dots(float *sums, const float *x, const int32_t *rows, size_t count, const float *w,
                            size_t stride, size_t width, bool add) {
  size_t j = 0;
  for (; j + 4 <= count; j += 4) dots(sums + j, x, rows + j, 4, w, stride, width, add);
  for (; j < count; j++) dots(sums + j, x, rows + j, 1, w, stride, width, add);
}

CLONES float kernel_dot(const float *x, const float *y, size_t count) {
  lanes sums[4] = {{0}, {0}, {0}, {0}};
  size_t i = 0;
  for (; i + 4 * LANES <= count; i += 4 * LANES)
#pragma clang loop unroll(full)
    for (int v = 0; v < 4; v++)
      sums[v] += *(const lanes *)(x + i + v * LANES) * *(const lanes *)(y + i + v * LANES);
  lanes sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  float result = total(&sum);
  for (; i < count; i++) result += x[i] * y[i];
  return result;
}

CLONES void kernel_column_sums(float *restrict sums, float *restrict squares, const float *restrict x,
                               size_t rows, size_t width) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < width; c++) {
      float value = x[r * width + c];
      sums[c] += value;
      squares[c] += value * value;
    }
}

CLONES void kernel_adam(float *restrict p, float *restrict mean, float *restrict square,
                        const float *restrict gradient, size_t count, const kernel_adam_step *step) {
  const kernel_adam_step s = *step;
  for (size_t i = 0; i < count; i++) {
    float g = gradient[i] * s.gradient_scale;
    float m = mean[i] + (g - mean[i]) * s.mean_weight;
    float v = square[i] * s.square_decay + g * g * s.square_weight;
    mean[i] = m, square[i] = v;
    p[i] -= s.rate * (m / (__builtin_elementwise_sqrt(v) / s.square_correction + s.epsilon));
  }
}

CLONES double kernel_squared_distance(const float *x, const double *y, size_t count) {
  doubles sums[2] = {{0}, {0}};
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
#pragma clang loop unroll(full)
    for (int v = 0; v < 2; v++) {
      doubles d;
#pragma clang loop unroll(full)
      for (int l = 0; l < 4; l++) d[l] = x[i + v * 4 + l];
      d -= *(const doubles *)(y + i + v * 4);
      sums[v] += d * d;
    }
  doubles sum = sums[0] + sums[1];
  double result = (sum[0] + sum[2]) + (sum[1] + sum[3]);
  for (; i < count; i++) result += (x[i] - y[i]) * (x[i] - y[i]);
  return result;
}

CLONES void kernel_add_scaled_double(double *restrict y, double a, const float *restrict x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}
