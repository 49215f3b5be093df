// Half-precision formats to float, and the check that weights are numbers.
#include "CKernels.h"
#include "targets.h"

#include <string.h>

static inline float bits_to_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

CLONES void kernel_float_from_half(float *restrict y, const uint16_t *restrict x, size_t count) {
  const _Float16 *h = (const _Float16 *)x;
  for (size_t i = 0; i < count; i++) y[i] = (float)h[i];
}

CLONES void kernel_float_from_bfloat(float *restrict y, const uint16_t *restrict x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = bits_to_float((uint32_t)x[i] << 16);
}

CLONES bool kernel_half_from_float(uint16_t *restrict y, const float *restrict x, size_t count) {
  _Float16 *h = (_Float16 *)y;
  uint16_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    h[i] = (_Float16)x[i];
    bad |= (y[i] & 0x7c00u) == 0x7c00u;
  }
  return !bad;
}

void kernel_read_weights(float *y, const kernel_weights *w, size_t output, size_t first, size_t count) {
  size_t start = output * w->depth + first;
  switch (w->format) {
  case kernel_f16: kernel_float_from_half(y, (const uint16_t *)w->elements + start, count); break;
  case kernel_bf16: kernel_float_from_bfloat(y, (const uint16_t *)w->elements + start, count); break;
  case kernel_f32: memcpy(y, (const float *)w->elements + start, count * sizeof(float)); break;
  case kernel_panel: __builtin_trap();
  }
}

// A number is finite unless all bits of its exponent are set. The blocks keep the early exit cheap.
#define ALL_FINITE(NAME, TYPE, EXPONENT)                      \
  bool NAME(const TYPE *restrict x, size_t count);            \
  CLONES bool NAME(const TYPE *restrict x, size_t count) {    \
    while (count > 0) {                                       \
      size_t block = count < 4096 ? count : 4096;             \
      TYPE bad = 0;                                           \
      for (size_t i = 0; i < block; i++) bad |= (x[i] & EXPONENT) == EXPONENT; \
      if (bad) return false;                                  \
      x += block, count -= block;                             \
    }                                                         \
    return true;                                              \
  }

ALL_FINITE(finite_words, uint32_t, 0x7f800000u)
ALL_FINITE(kernel_all_finite_half, uint16_t, 0x7c00u)
ALL_FINITE(kernel_all_finite_bfloat, uint16_t, 0x7f80u)

bool kernel_all_finite_float(const float *x, size_t count) {
  return finite_words((const uint32_t *)x, count);
}
