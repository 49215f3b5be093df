// Products of 16-bit integers: what a product of floats will be, within known bounds and at 0.6 of its cost.
//
// A vector v is rounded to q = v / unit, with the unit chosen so that ‖q‖ ≤ 2¹⁵ − 1. Then every component fits in
// 16 bits, and every sum of products of two such vectors in 32 (Cauchy and Schwarz). Rounding moves q by at most
// √width / 2, and so the product of two by at most (‖q‖ + ‖q'‖) √width / 2 + width / 4.
#include "CKernels.h"
#include "targets.h"

#include <math.h>
#include <string.h>

enum { LANES = 8, LENGTH = 32000 };  // ‖q‖ before rounding, which may add √width / 2

typedef int16_t shorts __attribute__((vector_size(2 * LANES * sizeof(int16_t)), aligned(4)));
typedef int32_t ints __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4)));
typedef int32_t products __attribute__((vector_size(2 * LANES * sizeof(int32_t))));
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

float kernel_screen_slack(size_t width) {
  // A tenth more, for what rounding does to the sums of floats.
  return 1.1F * (LENGTH * sqrtf((float)width) + (float)width / 4);
}

CLONES float kernel_quantize(int16_t *q, size_t step, const float *x, size_t width) {
#pragma clang fp reassociate(on)
  double squares = 0;
  for (size_t i = 0; i < width; i++) squares += (double)x[i] * x[i];
  double length = sqrt(squares);
  bool fits = length > 1e-12 && length < 1e12;
  float scale = fits ? (float)(LENGTH / length) : 0;
  for (size_t i = 0; i < (width + 1) / 2; i++)
    for (size_t j = 0; j < 2; j++)
      q[i * step + j] = fits && 2 * i + j < width ? (int16_t)__builtin_rintf(x[2 * i + j] * scale) : 0;
  return fits ? (float)(length / LENGTH) : length == 0 ? 0 : INFINITY;
}

// Adds the sums of pairs of products, one instruction on x86.
INLINE void add_pairs(ints *sums, const shorts *a, const shorts *b) {
  products p = __builtin_convertvector(*a, products) * __builtin_convertvector(*b, products);
  *sums += __builtin_shufflevector(p, p, 0, 2, 4, 6, 8, 10, 12, 14) +
           __builtin_shufflevector(p, p, 1, 3, 5, 7, 9, 11, 13, 15);
}

// The sums of six rows and sixteen outputs, in registers.
INLINE void tile(ints sums[2 * KERNEL_SCREEN_ROWS], const int16_t *x, const int16_t *w, size_t pairs) {
#pragma clang loop unroll(full)
  for (int i = 0; i < 2 * KERNEL_SCREEN_ROWS; i++) sums[i] = (ints){0};
#pragma clang loop unroll_count(2)
  for (size_t p = 0; p < pairs; p++) {
    shorts low = *(const shorts *)(w + p * 4 * LANES), high = *(const shorts *)(w + p * 4 * LANES + 2 * LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < KERNEL_SCREEN_ROWS; r++) {
      int32_t pair;
      memcpy(&pair, x + (p * KERNEL_SCREEN_ROWS + (size_t)r) * 2, sizeof pair);
      shorts both = (shorts)((ints){0} + pair);
      add_pairs(&sums[2 * r], &low, &both);
      add_pairs(&sums[2 * r + 1], &high, &both);
    }
  }
}

INLINE void store(float *y, const ints *sums, float slack, float unit, const float *units, const float *bias,
                  size_t outputs) {
  for (size_t h = 0; h < 2; h++) {
    lanes scale = unit * *(const lanes *)(units + h * LANES);
    lanes least = (__builtin_convertvector(sums[h], lanes) - slack) * scale + *(const lanes *)(bias + h * LANES);
    if (outputs >= (h + 1) * LANES)
      *(lanes *)(y + h * LANES) = least;
    else
      for (size_t l = h * LANES; l < outputs; l++) y[l] = least[l - h * LANES];
  }
}

CLONES void kernel_screen(float *y, size_t stride, const int16_t *x, const float *row_units, size_t rows,
                          const int16_t *w, const float *units, const float *bias, size_t outputs, size_t pairs,
                          float slack) {
  for (size_t o = 0; o < outputs; o += KERNEL_SCREEN, w += KERNEL_SCREEN * 2 * pairs) {
    size_t count = outputs - o < KERNEL_SCREEN ? outputs - o : KERNEL_SCREEN;
    for (size_t r = 0; r < rows; r += KERNEL_SCREEN_ROWS) {
      ints sums[2 * KERNEL_SCREEN_ROWS];
      tile(sums, x + r * 2 * pairs, w, pairs);
      for (size_t i = 0; i < KERNEL_SCREEN_ROWS && r + i < rows; i++)
        store(y + (r + i) * stride + o, sums + 2 * i, slack, row_units[r + i], units + o, bias + o, count);
    }
  }
}

CLONES size_t kernel_screened(int32_t *indices, const float *y, float margin, const float *units, float least,
                              size_t count) {
  typedef float block __attribute__((ext_vector_type(32), aligned(4)));
  typedef bool bits __attribute__((ext_vector_type(32)));
  size_t found = 0, i = 0;
  for (; i + 32 <= count; i += 32) {
    bits below = __builtin_convertvector(*(const block *)(y + i) + margin * *(const block *)(units + i) < least, bits);
    uint32_t out;
    memcpy(&out, &below, sizeof out);
    for (uint32_t in = ~out; in; in &= in - 1) indices[found++] = (int32_t)i + __builtin_ctz(in);
  }
  for (; i < count; i++)
    if (!(y[i] + margin * units[i] < least)) indices[found++] = (int32_t)i;
  return found;
}
