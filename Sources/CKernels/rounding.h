// Blocks of inputs rounded to 16-bit integers, how shorts.c says, and laid out for its products.
#ifndef ROUNDING_H
#define ROUNDING_H

#include "CKernels.h"
#include "integers.h"
#include "weights.h"

#include <math.h>
#include <string.h>

// No product and sum become one where it does not say so: bits are the same on every processor.
#pragma clang fp contract(off)

enum {
  INPUTS = KERNEL_INPUTS,       // of a block
  VECTORS = INPUTS / LANES,     // of floats
  PAIRS = INPUTS / 2,           // of inputs, which are multiplied together
  CHUNK = KERNEL_SHORTS_DEPTH / INPUTS,  // blocks whose sums stay in the registers
  GROUP = (PAIRS + 1) * LANES,  // words of sixteen rows of a block, their units behind the pairs
  ROW = (PAIRS + 4) * CHUNK,    // words of an output's weights of a chunk, their units behind the pairs
};

// 2^(power - 127) of a normal float.
INLINE float power_of_two(int32_t power) {
  int32_t bits = power << 23;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// How sixteen blocks are rounded: each q = v · near_one · scale, and v = q · unit; both are 0 of zeros, and the unit is NaN
// of what is not finite. `near_one` is 1 unless squares would not fit.
typedef struct {
  float near_one[LANES], scale[LANES], unit[LANES];
} roundings;

typedef struct {
  const char *from;
  size_t count;  // of inputs, at most INPUTS
  kernel_format format;
} block;

// A vector of a block, 0 behind its end; `whole`, a constant, says that a block has none.
INLINE void read_vector(vector *v, const block *b, size_t i, bool whole) {
  size_t size = element_size(b->format);
  if (whole || (i + 1) * LANES <= b->count) {
    read_lanes(v, b->from + i * LANES * size, b->format);
  } else {
    char some[LANES * sizeof(float)] = {0};
    if (i * LANES < b->count) memcpy(some, b->from + i * LANES * size, (b->count - i * LANES) * size);
    read_lanes(v, some, b->format);
  }
}

// v[0] = what the lanes of each of sixteen vectors are combined to: lane with lane + 8, these with + 4 and so on. That
// of the vector ORDER[i] comes to lane i, for halves of two vectors are laid together.
static const int ORDER[LANES] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
#define ACROSS(TYPE, NAME, COMBINE)                                                                           \
  INLINE void NAME(TYPE *v) {                                                                                 \
    _Pragma("clang loop unroll(full)") for (int count = LANES / 2; count > 0; count /= 2)                     \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < count; i++) {                                  \
      TYPE a = v[i], b = v[i + count], low, high;                                                             \
      HALVES(count)                                                                                           \
      v[i] = COMBINE(low, high);                                                                              \
    }                                                                                                         \
  }
#define HALVES(COUNT)                                                                                          \
  if ((COUNT) == 8)                                                                                            \
    low = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),               \
    high = __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);        \
  else if ((COUNT) == 4)                                                                                       \
    low = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),             \
    high = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);          \
  else if ((COUNT) == 2)                                                                                       \
    low = __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29),             \
    high = __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);          \
  else                                                                                                         \
    low = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),            \
    high = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#define SUM(A, B) ((A) + (B))
ACROSS(vector, sum_across, SUM)
ACROSS(ints, largest_across, __builtin_elementwise_max)

// Of each lane's block: the bits of its largest component, without its sign, and the factor that brings this near 1 where
// squares would not fit otherwise, or 1.
typedef struct {
  ints most;
  vector power;
} magnitude;

// Chooses the powers; says whether a lane needs its squares anew, times its power.
INLINE bool is_far(magnitude *m) {
  ints exponents = m->most >> 23;
  ints far = (exponents < 87 | exponents > 167) & (m->most < 0x7f800000) & (m->most != 0);
  ints power = (254 - __builtin_elementwise_max(__builtin_elementwise_min(exponents, (ints){0} + 253), (ints){0} + 1)) << 23;
  m->power = (vector)((power & far) | ((ints)((vector){0} + 1) & ~far));
  return __builtin_reduce_or(far);
}

// How blocks are rounded whose squares, times their powers, have these sums.
INLINE void choose(roundings *all, const magnitude *m, const vector *squares) {
  vector scale = __builtin_elementwise_min(46000 / __builtin_elementwise_sqrt(*squares), 32766 / ((vector)m->most * m->power));
  // Exact but for the one division.
  vector unit = 1 / scale / m->power;
  ints finite = m->most < 0x7f800000, usable = finite & (m->most != 0);
  *(vector *)all->near_one = m->power;
  *(vector *)all->scale = (vector)((ints)scale & usable);
  *(vector *)all->unit = (vector)(((ints)unit & usable) | (~finite & (ints)((vector){0} + NAN)));
}

INLINE void measure_blocks(roundings *all, const block *blocks, bool whole) {
  // Without their signs, floats are in the order of their bits, and what is not finite comes last.
  ints most[LANES];
  vector squares[LANES], v;
  magnitude m;
#pragma clang loop unroll(disable)
  for (int lane = 0; lane < LANES; lane++) {
    const block *b = &blocks[ORDER[lane]];
    most[lane] = (ints){0}, squares[lane] = (vector){0};
#pragma clang loop unroll(full)
    for (size_t i = 0; i < VECTORS; i++) {
      read_vector(&v, b, i, whole);
      most[lane] = __builtin_elementwise_max((ints)v & 0x7fffffff, most[lane]);
      squares[lane] = __builtin_elementwise_fma(v, v, squares[lane]);
    }
  }
  largest_across(most);
  sum_across(squares);
  m.most = most[0];
  if (is_far(&m))
    for (int lane = 0; lane < LANES; lane++) {
      if (m.power[lane] == 1) continue;
      vector sum[LANES] = {{0}};
      for (size_t i = 0; i < VECTORS; i++) {
        read_vector(&v, &blocks[lane], i, whole);
        v *= m.power[lane];
        sum[0] = __builtin_elementwise_fma(v, v, sum[0]);
      }
      sum_across(sum);
      squares[0][lane] = sum[0][0];
    }
  choose(all, &m, squares);
}

// Whether all sixteen blocks are whole.
INLINE bool measure(roundings *all, const block *blocks) {
  bool whole = true;
  for (size_t i = 0; i < LANES; i++) whole &= blocks[i].count == INPUTS;
  if (whole)
    measure_blocks(all, blocks, true);
  else
    measure_blocks(all, blocks, false);
  return whole;
}

// Beside 3 · 2²² there is room for 22 bits, and for nothing behind the point: the lower ones are v · scale, rounded.
#define ROUNDED(V, SCALE) ((ints)__builtin_elementwise_fma(V, SCALE, (vector){0} + 12582912.0F))

INLINE void round_vectors(int32_t *q, const block *b, float scale, float near_one, bool whole) {
#pragma clang loop unroll(full)
  for (size_t i = 0; i < VECTORS; i++) {
    vector v;
    read_vector(&v, b, i, whole);
    if (near_one != 1) v *= near_one;
    *(shorts *)(q + i * LANES / 2) = __builtin_convertvector(ROUNDED(v, (vector){0} + scale), shorts);
  }
}

// q = the block, rounded to nearest even.
INLINE void round_block(int32_t *q, const block *b, const roundings *all, size_t lane, bool whole) {
  float near_one = all->near_one[lane];
  float scale = all->scale[lane];
  if (scale == 0)
    memset(q, 0, PAIRS * sizeof *q);
  else if (whole && near_one == 1)
    round_vectors(q, b, scale, 1, true);
  else
    round_vectors(q, b, scale, near_one, false);
}

// The high bytes of a rounded block, with its sign, and behind them the low ones, without.
INLINE void split_bytes(int32_t *q) {
  signed char bytes[2 * INPUTS];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < VECTORS; i++) {
    shorts whole = *(const shorts *)(q + i * LANES / 2);
    *(octets *)(bytes + i * LANES) = __builtin_convertvector(whole >> 8, octets);
    *(octets *)(bytes + INPUTS + i * LANES) = __builtin_convertvector(whole, octets);
  }
  memcpy(q, bytes, sizeof bytes);
}

// Up to sixteen rows of a block, word by word, and their units; the words are pairs, or four high or low bytes.
INLINE void pack_block(float *packed, const float *x, size_t stride, size_t rows, size_t count, bool bytes) {
  int32_t q[LANES][PAIRS];
  float *units = packed + PAIRS * LANES;
  roundings all;
  block blocks[LANES];
  for (size_t r = 0; r < LANES; r++)
    blocks[r] = (block){(const char *)(x + (r < rows ? r * stride : 0)), r < rows ? count : 0, kernel_f32};
  bool whole = measure(&all, blocks);
  for (size_t r = 0; r < LANES; r++) {
    round_block(q[r], &blocks[r], &all, r, whole);
    if (bytes) split_bytes(q[r]);
  }
  memcpy(units, all.unit, sizeof all.unit);
  for (size_t k = 0; k < PAIRS; k += 8)
    for (size_t half = 0; half < LANES; half += 8) {
      half_vector t[8];
      for (size_t i = 0; i < 8; i++) memcpy(&t[i], q[half + i] + k, sizeof t[i]);
      transpose(t);
      for (size_t i = 0; i < 8; i++) *(half_vector *)(packed + (k + i) * LANES + half) = t[i];
    }
}

enum { TOGETHER = 4 };  // inputs of rows that lie side by side: a sum of squares alone would wait for itself

// Sixteen rows of a block that lie side by side, x[k][row]: packed as pack_block does it.
INLINE void pack_lanes(float *packed, const vector *x, size_t count, bool bytes) {
  roundings all;
  magnitude m = {{0}, {0}};
  vector squares[TOGETHER] = {{0}};
  for (size_t k = 0; k < count; k++) m.most = __builtin_elementwise_max((ints)x[k] & 0x7fffffff, m.most);
  bool far = is_far(&m);
#define INPUT(K) ((K) < count ? far ? x[K] * m.power : x[K] : (vector){0})
  for (size_t k = 0; k < count; k += TOGETHER)
#pragma clang loop unroll(full)
    for (size_t i = 0; i < TOGETHER; i++) {
      vector v = INPUT(k + i);
      squares[i] = __builtin_elementwise_fma(v, v, squares[i]);
    }
  squares[0] = (squares[0] + squares[1]) + (squares[2] + squares[3]);
  choose(&all, &m, squares);
  vector scale = *(vector *)all.scale;
  ints usable = scale != 0;
  memcpy(packed + PAIRS * LANES, all.unit, sizeof all.unit);
  for (size_t k = 0; k < INPUTS; k += TOGETHER) {
    ints q[TOGETHER], *to = (ints *)packed + k / (bytes ? 4 : 2);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < TOGETHER; i++) {
      vector v = INPUT(k + i);
      q[i] = ROUNDED(v, scale) & usable;
    }
    if (bytes) {
      to[0] = (q[0] >> 8 & 255) | (q[1] & 0xff00) | (q[2] & 0xff00) << 8 | (q[3] & 0xff00) << 16;
      to[PAIRS / 2] = (q[0] & 255) | (q[1] & 255) << 8 | (q[2] & 255) << 16 | q[3] << 24;
    } else {
      to[0] = (q[0] & 0xffff) | q[1] << 16;
      to[1] = (q[2] & 0xffff) | q[3] << 16;
    }
  }
#undef INPUT
}

enum { OUTPUTS = KERNEL_SHORTS_TOGETHER };  // whose blocks are measured together: as many as a vector has lanes

// The chunks of some outputs, of which the first comes to the place `at`: row after row, or as bytes in the order of packed
// activations, sixteen outputs together, each with sixteen words at a time.
INLINE void read_rows(float *w, size_t at, const source *s, size_t first, kernel_format format, bool bytes) {
  size_t size = element_size(format), blocks_of_chunk = (s->depth + INPUTS - 1) / INPUTS;
  block blocks[LANES];
  roundings all;
  for (size_t i = 0; i < LANES; i++) {
    size_t o = first + i / CHUNK, k = i % CHUNK * INPUTS, rest = k < s->depth && o < s->rows ? s->depth - k : 0;
    blocks[i] = (block){s->base + (rest ? o * s->stride + k * size : 0), rest < INPUTS ? rest : INPUTS, format};
  }
  bool whole = measure(&all, blocks);
  for (size_t i = 0; i < OUTPUTS && first + i < s->rows; i++)
    for (size_t b = 0; b < blocks_of_chunk; b++) {
      int32_t q[PAIRS];
      size_t o = at + first + i;
      round_block(q, &blocks[i * CHUNK + b], &all, i * CHUNK + b, whole);
      if (bytes) {
        float *to = w + (o / LANES * blocks_of_chunk + b) * GROUP;
        split_bytes(q);
        for (size_t part = 0; part < PAIRS / LANES; part++)
          memcpy(to + (part * LANES + o % LANES) * LANES, q + part * LANES, LANES * sizeof *q);
        to[PAIRS * LANES + o % LANES] = all.unit[i * CHUNK + b];
      } else {
        memcpy(w + o * ROW + b * PAIRS, q, sizeof q);
        w[o * ROW + CHUNK * PAIRS + b] = all.unit[i * CHUNK + b];
      }
    }
}

INLINE void read_format(float *w, size_t at, const source *s, kernel_format format, bool bytes) {
  for (size_t o = 0; o < s->rows; o += OUTPUTS) {
    for (size_t i = 0; i < OUTPUTS; i++) fetch_row(s, o + OUTPUTS + i);
    read_rows(w, at, s, o, format, bytes);
  }
}

INLINE void read_weights(float *w, size_t at, const source *s, bool bytes) {
  switch (s->format) {
  case kernel_f16: read_format(w, at, s, kernel_f16, bytes); break;
  case kernel_bf16: read_format(w, at, s, kernel_bf16, bytes); break;
  case kernel_f32: read_format(w, at, s, kernel_f32, bytes); break;
  case kernel_panel: __builtin_trap();
  }
}

#endif
