// 3 × 3 convolutions with a quarter of the products: Winograd's F(4 × 4, 3 × 3).
//
// A tile of 4 × 4 outputs needs 6 × 6 inputs d. With Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A the sum over input
// channels is one product for each of the 36 places instead of nine for each of the 16 outputs. The
// matrices evaluate and interpolate polynomials at 0, ±a, ±b and infinity (Toom and Cook); a = 3/4 and
// b = 3/2 lose fewer digits than the usual 1 and 2: about 2e-6 of the largest output at worst.
#include "CKernels.h"
#include "targets.h"

#include <string.h>

enum { TILE = 4, WINDOW = 6, LANES = 16 };

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

// Up to LANES channels at a time; full groups have a length that the compiler knows.
static inline void load(float to[LANES], const float *from, size_t lanes) {
  if (lanes == LANES) {
    memcpy(to, from, LANES * sizeof(float));
  } else {
    memset(to, 0, LANES * sizeof(float));
    memcpy(to, from, lanes * sizeof(float));
  }
}

CLONES void kernel_winograd_input(float *restrict v, size_t plane, const float *restrict x,
                                  const kernel_map *map, size_t first, size_t last) {
  size_t channels = map->channels;
  for (size_t tile = first; tile < last; tile++, v += channels) {
    ptrdiff_t top = (ptrdiff_t)(tile / map->tiles_across * TILE) - 1;
    ptrdiff_t left = (ptrdiff_t)(tile % map->tiles_across * TILE) - 1;
    for (size_t c = 0; c < channels; c += LANES) {
      size_t lanes = channels - c < LANES ? channels - c : LANES;
      float d[WINDOW][WINDOW][LANES], columns[WINDOW][WINDOW][LANES], line[WINDOW][LANES];
      for (int row = 0; row < WINDOW; row++)
        for (int column = 0; column < WINDOW; column++) {
          ptrdiff_t r = top + row, s = left + column;
          if (r < 0 || s < 0 || r >= (ptrdiff_t)map->height || s >= (ptrdiff_t)map->width)
            memset(d[column][row], 0, sizeof d[0][0]);
          else
            load(d[column][row], x + ((size_t)r * map->width + (size_t)s) * channels + c, lanes);
        }
      for (int column = 0; column < WINDOW; column++) evaluate(columns[column], d[column]);
      for (int row = 0; row < WINDOW; row++) {
        float across[WINDOW][LANES];
        for (int column = 0; column < WINDOW; column++)
          memcpy(across[column], columns[column][row], sizeof across[0]);
        evaluate(line, across);
        for (int column = 0; column < WINDOW; column++) {
          float *to = v + (size_t)(row * WINDOW + column) * plane + c;
          if (lanes == LANES)
            memcpy(to, line[column], LANES * sizeof(float));
          else
            memcpy(to, line[column], lanes * sizeof(float));
        }
      }
    }
  }
}

CLONES void kernel_winograd_output(float *restrict y, const float *restrict m, size_t plane,
                                   const float *restrict bias, bool accumulate, const kernel_map *map,
                                   size_t first, size_t last) {
  size_t channels = map->channels;
  for (size_t tile = first; tile < last; tile++, m += channels) {
    size_t top = tile / map->tiles_across * TILE, left = tile % map->tiles_across * TILE;
    for (size_t c = 0; c < channels; c += LANES) {
      size_t lanes = channels - c < LANES ? channels - c : LANES;
      float columns[TILE][WINDOW][LANES], place[WINDOW][LANES], b[LANES];
      load(b, bias + c, lanes);
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
          float *to = y + ((top + (size_t)row) * map->width + left + (size_t)column) * channels + c;
          if (lanes == LANES && accumulate)
            for (int i = 0; i < LANES; i++) to[i] += line[column][i] + b[i];
          else if (lanes == LANES)
            for (int i = 0; i < LANES; i++) to[i] = line[column][i] + b[i];
          else
            for (size_t i = 0; i < lanes; i++) to[i] = (accumulate ? to[i] : 0) + line[column][i] + b[i];
        }
      }
    }
  }
}

// One row of G: [1, p, p²] / Π (p - q) over the other finite points q; for infinity [0, 0, 1].
static const double POINTS[WINDOW - 1] = {0, (double)A, -(double)A, (double)B, -(double)B};

static void expand(double u[WINDOW], const double g[3]) {
  for (int i = 0; i < WINDOW - 1; i++) {
    double p = POINTS[i], scale = 1;
    for (int j = 0; j < WINDOW - 1; j++)
      if (j != i) scale *= p - POINTS[j];
    u[i] = (g[0] + p * g[1] + p * p * g[2]) / scale;
  }
  u[WINDOW - 1] = g[2];
}

void kernel_winograd_weights(float *u, size_t plane, const float *w, size_t count) {
  for (size_t k = 0; k < count; k++, w += 9) {
    double columns[3][WINDOW];
    for (int column = 0; column < 3; column++)
      expand(columns[column], (double[3]){w[column], w[3 + column], w[6 + column]});
    for (int row = 0; row < WINDOW; row++) {
      double line[WINDOW];
      expand(line, (double[3]){columns[0][row], columns[1][row], columns[2][row]});
      for (int column = 0; column < WINDOW; column++)
        u[(size_t)(row * WINDOW + column) * plane + k] = (float)line[column];
    }
  }
}
