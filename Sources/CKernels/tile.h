// What products are made of: activations packed sixteen rows side by side, so that one weight meets sixteen
// of them in a vector, and sums that stay in the registers. A file that includes this compiles its work once
// for each generation of processor, with as many outputs at a time as that one's registers hold.
#ifndef TILE_H
#define TILE_H

#include "targets.h"
#include "transpose.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 16, MOST_SUMS = 24 };

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t ints __attribute__((vector_size(sizeof(vector)), aligned(4), may_alias));

// 6 outputs fill the 16 registers of AVX2. Processors load two vectors while they multiply two, so that with AVX-512
// each weight must meet two vectors of rows: 14 loads for 24 products, .99 of what Zen 5 can do from the inner cache,
// where one vector needs 13 for 12 (.90).
// VARIANT(name, target, vectors, outputs) defines a `variant` for tiles of so many vectors of rows by so many outputs.
#if defined(__x86_64__)
#define VARIANTS                                                 \
  VARIANT(baseline, , 1, 2)                                      \
  VARIANT(avx2, __attribute__((target("arch=x86-64-v3"))), 1, 6) \
  VARIANT(avx512, __attribute__((target("arch=x86-64-v4"), WIDE)), 2, 12)
#define BEST                                               \
  (__builtin_cpu_supports("x86-64-v4") ? &avx512 : __builtin_cpu_supports("x86-64-v3") ? &avx2 : &baseline)
#else
#define VARIANTS VARIANT(baseline, , 1, 4)
#define BEST &baseline
#endif

// Runs TILES(outputs) for the tiles of some rows: with fewer vectors of rows than a tile has, it has more outputs.
#define ALL_TILES(VECTORS, MOST, STEP)              \
  if ((VECTORS) < (MOST)) { TILES((STEP) * (MOST)) } \
  TILES(STEP)                                       \
  TILES(2)                                          \
  TILES(1)

// One group of up to LANES rows, missing ones being 0: packed[k][r] = x[r][k].
INLINE void pack(float *packed, const float *x, size_t stride, size_t rows, size_t depth) {
  size_t k = 0;
  for (; rows == LANES && k + 8 <= depth; k += 8)
    for (size_t half = 0; half < LANES; half += 8) {
      half_vector t[8];
      for (size_t i = 0; i < 8; i++) t[i] = *(const half_vector *)(x + (half + i) * stride + k);
      transpose(t);
      for (size_t i = 0; i < 8; i++) *(half_vector *)(packed + (k + i) * LANES + half) = t[i];
    }
  for (; k < depth; k++)
    for (size_t r = 0; r < LANES; r++) packed[k * LANES + r] = r < rows ? x[r * stride + k] : 0;
}

enum { FETCH_STEP = 4 };  // inputs after which `multiply` fetches a line for each vector

// sums[o · vectors + v] = Σ_k w[o · output_stride + k · depth_stride] x[v · group + k] for some outputs and vectors of
// rows, both constants. Meanwhile the lines from `ahead` on, one for FETCH_STEP inputs, come into the cache, unless it
// is NULL.
INLINE void multiply(vector *sums, const float *restrict x, size_t group, const float *restrict w,
                     size_t output_stride, size_t depth_stride, size_t depth, int vectors, int outputs,
                     const float *ahead) {
  vector acc[MOST_SUMS];
#pragma clang loop unroll(full)
  for (int i = 0; i < outputs * vectors; i++) acc[i] = (vector){0};
  size_t k = 0;
#define INPUT(K)                                                                                          \
  vector rows[2];                                                                                         \
  _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)                                    \
      rows[v] = *(const vector *)(x + (size_t)v * group + (K) * LANES);                                   \
  _Pragma("clang loop unroll(full)") for (int o = 0; o < outputs; o++)                                    \
      _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)                                \
          acc[o * vectors + v] += w[(size_t)o * output_stride + (K) * depth_stride] * rows[v];
  for (; k + FETCH_STEP <= depth; k += FETCH_STEP) {
    if (ahead)
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++)
        __builtin_prefetch(ahead + (k / FETCH_STEP * (size_t)vectors + (size_t)v) * LANES);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < FETCH_STEP; i++) { INPUT(k + i) }
  }
  for (; k < depth; k++) { INPUT(k) }
#undef INPUT
#pragma clang loop unroll(full)
  for (int i = 0; i < outputs * vectors; i++) sums[i] = acc[i];
}

// y[r][o] (+)= sums[o][r] + bias[o]; rows of sums are `width` apart, and bias may be NULL.
INLINE void store(float *y, size_t stride, const float *sums, size_t width, size_t rows, size_t outputs,
                  const float *bias, bool accumulate) {
  size_t r = 0;
  for (; r + 8 <= rows; r += 8) {
    size_t o = 0;
    for (; o + 8 <= outputs; o += 8) {
      half_vector t[8], b = {0};
      if (bias) b = *(const half_vector *)(bias + o);
      for (size_t i = 0; i < 8; i++) t[i] = *(const half_vector *)(sums + (o + i) * width + r);
      transpose(t);
      for (size_t i = 0; i < 8; i++) {
        half_vector *to = (half_vector *)(y + (r + i) * stride + o);
        *to = accumulate ? *to + (t[i] + b) : t[i] + b;
      }
    }
    for (; o < outputs; o++)
      for (size_t i = 0; i < 8; i++) {
        float sum = sums[o * width + r + i] + (bias ? bias[o] : 0), *to = y + (r + i) * stride + o;
        *to = accumulate ? *to + sum : sum;
      }
  }
  for (; r < rows; r++)
    for (size_t o = 0; o < outputs; o++) {
      float sum = sums[o * width + r] + (bias ? bias[o] : 0), *to = y + r * stride + o;
      *to = accumulate ? *to + sum : sum;
    }
}

#endif
