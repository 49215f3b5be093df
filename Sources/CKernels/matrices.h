// Products of 16-bit integers by the matrix unit of newer Intel processors (AMX), which multiplies bytes: with
// q = 256 h + l, h with a sign and l without, qq' = 65536 hh' + 256 (hl' + lh') + ll'. Each of the four sums of products
// is exact, and so is their sum, which is known to fit in 32 bits: the bits are those of the other variants.
//
// Included by shorts.c, with whose GROUP activations and weights are laid out here.
#ifndef MATRICES_H
#define MATRICES_H

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AMX __attribute__((target("arch=x86-64-v4,amx-tile,amx-int8"), WIDE))

// Whether there is a matrix unit, and the system lets this process use it; it must be asked once.
static bool has_matrices(void) {
  enum { ASK = 0x1023, TILES = 18, UNKNOWN = 0, USABLE, UNUSABLE };
  static _Atomic int known = UNKNOWN;
  if (known == UNKNOWN) {
    bool there = __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("amx-tile") &&
                 __builtin_cpu_supports("amx-int8");
    known = there && syscall(SYS_arch_prctl, ASK, TILES) == 0 ? USABLE : UNUSABLE;
  }
  return known == USABLE;
}

enum { LINE = LANES * sizeof(int32_t) };  // bytes from one row of a tile to the next

// Sixteen outputs by sixteen rows: the four sums of products of a block.
typedef struct {
  int32_t high[LANES * LANES], high_low[LANES * LANES], low_high[LANES * LANES], low[LANES * LANES];
} exact_sums __attribute__((aligned(64)));

// A block whose sums of products are known, and what is to be done with them.
typedef struct {
  const exact_sums *exact;
  const float *row_units, *units;
  float *to;  // the sums of the outputs, `stride` apart
  size_t stride;
} pending;

// sums[o] += those of an output, times both units; after the last block of a chunk they go to their place.
AMX INLINE void add_output(vector *sums, const pending *p, size_t o, bool last) {
#define ROWS_OF(PART) (*(const wide_words *)(p->exact->PART + o * LANES))
  // Without signs, so that what is beyond 32 bits on the way is dropped.
  wide_words exact = (((ROWS_OF(high) << 8) + ROWS_OF(high_low) + ROWS_OF(low_high)) << 8) + ROWS_OF(low);
#undef ROWS_OF
  sums[o] = __builtin_elementwise_fma(__builtin_convertvector((ints)exact, vector),
                                      *(const vector *)p->row_units * p->units[o], sums[o]);
  if (!last) return;
  *(vector *)(p->to + o * p->stride) += sums[o];
  sums[o] = (vector){0};
}

// Half of a block's bytes, from a line of words on, comes into the tiles 4 to 7.
AMX INLINE void load_bytes(const float *x, const float *w, size_t words) {
  _tile_loadd(4, w + words * LANES, LINE);
  _tile_loadd(6, x + words * LANES, LINE);
  _tile_loadd(7, x + (PAIRS / 2 + words) * LANES, LINE);
  _tile_loadd(5, w + (PAIRS / 2 + words) * LANES, LINE);
}

// The exact sums of a block whose first half is loaded. While the unit multiplies, those of the block before are added
// up. The half that is multiplied next is loaded before the sums are stored: a load that follows a store waits for it if
// both have the same place in their pages.
AMX INLINE void multiply_bytes(exact_sums *exact, const float *x, const float *w, const float *next_x,
                               const float *next_w, vector *sums, const pending *p, bool last) {
  _tile_zero(0), _tile_zero(1), _tile_zero(2), _tile_zero(3);
#define ADD(FIRST) \
  _Pragma("clang loop unroll(full)") for (size_t o = (FIRST); o < (FIRST) + 2; o++) add_output(sums, p, o, last)
#define HALF(FIRST)       \
  _tile_dpbssd(0, 4, 6);  \
  ADD(FIRST);             \
  _tile_dpbsud(1, 4, 7);  \
  ADD((FIRST) + 2);       \
  _tile_dpbusd(2, 5, 6);  \
  ADD((FIRST) + 4);       \
  _tile_dpbuud(3, 5, 7);  \
  ADD((FIRST) + 6)
  HALF(0);
  load_bytes(x, w, LANES);
  HALF(8);
  load_bytes(next_x, next_w, 0);
#undef HALF
#undef ADD
  _tile_stored(0, exact->high, LINE);
  _tile_stored(1, exact->high_low, LINE);
  _tile_stored(2, exact->low_high, LINE);
  _tile_stored(3, exact->low, LINE);
}

// All tiles of some rows and a panel of outputs, of which there are always as many as fill tiles.
AMX static void block_amx(columns to, const float *x, const float *w, size_t rows, size_t outputs, size_t blocks,
                          fetching *next) {
  static const struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } tiles = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
  exact_sums exact[2];
  memset(exact, 0, sizeof exact);
  _tile_loadconfig(&tiles);
  next->tiles = rows / LANES * ((outputs + LANES - 1) / LANES);
  vector sums[LANES];
#pragma clang loop unroll(full)
  for (int o = 0; o < LANES; o++) sums[o] = (vector){0};
  // Before the first block there is none: zeros are added to its place, or NaN where its own units are.
  pending before = {&exact[0], x + PAIRS * LANES, w + PAIRS * LANES, to.sums, to.stride};
  const float *next_x = x, *next_w = w;
  load_bytes(x, w, 0);
  for (size_t r = 0; r < rows; r += LANES)
    for (size_t o = 0; o < outputs; o += LANES) {
      for (size_t b = 0; b < blocks; b++) {
        const float *here_x = next_x, *here_w = next_w;
        if (b + 1 < blocks || o + LANES < outputs)
          next_w += GROUP;
        else
          next_w = w;
        // Behind the last block, its own once more.
        if (b + 1 < blocks || (o + LANES >= outputs && r + LANES < rows))
          next_x += GROUP;
        else
          next_x -= b * GROUP;
        exact_sums *sums_here = before.exact == &exact[0] ? &exact[1] : &exact[0];
        if (b == 0)
          multiply_bytes(sums_here, here_x, here_w, next_x, next_w, sums, &before, true);
        else
          multiply_bytes(sums_here, here_x, here_w, next_x, next_w, sums, &before, false);
        before = (pending){sums_here, here_x + PAIRS * LANES, here_w + PAIRS * LANES, to.sums + o * to.stride + r, to.stride};
      }
      fetch_some(next);
    }
#pragma clang loop unroll(full)
  for (size_t o = 0; o < LANES; o++) add_output(sums, &before, o, true);
  _tile_release();
}

#endif
