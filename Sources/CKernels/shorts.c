// Products of 16-bit integers, y = x wᵀ: twice the rate of floats, and a fraction of bfloat16's error.
//
// Each row of activations and each row of weights is cut into blocks of 128 inputs, and a block v is rounded to
// q = v / unit, with the least unit by which ‖v‖ / unit ≤ 46,000 and no component is beyond 32,766. Rounding moves q
// by at most √128 / 2 < 6: every component fits in 16 bits, and every sum of products of two blocks, and of any part
// of them, is at most 46,006² < 2³¹ (Cauchy and Schwarz), so that sums of integers are exact. They are multiplied by
// both units and added up as floats, always in one order, and fused where it says so: the bits are the same on every
// processor, and those of a row do not depend on other rows.
#include "CKernels.h"
#include "integers.h"
#include "tile.h"
#include "weights.h"

#include <math.h>
#include <string.h>

#pragma clang fp contract(off)

enum {
  SUMS = KERNEL_SHORTS_BLOCK + LANES,  // between outputs: not on the same lines of a cache
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

enum { OUTPUTS = LANES / CHUNK };  // whose blocks are measured together

// The chunks of some outputs: row after row, or as bytes in the order of packed activations, sixteen outputs together,
// each with sixteen words at a time.
INLINE void read_rows(float *w, const source *s, size_t first, kernel_format format, bool bytes) {
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
      size_t o = first + i;
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

INLINE void read_format(float *w, const source *s, kernel_format format, bool bytes) {
  for (size_t o = 0; o < s->rows; o += OUTPUTS) {
    for (size_t i = 0; i < OUTPUTS; i++) fetch_row(s, o + OUTPUTS + i);
    read_rows(w, s, o, format, bytes);
  }
}

INLINE void read_weights(float *w, const source *s, bool bytes) {
  switch (s->format) {
  case kernel_f16: read_format(w, s, kernel_f16, bytes); break;
  case kernel_bf16: read_format(w, s, kernel_bf16, bytes); break;
  case kernel_f32: read_format(w, s, kernel_f32, bytes); break;
  case kernel_panel: __builtin_trap();
  }
}

// Where sums go, [outputs][rows], and how far outputs lie apart; `set` says that there is nothing to add them to.
typedef struct {
  float *sums;
  size_t stride;
  bool set;
} columns;

// Some vectors of rows by some outputs, over the blocks of a chunk; the lines from `ahead` on come into the cache.
INLINE void add_tile(columns to, const float *x, size_t group, const float *w, size_t blocks, int vectors, int outputs,
                     const float *ahead, adding *add) {
  vector sums[MOST_SUMS];
#pragma clang loop unroll(full)
  for (int o = 0; o < outputs; o++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      __builtin_prefetch(to.sums + (size_t)o * to.stride + (size_t)v * LANES, 1);
      sums[o * vectors + v] = (vector){0};
    }
  for (size_t b = 0; b < blocks; b++, x += GROUP) {
    ints exact[MOST_SUMS];
#pragma clang loop unroll(full)
    for (int i = 0; i < outputs * vectors; i++) exact[i] = (ints){0};
    for (size_t k = 0; k < PAIRS; k += 2) {
      if (ahead)
#pragma clang loop unroll(full)
        for (int i = 0; i < 2 * vectors; i++)
          __builtin_prefetch(ahead + ((b * PAIRS + k) * (size_t)vectors + (size_t)i) * LANES);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < 2; i++) {
        ints rows[2];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) rows[v] = *(const ints *)(x + (size_t)v * group + (k + i) * LANES);
#pragma clang loop unroll(full)
        for (int o = 0; o < outputs; o++) {
          int32_t pair;
          memcpy(&pair, w + (size_t)o * ROW + b * PAIRS + k + i, sizeof pair);
#pragma clang loop unroll(full)
          for (int v = 0; v < vectors; v++) add(&exact[o * vectors + v], &rows[v], pair);
        }
      }
    }
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      vector units = *(const vector *)(x + (size_t)v * group + PAIRS * LANES);
#pragma clang loop unroll(full)
      for (int o = 0; o < outputs; o++)
        sums[o * vectors + v] = __builtin_elementwise_fma(__builtin_convertvector(exact[o * vectors + v], vector),
                                                          units * w[(size_t)o * ROW + CHUNK * PAIRS + b],
                                                          sums[o * vectors + v]);
    }
  }
#define EACH(OPERATOR)                                                       \
  _Pragma("clang loop unroll(full)") for (int o = 0; o < outputs; o++)       \
      _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++)   \
          *(vector *)(to.sums + (size_t)o * to.stride + (size_t)v * LANES) OPERATOR sums[o * vectors + v];
  if (to.set) {
    EACH(=)
  } else {
    EACH(+=)
  }
#undef EACH
}

// All tiles of some vectors of rows, of at most `most`.
INLINE void add_rows(columns to, const float *x, const float *w, size_t outputs, size_t blocks, fetching *next,
                     int vectors, int most, int step, adding *add) {
  size_t group = blocks * GROUP, o = 0;
  const float *ahead = x + (size_t)vectors * group;  // the next rows, which the first tile brings
#define TILES(STEP)                                                                              \
  for (; o + (size_t)(STEP) <= outputs; o += (size_t)(STEP)) {                                   \
    columns here = {to.sums + o * to.stride, to.stride, to.set};                                 \
    add_tile(here, x, group, w + o * ROW, blocks, vectors, STEP, ahead, add);                    \
    ahead = NULL;                                                                                \
    fetch_some(next);                                                                            \
  }
  ALL_TILES(vectors, most, step)
#undef TILES
}

// All tiles of some rows and a panel of outputs.
INLINE void add_block(columns to, const float *x, const float *w, size_t rows, size_t outputs, size_t blocks,
                      fetching *next, int vectors, int step, adding *add) {
  size_t r = 0, several = (size_t)vectors * LANES;
  next->tiles = (rows + several - 1) / several * ((outputs + (size_t)step - 1) / (size_t)step);
#define ROWS(VECTORS)                                                                                         \
  for (; r + (VECTORS) * LANES <= rows; r += (VECTORS) * LANES)                                               \
    add_rows((columns){to.sums + r, to.stride, to.set}, x + r / LANES * blocks * GROUP, w, outputs, blocks, next, \
             VECTORS, vectors, step, add);
  if (vectors == 2) { ROWS(2) }
  ROWS(1)
#undef ROWS
}

typedef struct {
  void (*pack)(float *, const float *, size_t, size_t, size_t);
  void (*pack_lanes)(float *, const float *, size_t);
  void (*read)(float *, const source *);
  void (*block)(columns, const float *, const float *, size_t, size_t, size_t, fetching *);
  void (*store)(float *, size_t, const float *, size_t, size_t, size_t, const float *, bool);
  bool adds;  // `block` knows no `set`
} variant;

#define INTEGERS(NAME, TARGET, BYTES, BLOCK)                                                                         \
  TARGET static void pack_##NAME(float *p, const float *x, size_t s, size_t r, size_t c) {                   \
    pack_block(p, x, s, r, c, BYTES);                                                                        \
  }                                                                                                          \
  TARGET static void pack_lanes_##NAME(float *p, const float *x, size_t c) {                                 \
    pack_lanes(p, (const vector *)x, c, BYTES);                                                              \
  }                                                                                                          \
  TARGET static void read_##NAME(float *w, const source *s) { read_weights(w, s, BYTES); }                   \
  TARGET static void store_##NAME(float *y, size_t s, const float *c, size_t width, size_t r, size_t o,      \
                                  const float *b, bool add) {                                                \
    store(y, s, c, width, r, o, b, add);                                                                     \
  }                                                                                                          \
  static const variant NAME = {pack_##NAME, pack_lanes_##NAME, read_##NAME, BLOCK, store_##NAME, BYTES};

#define VECTORS_OF_PAIRS(NAME, TARGET, VECTORS, STEP, ADD)                                                           \
  TARGET static void block_##NAME(columns to, const float *x, const float *w, size_t r, size_t o, size_t b,   \
                                  fetching *next) {                                                          \
    add_block(to, x, w, r, o, b, next, VECTORS, STEP, ADD);                                                  \
  }                                                                                                          \
  INTEGERS(NAME, TARGET, false, block_##NAME)
#define VARIANT(NAME, TARGET, VECTORS, STEP) VECTORS_OF_PAIRS(NAME, TARGET, VECTORS, STEP, add_pairs)

INTEGER_VARIANTS(VECTORS_OF_PAIRS)

#if defined(__x86_64__)
#include "matrices.h"

INTEGERS(amx, AMX, true, block_amx)

static const variant *best(void) { return has_matrices() ? &amx : BEST_INTEGERS; }
#else
static const variant *best(void) { return BEST_INTEGERS; }
#endif

static size_t groups_of(size_t rows) { return (rows + LANES - 1) / LANES; }
static size_t blocks_of(size_t depth) { return (depth + INPUTS - 1) / INPUTS; }

size_t kernel_shorts_size(size_t rows, size_t depth) { return groups_of(rows) * blocks_of(depth) * GROUP; }

// Where a block of a group of rows begins: the blocks of a chunk lie together.
static size_t offset(size_t rows, size_t depth, size_t group, size_t b) {
  size_t blocks = blocks_of(depth), chunk = b / CHUNK * CHUNK, together = blocks - chunk < CHUNK ? blocks - chunk : CHUNK;
  return (chunk * groups_of(rows) + group * together + b - chunk) * GROUP;
}

void kernel_shorts_pack_lanes(float *packed, const float *x, size_t rows, size_t depth, size_t group, size_t input) {
  size_t rest = depth - input;
  best()->pack_lanes(packed + offset(rows, depth, group, input / INPUTS), x, rest < INPUTS ? rest : INPUTS);
}

void kernel_shorts_pack(float *packed, const float *x, size_t rows, size_t depth, size_t first, size_t last) {
  const variant *v = best();
  for (size_t group = first; group < last; group++)
    for (size_t k = 0, row = group * LANES; k < depth; k += INPUTS)
      v->pack(packed + offset(rows, depth, group, k / INPUTS), x + row * depth + k, depth,
              rows - row < LANES ? rows - row : LANES, depth - k < INPUTS ? depth - k : INPUTS);
}

// The weights of a chunk, for some outputs.
static source weights_of(const kernel_weights *w, size_t first, size_t outputs, size_t k) {
  size_t size = element_size(w->format), rest = w->depth - k;
  return (source){.base = (const char *)w->elements + (first * w->depth + k) * size,
                  .rows = outputs,
                  .stride = w->depth * size,
                  .depth = rest < CHUNK * INPUTS ? rest : CHUNK * INPUTS,
                  .format = w->format};
}

// The floats that the rounded weights of some outputs and a chunk take: as many as fill groups.
size_t kernel_shorts_panel_size(size_t outputs) { return groups_of(outputs) * LANES * ROW; }

void kernel_shorts_panel(float *panel, const kernel_weights *w, size_t first, size_t last, size_t input) {
  source s = weights_of(w, first, last - first, input);
  best()->read(panel, &s);
}

// The sums of all products of a packed block and some outputs.
static void add_products(float *sums, size_t stride, const float *packed, size_t rows, const kernel_weights *w, size_t first,
                         size_t outputs, bool accumulate) {
  static _Thread_local float panel[KERNEL_PANEL * ROW] __attribute__((aligned(64)));
  const variant *v = best();
  size_t groups = groups_of(rows), blocks = blocks_of(w->depth);
  // The matrix unit only adds, to whole groups of outputs.
  if (v->adds && !accumulate)
    for (size_t o = 0; o < groups_of(outputs) * LANES; o++) memset(sums + o * stride, 0, groups * LANES * sizeof(float));
  for (size_t b = 0; b < blocks; b += CHUNK) {
    const float *weights = panel;
    fetching next = {.tile = 0};
    if (w->format == kernel_panel) {
      weights = (const float *)w->elements + b / CHUNK * kernel_shorts_panel_size(w->outputs);
    } else {
      source s = weights_of(w, first, outputs, b * INPUTS);
      if (b + CHUNK < blocks) next.rows = weights_of(w, first, outputs, (b + CHUNK) * INPUTS);
      v->read(panel, &s);
    }
    v->block((columns){sums, stride, !accumulate && b == 0}, packed + b * groups * GROUP, weights, groups * LANES, outputs,
             blocks - b < CHUNK ? blocks - b : CHUNK, &next);
  }
}

void kernel_shorts_product(float *y, size_t stride, const float *packed, size_t rows, const kernel_weights *w,
                           size_t first, size_t last, const float *bias, bool accumulate) {
  static _Thread_local float sums[KERNEL_PANEL * SUMS] __attribute__((aligned(64)));
  add_products(sums, SUMS, packed, rows, w, first, last - first, false);
  best()->store(y + first, stride, sums, SUMS, rows, last - first, bias ? bias + first : NULL, accumulate);
}

void kernel_shorts_columns(float *y, size_t stride, const float *packed, size_t rows, const kernel_weights *w,
                           bool accumulate) {
  add_products(y, stride, packed, rows, w, 0, w->outputs, accumulate);
}
