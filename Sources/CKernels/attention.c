// Softmax attention of some queries of one head. Scores are computed as a product whose weights are the
// keys, and so lie transposed, [keys][sixteen queries]: the softmax runs down the vectors, and its result is
// already packed for the product with the values.
#include "CKernels.h"
#include "exponential.h"
#include "tile.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 256 };  // keys that are summed at a time: longer sums of floats lose digits

// sums[o] = Σ_k w[o · output_stride + k · depth_stride] x[k] for all outputs.
INLINE void multiply_all(float *sums, const float *x, const float *w, size_t outputs, size_t output_stride,
                         size_t depth_stride, size_t depth, bool add, int step) {
  size_t o = 0;
#define TILES(STEP)                                                                      \
  for (; o + (size_t)(STEP) <= outputs; o += (size_t)(STEP)) {                           \
    vector t[MOST_OUTPUTS], *to = (vector *)(sums + o * LANES);                          \
    multiply(t, x, w + o * output_stride, output_stride, depth_stride, depth, STEP, NULL);     \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < (STEP); i++) to[i] = add ? to[i] + t[i] : t[i]; \
  }
  TILES(step)
  TILES(2)
  TILES(1)
#undef TILES
}

// Softmax down the keys, for sixteen queries side by side, of which query i sees the first seen[i] keys.
INLINE void softmax(float *scores, size_t keys, const size_t *seen) {
  float largest[LANES], sum[LANES] = {0};
  for (size_t i = 0; i < LANES; i++) {
    for (size_t k = seen[i]; k < keys; k++) scores[k * LANES + i] = -INFINITY;
    largest[i] = scores[i];
  }
  for (size_t k = 1; k < keys; k++)
    for (size_t i = 0; i < LANES; i++) {
      float s = scores[k * LANES + i];
      largest[i] = s > largest[i] ? s : largest[i];
    }
  for (size_t first = 0; first < keys; first += CHUNK) {
    float some[LANES] = {0};
    for (size_t k = first; k < keys && k < first + CHUNK; k++)
      for (size_t i = 0; i < LANES; i++) {
        float s = scores[k * LANES + i], e = s == -INFINITY ? 0 : vector_exp(s - largest[i]);
        scores[k * LANES + i] = e;
        some[i] += e;
      }
    for (size_t i = 0; i < LANES; i++) sum[i] += some[i];
  }
  for (size_t i = 0; i < LANES; i++) sum[i] = 1 / sum[i];
  for (size_t k = 0; k < keys; k++)
    for (size_t i = 0; i < LANES; i++) scores[k * LANES + i] *= sum[i];
}

INLINE void attend(float *y, const kernel_head *h, const float *q, size_t first, size_t count, float *scratch,
                   float *probabilities, int step) {
  float *scores = scratch, *packed = scores + h->keys * LANES, *sums = packed + h->size * LANES;
  float scale = 1 / sqrtf((float)h->size);
  for (size_t row = 0; row < count; row += LANES) {
    size_t rows = count - row < LANES ? count - row : LANES, seen[LANES];
    for (size_t i = 0; i < LANES; i++)
      seen[i] = h->causal && first + row + i + 1 < h->keys ? first + row + i + 1 : h->keys;
    pack(packed, q + row * h->stride, NULL, 0, h->stride, rows, h->size);
    for (size_t i = 0; i < h->size * LANES; i++) packed[i] *= scale;
    multiply_all(scores, packed, h->k, h->keys, h->key_stride, 1, h->size, false, step);
    softmax(scores, h->keys, seen);
    if (probabilities)
      store(probabilities + row * h->keys, h->keys, scores, LANES, rows, h->keys, NULL, false);
    for (size_t k = 0; k < h->keys; k += CHUNK)
      multiply_all(sums, scores + k * LANES, h->v + k * h->key_stride, h->size, 1, h->key_stride,
                   h->keys - k < CHUNK ? h->keys - k : CHUNK, k > 0, step);
    store(y + row * h->stride, h->stride, sums, LANES, rows, h->size, NULL, false);
  }
}

typedef void variant(float *, const kernel_head *, const float *, size_t, size_t, float *, float *);

#define VARIANT(NAME, TARGET, STEP)                                                                       \
  TARGET static void NAME(float *y, const kernel_head *h, const float *q, size_t first, size_t count,     \
                          float *scratch, float *probabilities) {                                         \
    attend(y, h, q, first, count, scratch, probabilities, STEP);                                          \
  }

VARIANTS

size_t kernel_attention_scratch(const kernel_head *h) { return (h->keys + 2 * h->size) * LANES; }

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
