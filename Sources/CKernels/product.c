// Rows of activations times the rows of a weight matrix, y = x wᵀ, at nearly the processor's full rate.
//
// A library's product must first lay out the weights anew, and convert them if they are half floats; here
// each weight is read once in the format and order of its file. Activations are packed instead, sixteen
// rows side by side, so that one weight meets sixteen of them in a vector. Sums are kept transposed,
// [outputs][rows], in the second cache, and turned round once at the end.
#include "CKernels.h"
#include "targets.h"

#include <string.h>

enum {
  LANES = KERNEL_ROWS,
  DEPTH = KERNEL_DEPTH,
  // A distance between rows of weights that does not fall on the same lines of the first cache.
  WEIGHT_STRIDE = DEPTH + 16,
  ROW_BLOCK = 512
};

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef float half_vector __attribute__((vector_size(8 * sizeof(float)), aligned(4)));

// Everything below is compiled into each of the variants at the end, with its vectors and registers.
#define INLINE static inline __attribute__((always_inline))

INLINE void transpose(half_vector r[8]) {
  half_vector a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    a[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int h = 0; h < 8; h += 4)
    for (int i = 0; i < 2; i++) {
      b[h + 2 * i] = __builtin_shufflevector(a[h + i], a[h + 2 + i], 0, 1, 8, 9, 4, 5, 12, 13);
      b[h + 2 * i + 1] = __builtin_shufflevector(a[h + i], a[h + 2 + i], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int i = 0; i < 4; i++) {
    r[i] = __builtin_shufflevector(b[i], b[4 + i], 0, 1, 2, 3, 8, 9, 10, 11);
    r[4 + i] = __builtin_shufflevector(b[i], b[4 + i], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

INLINE void pack_body(float *p, const float *x, size_t stride, size_t rows, size_t depth) {
  size_t k = 0;
  for (; rows == LANES && k + 8 <= depth; k += 8)
    for (size_t half = 0; half < LANES; half += 8) {
      half_vector t[8];
      for (size_t i = 0; i < 8; i++) t[i] = *(const half_vector *)(x + (half + i) * stride + k);
      transpose(t);
      for (size_t i = 0; i < 8; i++) *(half_vector *)(p + (k + i) * LANES + half) = t[i];
    }
  for (; k < depth; k++)
    for (size_t r = 0; r < LANES; r++) p[k * LANES + r] = r < rows ? x[r * stride + k] : 0;
}

// sums[o][0..<16] (+)= Σ_k w[o][k] x[k][0..<16] for `outputs` rows of weights, all in registers.
INLINE void tile(float *restrict sums, const float *restrict x, const float *restrict w, size_t depth,
                 bool first, int outputs) {
  vector acc[12];
#pragma clang loop unroll(full)
  for (int o = 0; o < outputs; o++) acc[o] = (vector){0};
#pragma clang loop unroll_count(4)
  for (size_t k = 0; k < depth; k++) {
    vector v = *(const vector *)(x + k * LANES);
#pragma clang loop unroll(full)
    for (int o = 0; o < outputs; o++) acc[o] += w[(size_t)o * WEIGHT_STRIDE + k] * v;
  }
#pragma clang loop unroll(full)
  for (int o = 0; o < outputs; o++) {
    vector *to = (vector *)(sums + (size_t)o * ROW_BLOCK);
    *to = first ? acc[o] : *to + acc[o];
  }
}

// All tiles of a block of rows and a panel of outputs; `step` outputs fill the registers.
INLINE void block(float *sums, const float *x, const float *w, size_t rows, size_t outputs, size_t depth,
                  bool first, int step) {
  for (size_t r = 0; r < rows; r += LANES, x += depth * LANES, sums += LANES) {
    size_t o = 0;
    for (; o + (size_t)step <= outputs; o += (size_t)step)
      tile(sums + o * ROW_BLOCK, x, w + o * WEIGHT_STRIDE, depth, first, step);
    for (; o + 2 <= outputs; o += 2)
      tile(sums + o * ROW_BLOCK, x, w + o * WEIGHT_STRIDE, depth, first, 2);
    if (o < outputs) tile(sums + o * ROW_BLOCK, x, w + o * WEIGHT_STRIDE, depth, first, 1);
  }
}

INLINE void store_body(float *y, size_t stride, const float *sums, size_t rows, size_t outputs,
                       const float *bias, bool accumulate) {
  size_t r = 0;
  for (; r + 8 <= rows; r += 8) {
    size_t o = 0;
    for (; o + 8 <= outputs; o += 8) {
      half_vector t[8], b = {0};
      if (bias) b = *(const half_vector *)(bias + o);
      for (size_t i = 0; i < 8; i++) t[i] = *(const half_vector *)(sums + (o + i) * ROW_BLOCK + r);
      transpose(t);
      for (size_t i = 0; i < 8; i++) {
        half_vector *to = (half_vector *)(y + (r + i) * stride + o);
        *to = accumulate ? *to + (t[i] + b) : t[i] + b;
      }
    }
    for (; o < outputs; o++)
      for (size_t i = 0; i < 8; i++) {
        float sum = sums[o * ROW_BLOCK + r + i] + (bias ? bias[o] : 0), *to = y + (r + i) * stride + o;
        *to = accumulate ? *to + sum : sum;
      }
  }
  for (; r < rows; r++)
    for (size_t o = 0; o < outputs; o++) {
      float sum = sums[o * ROW_BLOCK + r] + (bias ? bias[o] : 0), *to = y + r * stride + o;
      *to = accumulate ? *to + sum : sum;
    }
}

typedef struct {
  void (*pack)(float *, const float *, size_t, size_t, size_t);
  void (*block)(float *, const float *, const float *, size_t, size_t, size_t, bool);
  void (*store)(float *, size_t, const float *, size_t, size_t, const float *, bool);
} variant;

#define VARIANT(NAME, TARGET, STEP)                                                                     \
  TARGET static void pack_##NAME(float *p, const float *x, size_t s, size_t r, size_t d) {              \
    pack_body(p, x, s, r, d);                                                                           \
  }                                                                                                     \
  TARGET static void block_##NAME(float *c, const float *x, const float *w, size_t r, size_t o, size_t d, \
                                  bool first) {                                                         \
    block(c, x, w, r, o, d, first, STEP);                                                               \
  }                                                                                                     \
  TARGET static void store_##NAME(float *y, size_t s, const float *c, size_t r, size_t o, const float *b, \
                                  bool add) {                                                           \
    store_body(y, s, c, r, o, b, add);                                                                  \
  }                                                                                                     \
  static const variant NAME = {pack_##NAME, block_##NAME, store_##NAME};

// Outputs at a time: 6 fill the 16 registers of AVX2, 12 hide the latency of AVX-512's products.
#if defined(__x86_64__)
VARIANT(baseline, , 2)
VARIANT(avx2, __attribute__((target("arch=x86-64-v3"))), 6)
VARIANT(avx512, __attribute__((target("arch=x86-64-v4"))), 12)

static const variant *best(void) {
  if (__builtin_cpu_supports("x86-64-v4")) return &avx512;
  return __builtin_cpu_supports("x86-64-v3") ? &avx2 : &baseline;
}
#else
VARIANT(baseline, , 4)

static const variant *best(void) { return &baseline; }
#endif

void kernel_pack(float *packed, const float *x, size_t stride, size_t rows, size_t depth) {
  best()->pack(packed, x, stride, rows, depth);
}

static void read_weights(float *to, const kernel_weights *w, size_t output, size_t k, size_t depth) {
  size_t start = output * w->depth + k;
  switch (w->format) {
  case kernel_f16: kernel_float_from_half(to, (const uint16_t *)w->elements + start, depth); break;
  case kernel_bf16: kernel_float_from_bfloat(to, (const uint16_t *)w->elements + start, depth); break;
  case kernel_f32: memcpy(to, (const float *)w->elements + start, depth * sizeof(float)); break;
  }
}

void kernel_product(float *y, size_t stride, const float *packed, size_t packed_rows, size_t first,
                    size_t last, const kernel_weights *w, size_t first_output, size_t last_output,
                    const float *bias, bool accumulate) {
  static _Thread_local float weights[KERNEL_PANEL * WEIGHT_STRIDE] __attribute__((aligned(64)));
  static _Thread_local float sums[KERNEL_PANEL * ROW_BLOCK] __attribute__((aligned(64)));
  const variant *v = best();
  size_t outputs = last_output - first_output;
  for (size_t row = first; row < last; row += ROW_BLOCK) {
    size_t rows = last - row < ROW_BLOCK ? last - row : ROW_BLOCK;
    for (size_t k = 0; k < w->depth; k += DEPTH) {
      size_t depth = w->depth - k < DEPTH ? w->depth - k : DEPTH;
      for (size_t o = 0; o < outputs; o++)
        read_weights(weights + o * WEIGHT_STRIDE, w, first_output + o, k, depth);
      v->block(sums, packed + k * packed_rows + row * depth, weights, rows, outputs, depth, k == 0);
    }
    v->store(y + row * stride + first_output, stride, sums, rows, outputs,
             bias ? bias + first_output : NULL, accumulate);
  }
}
