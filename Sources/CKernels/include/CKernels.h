// The hot loops: plain C, no dependencies, no threads. Rows are contiguous, channels last.
// Each line states the maths; Sources/SDLensCore/Math/Reference.swift has the same as plain loops.
#ifndef SDLENS_KERNELS_H
#define SDLENS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// y[i] = (float) x[i], x in IEEE half precision (convert.c)
void kernel_float_from_half(float *y, const uint16_t *x, size_t count);

// y[i] = (float) x[i], x in bfloat16
void kernel_float_from_bfloat(float *y, const uint16_t *x, size_t count);

// true when no element of x is NaN or infinite; for the three formats
bool kernel_all_finite_float(const float *x, size_t count);
bool kernel_all_finite_half(const uint16_t *x, size_t count);
bool kernel_all_finite_bfloat(const uint16_t *x, size_t count);

#endif
