// Compares the kernels with plain loops, on whatever processor it is compiled for; Scripts/arm_test runs it as aarch64.
// The Swift tests do more of it on x86: Tests/SDLensTestSupport/Reference.swift has the same loops.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

static int failures, checks;
static uint64_t state = 42;

// evenly in -1...1
static float draw(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)(state >> 11) / (double)(1ull << 52) - 1);
}

static float *room(size_t count) {
  float *x = aligned_alloc(64, (count * 4 + 127) / 64 * 64);
  if (!x) exit(2);
  memset(x, 0, count * 4);
  return x;
}

static float *drawn(size_t count) {
  float *x = room(count);
  for (size_t i = 0; i < count; i++) x[i] = draw();
  return x;
}

// The largest error, in the largest magnitude that is wanted; NaN is a failure.
static void compare(const char *name, const float *found, const double *wanted, size_t count, double tolerance) {
  double most = 1e-30, error = 0;
  for (size_t i = 0; i < count; i++) most = fmax(most, fabs(wanted[i]));
  for (size_t i = 0; i < count; i++) {
    double e = fabs(found[i] - wanted[i]) / most;
    if (!(e <= error)) error = e;
  }
  checks++;
  if (!(error <= tolerance)) {
    failures++;
    printf("FAILED %s: error %g, allowed %g\n", name, error, tolerance);
  }
}

static void expect(const char *name, bool holds) {
  checks++;
  if (!holds) {
    failures++;
    printf("FAILED %s\n", name);
  }
}

static uint16_t half_of(float x) {
  _Float16 h = (_Float16)x;
  uint16_t bits;
  memcpy(&bits, &h, 2);
  return bits;
}

static uint16_t bfloat_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return (uint16_t)(bits >> 16);
}

static void conversions(void) {
  enum { count = 1 << 16 };
  uint16_t *all = malloc(count * 2), *back = malloc(count * 2);
  float *y = room(count);
  double *wanted = malloc(count * 8);
  size_t finite = 0;
  for (uint32_t i = 0; i < count; i++)
    if ((i & 0x7C00) != 0x7C00) all[finite++] = (uint16_t)i;
  kernel_float_from_half(y, all, finite);
  for (size_t i = 0; i < finite; i++) {
    int exponent = all[i] >> 10 & 31, fraction = all[i] & 1023;
    wanted[i] = ldexp(exponent ? 1024 + fraction : fraction, (exponent ? exponent : 1) - 25) * (all[i] >> 15 ? -1 : 1);
  }
  compare("float from half", y, wanted, finite, 0);
  expect("half from float", kernel_half_from_float(back, y, finite) && !memcmp(all, back, finite * 2));
  float beyond[3] = {65520, NAN, -INFINITY};
  for (int i = 0; i < 3; i++) expect("beyond half", !kernel_half_from_float(back, beyond + i, 1));
  float between[2] = {1 + 1.0f / 2048, 1 + 3.0f / 2048};
  expect("to nearest even", kernel_half_from_float(back, between, 2) && back[0] == 0x3C00 && back[1] == 0x3C02);
  for (uint32_t i = 0; i < 1000; i++) all[i] = bfloat_of(y[i * 37]);
  kernel_float_from_bfloat(y, all, 1000);
  bool same = true;
  for (uint32_t i = 0; i < 1000; i++) same &= bfloat_of(y[i]) == all[i];
  expect("float from bfloat", same);
  y[777] = NAN;
  expect("finite", kernel_all_finite_float(y, 777) && !kernel_all_finite_float(y, 1000));
}

static void activations(size_t count) {
  float *x = drawn(count), *y = room(count);
  double *wanted = malloc(count * 8);
  for (size_t i = 0; i < count; i++) x[i] *= 12;
#define ACTIVATION(call, formula)                  \
  call;                                            \
  for (size_t i = 0; i < count; i++) {             \
    double v = x[i];                               \
    wanted[i] = formula;                           \
  }                                                \
  compare(#call, y, wanted, count, 1e-6);
  ACTIVATION(kernel_silu(y, x, count), v / (1 + exp(-v)))
  ACTIVATION(kernel_gelu(y, x, count), v * (1 + erf(v / sqrt(2))) / 2)
  ACTIVATION(kernel_quick_gelu(y, x, count), v / (1 + exp(-1.702 * v)))
  ACTIVATION(kernel_relu(y, x, count), v > 0 ? v : 0)
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += wanted[i] = exp(x[i]);
  for (size_t i = 0; i < count; i++) wanted[i] /= sum;
  kernel_softmax(x, count);
  compare("softmax", x, wanted, count, 2e-6);
}

static void gated(size_t rows, size_t width) {
  float *x = drawn(rows * 2 * width), *y = room(rows * width);
  double *wanted = malloc(rows * width * 8);
  kernel_geglu(y, x, rows, width);
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < width; c++) {
      double v = x[r * 2 * width + width + c];
      wanted[r * width + c] = x[r * 2 * width + c] * v * (1 + erf(v / sqrt(2))) / 2;
    }
  compare("geglu", y, wanted, rows * width, 1e-6);
}

static void attention(size_t queries, size_t keys, size_t size, bool causal) {
  kernel_head head = {drawn(keys * size), drawn(keys * size), keys, size, size, size, causal};
  float *q = drawn(queries * size), *y = room(queries * size), *p = room(queries * keys);
  double *wanted = calloc(queries * size, 8), *weights = calloc(queries * keys, 8);
  kernel_attention(y, &head, q, 0, queries, room(kernel_attention_scratch(&head)), p);
  for (size_t i = 0; i < queries; i++) {
    double sum = 0;
    size_t seen = causal ? i + 1 : keys;
    for (size_t k = 0; k < seen; k++) {
      double dot = 0;
      for (size_t c = 0; c < size; c++) dot += (double)q[i * size + c] * head.k[k * size + c];
      sum += weights[i * keys + k] = exp(dot / sqrt((double)size));
    }
    for (size_t k = 0; k < seen; k++) {
      weights[i * keys + k] /= sum;
      for (size_t c = 0; c < size; c++) wanted[i * size + c] += weights[i * keys + k] * head.v[k * size + c];
    }
  }
  compare("attention", y, wanted, queries * size, 2e-6);
  compare("probabilities", p, weights, queries * keys, 2e-6);
}

static void normalization(size_t rows, size_t width) {
  float *x = drawn(rows * width), *w = drawn(width), *b = drawn(width), *c = drawn(width), *y = room(rows * width);
  double *wanted = malloc(rows * width * 8), *sums = calloc(width, 8), *squares = calloc(width, 8);
  kernel_layer_norm(y, x, w, b, 1e-5f, rows, width);
  for (size_t r = 0; r < rows; r++) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < width; i++) mean += x[r * width + i] / (double)width;
    for (size_t i = 0; i < width; i++) variance += pow(x[r * width + i] - mean, 2) / (double)width;
    for (size_t i = 0; i < width; i++)
      wanted[r * width + i] = (x[r * width + i] - mean) / sqrt(variance + 1e-5) * w[i] + b[i];
  }
  compare("layer norm", y, wanted, rows * width, 4e-6);
  kernel_normalize(y, x, c, w, b, true, rows, width);
  for (size_t i = 0; i < rows * width; i++) {
    double v = (double)w[i % width] * (x[i] - c[i % width]) + b[i % width];
    wanted[i] = v / (1 + exp(-v));
  }
  compare("normalize", y, wanted, rows * width, 2e-6);
  kernel_channel_moments(sums, squares, c, x, rows, width);
  double error = 0;
  for (size_t i = 0; i < width; i++) {
    for (size_t r = 0; r < rows; r++) {
      double v = (double)x[r * width + i] - c[i];
      sums[i] -= v;
      squares[i] -= v * v;
    }
    error = fmax(error, fmax(fabs(sums[i]), fabs(squares[i])));
  }
  expect("channel moments", error < 1e-4);
}

static void products(size_t rows, size_t outputs, size_t depth, bool strassen) {
  float *x = drawn(rows * depth), *bias = drawn(outputs), *y = room(rows * outputs), *w = drawn(outputs * depth);
  uint16_t *half = aligned_alloc(64, (outputs * depth * 2 + 127) / 64 * 64);
  uint16_t *bfloat = aligned_alloc(64, (outputs * depth * 2 + 127) / 64 * 64);
  for (size_t i = 0; i < outputs * depth; i++) {
    // Numbers that every format holds.
    bfloat[i] = bfloat_of(w[i]);
    kernel_float_from_bfloat(w + i, bfloat + i, 1);
    w[i] = (float)(_Float16)w[i];
    half[i] = half_of(w[i]);
    bfloat[i] = bfloat_of(w[i]);
    kernel_float_from_bfloat(w + i, bfloat + i, 1);
    half[i] = half_of(w[i]);
  }
  double *wanted = malloc(rows * outputs * 8);
  for (size_t r = 0; r < rows; r++)
    for (size_t o = 0; o < outputs; o++) {
      double sum = bias[o];
      for (size_t k = 0; k < depth; k++) sum += (double)x[r * depth + k] * w[o * depth + k];
      wanted[r * outputs + o] = sum;
    }
  float *packed = room(kernel_packed_size(strassen, rows, depth));
  kernel_pack(packed, strassen, x, rows, depth, 0, kernel_packed_groups(strassen, rows));
  kernel_weights all[3] = {
      {w, kernel_f32, outputs, depth}, {half, kernel_f16, outputs, depth}, {bfloat, kernel_bf16, outputs, depth}};
  size_t step = strassen ? KERNEL_PANEL / 2 : KERNEL_PANEL, end = strassen ? outputs / 2 : outputs;
  for (int format = 0; format < 3; format++) {
    memset(y, 0, rows * outputs * 4);
    for (size_t first = 0; first < end; first += step)
      kernel_product(y, outputs, packed, strassen, rows, all + format, first, first + step < end ? first + step : end,
                     bias, false);
    compare(strassen ? "product by Strassen" : "product", y, wanted, rows * outputs, strassen ? 4e-6 : 2e-6);
  }
  if (strassen) return;
  float *shorts = room(kernel_shorts_size(rows, depth));
  kernel_shorts_pack(shorts, x, rows, depth, 0, (rows + 15) / 16);
  for (size_t first = 0; first < outputs; first += KERNEL_PANEL)
    kernel_shorts_product(y, outputs, shorts, rows, all, first,
                          first + KERNEL_PANEL < outputs ? first + KERNEL_PANEL : outputs, bias, false);
  compare("product of shorts", y, wanted, rows * outputs, 2e-4);
}

static void convolution(size_t height, size_t width, size_t inputs, size_t outputs) {
  kernel_map map = {height, width, inputs, (width + 3) / 4, (width + 3) / 4 * ((height + 3) / 4)};
  kernel_map out = map;
  out.channels = outputs;
  float *x = drawn(height * width * inputs), *w = drawn(outputs * inputs * 9), *bias = drawn(outputs);
  float *v = room(36 * map.tiles * inputs), *m = room(36 * map.tiles * outputs), *y = room(height * width * outputs);
  float *u = room(36 * outputs * KERNEL_WEIGHT_STRIDE), *packed = room(kernel_packed_size(false, map.tiles, inputs));
  kernel_weights weights = {w, kernel_f32, outputs, inputs * 9};
  kernel_winograd_input(v, map.tiles * inputs, x, &map, 0, map.tiles);
  kernel_winograd_weights(u, outputs * KERNEL_WEIGHT_STRIDE, &weights, 0, outputs, 0, inputs);
  for (int p = 0; p < 36; p++) {
    kernel_weights panel = {u + p * outputs * KERNEL_WEIGHT_STRIDE, kernel_panel, outputs, inputs};
    kernel_pack(packed, false, v + p * map.tiles * inputs, map.tiles, inputs, 0, kernel_packed_groups(false, map.tiles));
    kernel_product(m + p * map.tiles * outputs, outputs, packed, false, map.tiles, &panel, 0, outputs, NULL, false);
  }
  kernel_winograd_output(y, m, map.tiles * outputs, bias, false, &out, 0, map.tiles);
  double *wanted = malloc(height * width * outputs * 8);
  kernel_window window = {height, width, inputs, width, 3, 1, 1};
  float *patches = room(height * width * inputs * 9);
  kernel_patches(patches, x, &window, 0, height * width);
  bool same = true;
  for (size_t row = 0; row < height; row++)
    for (size_t column = 0; column < width; column++)
      for (size_t o = 0; o < outputs; o++) {
        double sum = bias[o];
        for (size_t i = 0; i < inputs; i++)
          for (size_t k = 0; k < 9; k++) {
            size_t r = row + k / 3, c = column + k % 3;
            double value = 0;
            if (r >= 1 && r <= height && c >= 1 && c <= width) value = x[((r - 1) * width + c - 1) * inputs + i];
            same &= patches[(row * width + column) * inputs * 9 + k * inputs + i] == (float)value ||
                    patches[(row * width + column) * inputs * 9 + i * 9 + k] == (float)value;
            sum += value * w[(o * inputs + i) * 9 + k];
          }
        wanted[(row * width + column) * outputs + o] = sum;
      }
  expect("patches", same);
  compare("convolution by Winograd", y, wanted, height * width * outputs, 2e-5);
}

static void sparse(size_t width) {
  enum { rows = 40, k = 7 };
  float *w = drawn(rows * width), *x = drawn(rows), *y = room(width);
  int32_t indices[k];
  float values[k];
  kernel_top_k(indices, values, x, rows, k);
  bool ordered = true;
  for (int j = 0; j < k; j++) {
    int larger = 0;
    for (int i = 0; i < rows; i++) larger += x[i] > x[indices[j]];
    ordered &= larger == j && values[j] == x[indices[j]];
  }
  expect("top k", ordered);
  kernel_add_rows(y, indices, values, k, w, width);
  double *wanted = calloc(width > 4096 ? width : 4096, 8);
  for (int j = 0; j < k; j++)
    for (size_t c = 0; c < width; c++) wanted[c] += (double)values[j] * w[(size_t)indices[j] * width + c];
  compare("add rows", y, wanted, width, 1e-6);
  kernel_weighted_sum(y, NULL, 2, indices, values, k, w, width, width);
  for (size_t c = 0; c < width; c++) wanted[c] *= 2;
  compare("weighted sum", y, wanted, width, 1e-6);
  float dots[k];
  kernel_row_dots(dots, y, indices, k, w, width, width);
  for (int j = 0; j < k; j++) {
    wanted[j] = 0;
    for (size_t c = 0; c < width; c++) wanted[j] += (double)y[c] * w[(size_t)indices[j] * width + c];
  }
  compare("row dots", dots, wanted, k, 2e-6);

  // A strip of rows, multiplied by a sparse matrix with one row that is empty.
  float *strip = drawn(rows * KERNEL_STRIP), *product = room(3 * KERNEL_STRIP), sums[k];
  int32_t starts[4] = {0, 4, 4, k};
  kernel_sparse_product(product, false, 3, starts, 3, indices, values, strip);
  memset(wanted, 0, 3 * KERNEL_STRIP * 8);
  for (int o = 0; o < 3; o++)
    for (int j = starts[o]; j < starts[o + 1]; j++)
      for (int c = 0; c < KERNEL_STRIP; c++)
        wanted[o * KERNEL_STRIP + c] += 3.0 * values[j] * strip[indices[j] * KERNEL_STRIP + c];
  compare("sparse product", product, wanted, 3 * KERNEL_STRIP, 1e-6);
  kernel_sparse_dots(sums, false, product, starts, 3, indices, strip);
  for (int o = 0; o < 3; o++)
    for (int j = starts[o]; j < starts[o + 1]; j++) {
      wanted[j] = 0;
      for (int c = 0; c < KERNEL_STRIP; c++)
        wanted[j] += (double)product[o * KERNEL_STRIP + c] * strip[indices[j] * KERNEL_STRIP + c];
    }
  compare("sparse dots", sums, wanted, k, 2e-6);

  kernel_adam_step step = {0.5f, 0.1f, 0.999f, 0.001f, 0.1f, 0.01f, 1e-8f};
  float *p = drawn(width), *mean = drawn(width), *square = drawn(width), *gradient = drawn(width);
  for (size_t c = 0; c < width; c++) {
    square[c] = fabsf(square[c]);
    double g = 0.5 * gradient[c], m = mean[c] + (g - mean[c]) * (double)0.1f;
    double v = (double)0.999f * square[c] + (double)0.001f * g * g;
    wanted[c] = p[c] - (double)0.01f * m / (sqrt(v) / (double)0.1f + (double)1e-8f);
  }
  kernel_adam(p, mean, square, gradient, width, &step);
  compare("Adam", p, wanted, width, 2e-6);
  double dot = 0;
  for (size_t c = 0; c < width; c++) dot += (double)mean[c] * gradient[c];
  float found = kernel_dot(mean, gradient, width);
  expect("dot", fabs(found - dot) < 1e-5 * (double)width);
}

static void screening(size_t width) {
  float *x = drawn(width);
  size_t pairs = (width + 1) / 2;
  int16_t *q = calloc(pairs * 2, 2);
  float unit = kernel_quantize(q, 2, x, width);
  bool near = unit > 0;
  for (size_t i = 0; i < width; i++) near &= fabs(x[i] / unit - q[i]) <= 0.5 + 1e-3;
  expect("quantize", near);
  x[3] = NAN;
  expect("quantize what is not finite", isinf(kernel_quantize(q, 2, x, width)));
}

int main(void) {
  conversions();
  for (size_t count = 2; count < 300; count = count * 3 + 2) activations(count);
  gated(3, 40);
  attention(5, 77, 64, false);
  attention(77, 77, 20, true);
  normalization(3, 17);
  normalization(9, 320);
  products(7, 5, 33, false);
  products(256, 200, 300, false);
  products(256, 96, 640, true);
  convolution(9, 7, 5, 3);
  convolution(16, 16, 64, 40);
  sparse(33);
  sparse(1280);
  screening(33);
  screening(640);
  printf("%d comparisons, %d failed\n", checks, failures);
  return failures ? 1 : 0;
}
