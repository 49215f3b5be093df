// Softmax attention of some queries of one head. Scores are computed as a product whose weights are the
// keys, and so lie transposed, [keys][sixteen queries]: the softmax runs down the vectors, and its result is
// already packed for the product with the values.
#include "CKernels.h"
#include "exponential.h"
#include "tile.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 256 };  // keys that are summed at a time: longer sums of floats lose digits

// Of vectors of rows, `x_group` apart: sums[v · sum_group + o] = Σ_k w[o · output_stride + k · depth_stride] x[k] for all
// outputs.
INLINE void multiply_all(float *sums, size_t sum_group, const float *x, size_t x_group, const float *w, size_t outputs,
                         size_t output_stride, size_t depth_stride, size_t depth, bool add, int vectors, int most,
                         int step) {
  size_t o = 0;
#define TILES(STEP)                                                                                                  \
  for (; o + (size_t)(STEP) <= outputs; o += (size_t)(STEP)) {                                                       \
    vector t[MOST_SUMS];                                                                                             \
    multiply(t, x, x_group, w + o * output_stride, output_stride, depth_stride, depth, vectors, STEP, NULL);         \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < (STEP); i++)                                              \
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {                                       \
      vector *to = (vector *)(sums + (size_t)v * sum_group + (o + (size_t)i) * LANES), sum = t[i * vectors + v];     \
      *to = add ? *to + sum : sum;                                                                                   \
    }                                                                                                                \
  }
  ALL_TILES(vectors, most, step)
#undef TILES
}

// Softmax down the keys, for sixteen queries side by side, of which query i sees the first seen[i] keys.
INLINE void softmax(float *scores, size_t keys, const size_t *seen) {
  for (size_t i = 0; i < LANES; i++)
    for (size_t k = seen[i]; k < keys; k++) scores[k * LANES + i] = -INFINITY;
  vector largest = *(const vector *)scores, sum = {0};
  for (size_t k = 1; k < keys; k++) {
    vector s = *(const vector *)(scores + k * LANES);
    ints larger = s > largest;
    largest = (vector)((larger & (ints)s) | (~larger & (ints)largest));
  }
  for (size_t first = 0; first < keys; first += CHUNK) {
    vector some = {0};
    for (size_t k = first; k < keys && k < first + CHUNK; k++) {
      vector s = *(const vector *)(scores + k * LANES), e = s - largest;
      exp_lanes(&e);
      e = (vector)((s != -INFINITY) & (ints)e);
      *(vector *)(scores + k * LANES) = e;
      some += e;
    }
    sum += some;
  }
  sum = 1 / sum;
  for (size_t k = 0; k < keys; k++) *(vector *)(scores + k * LANES) *= sum;
}

// The queries first..<first + rows, at most `vectors` times sixteen.
INLINE void attend_rows(float *y, const kernel_head *h, const float *q, size_t first, size_t rows,
                        float *scratch, float *probabilities, int vectors, int most, int step) {
  size_t score_group = h->keys * LANES, group = h->size * LANES;
  float *scores = scratch, *packed = scores + (size_t)vectors * score_group, *sums = packed + (size_t)vectors * group;
  float scale = 1 / sqrtf((float)h->size);
  for (size_t v = 0; v < (size_t)vectors; v++)
    pack(packed + v * group, q + v * LANES * h->stride, h->stride,
         rows - v * LANES < LANES ? rows - v * LANES : LANES, h->size);
  for (size_t i = 0; i < (size_t)vectors * group; i++) packed[i] *= scale;
  multiply_all(scores, score_group, packed, group, h->k, h->keys, h->key_stride, 1, h->size, false, vectors, most,
               step);
  for (size_t v = 0; v < (size_t)vectors; v++) {
    size_t row = v * LANES, some = rows - row < LANES ? rows - row : LANES, seen[LANES];
    for (size_t i = 0; i < LANES; i++)
      seen[i] = h->causal && first + row + i + 1 < h->keys ? first + row + i + 1 : h->keys;
    softmax(scores + v * score_group, h->keys, seen);
    if (probabilities)
      store(probabilities + row * h->keys, h->keys, scores + v * score_group, LANES, some, h->keys, NULL, false);
  }
  for (size_t k = 0; k < h->keys; k += CHUNK)
    multiply_all(sums, group, scores + k * LANES, score_group, h->v + k * h->key_stride, h->size, 1, h->key_stride,
                 h->keys - k < CHUNK ? h->keys - k : CHUNK, k > 0, vectors, most, step);
  for (size_t v = 0; v < (size_t)vectors; v++)
    store(y + v * LANES * h->stride, h->stride, sums + v * group, LANES,
          rows - v * LANES < LANES ? rows - v * LANES : LANES, h->size, NULL, false);
}

INLINE void attend(float *y, const kernel_head *h, const float *q, size_t first, size_t count,
                   float *scratch, float *probabilities, int vectors, int step) {
  size_t row = 0;
#define ROWS(VECTORS, LEAST)                                                                                       \
  for (; row + (LEAST) <= count; row += (VECTORS) * LANES)                                                         \
    attend_rows(y + row * h->stride, h, q + row * h->stride, first + row,                                          \
                count - row < (VECTORS) * LANES ? count - row : (VECTORS) * LANES, scratch,                        \
                probabilities ? probabilities + row * h->keys : NULL, VECTORS, vectors, step);
  if (vectors == 2) { ROWS(2, LANES + 1) }
  ROWS(1, 1)
#undef ROWS
}

typedef void variant(float *, const kernel_head *, const float *, size_t, size_t, float *, float *);

#define VARIANT(NAME, TARGET, VECTORS, STEP)                                                              \
  TARGET static void NAME(float *y, const kernel_head *h, const float *q, size_t first, size_t count,     \
                          float *scratch, float *probabilities) {                                         \
    attend(y, h, q, first, count, scratch, probabilities, VECTORS, STEP);                                 \
  }

VARIANTS

size_t kernel_attention_scratch(const kernel_head *h) { return 2 * (h->keys + 2 * h->size) * LANES; }

void kernel_attention(float *y, const kernel_head *h, const float *q, size_t first, size_t count,
                      float *scratch, float *probabilities) {
  variant *v = BEST;
  v(y, h, q, first, count, scratch, probabilities);
}

CLONES void kernel_softmax(float *x, size_t count) {
  float largest = x[0], sum[LANES] = {0}, whole = 0;
  for (size_t i = 1; i < count; i++) largest = x[i] > largest ? x[i] : largest;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (size_t j = 0; j < LANES; j++) sum[j] += x[i + j] = vector_exp(x[i + j] - largest);
  for (; i < count; i++) sum[0] += x[i] = vector_exp(x[i] - largest);
  for (size_t j = 0; j < LANES; j++) whole += sum[j];
  for (i = 0; i < count; i++) x[i] /= whole;
}
