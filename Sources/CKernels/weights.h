// Weights as they lie in their file: read as floats, and fetched into a cache before they are needed.
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include "CKernels.h"
#include "tile.h"

// Rows of weights, `stride` bytes apart, to which sign · the rows at `other` are added, unless that is NULL.
typedef struct {
  const char *base, *other;
  float sign;
  size_t rows, stride, depth;
  kernel_format format;
} source;

static size_t element_size(kernel_format format) {
  return format == kernel_f16 || format == kernel_bf16 ? sizeof(uint16_t) : sizeof(float);
}

// What is multiplied next comes into the outer cache meanwhile, after each tile as many rows as are due.
typedef struct {
  source rows;
  size_t tiles, tile, row;
} fetching;

INLINE void fetch_some(fetching *f) {
  size_t due = ++f->tile * f->rows.rows / f->tiles, bytes = f->rows.depth * element_size(f->rows.format);
  for (; f->row < f->rows.rows && f->row < due; f->row++)
    for (size_t b = 0; b < bytes; b += 64) {
      __builtin_prefetch(f->rows.base + f->row * f->rows.stride + b, 0, 2);
      if (f->rows.other) __builtin_prefetch(f->rows.other + f->row * f->rows.stride + b, 0, 2);
    }
}

enum { ROWS_AHEAD = 4 };  // so many rows before its own a row is fetched, if nothing has done so before

INLINE void fetch_row(const source *s, size_t row) {
  size_t bytes = row < s->rows ? s->depth * element_size(s->format) : 0;
  for (size_t b = 0; b < bytes; b += 64) {
    __builtin_prefetch(s->base + row * s->stride + b);
    if (s->other) __builtin_prefetch(s->other + row * s->stride + b);
  }
}

typedef _Float16 halves __attribute__((vector_size(LANES * sizeof(_Float16)), aligned(2)));
typedef uint16_t words __attribute__((vector_size(LANES * sizeof(uint16_t)), aligned(2)));
typedef uint32_t wide_words __attribute__((vector_size(LANES * sizeof(uint32_t))));

INLINE void read_lanes(vector *to, const char *from, kernel_format format) {
  if (format == kernel_f16)
    *to = __builtin_convertvector(*(const halves *)from, vector);
  else if (format == kernel_bf16)
    *to = (vector)(__builtin_convertvector(*(const words *)from, wide_words) << 16);
  else
    *to = *(const vector *)from;
}

#endif
