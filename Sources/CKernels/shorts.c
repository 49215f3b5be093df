// Products of 16-bit integers, y = x wᵀ: twice the rate of floats, and a fraction of bfloat16's error.
//
// Each row of activations and each row of weights is cut into blocks of 128 inputs, and a block v is rounded to
// q = v / unit, with the least unit by which ‖v‖ / unit ≤ 46,000 and no component is beyond 32,766. Rounding moves q
// by at most √128 / 2 < 6: every component fits in 16 bits, and every sum of products of two blocks, and of any part
// of them, is at most 46,006² < 2³¹ (Cauchy and Schwarz), so that sums of integers are exact. They are multiplied by
// both units and added up as floats, always in one order, and fused where it says so: the bits are the same on every
// processor, and those of a row do not depend on other rows.
#include "gate.h"
#include "rounding.h"
#include "tile.h"

enum { SUMS = KERNEL_SHORTS_BLOCK + LANES };  // between outputs: not on the same lines of a cache

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
  void (*read)(float *, size_t, const source *);
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
  TARGET static void read_##NAME(float *w, size_t at, const source *s) { read_weights(w, at, s, BYTES); }      \
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

void kernel_shorts_panel(float *panel, size_t at, const kernel_weights *w, size_t input) {
  source s = weights_of(w, 0, w->outputs, input);
  best()->read(panel, at, &s);
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
      v->read(panel, 0, &s);
    }
    v->block((columns){sums, stride, !accumulate && b == 0}, packed + b * groups * GROUP, weights, groups * LANES, outputs,
             blocks - b < CHUNK ? blocks - b : CHUNK, &next);
  }
}

void kernel_shorts_product(float *y, size_t stride, const float *packed, size_t rows, const kernel_weights *w,
                           size_t first, size_t last, const float *bias, kernel_result result) {
  static _Thread_local float sums[KERNEL_PANEL * SUMS] __attribute__((aligned(64)));
  size_t outputs = last - first, half = w->outputs / 2, half_sums = KERNEL_PANEL / 2 * SUMS;
  const float *biases = bias ? bias + first : NULL;
  add_products(sums, SUMS, packed, rows, w, first, outputs, false);
  if (result == kernel_gate) {
    add_products(sums + half_sums, SUMS, packed, rows, w, half + first, outputs, false);
    store_gated(best()->store, y + first, stride, sums, half_sums, SUMS, rows, outputs, biases, half);
  } else {
    best()->store(y + first, stride, sums, SUMS, rows, outputs, biases, result == kernel_add);
  }
}

void kernel_shorts_columns(float *y, size_t stride, const float *packed, size_t rows, const kernel_weights *w,
                           bool accumulate) {
  add_products(y, stride, packed, rows, w, 0, w->outputs, accumulate);
}
