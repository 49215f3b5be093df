// 3 × 3 convolutions with a quarter of the products: Winograd's F(4 × 4, 3 × 3).
//
// A tile of 4 × 4 outputs needs 6 × 6 inputs d. With Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A the sum over input
// channels is one product for each of the 36 places instead of nine for each of the 16 outputs. The
// matrices evaluate and interpolate polynomials at 0, ±a, ±b and infinity (Toom and Cook); a = 3/4 and
// b = 3/2 lose fewer digits than the usual 1 and 2: about 2e-6 of the largest output at worst.
#include "CKernels.h"
#include "transpose.h"
#include "weights.h"

#include <string.h>

enum { TILE = 4, WINDOW = 6, TAPS = 9 };

#define A 0.75f
#define B 1.5f
#define A2 (A * A)
#define B2 (B * B)

// One column of Bᵀ d: the polynomials Π (x - q) over the other points q, applied to d.
INLINE void evaluate(half_vector v[WINDOW], const half_vector d[WINDOW]) {
  half_vector even_a = d[4] - B2 * d[2], odd_a = A * (d[3] - B2 * d[1]);
  half_vector even_b = d[4] - A2 * d[2], odd_b = B * (d[3] - A2 * d[1]);
  v[0] = A2 * B2 * d[0] - (A2 + B2) * d[2] + d[4];
  v[1] = even_a + odd_a;
  v[2] = even_a - odd_a;
  v[3] = even_b + odd_b;
  v[4] = even_b - odd_b;
  v[5] = A2 * B2 * d[1] - (A2 + B2) * d[3] + d[5];
}

// One column of Aᵀ m: the powers of the points, the last place being infinity.
INLINE void interpolate(half_vector y[TILE], const half_vector m[WINDOW]) {
  half_vector sum_a = m[1] + m[2], difference_a = m[1] - m[2];
  half_vector sum_b = m[3] + m[4], difference_b = m[3] - m[4];
  y[0] = m[0] + sum_a + sum_b;
  y[1] = A * difference_a + B * difference_b;
  y[2] = A2 * sum_a + B2 * sum_b;
  y[3] = A2 * A * difference_a + B2 * B * difference_b + m[5];
}

enum {
  PLACES = WINDOW * WINDOW,
  HALF = 8,               // tiles, or channels, that a half_vector holds
  ALL = (1 << HALF) - 1,  // of them
};

// Up to HALF floats, and zeros.
INLINE void load(half_vector *to, const float *from, size_t count) {
  *to = (half_vector){0};
  memcpy(to, from, count * sizeof(float));
}

// The first pixel of a square that belongs to a tile, counted through all pictures, and the rows and columns of the square
// that its picture has.
typedef struct {
  ptrdiff_t pixel;
  int first_row, last_row, first_column, last_column;
} square;

static inline int within(ptrdiff_t x, int most) { return x < 0 ? 0 : x > most ? most : (int)x; }

// A square of `size` rows and columns that begins `before` pixels before its tile, without any for tiles from `last` on.
static square find(const kernel_map *map, size_t t, size_t last, int size, int before) {
  ptrdiff_t tile = (ptrdiff_t)(t % map->tiles), height = (ptrdiff_t)map->height, width = (ptrdiff_t)map->width;
  ptrdiff_t top = tile / (ptrdiff_t)map->tiles_across * TILE - before;
  ptrdiff_t left = tile % (ptrdiff_t)map->tiles_across * TILE - before;
  return (square){.pixel = ((ptrdiff_t)(t / map->tiles) * height + top) * width + left,
                  .first_row = within(-top, size),
                  .last_row = t < last ? within(height - top, size) : 0,
                  .first_column = within(-left, size),
                  .last_column = within(width - left, size)};
}

static bool has(const square *s, int row, int column) {
  return row >= s->first_row && row < s->last_row && column >= s->first_column && column < s->last_column;
}

// The windows of a group of tiles for up to HALF channels, turned round.
INLINE void gather(float d[HALF][WINDOW][WINDOW][LANES], int place, const float *const pixels[LANES], size_t c,
                   size_t channels) {
  for (size_t half = 0; half < LANES; half += HALF) {
    half_vector t[HALF];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < HALF; i++) load(&t[i], pixels[half + i] + c, channels);
    transpose(t);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < HALF; i++) *(half_vector *)(d[i][place / WINDOW][place % WINDOW] + half) = t[i];
  }
}

// Bᵀ d B of one channel.
INLINE void evaluate_windows(float *restrict v, size_t plane, const float d[WINDOW][WINDOW][LANES]) {
  half_vector columns[LANES / HALF][WINDOW][WINDOW], in[WINDOW], out[WINDOW];
  for (size_t half = 0; half < LANES / HALF; half++)
    for (int column = 0; column < WINDOW; column++) {
#pragma clang loop unroll(full)
      for (int row = 0; row < WINDOW; row++) in[row] = *(const half_vector *)(d[column][row] + half * HALF);
      evaluate(out, in);
#pragma clang loop unroll(full)
      for (int row = 0; row < WINDOW; row++) columns[half][row][column] = out[row];
    }
  for (int row = 0; row < WINDOW; row++)
    for (size_t half = 0; half < LANES / HALF; half++) {
      evaluate(out, columns[half][row]);
#pragma clang loop unroll(full)
      for (int column = 0; column < WINDOW; column++)
        *(half_vector *)(v + (size_t)(row * WINDOW + column) * plane + half * HALF) = out[column];
    }
}

CLONES void kernel_winograd_input(float *restrict v, size_t plane, const float *restrict x, const kernel_map *map,
                                  size_t channel, size_t count, size_t first, size_t last) {
  static const float zeros[KERNEL_INPUTS] = {0};
  const float *pixels[PLACES][LANES];
  for (size_t lane = 0; lane < LANES; lane++) {
    square window = find(map, first + lane, last, WINDOW, 1);
    for (int row = 0; row < WINDOW; row++)
      for (int column = 0; column < WINDOW; column++) {
        ptrdiff_t pixel = window.pixel + row * (ptrdiff_t)map->width + column;
        pixels[column * WINDOW + row][lane] =
            has(&window, row, column) ? x + pixel * (ptrdiff_t)map->channels + channel : zeros;
      }
  }
  for (size_t c = 0; c < count; c += HALF) {
    float d[HALF][WINDOW][WINDOW][LANES];
    size_t some = count - c < HALF ? count - c : HALF;
    for (int place = 0; place < PLACES; place++)
      if (some == HALF)
        gather(d, place, pixels[place], c, HALF);
      else
        gather(d, place, pixels[place], c, some);
    for (size_t i = 0; i < some; i++) evaluate_windows(v + (c + i) * LANES, plane, d[i]);
  }
}

// Aᵀ m A of one channel and a group of tiles.
INLINE void interpolate_tiles(float y[TILE][TILE][HALF][LANES], size_t i, const float *restrict m, size_t plane) {
  half_vector columns[LANES / HALF][TILE][WINDOW], in[WINDOW], out[TILE];
  for (int column = 0; column < WINDOW; column++)
    for (size_t half = 0; half < LANES / HALF; half++) {
#pragma clang loop unroll(full)
      for (int row = 0; row < WINDOW; row++)
        in[row] = *(const half_vector *)(m + (size_t)(row * WINDOW + column) * plane + half * HALF);
      interpolate(out, in);
#pragma clang loop unroll(full)
      for (int row = 0; row < TILE; row++) columns[half][row][column] = out[row];
    }
  for (size_t half = 0; half < LANES / HALF; half++)
    for (int row = 0; row < TILE; row++) {
      interpolate(out, columns[half][row]);
#pragma clang loop unroll(full)
      for (int column = 0; column < TILE; column++) *(half_vector *)(y[row][column][i] + half * HALF) = out[column];
    }
}

// Up to HALF channels of a pixel, for HALF tiles, of which `there` says which have it.
INLINE void scatter(float *const to[HALF], size_t at, const float y[HALF][LANES], const float *bias, bool accumulate,
                    size_t channels, unsigned there) {
  half_vector o[HALF], b, before;
  load(&b, bias, channels);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < HALF; i++) o[i] = *(const half_vector *)y[i];
  transpose(o);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < HALF; i++) {
    if (!(there >> i & 1)) continue;
    half_vector sum = o[i] + b;
    if (accumulate) {
      load(&before, to[i] + at, channels);
      sum += before;
    }
    memcpy(to[i] + at, &sum, channels * sizeof(float));
  }
}

CLONES void kernel_winograd_output(float *restrict y, const float *restrict m, size_t plane, size_t stride,
                                   const float *restrict bias, bool accumulate, const kernel_map *map,
                                   size_t channel, size_t count, size_t first, size_t last) {
  for (size_t t = first; t < last; t += LANES, m += LANES) {
    float *to[LANES];
    unsigned there[TILE][TILE] = {{0}};
    for (size_t lane = 0; lane < LANES; lane++) {
      square s = find(map, t + lane, last, TILE, 0);
      to[lane] = y + (size_t)s.pixel * map->channels + channel;
      for (int row = 0; row < TILE; row++)
        for (int column = 0; column < TILE; column++) there[row][column] |= (unsigned)has(&s, row, column) << lane;
    }
    for (size_t c = 0; c < count; c += HALF) {
      size_t some = count - c < HALF ? count - c : HALF;
      float outputs[TILE][TILE][HALF][LANES];
      for (size_t i = 0; i < some; i++) interpolate_tiles(outputs, i, m + (c + i) * stride, plane);
      for (size_t half = 0; half < LANES; half += HALF)
        for (int row = 0; row < TILE; row++)
          for (int column = 0; column < TILE; column++) {
            size_t at = ((size_t)row * map->width + (size_t)column) * map->channels + c;
            const float(*from)[LANES] = (const float(*)[LANES])(outputs[row][column][0] + half);
            unsigned lanes = there[row][column] >> half & ALL;
            const float *b = bias + channel + c;
            if (lanes == ALL && some == HALF && !accumulate)
              scatter(to + half, at, from, b, false, HALF, ALL);
            else if (some == HALF / 2)  // of twelve outputs
              scatter(to + half, at, from, b, accumulate, HALF / 2, lanes);
            else
              scatter(to + half, at, from, b, accumulate, some, lanes);
          }
    }
  }
}

// One column of G g of LANES kernels: the row of each finite point p is [1, p, p²] / Π (p - q) over the other finite points
// q, that of infinity [0, 0, 1].
INLINE void expand(vector u[WINDOW], const vector *g0, const vector *g1, const vector *g2) {
  const float at_0 = 1 / (A2 * B2), at_a = 1 / (2 * A2 * (A2 - B2)), at_b = 1 / (2 * B2 * (B2 - A2));
  vector even_a = at_a * (*g0 + A2 * *g2), odd_a = at_a * A * *g1;
  vector even_b = at_b * (*g0 + B2 * *g2), odd_b = at_b * B * *g1;
  u[0] = at_0 * *g0;
  u[1] = even_a + odd_a;
  u[2] = even_a - odd_a;
  u[3] = even_b + odd_b;
  u[4] = even_b - odd_b;
  u[5] = *g2;
}

// LANES kernels of 3 × 3, tap by tap: g[3 row + column] of w[kernel][row][column].
INLINE void deal(vector g[TAPS], const float *w) {
  half_vector t[2][HALF];
#pragma clang loop unroll(full)
  for (int half = 0; half < 2; half++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < HALF; i++) t[half][i] = *(const half_vector *)(w + (half * HALF + i) * TAPS);
    transpose(t[half]);
  }
#pragma clang loop unroll(full)
  for (int tap = 0; tap < HALF; tap++)
    g[tap] = __builtin_shufflevector(t[0][tap], t[1][tap], 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#define LAST(I) w[(I) * TAPS + HALF]
  g[HALF] = (vector){LAST(0), LAST(1), LAST(2),  LAST(3),  LAST(4),  LAST(5),  LAST(6),  LAST(7),
                      LAST(8), LAST(9), LAST(10), LAST(11), LAST(12), LAST(13), LAST(14), LAST(15)};
#undef LAST
}

// Declared before: clang takes both of CLONES' attributes only on what it knows already.
static void expand_row(float *restrict u, size_t plane, const float *restrict w, size_t inputs);
CLONES static void expand_row(float *restrict u, size_t plane, const float *restrict w, size_t inputs) {
  for (size_t k = 0; k < inputs; k += LANES, w += LANES * TAPS) {
    size_t lanes = inputs - k < LANES ? inputs - k : LANES;
    float part[LANES * TAPS];
    if (lanes < LANES) {
      memset(part, 0, sizeof part);
      memcpy(part, w, lanes * TAPS * sizeof(float));
    }
    vector g[TAPS], columns[3][WINDOW], line[WINDOW];
    deal(g, lanes < LANES ? part : w);
#pragma clang loop unroll(full)
    for (int column = 0; column < 3; column++) expand(columns[column], &g[column], &g[3 + column], &g[6 + column]);
#pragma clang loop unroll(full)
    for (int row = 0; row < WINDOW; row++) {
      expand(line, &columns[0][row], &columns[1][row], &columns[2][row]);
#pragma clang loop unroll(full)
      for (int column = 0; column < WINDOW; column++) {
        float *to = u + (size_t)(row * WINDOW + column) * plane + k;
        if (lanes == LANES)
          *(vector *)to = line[column];
        else
          memcpy(to, &line[column], lanes * sizeof(float));
      }
    }
  }
}

void kernel_winograd_weights(float *u, size_t plane, size_t stride, const kernel_weights *w, size_t first, size_t last,
                             size_t input, size_t inputs) {
  size_t size = element_size(w->format);
  for (size_t output = first; output < last; output++, u += stride)
    for (size_t k = 0; k < inputs; k += KERNEL_DEPTH) {
      float row[KERNEL_DEPTH * TAPS];
      size_t some = inputs - k < KERNEL_DEPTH ? inputs - k : KERNEL_DEPTH;
      // The next output's come into the cache meanwhile.
      source s = {.base = (const char *)w->elements + (input + k) * TAPS * size,
                  .rows = last,
                  .stride = w->depth * size,
                  .depth = some * TAPS,
                  .format = w->format};
      fetch_row(&s, output + 1);
      kernel_read_weights(row, w, output, (input + k) * TAPS, some * TAPS);
      expand_row(u + k, plane, row, some);
    }
}
