// Sums over the few entries of sparse codes, and the step of the optimizer.
//
// The order of every sum is fixed, so that a run gives the same bytes on any number of threads.
#include "CKernels.h"
#include "targets.h"

#include <string.h>

enum { LANES = 8, STRIP = 8 };  // elements of a vector; vectors that stay in registers

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef double doubles __attribute__((vector_size(4 * sizeof(double)), aligned(8)));

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
                 size_t width) {
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
    sums[r] = sum;
  }
}

CLONES void kernel_row_dots(float *sums, const float *x, const int32_t *rows, size_t count, const float *w,
                            size_t stride, size_t width) {
  size_t j = 0;
  for (; j + 4 <= count; j += 4) dots(sums + j, x, rows + j, 4, w, stride, width);
  for (; j < count; j++) dots(sums + j, x, rows + j, 1, w, stride, width);
}

// Sums over the entries of one row of a sparse matrix, of whole strips.
INLINE void strip_sum(lanes sums[STRIP], const int32_t *indices, const float *weights, size_t count,
                      const float *x) {
#pragma clang loop unroll(full)
  for (int v = 0; v < STRIP; v++) sums[v] = (lanes){0};
  for (size_t j = 0; j < count; j++) {
    const float *row = x + (size_t)indices[j] * KERNEL_STRIP;
#pragma clang loop unroll(full)
    for (int v = 0; v < STRIP; v++) sums[v] += weights[j] * *(const lanes *)(row + v * LANES);
  }
}

CLONES void kernel_sparse_product(float *y, bool add, float scale, const int32_t *starts, size_t rows,
                                  const int32_t *indices, const float *weights, const float *x) {
  for (size_t o = 0; o < rows; o++, y += KERNEL_STRIP) {
    size_t start = (size_t)starts[o], count = (size_t)starts[o + 1] - start;
    if (add && count == 0) continue;
    lanes sums[STRIP];
    strip_sum(sums, indices + start, weights + start, count, x);
#pragma clang loop unroll(full)
    for (int v = 0; v < STRIP; v++) {
      lanes *to = (lanes *)(y + v * LANES);
      *to = add ? *to + scale * sums[v] : scale * sums[v];
    }
  }
}

// The totals of eight vectors side by side.
INLINE void totals(lanes *result, const lanes a[LANES]) {
  lanes b[4], c[2];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++)
    b[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 8, 1, 9, 4, 12, 5, 13) +
           __builtin_shufflevector(a[2 * i], a[2 * i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
#pragma clang loop unroll(full)
  for (int i = 0; i < 2; i++)
    c[i] = __builtin_shufflevector(b[2 * i], b[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
           __builtin_shufflevector(b[2 * i], b[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
  *result = __builtin_shufflevector(c[0], c[1], 0, 1, 2, 3, 8, 9, 10, 11) +
            __builtin_shufflevector(c[0], c[1], 4, 5, 6, 7, 12, 13, 14, 15);
}

CLONES void kernel_sparse_dots(float *sums, bool add, const float *y, const int32_t *starts, size_t rows,
                               const int32_t *indices, const float *x) {
  for (size_t o = 0; o < rows; o++) {
    lanes row[STRIP];
#pragma clang loop unroll(full)
    for (int v = 0; v < STRIP; v++) row[v] = *(const lanes *)(y + o * KERNEL_STRIP + v * LANES);
    size_t end = (size_t)starts[o + 1];
    for (size_t j = (size_t)starts[o]; j < end; j += LANES) {
      size_t count = end - j < LANES ? end - j : LANES;
      lanes products[LANES];
#pragma clang loop unroll(full)
      for (size_t e = 0; e < LANES; e++) {
        // Past the end, the last entry once more.
        const float *other = x + (size_t)indices[j + (e < count ? e : count - 1)] * KERNEL_STRIP;
        products[e] = row[0] * *(const lanes *)other;
#pragma clang loop unroll(full)
        for (int v = 1; v < STRIP; v++) products[e] += row[v] * *(const lanes *)(other + v * LANES);
      }
      lanes found;
      totals(&found, products);
      if (count == LANES) {
        lanes *to = (lanes *)(sums + j);
        *to = add ? *to + found : found;
      } else {
        for (size_t e = 0; e < count; e++) sums[j + e] = add ? sums[j + e] + found[e] : found[e];
      }
    }
  }
}

CLONES void kernel_scatter_strip(float *y, const int32_t *outputs, size_t stride, size_t width, bool add,
                                 float scale, const float *x, size_t rows) {
  for (size_t o = 0; o < rows; o++, x += KERNEL_STRIP) {
    float *restrict to = y + (size_t)outputs[o] * stride;
    if (add)
      for (size_t c = 0; c < width; c++) to[c] += scale * x[c];
    else
      for (size_t c = 0; c < width; c++) to[c] = scale * x[c];
  }
}

void kernel_positive_entries(int32_t *starts, int32_t *indices, float *values, const float *x, size_t rows,
                             size_t columns, size_t group) {
  int32_t end = 0;
  for (size_t first = 0; first < columns; first += group) {
    size_t last = first + group < columns ? first + group : columns;
    for (size_t r = 0; r < rows; r++) {
      *starts++ = end;
      // Without a branch, which would go one way as often as the other.
      for (size_t c = first; c < last; c++) {
        float value = x[r * columns + c];
        indices[end] = (int32_t)c, values[end] = value;
        end += value > 0;
      }
    }
  }
  *starts = end;
}

void kernel_sort_entries(int32_t *starts, int32_t *sorted_rows, float *sorted_values, float *sorted_slopes,
                         size_t columns, const int32_t *list_starts, size_t lists, size_t rows, int32_t first_row,
                         const int32_t *indices, const float *values, const float *slopes) {
  memset(starts, 0, (columns + 1) * sizeof *starts);
  for (int32_t j = list_starts[0]; j < list_starts[lists]; j++) starts[indices[j] + 1] += values[j] > 0;
  // starts[c + 1] is first where column c begins; its entries move it to where the column ends.
  int32_t next = 0;
  for (size_t c = 1; c <= columns; c++) {
    int32_t count = starts[c];
    starts[c] = next;
    next += count;
  }
  for (size_t l = 0; l < lists; l++)
    for (int32_t j = list_starts[l]; j < list_starts[l + 1]; j++)
      if (values[j] > 0) {
        int32_t to = starts[indices[j] + 1]++;
        sorted_rows[to] = first_row + (int32_t)(l % rows);
        sorted_values[to] = values[j], sorted_slopes[to] = slopes[j];
      }
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
