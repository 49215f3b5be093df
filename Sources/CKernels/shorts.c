// Products of 16-bit integers, y = x wᵀ: twice the rate of floats, and a fraction of bfloat16's error.
//
// Each row of activations and each row of weights is cut into blocks of 128 inputs, and a block v is rounded to
// q = v / unit, with the least unit by which ‖v‖ / unit ≤ 46,000 and no component is beyond 32,766. Rounding moves q
// by at most √128 / 2 < 6: every component fits in 16 bits, and every sum of products of two blocks, and of any part
// of them, is at most 46,006² < 2³¹ (Cauchy and Schwarz), so that sums of integers are exact. They are multiplied by
// both units and added up as floats, always in one order, and fused where it says so: the bits are the same on every
// processor, and those of a row do not depend on other rows.
#include "CKernels.h"
#include "tile.h"
#include "weights.h"

#include <math.h>
#include <string.h>

#pragma clang fp contract(off)

enum {
  SUMS = KERNEL_SHORTS_BLOCK + LANES,  // between outputs: not on the same lines of a cache
  INPUTS = 128,                 // of a block
  VECTORS = INPUTS / LANES,     // of floats
  PAIRS = INPUTS / 2,           // of inputs, which are multiplied together
  CHUNK = 4,                    // blocks whose sums stay in the registers
  GROUP = (PAIRS + 1) * LANES,  // words of sixteen rows of a block, their units behind the pairs
  ROW = (PAIRS + 4) * CHUNK,    // words of an output's weights of a chunk, their units behind the pairs
};

// Words hold pairs of inputs here and units there.
#define WORDS(TYPE, BYTES) TYPE __attribute__((vector_size(BYTES), aligned(4), may_alias))
typedef WORDS(int32_t, 64) ints;
typedef WORDS(int16_t, 32) shorts;
typedef WORDS(int16_t, 64) pairs;
typedef int32_t products __attribute__((vector_size(128)));

// 2^(power - 127) of a normal float.
INLINE float power_of_two(int32_t power) {
  int32_t bits = power << 23;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// How a block is rounded: q = v · near_one · scale, and v = q · unit; both are 0 of zeros, and the unit is NaN of what is
// not finite. `near_one` is 1 unless squares would not fit.
typedef struct {
  float near_one, scale, unit;
} rounding;

typedef struct {
  const char *from;
  size_t count;  // of inputs, at most INPUTS
  kernel_format format;
} block;

// A vector of a block, 0 behind its end.
INLINE void read_vector(vector *v, const block *b, size_t i) {
  size_t size = element_size(b->format);
  if ((i + 1) * LANES <= b->count) {
    read_lanes(v, b->from + i * LANES * size, b->format);
  } else {
    char some[LANES * sizeof(float)] = {0};
    if (i * LANES < b->count) memcpy(some, b->from + i * LANES * size, (b->count - i * LANES) * size);
    read_lanes(v, some, b->format);
  }
}

INLINE rounding measure(const block *b) {
  // Without their signs, floats are in the order of their bits, and what is not finite comes last.
  ints most = {0};
  vector squares = {0}, v;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < VECTORS; i++) {
    read_vector(&v, b, i);
    most = __builtin_elementwise_max((ints)v & 0x7fffffff, most);
    squares = __builtin_elementwise_fma(v, v, squares);
  }
  int32_t largest = __builtin_reduce_max(most), power = 127, exponent = largest >> 23;
  if (largest == 0 || largest >= 0x7f800000) return (rounding){1, 0, largest == 0 ? 0 : NAN};
  float size;
  memcpy(&size, &largest, sizeof size);
  if (exponent < 87 || exponent > 167) {
    // Squares may not fit: a power of two brings the largest component near 1.
    power = exponent < 1 ? 253 : exponent > 253 ? 1 : 254 - exponent;
    size *= power_of_two(power);
    squares = (vector){0};
    for (size_t i = 0; i < VECTORS; i++) {
      read_vector(&v, b, i);
      v *= power_of_two(power);
      squares = __builtin_elementwise_fma(v, v, squares);
    }
  }
  float sums[LANES];
  memcpy(sums, &squares, sizeof sums);
#pragma clang loop unroll(full)
  for (int width = LANES / 2; width > 0; width /= 2)
#pragma clang loop unroll(full)
    for (int i = 0; i < width; i++) sums[i] += sums[i + width];
  float by_length = 46000 / sqrtf(sums[0]), by_size = 32766 / size;
  float scale = by_length < by_size ? by_length : by_size;
  return (rounding){power_of_two(power), scale, 1 / scale * power_of_two(254 - power)};
}

// q = the block, rounded to nearest even.
INLINE void round_block(int32_t *q, const block *b, rounding r) {
  if (r.scale == 0) {
    memset(q, 0, PAIRS * sizeof *q);
    return;
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < VECTORS; i++) {
    vector v, scale = (vector){0} + r.scale;
    read_vector(&v, b, i);
    if (r.near_one != 1) v *= r.near_one;
    // Beside 3 · 2²² there is room for 22 bits, and for nothing behind the point: the lower ones are q.
    vector rounded = __builtin_elementwise_fma(v, scale, (vector){0} + 12582912.0F);
    *(shorts *)(q + i * LANES / 2) = __builtin_convertvector((ints)rounded, shorts);
  }
}

// Up to sixteen rows of a block, pair by pair, and their units.
INLINE void pack_block(float *packed, const float *x, size_t stride, size_t rows, size_t count) {
  int32_t q[LANES][PAIRS];
  float *units = packed + PAIRS * LANES;
  rounding all[LANES];
  block blocks[LANES];
  for (size_t r = 0; r < LANES; r++) {
    blocks[r] = (block){(const char *)(x + (r < rows ? r * stride : 0)), r < rows ? count : 0, kernel_f32};
    all[r] = measure(&blocks[r]);
  }
  for (size_t r = 0; r < LANES; r++) {
    round_block(q[r], &blocks[r], all[r]);
    units[r] = all[r].unit;
  }
  for (size_t k = 0; k < PAIRS; k += 8)
    for (size_t half = 0; half < LANES; half += 8) {
      half_vector t[8];
      for (size_t i = 0; i < 8; i++) memcpy(&t[i], q[half + i] + k, sizeof t[i]);
      transpose(t);
      for (size_t i = 0; i < 8; i++) *(half_vector *)(packed + (k + i) * LANES + half) = t[i];
    }
}

// The chunk of an output; all of it is measured before any of it is rounded, so that nothing waits.
INLINE void read_row(float *w, const char *from, size_t depth, kernel_format format) {
  size_t size = element_size(format);
  block blocks[CHUNK];
  rounding all[CHUNK];
  for (size_t k = 0, b = 0; k < depth; k += INPUTS, b++) {
    blocks[b] = (block){from + k * size, depth - k < INPUTS ? depth - k : INPUTS, format};
    all[b] = measure(&blocks[b]);
  }
  for (size_t b = 0; b * INPUTS < depth; b++) {
    int32_t q[PAIRS];
    round_block(q, &blocks[b], all[b]);
    memcpy(w + b * PAIRS, q, sizeof q);
    w[CHUNK * PAIRS + b] = all[b].unit;
  }
}

INLINE void read_format(float *w, const source *s, kernel_format format) {
  for (size_t o = 0; o < s->rows; o++, w += ROW) {
    fetch_row(s, o + ROWS_AHEAD);
    read_row(w, s->base + o * s->stride, s->depth, format);
  }
}

INLINE void read_weights(float *w, const source *s) {
  switch (s->format) {
  case kernel_f16: read_format(w, s, kernel_f16); break;
  case kernel_bf16: read_format(w, s, kernel_bf16); break;
  case kernel_f32: read_format(w, s, kernel_f32); break;
  case kernel_panel: __builtin_trap();
  }
}

// sums[r] += the sum of the products of the pairs x[r] and w.
typedef void adding(ints *sums, const ints *x, int32_t w);

// Two instructions on x86.
INLINE void add_pairs(ints *sums, const ints *x, int32_t w) {
  ints all = (ints){0} + w;
  products p = __builtin_convertvector(*(const pairs *)x, products) * __builtin_convertvector(*(pairs *)&all, products);
  *sums += __builtin_shufflevector(p, p, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
           __builtin_shufflevector(p, p, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

#if defined(__x86_64__)
#define VNNI __attribute__((target("arch=x86-64-v4,avx512vnni"), WIDE))

// One instruction.
VNNI INLINE void add_pairs_vnni(ints *sums, const ints *x, int32_t w) {
  typedef WORDS(int32_t, 64) words512;
  *sums = (ints)__builtin_ia32_vpdpwssd512((words512)*sums, (pairs)*x, (pairs)((ints){0} + w));
}
#endif

// Sixteen rows by some outputs, over the blocks of a chunk; the lines from `ahead` on come into the cache.
INLINE void add_tile(float *to, const float *x, const float *w, size_t blocks, int outputs, const float *ahead,
                     adding *add) {
  vector sums[MOST_OUTPUTS];
#pragma clang loop unroll(full)
  for (int o = 0; o < outputs; o++) {
    __builtin_prefetch(to + (size_t)o * SUMS, 1);
    sums[o] = (vector){0};
  }
  for (size_t b = 0; b < blocks; b++, x += GROUP) {
    ints exact[MOST_OUTPUTS];
#pragma clang loop unroll(full)
    for (int o = 0; o < outputs; o++) exact[o] = (ints){0};
#pragma clang loop unroll_count(4)
    for (size_t k = 0; k < PAIRS; k++) {
      if (ahead) __builtin_prefetch(ahead + (b * PAIRS + k) * LANES);
      ints rows = *(const ints *)(x + k * LANES);
#pragma clang loop unroll(full)
      for (int o = 0; o < outputs; o++) {
        int32_t pair;
        memcpy(&pair, w + (size_t)o * ROW + b * PAIRS + k, sizeof pair);
        add(&exact[o], &rows, pair);
      }
    }
    vector units = *(const vector *)(x + PAIRS * LANES);
#pragma clang loop unroll(full)
    for (int o = 0; o < outputs; o++)
      sums[o] = __builtin_elementwise_fma(__builtin_convertvector(exact[o], vector),
                                          units * w[(size_t)o * ROW + CHUNK * PAIRS + b], sums[o]);
  }
#pragma clang loop unroll(full)
  for (int o = 0; o < outputs; o++) *(vector *)(to + (size_t)o * SUMS) += sums[o];
}

// All tiles of some rows and a panel of outputs.
INLINE void add_block(float *to, const float *x, const float *w, size_t rows, size_t outputs, size_t blocks,
                      fetching *next, int step, adding *add) {
  size_t group = blocks * GROUP;
  next->tiles = rows / LANES * ((outputs + (size_t)step - 1) / (size_t)step);
  for (size_t r = 0; r < rows; r += LANES, x += group) {
    const float *ahead = x + group;  // the next rows, which the first tile brings
    size_t o = 0;
#define TILES(STEP)                                                                          \
  for (; o + (size_t)(STEP) <= outputs; o += (size_t)(STEP)) {                               \
    add_tile(to + o * SUMS + r, x, w + o * ROW, blocks, STEP, ahead, add);                  \
    ahead = NULL;                                                                            \
    fetch_some(next);                                                                        \
  }
    TILES(step)
    TILES(2)
    TILES(1)
#undef TILES
  }
}

typedef struct {
  void (*pack)(float *, const float *, size_t, size_t, size_t);
  void (*read)(float *, const source *);
  void (*block)(float *, const float *, const float *, size_t, size_t, size_t, fetching *);
  void (*store)(float *, size_t, const float *, size_t, size_t, size_t, const float *, bool);
} variant;

#define INTEGERS(NAME, TARGET, STEP, ADD)                                                                     \
  TARGET static void pack_##NAME(float *p, const float *x, size_t s, size_t r, size_t c) {                   \
    pack_block(p, x, s, r, c);                                                                               \
  }                                                                                                          \
  TARGET static void read_##NAME(float *w, const source *s) { read_weights(w, s); }                          \
  TARGET static void block_##NAME(float *to, const float *x, const float *w, size_t r, size_t o, size_t b,   \
                                  fetching *next) {                                                          \
    add_block(to, x, w, r, o, b, next, STEP, ADD);                                                           \
  }                                                                                                          \
  TARGET static void store_##NAME(float *y, size_t s, const float *c, size_t width, size_t r, size_t o,      \
                                  const float *b, bool add) {                                                \
    store(y, s, c, width, r, o, b, add);                                                                     \
  }                                                                                                          \
  static const variant NAME = {pack_##NAME, read_##NAME, block_##NAME, store_##NAME};

#define VARIANT(NAME, TARGET, STEP) INTEGERS(NAME, TARGET, STEP, add_pairs)

VARIANTS
#if defined(__x86_64__)
INTEGERS(vnni, VNNI, 12, add_pairs_vnni)
#define BEST_INTEGERS (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni") ? &vnni : BEST)
#else
#define BEST_INTEGERS BEST
#endif

static size_t groups_of(size_t rows) { return (rows + LANES - 1) / LANES; }
static size_t blocks_of(size_t depth) { return (depth + INPUTS - 1) / INPUTS; }

size_t kernel_shorts_size(size_t rows, size_t depth) { return groups_of(rows) * blocks_of(depth) * GROUP; }

void kernel_shorts_pack(float *packed, const float *x, size_t rows, size_t depth, size_t first, size_t last) {
  const variant *v = BEST_INTEGERS;
  size_t blocks = blocks_of(depth), groups = groups_of(rows);
  for (size_t group = first; group < last; group++)
    for (size_t b = 0; b < blocks; b++) {
      size_t chunk = b / CHUNK * CHUNK, together = blocks - chunk < CHUNK ? blocks - chunk : CHUNK;
      size_t row = group * LANES, k = b * INPUTS;
      v->pack(packed + (chunk * groups + group * together + b - chunk) * GROUP, x + row * depth + k, depth,
              rows - row < LANES ? rows - row : LANES, depth - k < INPUTS ? depth - k : INPUTS);
    }
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

void kernel_shorts_product(float *y, size_t stride, const float *packed, size_t rows, const kernel_weights *w,
                           size_t first, size_t last, const float *bias, bool accumulate) {
  static _Thread_local float panel[KERNEL_PANEL * ROW] __attribute__((aligned(64)));
  static _Thread_local float sums[KERNEL_PANEL * SUMS] __attribute__((aligned(64)));
  const variant *v = BEST_INTEGERS;
  size_t outputs = last - first, groups = groups_of(rows), blocks = blocks_of(w->depth);
  for (size_t o = 0; o < outputs; o++) memset(sums + o * SUMS, 0, groups * LANES * sizeof(float));
  for (size_t b = 0; b < blocks; b += CHUNK) {
    source s = weights_of(w, first, outputs, b * INPUTS);
    fetching next = {.tile = 0};
    if (b + CHUNK < blocks) next.rows = weights_of(w, first, outputs, (b + CHUNK) * INPUTS);
    v->read(panel, &s);
    v->block(sums, packed + b * groups * GROUP, panel, groups * LANES, outputs,
             blocks - b < CHUNK ? blocks - b : CHUNK, &next);
  }
  v->store(y + first, stride, sums, SUMS, rows, outputs, bias ? bias + first : NULL, accumulate);
}
