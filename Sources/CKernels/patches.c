// The windows of a convolution, laid out as rows of a matrix (im2col, channels last), and their maxima.
#include "CKernels.h"
#include "targets.h"

#include <string.h>

void kernel_patches(float *y, const float *x, const kernel_window *w, size_t first, size_t last) {
  size_t row_size = w->kernel * w->channels;
  for (size_t p = first; p < last; p++) {
    ptrdiff_t top = (ptrdiff_t)(p / w->out_width * w->stride) - (ptrdiff_t)w->padding;
    ptrdiff_t left = (ptrdiff_t)(p % w->out_width * w->stride) - (ptrdiff_t)w->padding;
    // The pixels of one kernel row lie side by side: one copy, with zeros for what sticks out.
    ptrdiff_t from = left < 0 ? 0 : left;
    ptrdiff_t to = left + (ptrdiff_t)w->kernel;
    if (to > (ptrdiff_t)w->width) to = (ptrdiff_t)w->width;
    for (size_t k = 0; k < w->kernel; k++, y += row_size) {
      ptrdiff_t line = top + (ptrdiff_t)k;
      if (line < 0 || line >= (ptrdiff_t)w->height || to <= from) {
        memset(y, 0, row_size * sizeof(float));
        continue;
      }
      size_t before = (size_t)(from - left) * w->channels, inside = (size_t)(to - from) * w->channels;
      memset(y, 0, before * sizeof(float));
      memcpy(y + before, x + ((size_t)line * w->width + (size_t)from) * w->channels, inside * sizeof(float));
      memset(y + before + inside, 0, (row_size - before - inside) * sizeof(float));
    }
  }
}

CLONES void kernel_max_pool(float *restrict y, const float *restrict x, size_t row, size_t window,
                            size_t stride, size_t count, size_t channels) {
  for (size_t u = 0; u < count; u++, y += channels) {
    const float *corner = x + u * stride * channels;
    memcpy(y, corner, channels * sizeof(float));
    for (size_t place = 1; place < window * window; place++) {
      const float *pixel = corner + place / window * row + place % window * channels;
      for (size_t c = 0; c < channels; c++) y[c] = pixel[c] > y[c] ? pixel[c] : y[c];
    }
  }
}
