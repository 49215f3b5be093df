// 3 × 3 convolutions with a quarter of the products: Winograd's F(4 × 4, 3 × 3).
//
// A tile of 4 × 4 outputs needs 6 × 6 inputs d. With Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A the sum over input
// channels is one product for each of the 36 places instead of nine for each of the 16 outputs. The
// matrices evaluate and interpolate polynomials at 0, ±a, ±b and infinity (Toom and Cook); a = 3/4 and
// b = 3/2 lose fewer digits than the usual 1 and 2: about 2e-6 of the largest output at worst.
#include "CKernels.h"
#include "targets.h"
#include "transpose.h"

#include <string.h>

enum { TILE = 4, WINDOW = 6, TAPS = 9, LANES = 16 };

#define A 0.75f
#define B 1.5f
#define A2 (A * A)
#define B2 (B * B)

// One column of Bᵀ d: the polynomials Π (x - q) over the other points q, applied to d.
static inline void evaluate(float v[WINDOW][LANES], const float d[WINDOW][LANES]) {
  for (int i = 0; i < LANES; i++) {
    float even_a = d[4][i] - B2 * d[2][i], odd_a = A * (d[3][i] - B2 * d[1][i]);
    float even_b = d[4][i] - A2 * d[2][i], odd_b = B * (d[3][i] - A2 * d[1][i]);
    v[0][i] = A2 * B2 * d[0][i] - (A2 + B2) * d[2][i] + d[4][i];
    v[1][i] = even_a + odd_a;
    v[2][i] = even_a - odd_a;
    v[3][i] = even_b + odd_b;
    v[4][i] = even_b - odd_b;
    v[5][i] = A2 * B2 * d[1][i] - (A2 + B2) * d[3][i] + d[5][i];
  }
}

// One column of Aᵀ m: the powers of the points, the last place being infinity.
static inline void interpolate(float y[TILE][LANES], const float m[WINDOW][LANES]) {
  for (int i = 0; i < LANES; i++) {
    float sum_a = m[1][i] + m[2][i], difference_a = m[1][i] - m[2][i];
    float sum_b = m[3][i] + m[4][i], difference_b = m[3][i] - m[4][i];
    y[0][i] = m[0][i] + sum_a + sum_b;
    y[1][i] = A * difference_a + B * difference_b;
    y[2][i] = A2 * sum_a + B2 * sum_b;
    y[3][i] = A2 * A * difference_a + B2 * B * difference_b + m[5][i];
  }
}

typedef float whole __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

// Up to LANES channels at a time; full groups have a length that the compiler knows.
static inline void load(float to[LANES], const float *from, size_t lanes) {
  if (lanes == LANES) {
    *(whole *)to = *(const whole *)from;
  } else {
    memset(to, 0, LANES * sizeof(float));
    memcpy(to, from, lanes * sizeof(float));
  }
}

// The other way. Two calls of memcpy would become one, of a length that is not known, for every vector.
static inline void put(float *to, const float from[LANES], size_t lanes) {
  if (lanes == LANES)
    *(whole *)to = *(const whole *)from;
  else
    memcpy(to, from, lanes * sizeof(float));
}

CLONES void kernel_winograd_input(float *restrict v, size_t plane, const float *restrict x,
                                  const kernel_map *map, size_t channel, size_t count, size_t first, size_t last) {
  size_t channels = map->channels;
  for (size_t t = first; t < last; t++, v += count) {
    size_t tile = t % map->tiles;
    const float *picture = x + t / map->tiles * map->height * map->width * channels + channel;
    ptrdiff_t top = (ptrdiff_t)(tile / map->tiles_across * TILE) - 1;
    ptrdiff_t left = (ptrdiff_t)(tile % map->tiles_across * TILE) - 1;
    for (size_t c = 0; c < count; c += LANES) {
      size_t lanes = count - c < LANES ? count - c : LANES;
      float d[WINDOW][WINDOW][LANES], columns[WINDOW][WINDOW][LANES], line[WINDOW][LANES];
      for (int row = 0; row < WINDOW; row++)
        for (int column = 0; column < WINDOW; column++) {
          ptrdiff_t r = top + row, s = left + column;
          if (r < 0 || s < 0 || r >= (ptrdiff_t)map->height || s >= (ptrdiff_t)map->width)
            memset(d[column][row], 0, sizeof d[0][0]);
          else
            load(d[column][row], picture + ((size_t)r * map->width + (size_t)s) * channels + c, lanes);
        }
      for (int column = 0; column < WINDOW; column++) evaluate(columns[column], d[column]);
      for (int row = 0; row < WINDOW; row++) {
        float across[WINDOW][LANES];
        for (int column = 0; column < WINDOW; column++)
          memcpy(across[column], columns[column][row], sizeof across[0]);
        evaluate(line, across);
        for (int column = 0; column < WINDOW; column++)
          put(v + (size_t)(row * WINDOW + column) * plane + c, line[column], lanes);
      }
    }
  }
}

CLONES void kernel_winograd_output(float *restrict y, const float *restrict m, size_t plane,
                                   const float *restrict bias, bool accumulate, const kernel_map *map,
                                   size_t channel, size_t count, size_t first, size_t last) {
  size_t channels = map->channels;
  for (size_t t = first; t < last; t++, m += count) {
    size_t tile = t % map->tiles;
    float *picture = y + t / map->tiles * map->height * map->width * channels + channel;
    size_t top = tile / map->tiles_across * TILE, left = tile % map->tiles_across * TILE;
    for (size_t c = 0; c < count; c += LANES) {
      size_t lanes = count - c < LANES ? count - c : LANES;
      float columns[TILE][WINDOW][LANES], place[WINDOW][LANES], b[LANES];
      load(b, bias + channel + c, lanes);
      for (int column = 0; column < WINDOW; column++) {
        float down[TILE][LANES];
        for (int row = 0; row < WINDOW; row++)
          load(place[row], m + (size_t)(row * WINDOW + column) * plane + c, lanes);
        interpolate(down, place);
        for (int row = 0; row < TILE; row++) memcpy(columns[row][column], down[row], sizeof down[0]);
      }
      for (int row = 0; row < TILE && top + (size_t)row < map->height; row++) {
        float line[TILE][LANES];
        interpolate(line, columns[row]);
        for (int column = 0; column < TILE && left + (size_t)column < map->width; column++) {
          float *to = picture + ((top + (size_t)row) * map->width + left + (size_t)column) * channels + c;
          if (lanes == LANES && accumulate)
            for (int i = 0; i < LANES; i++) to[i] += line[column][i] + b[i];
          else if (lanes == LANES)
            for (int i = 0; i < LANES; i++) to[i] = line[column][i] + b[i];
          else
            for (size_t i = 0; i < lanes; i++) to[i] = (accumulate ? to[i] : 0) + (line[column][i] + b[i]);
        }
      }
    }
  }
}

// One column of G g: the row of each finite point p is [1, p, p²] / Π (p - q) over the other finite points
// q, that of infinity [0, 0, 1].
static inline void expand(float u[WINDOW][LANES], const float g[3][LANES]) {
  const float at_0 = 1 / (A2 * B2), at_a = 1 / (2 * A2 * (A2 - B2)), at_b = 1 / (2 * B2 * (B2 - A2));
  for (int i = 0; i < LANES; i++) {
    float even_a = at_a * (g[0][i] + A2 * g[2][i]), odd_a = at_a * A * g[1][i];
    float even_b = at_b * (g[0][i] + B2 * g[2][i]), odd_b = at_b * B * g[1][i];
    u[0][i] = at_0 * g[0][i];
    u[1][i] = even_a + odd_a;
    u[2][i] = even_a - odd_a;
    u[3][i] = even_b + odd_b;
    u[4][i] = even_b - odd_b;
    u[5][i] = g[2][i];
  }
}

// LANES kernels of 3 × 3, tap by tap: g[column][row][kernel] of w[kernel][row][column].
static inline void deal(float g[3][3][LANES], const float w[LANES * TAPS]) {
  for (int half = 0; half < LANES; half += 8) {
    half_vector t[8];
    for (int i = 0; i < 8; i++) t[i] = *(const half_vector *)(w + (half + i) * TAPS);
    transpose(t);
    for (int tap = 0; tap < 8; tap++) *(half_vector *)(g[tap % 3][tap / 3] + half) = t[tap];
    for (int i = 0; i < 8; i++) g[2][2][half + i] = w[(half + i) * TAPS + 8];
  }
}

// Declared before: clang takes both of CLONES' attributes only on what it knows already.
static void expand_row(float *restrict u, size_t plane, const float *restrict w, size_t inputs);
CLONES static void expand_row(float *restrict u, size_t plane, const float *restrict w, size_t inputs) {
  for (size_t k = 0; k < inputs; k += LANES, w += LANES * TAPS) {
    size_t lanes = inputs - k < LANES ? inputs - k : LANES;
    float g[3][3][LANES], columns[3][WINDOW][LANES], part[LANES * TAPS];
    if (lanes < LANES) {
      memset(part, 0, sizeof part);
      memcpy(part, w, lanes * TAPS * sizeof(float));
    }
    deal(g, lanes < LANES ? part : w);
    for (int column = 0; column < 3; column++) expand(columns[column], g[column]);
    for (int row = 0; row < WINDOW; row++) {
      float across[3][LANES], line[WINDOW][LANES];
      for (int column = 0; column < 3; column++) memcpy(across[column], columns[column][row], sizeof across[0]);
      expand(line, across);
      for (int column = 0; column < WINDOW; column++)
        put(u + (size_t)(row * WINDOW + column) * plane + k, line[column], lanes);
    }
  }
}

void kernel_winograd_weights(float *u, size_t plane, size_t stride, const kernel_weights *w, size_t first, size_t last,
                             size_t input, size_t inputs) {
  for (size_t output = first; output < last; output++, u += stride)
    for (size_t k = 0; k < inputs; k += KERNEL_DEPTH) {
      float row[KERNEL_DEPTH * TAPS];
      size_t some = inputs - k < KERNEL_DEPTH ? inputs - k : KERNEL_DEPTH;
      kernel_read_weights(row, w, output, (input + k) * TAPS, some * TAPS);
      expand_row(u + k, plane, row, some);
    }
}
