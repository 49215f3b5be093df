// exp, branch-free, about 1 unit in the last place: `vector_exp` of a float, for loops that compilers turn into vector
// code, and `exp_lanes` of a vector, for those that they do not.
#ifndef EXPONENTIAL_H
#define EXPONENTIAL_H

#include "tile.h"

#include <string.h>

// p = exp(x). x = n ln 2 + r with |r| <= ln 2 / 2; adding 1.5 · 2^23 rounds to the nearest whole number. Then the Taylor
// series up to r^7: its remainder is below 6e-9.
#define EXPONENTIAL(FLOATS, INTS, CONVERT)                     \
  FLOATS n = (x * 1.44269504089f + 12582912.0f) - 12582912.0f; \
  FLOATS r = x - n * 0.693359375f;                             \
  r = r + n * 2.12194440e-4f;                                  \
  FLOATS p = r * (1.0f / 5040) + 1.0f / 720;                   \
  p = p * r + 1.0f / 120;                                      \
  p = p * r + 1.0f / 24;                                       \
  p = p * r + 1.0f / 6;                                        \
  p = p * r + 0.5f;                                            \
  p = p * r + 1.0f;                                            \
  p = p * r + 1.0f;                                            \
  INTS bits;                                                   \
  memcpy(&bits, &p, sizeof bits);                              \
  bits += CONVERT(n) * (1 << 23);                              \
  memcpy(&p, &bits, sizeof bits);

INLINE float vector_exp(float x) {
#define TO_INT(X) (int32_t)(X)
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  EXPONENTIAL(float, int32_t, TO_INT)
  return p;
}

INLINE void exp_lanes(vector *to) {
#define TO_INTS(X) __builtin_convertvector(X, ints)
  vector x = *to, least = (vector){0} - 87.0f, most = (vector){0} + 88.0f;
  // NaN stays NaN.
  ints low = x < least, high = x > most;
  x = (vector)((low & (ints)least) | (high & (ints)most) | (~(low | high) & (ints)x));
  EXPONENTIAL(vector, ints, TO_INTS)
  *to = p;
}

#endif
