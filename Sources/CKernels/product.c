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
#include "tile.h"

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

// Two blocks of sums, or one and NULL, and the factors with which a product is added to them.
typedef struct {
  float *sums, *other;
  float sign, other_sign;
} targets;

INLINE void add_tile(targets to, const float *x, const float *w, size_t depth, int outputs) {
  vector sums[MOST_OUTPUTS];
  multiply(sums, x, w, WEIGHT_STRIDE, 1, depth, outputs);
#pragma clang loop unroll(full)
  for (int o = 0; o < outputs; o++) *(vector *)(to.sums + (size_t)o * BLOCK) += to.sign * sums[o];
  if (to.other)
#pragma clang loop unroll(full)
    for (int o = 0; o < outputs; o++) *(vector *)(to.other + (size_t)o * BLOCK) += to.other_sign * sums[o];
}

// All tiles of some rows and a panel of outputs; `step` outputs fill the registers.
INLINE void add_block(targets to, const float *x, const float *w, size_t rows, size_t outputs, size_t depth,
                      int step) {
  for (size_t r = 0; r < rows; r += LANES, x += depth * LANES) {
    size_t o = 0;
#define TILES(STEP)                                                                         \
  for (; o + (size_t)(STEP) <= outputs; o += (size_t)(STEP)) {                              \
    size_t at = o * BLOCK + r;                                                              \
    add_tile((targets){to.sums + at, to.other ? to.other + at : NULL, to.sign, to.other_sign}, x, \
             w + o * WEIGHT_STRIDE, depth, STEP);                                           \
  }
    TILES(step)
    TILES(2)
    TILES(1)
#undef TILES
  }
}

// w += sign · other, a row of weights.
INLINE void add_row(float *restrict w, const float *restrict other, float sign, size_t depth) {
  size_t k = 0;
  for (; k + LANES <= depth; k += LANES) *(vector *)(w + k) += sign * *(const vector *)(other + k);
  for (; k < depth; k++) w[k] += sign * other[k];
}

typedef struct {
  void (*pack)(float *, const float *, const float *, float, size_t, size_t, size_t);
  void (*block)(targets, const float *, const float *, size_t, size_t, size_t);
  void (*store)(float *, size_t, const float *, size_t, size_t, size_t, const float *, bool);
  void (*add)(float *, const float *, float, size_t);
} variant;

#define VARIANT(NAME, TARGET, STEP)                                                                          \
  TARGET static void pack_##NAME(float *p, const float *x, const float *x2, float sign, size_t s, size_t r,  \
                                 size_t d) {                                                                 \
    pack(p, x, x2, sign, s, r, d);                                                                           \
  }                                                                                                          \
  TARGET static void block_##NAME(targets to, const float *x, const float *w, size_t r, size_t o, size_t d) { \
    add_block(to, x, w, r, o, d, STEP);                                                                      \
  }                                                                                                          \
  TARGET static void store_##NAME(float *y, size_t s, const float *c, size_t width, size_t r, size_t o,      \
                                  const float *b, bool add) {                                                \
    store(y, s, c, width, r, o, b, add);                                                                     \
  }                                                                                                          \
  TARGET static void add_##NAME(float *w, const float *x, float sign, size_t d) { add_row(w, x, sign, d); }  \
  static const variant NAME = {pack_##NAME, block_##NAME, store_##NAME, add_##NAME};

VARIANTS

size_t kernel_packed_size(bool strassen, size_t rows, size_t depth) {
  plan p = planned(strassen, rows, depth);
  return p.count * p.rows * p.depth;
}

size_t kernel_packed_groups(bool strassen, size_t rows) {
  plan p = planned(strassen, rows, 0);
  return p.count * (p.rows / LANES);
}

void kernel_pack(float *packed, bool strassen, const float *x, size_t rows, size_t depth, size_t first,
                 size_t last) {
  const variant *v = BEST;
  plan p = planned(strassen, rows, depth);
  for (size_t group = first; group < last; group++) {
    quarters q = p.terms[group / (p.rows / LANES)].x;
    size_t row = group % (p.rows / LANES) * LANES;
    float *to = packed + group / (p.rows / LANES) * p.rows * p.depth;
    const float *from = x + ((size_t)q.quarter / 2 * p.rows + row) * depth + (size_t)q.quarter % 2 * p.depth;
    const float *other = NULL;
    if (q.other != NONE)
      other = x + ((size_t)q.other / 2 * p.rows + row) * depth + (size_t)q.other % 2 * p.depth;
    size_t some = strassen || rows - row > LANES ? LANES : rows - row;
    for (size_t k = 0; k < p.depth; k += DEPTH) {
      size_t count = p.depth - k < DEPTH ? p.depth - k : DEPTH;
      v->pack(to + k * p.rows + row * count, from + k, other ? other + k : NULL, q.sign, depth, some, count);
    }
  }
}

// `output` and `input` of the whole matrix where those of a quarter are counted from its corner.
static void read_row(float *to, const kernel_weights *w, int quarter, size_t output, size_t input, size_t depth) {
  kernel_read_weights(to, w, output + (size_t)quarter / 2 * (w->outputs / 2),
                      input + (size_t)quarter % 2 * (w->depth / 2), depth);
}

void kernel_product(float *y, size_t stride, const float *packed, bool strassen, size_t rows,
                    const kernel_weights *w, size_t first, size_t last, const float *bias, bool accumulate) {
  static _Thread_local float panel[KERNEL_PANEL * WEIGHT_STRIDE] __attribute__((aligned(64)));
  static _Thread_local float sums[KERNEL_PANEL * BLOCK] __attribute__((aligned(64)));
  const variant *v = BEST;
  plan p = planned(strassen, rows, w->depth);
  size_t outputs = last - first, half_sums = KERNEL_PANEL / 2 * BLOCK;
  for (size_t half = 0; half < p.parts; half++)
    for (size_t o = 0; o < outputs; o++)
      memset(sums + half * half_sums + o * BLOCK, 0, p.parts * p.rows * sizeof(float));
  for (size_t k = 0; k < p.depth; k += DEPTH) {
    size_t depth = p.depth - k < DEPTH ? p.depth - k : DEPTH;
    for (size_t i = 0; i < p.count; i++) {
      term t = p.terms[i];
      const float *weights = panel;
      if (w->format == kernel_panel)
        weights = (const float *)w->elements + (k / DEPTH * w->outputs + first) * WEIGHT_STRIDE;
      else
        for (size_t o = 0; o < outputs; o++) {
          float *row = panel + o * WEIGHT_STRIDE, other[DEPTH];
          read_row(row, w, t.w.quarter, first + o, k, depth);
          if (t.w.other == NONE) continue;
          read_row(other, w, t.w.other, first + o, k, depth);
          v->add(row, other, t.w.sign, depth);
        }
      targets to = {sums + (size_t)t.y / 2 * p.rows + (size_t)t.y % 2 * half_sums, NULL, t.y_sign,
                    t.other_sign};
      if (t.other != NONE) to.other = sums + (size_t)t.other / 2 * p.rows + (size_t)t.other % 2 * half_sums;
      v->block(to, packed + (i * p.depth + k) * p.rows, weights, p.rows, outputs, depth);
    }
  }
  for (size_t half = 0; half < p.parts; half++) {
    size_t output = first + half * (w->outputs / 2);
    v->store(y + output, stride, sums + half * half_sums, BLOCK, rows, outputs, bias ? bias + output : NULL,
             accumulate);
  }
}

bool kernel_has_vectors(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("x86-64-v3");
#else
  return false;
#endif
}
