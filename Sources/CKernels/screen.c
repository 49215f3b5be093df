// Products of 16-bit integers: what a product of floats will be, within known bounds and at 0.6 of its cost.
//
// A vector v is rounded to q = v / unit, with the unit chosen so that ‖q‖ ≤ 2¹⁵ − 1. Then every component fits in
// 16 bits, and every sum of products of two such vectors in 32 (Cauchy and Schwarz). Rounding moves q by at most
// √width / 2, and so the product of two by at most (‖q‖ + ‖q'‖) √width / 2 + width / 4.
#include "CKernels.h"
#include "integers.h"

#include <math.h>
#include <string.h>

enum { LENGTH = 32000 };  // ‖q‖ before rounding, which may add √width / 2

_Static_assert(KERNEL_SCREEN == LANES, "a vector of sums holds what is packed side by side");

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

// The sums of six rows and some groups of outputs, in registers; groups are `pairs` vectors apart.
INLINE void tile(ints *sums, const int32_t *x, const int32_t *w, size_t pairs, int groups, adding *add) {
#pragma clang loop unroll(full)
  for (int i = 0; i < groups * KERNEL_SCREEN_ROWS; i++) sums[i] = (ints){0};
  for (size_t p = 0; p < pairs; p++) {
    ints outputs[4];
#pragma clang loop unroll(full)
    for (int g = 0; g < groups; g++) outputs[g] = *(const ints *)(w + ((size_t)g * pairs + p) * LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < KERNEL_SCREEN_ROWS; r++)
#pragma clang loop unroll(full)
      for (int g = 0; g < groups; g++)
        add(&sums[r * groups + g], &outputs[g], x[p * KERNEL_SCREEN_ROWS + (size_t)r]);
  }
}

// What a tile's sums are lower bounds of.
typedef struct {
  float *y;
  size_t stride, rows, outputs;
  const float *row_units, *units, *bias;
  float slack;
} bounds;

INLINE void store_bounds(const bounds *b, const ints *sums, size_t row, size_t output, int groups) {
  for (size_t r = 0; r < KERNEL_SCREEN_ROWS && row + r < b->rows; r++)
#pragma clang loop unroll(full)
    for (int g = 0; g < groups; g++) {
      size_t o = output + (size_t)g * LANES;
      vector scale = b->row_units[row + r] * *(const vector *)(b->units + o);
      vector least = (__builtin_convertvector(sums[r * (size_t)groups + (size_t)g], vector) - b->slack) * scale +
                     *(const vector *)(b->bias + o);
      float *y = b->y + (row + r) * b->stride + o;
      if (o + LANES <= b->outputs)
        *(vector *)y = least;
      else
        for (size_t l = 0; o + l < b->outputs; l++) y[l] = least[l];
    }
}

INLINE void screen(const bounds *b, const int16_t *x, const int16_t *w, size_t pairs, int most, adding *add) {
  size_t o = 0;
#define GROUPS(COUNT)                                                                                       \
  for (; o < b->outputs && o + ((COUNT) - 1) * LANES < b->outputs; o += (COUNT) * LANES)                    \
    for (size_t r = 0; r < b->rows; r += KERNEL_SCREEN_ROWS) {                                              \
      ints sums[(COUNT) * KERNEL_SCREEN_ROWS];                                                              \
      tile(sums, (const int32_t *)x + r * pairs, (const int32_t *)w + o * pairs, pairs, COUNT, add);        \
      store_bounds(b, sums, r, o, COUNT);                                                                   \
    }
  if (most == 4) { GROUPS(4) }
  GROUPS(1)
#undef GROUPS
}

typedef void variant(const bounds *, const int16_t *, const int16_t *, size_t);

// Six rows by one vector fill the registers of AVX2, by four those of AVX-512.
#define SCREEN(NAME, TARGET, VECTORS, STEP, ADD)                                                       \
  TARGET static void NAME(const bounds *b, const int16_t *x, const int16_t *w, size_t pairs) {         \
    screen(b, x, w, pairs, (VECTORS) == 2 ? 4 : 1, ADD);                                               \
  }
#define VARIANT(NAME, TARGET, VECTORS, STEP) SCREEN(NAME, TARGET, VECTORS, STEP, add_pairs)

INTEGER_VARIANTS(SCREEN)

void kernel_screen(float *y, size_t stride, const int16_t *x, const float *row_units, size_t rows, const int16_t *w,
                   const float *units, const float *bias, size_t outputs, size_t pairs, float slack) {
  variant *v = BEST_INTEGERS;
  v(&(bounds){y, stride, rows, outputs, row_units, units, bias, slack}, x, w, pairs);
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
