// Rows of activations times the rows of a weight matrix, y = x wᵀ, at nearly the processor's full rate.
//
// A library's product must first lay out the weights anew, and convert them if they are half floats; here
// each weight is read in the format and order of its file, and activations are packed instead (tile.h).
// Sums are kept transposed, [outputs][rows], in the second cache, and turned round once at the end.
//
// Large products save an eighth of the work: rows, inputs and outputs are cut into halves, and seven
// products of sums of quarters do what eight products of quarters would (Strassen, "Gaussian Elimination
// is not Optimal", 1969). The sums of activations are packed beforehand, those of weights are formed on
// the way, and each product goes to all places that need it while it is in the registers.
#include "CKernels.h"
#include "gate.h"
#include "tile.h"
#include "weights.h"

#include <string.h>

enum { DEPTH = KERNEL_DEPTH, WEIGHT_STRIDE = KERNEL_WEIGHT_STRIDE, BLOCK = KERNEL_BLOCK, NONE = -1 };

// A quarter, or the sum or difference of two: number 2 · half of the first axis + half of the second.
typedef struct {
  int quarter, other;
  float sign;
} quarters;

// One product of the scheme, x quarters times w quarters, and the quarters of y that it is added to.
typedef struct {
  quarters x, w;
  int y, other;
  float y_sign, other_sign;
} term;

// x is [rows][inputs], w [outputs][inputs], y [rows][outputs].
static const term PLAIN[] = {{{0, NONE, 0}, {0, NONE, 0}, 0, NONE, 1, 0}};
static const term STRASSEN[] = {
    {{0, 3, 1}, {0, 3, 1}, 0, 3, 1, 1},          {{2, 3, 1}, {0, NONE, 0}, 2, 3, 1, -1},
    {{0, NONE, 0}, {2, 3, -1}, 1, 3, 1, 1},      {{3, NONE, 0}, {1, 0, -1}, 0, 2, 1, 1},
    {{0, 1, 1}, {3, NONE, 0}, 0, 1, -1, 1},      {{2, 0, -1}, {0, 2, 1}, 3, NONE, 1, 0},
    {{1, 3, -1}, {1, 3, 1}, 0, NONE, 1, 0},
};

// How a block of at most BLOCK rows is multiplied: in `parts` along each axis, by `count` products.
typedef struct {
  size_t parts, count, rows, depth;
  const term *terms;
} plan;

static plan planned(bool strassen, size_t rows, size_t depth) {
  size_t padded = (rows + LANES - 1) / LANES * LANES;
  return strassen ? (plan){2, 7, padded / 2, depth / 2, STRASSEN} : (plan){1, 1, padded, depth, PLAIN};
}

// Two blocks of sums, or one and NULL, the floats between their outputs, and the factors with which a product is added to
// them; `set` says that it is the first one, and that there is no other block.
typedef struct {
  float *sums, *other;
  size_t stride;
  float sign, other_sign;
  bool set;
} targets;

// The same of the outputs and rows from some on.
INLINE targets from(targets t, size_t output, size_t row) {
  size_t at = output * t.stride + row;
  t.sums += at;
  if (t.other) t.other += at;
  return t;
}

// One target's share of a tile.
INLINE void add_sums(float *to, size_t stride, float sign, const vector *sums, int vectors, int outputs) {
#pragma clang loop unroll(full)
  for (int o = 0; o < outputs; o++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) *(vector *)(to + (size_t)o * stride + (size_t)v * LANES) += sign * sums[o * vectors + v];
}

INLINE void add_tile(targets to, const float *x, const float *w, size_t depth, int vectors, int outputs,
                     const float *ahead) {
  vector sums[MOST_SUMS];
#pragma clang loop unroll(full)
  for (int o = 0; o < outputs; o++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      size_t at = (size_t)o * to.stride + (size_t)v * LANES;
      __builtin_prefetch(to.sums + at, 1);
      if (to.other) __builtin_prefetch(to.other + at, 1);
    }
  multiply(sums, x, depth * LANES, w, WEIGHT_STRIDE, 1, depth, vectors, outputs, ahead);
  if (to.set) {
#pragma clang loop unroll(full)
    for (int o = 0; o < outputs; o++)
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++)
        *(vector *)(to.sums + (size_t)o * to.stride + (size_t)v * LANES) = sums[o * vectors + v];
    return;
  }
  add_sums(to.sums, to.stride, to.sign, sums, vectors, outputs);
  if (to.other) add_sums(to.other, to.stride, to.other_sign, sums, vectors, outputs);
}

// All tiles of some vectors of rows, of at most `most`; the first ones bring the rows that come next.
INLINE void add_rows(targets to, const float *x, const float *ahead, const float *w, size_t outputs, size_t depth,
                     fetching *next, int vectors, int most, int step) {
  size_t group = depth * LANES * (size_t)vectors, o = 0;
  const float *end = ahead + group;
#define TILES(STEP)                                                                                            \
  for (; o + (size_t)(STEP) <= outputs; o += (size_t)(STEP)) {                                                 \
    add_tile(from(to, o, 0), x, w + o * WEIGHT_STRIDE, depth, vectors, STEP, ahead);                           \
    ahead = ahead && ahead + group / FETCH_STEP < end ? ahead + group / FETCH_STEP : NULL;                     \
    fetch_some(next);                                                                                          \
  }
  ALL_TILES(vectors, most, step)
#undef TILES
}

// All tiles of some rows and a panel of outputs; `vectors` of rows by `step` outputs fill the registers. The rows that are
// multiplied next are at `following`.
INLINE void add_block(targets to, const float *x, const float *following, const float *w, size_t rows, size_t outputs,
                      size_t depth, fetching *next, int vectors, int step) {
  size_t r = 0, several = (size_t)vectors * LANES;
  next->tiles = (rows + several - 1) / several * ((outputs + (size_t)step - 1) / (size_t)step);
#define ROWS(VECTORS)                                                                                        \
  for (; r + (VECTORS) * LANES <= rows; r += (VECTORS) * LANES)                                              \
    add_rows(from(to, 0, r), x + r * depth,                                                                  \
             r + (VECTORS) * LANES < rows ? x + (r + (VECTORS) * LANES) * depth : following, w, outputs, depth, \
             next, VECTORS, vectors, step);
  if (vectors == 2) { ROWS(2) }
  ROWS(1)
#undef ROWS
}

// w[i] = a[i] + sign · b[i] for a vector of weights, or w[i] = a[i] if b is NULL.
INLINE void read_sum(float *w, const char *a, const char *b, float sign, kernel_format format) {
  vector sum, more;
  read_lanes(&sum, a, format);
  if (b) {
    read_lanes(&more, b, format);
    sum += sign * more;
  }
  *(vector *)w = sum;
}

// w = the rows of a source, as floats; the format and whether there are others are constants.
INLINE void read_format(float *restrict w, const source *s, kernel_format format, bool others) {
  size_t size = element_size(format), whole = s->depth / LANES * LANES, rest = (s->depth - whole) * size;
  for (size_t o = 0; o < s->rows; o++, w += WEIGHT_STRIDE) {
    fetch_row(s, o + ROWS_AHEAD);
    const char *a = s->base + o * s->stride, *b = others ? s->other + o * s->stride : NULL;
    for (size_t k = 0; k < whole; k += LANES)
      read_sum(w + k, a + k * size, others ? b + k * size : NULL, s->sign, format);
    if (rest == 0) continue;
    char some[2][LANES * sizeof(float)] = {{0}};
    memcpy(some[0], a + whole * size, rest);
    if (others) memcpy(some[1], b + whole * size, rest);
    // A row has room for a vector too many.
    read_sum(w + whole, some[0], others ? some[1] : NULL, s->sign, format);
  }
}

INLINE void read_rows(float *w, const source *s) {
  switch (s->format) {
  case kernel_f16: s->other ? read_format(w, s, kernel_f16, true) : read_format(w, s, kernel_f16, false); break;
  case kernel_bf16: s->other ? read_format(w, s, kernel_bf16, true) : read_format(w, s, kernel_bf16, false); break;
  case kernel_f32: s->other ? read_format(w, s, kernel_f32, true) : read_format(w, s, kernel_f32, false); break;
  case kernel_panel: __builtin_trap();
  }
}

// One group of LANES rows of each half: the sums of quarters that Strassen's scheme multiplies, `product` floats from one to
// the next. The lower half of the rows is `below` behind the upper, the right one of the inputs `beside` the left.
INLINE void pack_sums(float *packed, size_t product, const float *x, size_t stride, size_t below, size_t beside,
                      size_t depth) {
  for (size_t k = 0; k < depth; k += 8) {
    size_t some = depth - k < 8 ? depth - k : 8;
    vector t[4][8];
#pragma clang loop unroll(full)
    for (size_t q = 0; q < 4; q++) {
      const float *from = x + q / 2 * below + q % 2 * beside + k;
      half_vector rows[LANES];
      for (size_t i = 0; i < LANES; i++) {
        rows[i] = (half_vector){0};
        if (some == 8)
          rows[i] = *(const half_vector *)(from + i * stride);
        else
          memcpy(&rows[i], from + i * stride, some * sizeof(float));
      }
      transpose(rows);
      transpose(rows + 8);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < 8; i++)
        t[q][i] = __builtin_shufflevector(rows[i], rows[8 + i], 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    }
#pragma clang loop unroll(full)
    for (size_t i = 0; i < sizeof STRASSEN / sizeof *STRASSEN; i++) {
      quarters sum = STRASSEN[i].x;
      vector *to = (vector *)(packed + i * product + k * LANES);
      for (size_t j = 0; j < some; j++)
        to[j] = sum.other == NONE ? t[sum.quarter][j] : t[sum.quarter][j] + sum.sign * t[sum.other][j];
    }
  }
}

typedef struct {
  void (*pack)(float *, const float *, size_t, size_t, size_t);
  void (*pack_sums)(float *, size_t, const float *, size_t, size_t, size_t, size_t);
  void (*block)(targets, const float *, const float *, const float *, size_t, size_t, size_t, fetching *);
  void (*store)(float *, size_t, const float *, size_t, size_t, size_t, const float *, bool);
  void (*read)(float *, const source *);
} variant;

#define VARIANT(NAME, TARGET, VECTORS, STEP)                                                                         \
  TARGET static void pack_##NAME(float *p, const float *x, size_t s, size_t r, size_t d) { pack(p, x, s, r, d); }      \
  TARGET static void pack_sums_##NAME(float *p, size_t product, const float *x, size_t s, size_t below,      \
                                      size_t beside, size_t d) {                                             \
    pack_sums(p, product, x, s, below, beside, d);                                                           \
  }                                                                                                          \
  TARGET static void block_##NAME(targets to, const float *x, const float *following, const float *w,        \
                                  size_t r, size_t o, size_t d, fetching *next) {                            \
    add_block(to, x, following, w, r, o, d, next, VECTORS, STEP);                                            \
  }                                                                                                          \
  TARGET static void store_##NAME(float *y, size_t s, const float *c, size_t width, size_t r, size_t o,      \
                                  const float *b, bool add) {                                                \
    store(y, s, c, width, r, o, b, add);                                                                     \
  }                                                                                                          \
  TARGET static void read_##NAME(float *w, const source *s) { read_rows(w, s); }                             \
  static const variant NAME = {pack_##NAME, pack_sums_##NAME, block_##NAME, store_##NAME, read_##NAME};

VARIANTS

size_t kernel_packed_size(bool strassen, size_t rows, size_t depth) {
  plan p = planned(strassen, rows, depth);
  return p.count * p.rows * p.depth;
}

size_t kernel_packed_groups(bool strassen, size_t rows, size_t depth) {
  plan p = planned(strassen, rows, depth);
  return p.rows / LANES * (strassen ? (p.depth + DEPTH - 1) / DEPTH : 1);
}

void kernel_pack(float *packed, bool strassen, const float *x, size_t rows, size_t depth, size_t first,
                 size_t last) {
  plan p = planned(strassen, rows, depth);
  size_t groups = p.rows / LANES;
  for (size_t group = first; group < last; group++) {
    // With Strassen's scheme, of one strip of inputs.
    size_t row = group % groups * LANES, begin = group / groups * DEPTH;
    size_t end = strassen && begin + DEPTH < p.depth ? begin + DEPTH : p.depth;
    for (size_t k = begin; k < end; k += DEPTH) {
      size_t count = end - k < DEPTH ? end - k : DEPTH;
      float *to = packed + k * p.rows + row * count;
      const float *from = x + row * depth + k;
      if (strassen)
        BEST->pack_sums(to, p.rows * p.depth, from, depth, p.rows * depth, p.depth, count);
      else
        BEST->pack(to, from, depth, rows - row < LANES ? rows - row : LANES, count);
    }
  }
}

size_t kernel_packed_offset(size_t rows, size_t depth, size_t group, size_t input) {
  size_t k = input / DEPTH * DEPTH, strip = depth - k < DEPTH ? depth - k : DEPTH;
  return k * planned(false, rows, depth).rows + (group * strip + input - k) * LANES;
}

// The first element of a quarter's row; `output` and `input` are counted from the quarter's corner.
static const char *element(const kernel_weights *w, int quarter, size_t output, size_t input) {
  output += (size_t)quarter / 2 * (w->outputs / 2), input += (size_t)quarter % 2 * (w->depth / 2);
  return (const char *)w->elements + (output * w->depth + input) * element_size(w->format);
}

// The weights of a product from an input on, for some outputs.
static source weights_of(const kernel_weights *w, quarters q, size_t first, size_t outputs, size_t k, size_t depth) {
  source s = {.sign = q.sign, .rows = outputs, .depth = depth, .format = w->format};
  if (w->format == kernel_panel) {
    s.stride = WEIGHT_STRIDE * sizeof(float);
    s.base = (const char *)w->elements + (k / DEPTH * w->outputs + first) * s.stride;
  } else {
    s.stride = w->depth * element_size(w->format);
    s.base = element(w, q.quarter, first, k);
    if (q.other != NONE) s.other = element(w, q.other, first, k);
  }
  return s;
}

// sums[o · stride + r] += the products of a packed block and the outputs first..<last, or without Strassen's scheme they
// are set; its second half of outputs is half_sums behind the first.
static void add_products(float *sums, size_t stride, size_t half_sums, const float *packed, plan p, const kernel_weights *w,
                         size_t first, size_t outputs, bool accumulate) {
  static _Thread_local float panel[KERNEL_PANEL * WEIGHT_STRIDE] __attribute__((aligned(64)));
  const variant *v = BEST;
  for (size_t k = 0; k < p.depth; k += DEPTH) {
    size_t depth = p.depth - k < DEPTH ? p.depth - k : DEPTH;
    for (size_t i = 0; i < p.count; i++) {
      term t = p.terms[i];
      source s = weights_of(w, t.w, first, outputs, k, depth);
      const float *weights = panel;
      if (w->format == kernel_panel)
        weights = (const float *)s.base;
      else
        v->read(panel, &s);
      size_t next = i + 1 < p.count ? k : k + DEPTH;
      const float *following = packed + ((i + 1) % p.count * p.depth + (next < p.depth ? next : 0)) * p.rows;
      fetching f = {.tile = 0};
      if (next < p.depth)
        f.rows = weights_of(w, p.terms[(i + 1) % p.count].w, first, outputs, next,
                            p.depth - next < DEPTH ? p.depth - next : DEPTH);
      targets to = {.sums = sums + (size_t)t.y / 2 * p.rows + (size_t)t.y % 2 * half_sums,
                    .stride = stride,
                    .sign = t.y_sign,
                    .other_sign = t.other_sign,
                    .set = !accumulate && k == 0};
      if (t.other != NONE) to.other = sums + (size_t)t.other / 2 * p.rows + (size_t)t.other % 2 * half_sums;
      v->block(to, packed + (i * p.depth + k) * p.rows, following, weights, p.rows, outputs, depth, &f);
    }
  }
}

void kernel_product(float *y, size_t stride, const float *packed, bool strassen, size_t rows,
                    const kernel_weights *w, size_t first, size_t last, const float *bias, kernel_result result) {
  static _Thread_local float sums[KERNEL_PANEL * BLOCK] __attribute__((aligned(64)));
  plan p = planned(strassen, rows, w->depth);
  size_t outputs = last - first, half = w->outputs / 2, half_sums = KERNEL_PANEL / 2 * BLOCK;
  // Several products go to one place.
  if (strassen) memset(sums, 0, sizeof sums);
  add_products(sums, BLOCK, half_sums, packed, p, w, first, outputs, strassen);
  if (result == kernel_gate && !strassen)
    add_products(sums + half_sums, BLOCK, 0, packed, p, w, half + first, outputs, false);
  if (result == kernel_gate)
    return store_gated(BEST->store, y + first, stride, sums, half_sums, BLOCK, rows, outputs, bias ? bias + first : NULL,
                       half);
  for (size_t part = 0; part < p.parts; part++) {
    size_t output = first + part * half;
    BEST->store(y + output, stride, sums + part * half_sums, BLOCK, rows, outputs, bias ? bias + output : NULL,
                result == kernel_add);
  }
}

void kernel_columns(float *y, size_t stride, const float *packed, size_t rows, const kernel_weights *w, bool accumulate) {
  add_products(y, stride, 0, packed, planned(false, rows, w->depth), w, 0, w->outputs, accumulate);
}

bool kernel_has_vectors(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("x86-64-v3");
#else
  return false;
#endif
}
