// The hot loops: plain C, no dependencies, no threads. Rows are contiguous, channels last.
// Each line states the maths; Tests/SDLensTestSupport/Reference.swift has the same as plain loops.
#ifndef SDLENS_KERNELS_H
#define SDLENS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// tells the processor that a loop waits for another thread
static inline void kernel_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// --- convert.c ---------------------------------------------------------------------------------

// y[i] = (float) x[i], x in IEEE half precision
void kernel_float_from_half(float *y, const uint16_t *x, size_t count);
// y[i] = (float) x[i], x in bfloat16
void kernel_float_from_bfloat(float *y, const uint16_t *x, size_t count);
// y[i] = x[i] in IEEE half precision, to nearest even; false when one is NaN, infinite or beyond its range
bool kernel_half_from_float(uint16_t *y, const float *x, size_t count);
// kernel_panel: float32 as kernel_product takes it in, [⌈depth / KERNEL_DEPTH⌉][outputs][KERNEL_WEIGHT_STRIDE].
typedef enum { kernel_f32, kernel_f16, kernel_bf16, kernel_panel } kernel_format;

// A weight matrix [outputs, depth], aligned for its format; as it lies in its file unless it is a panel.
typedef struct {
  const void *elements;
  kernel_format format;
  size_t outputs, depth;
} kernel_weights;

// y[i] = w[output][first + i]; not of a panel
void kernel_read_weights(float *y, const kernel_weights *w, size_t output, size_t first, size_t count);
// true when no element of x is NaN or infinite; for the three formats
bool kernel_all_finite_float(const float *x, size_t count);
bool kernel_all_finite_half(const uint16_t *x, size_t count);
bool kernel_all_finite_bfloat(const uint16_t *x, size_t count);

// --- arithmetic.c ------------------------------------------------------------------------------

// y[i] += a x[i]
void kernel_add_scaled(float *y, float a, const float *x, size_t count);
// y[i] = a x[i] + b
void kernel_scale_shift(float *y, float a, float b, const float *x, size_t count);

// y[r][c] = x[r][c] - v[c]
void kernel_subtract_row(float *y, const float *x, const float *v, size_t rows, size_t width);

// --- sparse.c ----------------------------------------------------------------------------------

// The k largest entries of x, largest first and of equal ones the first; NaN counts as smallest. k <= width
void kernel_top_k(int32_t *indices, float *values, const float *x, size_t width, size_t k);
// y[c] += Σ_j values[j] w[indices[j]][c] over the entries whose value is not 0
void kernel_add_rows(float *y, const int32_t *indices, const float *values, size_t k, const float *w,
                     size_t width);

// --- training.c --------------------------------------------------------------------------------

// y[c] = base[c] + scale Σ_j weights[j] x[rows[j] stride + c]; base may be NULL (0) or y
void kernel_weighted_sum(float *y, const float *base, float scale, const int32_t *rows,
                         const float *weights, size_t count, const float *x, size_t stride, size_t width);
// sums[j] = Σ_c x[c] w[rows[j] stride + c]
void kernel_row_dots(float *sums, const float *x, const int32_t *rows, size_t count, const float *w,
                     size_t stride, size_t width);

enum { KERNEL_STRIP = 64 };  // columns of a matrix that lie together: 64 rows of them fill half a first cache

// A sparse matrix has in row o the entries starts[o]..<starts[o + 1], in the columns `indices`; x and y are strips,
// their rows KERNEL_STRIP apart.
// y[o][c] = scale Σ_j weights[j] x[indices[j]][c], or y[o][c] +=
void kernel_sparse_product(float *y, bool add, float scale, const int32_t *starts, size_t rows,
                           const int32_t *indices, const float *weights, const float *x);
// sums[j] = Σ_c y[o][c] x[indices[j]][c] over the strip, for the entries j of every row o, or sums[j] +=
void kernel_sparse_dots(float *sums, bool add, const float *y, const int32_t *starts, size_t rows,
                        const int32_t *indices, const float *x);
// y[outputs[o] stride + c] = scale x[o][c], or +=, for c below width (at most KERNEL_STRIP); x is a strip
void kernel_scatter_strip(float *y, const int32_t *outputs, size_t stride, size_t width, bool add, float scale,
                          const float *x, size_t rows);

// The entries above 0 of x [rows, columns], in lists: one for each group of columns and, in it, for each row, from
// starts[group rows + row] on. There must be room for one entry more
void kernel_positive_entries(int32_t *starts, int32_t *indices, float *values, const float *x, size_t rows,
                             size_t columns, size_t group);
// Sorts the entries above 0 of such lists by column and then by row, counted from first_row; the slopes are sorted
// as the values are
void kernel_sort_entries(int32_t *starts, int32_t *sorted_rows, float *sorted_values, float *sorted_slopes,
                         size_t columns, const int32_t *list_starts, size_t lists, size_t rows, int32_t first_row,
                         const int32_t *indices, const float *values, const float *slopes);

// Σ_i x[i] y[i]
float kernel_dot(const float *x, const float *y, size_t count);
// sums[c] += Σ_r x[r][c], squares[c] += Σ_r x[r][c]²; in float32, for some tens of rows
void kernel_column_sums(float *sums, float *squares, const float *x, size_t rows, size_t width);

// One step of Adam, the same for all parameters.
typedef struct {
  float gradient_scale;     // below 1 where gradients are clipped
  float mean_weight;        // 1 - β₁
  float square_decay;       // β₂
  float square_weight;      // 1 - β₂
  float square_correction;  // √(1 - β₂ᵗ)
  float rate;               // learning rate / (1 - β₁ᵗ)
  float epsilon;
} kernel_adam_step;

// m += (g - m)(1 - β₁), v = β₂ v + (1 - β₂) g², p -= rate m / (√v / correction + ε)
void kernel_adam(float *p, float *mean, float *square, const float *gradient, size_t count,
                 const kernel_adam_step *step);

// Σ_i (x[i] - y[i])²
double kernel_squared_distance(const float *x, const double *y, size_t count);
// y[i] += a x[i]
void kernel_add_scaled_double(double *y, double a, const float *x, size_t count);

// --- activation.c ------------------------------------------------------------------------------

// y = x / (1 + exp(-x))
void kernel_silu(float *y, const float *x, size_t count);
// y = x Φ(x), Φ the normal distribution function, to float precision
void kernel_gelu(float *y, const float *x, size_t count);
// y = max(x, 0)
void kernel_relu(float *y, const float *x, size_t count);
// y = x / (1 + exp(-1.702 x))
void kernel_quick_gelu(float *y, const float *x, size_t count);
// y[r][c] = x[r][c] gelu(x[r][width + c]); rows of x are 2 width long, those of y `stride` apart
void kernel_geglu(float *y, size_t stride, const float *x, size_t rows, size_t width);

// --- attention.c -------------------------------------------------------------------------------

// One head: its keys and values [keys][size], rows `key_stride` apart; `stride` is that of queries and results.
typedef struct {
  const float *k, *v;
  size_t keys, size, key_stride, stride;
  bool causal;  // query i sees the keys up to i only
} kernel_head;

// the floats that kernel_attention needs as scratch
size_t kernel_attention_scratch(const kernel_head *head);
// y[i] = Σ_k p[i][k] v[k], p[i] = softmax_k(q[i] · k[k] / √size), for the queries first..<first + count, with y
// and q starting there; p goes to `probabilities` [count][keys] too, unless that is NULL
void kernel_attention(float *y, const kernel_head *head, const float *q, size_t first, size_t count,
                      float *scratch, float *probabilities);

// x = exp(x - max x) / Σ exp(x - max x), in place; at least one
void kernel_softmax(float *x, size_t count);

// --- normalization.c ---------------------------------------------------------------------------

// y[r] = (x[r] - mean) / sqrt(variance + epsilon) * weight + bias, over each row
void kernel_layer_norm(float *y, const float *x, const float *weight, const float *bias, float epsilon,
                       size_t rows, size_t width);
// sum[c] += Σ_r (x[r][c] - shift[c]), squares[c] += Σ_r (x[r][c] - shift[c])²
void kernel_channel_moments(double *sum, double *squares, const float *shift, const float *x, size_t rows,
                            size_t width);
// y[r][c] = scale[c] (x[r][c] - center[c]) + shift[c], then SiLU if asked
void kernel_normalize(float *y, const float *x, const float *center, const float *scale,
                      const float *shift, bool silu, size_t rows, size_t width);

// --- patches.c ---------------------------------------------------------------------------------

// One image, channels last, and the k × k windows over it.
typedef struct {
  size_t height, width, channels;         // of the input
  size_t out_width;                       // output pixels in a row
  size_t kernel, stride, padding;
} kernel_window;

// y[p - first] = the kernel² · channels inputs under output pixel p, zero outside; for p in first..<last
void kernel_patches(float *y, const float *x, const kernel_window *window, size_t first, size_t last);

// y[u] = max of x over the window² pixels from (top, u · stride) on, for the `count` output pixels u of one row;
// rows of x are `row` floats long
void kernel_max_pool(float *y, const float *x, size_t row, size_t window, size_t stride, size_t count,
                     size_t channels);

// --- perception.c ------------------------------------------------------------------------------

// y[c] = clip((Σ_k weights[k] x[k · stride + c] + 2²¹) / 2²², 0, 255), rounded down, for c < count
void kernel_resample(uint8_t *y, const uint8_t *x, size_t stride, const int32_t *weights, size_t taps,
                     size_t count);
// Σ_r Σ_c w[c] (a[r][c] / (‖a[r]‖ + epsilon) - b[r][c] / (‖b[r]‖ + epsilon))²
double kernel_unit_distance(const float *a, const float *b, const float *w, float epsilon, size_t rows,
                            size_t width);

// --- product.c ---------------------------------------------------------------------------------

enum {
  KERNEL_BLOCK = 256,         // rows of a block
  KERNEL_PANEL = 96,          // outputs that one call may compute
  KERNEL_DEPTH = 256,         // inputs that are multiplied at a time
  KERNEL_WEIGHT_STRIDE = 272  // distance between rows of weights: not one that falls on the same lines of a cache
};

// A block is at most KERNEL_BLOCK rows x[r][0..<depth], multiplied plainly or by Strassen's scheme; that one
// needs KERNEL_BLOCK rows, even numbers of inputs and outputs, and weights that are no panel.

// whether this processor has registers for which a variant of the products is made
bool kernel_has_vectors(void);
// the floats that a packed block takes
size_t kernel_packed_size(bool strassen, size_t rows, size_t depth);
// the pieces in which a packed block is made: groups of rows, by Strassen's scheme cut into strips of inputs
size_t kernel_packed_groups(bool strassen, size_t rows, size_t depth);
// lays out the groups first..<last of a block; missing rows of the last group are 0
void kernel_pack(float *packed, bool strassen, const float *x, size_t rows, size_t depth, size_t first,
                 size_t last);
// where the sixteen rows of a group of a plain block lie side by side, input by input up to the next multiple of
// KERNEL_DEPTH, from an input on
size_t kernel_packed_offset(size_t rows, size_t depth, size_t group, size_t input);
// What becomes of the outputs z: y[r][o] = z[r][o], y[r][o] += z[r][o], or y[r][o] = z[r][o] gelu(z[r][half + o]), half as
// many.
typedef enum { kernel_set, kernel_add, kernel_gate } kernel_result;

// z[r][o] = Σ_k x[r][k] w[o][k] + bias[o] for a packed block and the outputs first..<last, at most KERNEL_PANEL; by
// Strassen's scheme, and gated, first..<last of both halves of the outputs, together at most KERNEL_PANEL. bias may be
// NULL; rows of y are `stride` apart
void kernel_product(float *y, size_t stride, const float *packed, bool strassen, size_t rows,
                    const kernel_weights *w, size_t first, size_t last, const float *bias, kernel_result result);
// The same of all outputs and without bias the other way round, y[o · stride + r], for a plain block; there must be room
// for as many rows as fill groups
void kernel_columns(float *y, size_t stride, const float *packed, size_t rows, const kernel_weights *w, bool accumulate);

// --- shorts.c ----------------------------------------------------------------------------------

enum {
  KERNEL_SHORTS_BLOCK = 1024,  // rows of a block
  KERNEL_SHORTS_DEPTH = 512,   // inputs that are multiplied at a time
  KERNEL_SHORTS_TOGETHER = 4,  // outputs whose weights are rounded together
  KERNEL_INPUTS = 128          // that have a unit of their own
};

// The same by 16-bit integers, with a unit for each KERNEL_INPUTS inputs of a row or an output. Weights that are a panel are
// those of kernel_shorts_panel, one after the other for each KERNEL_SHORTS_DEPTH inputs, and multiplied whole.

// the floats that a packed block takes
size_t kernel_shorts_size(size_t rows, size_t depth);
// lays out the groups of sixteen rows first..<last of a block; missing rows of the last group are 0
void kernel_shorts_pack(float *packed, const float *x, size_t rows, size_t depth, size_t first, size_t last);
// packs the KERNEL_INPUTS inputs from `input` on, or those that there are, of one group of rows, x[k][row]
void kernel_shorts_pack_lanes(float *packed, const float *x, size_t rows, size_t depth, size_t group, size_t input);
// the floats of a panel
size_t kernel_shorts_panel_size(size_t outputs);
// rounds all weights for KERNEL_SHORTS_DEPTH inputs from `input` on, or those that there are, as those of a panel's outputs
// from `at` on, a multiple of KERNEL_SHORTS_TOGETHER
void kernel_shorts_panel(float *panel, size_t at, const kernel_weights *w, size_t input);
// see kernel_product
void kernel_shorts_product(float *y, size_t stride, const float *packed, size_t rows, const kernel_weights *w,
                           size_t first, size_t last, const float *bias, kernel_result result);
// see kernel_columns; there must be room for as many outputs as fill groups of sixteen
void kernel_shorts_columns(float *y, size_t stride, const float *packed, size_t rows, const kernel_weights *w,
                           bool accumulate);

// --- peak.c ------------------------------------------------------------------------------------

// Multiplies and adds in registers, `count` times what a tile does with one input; returns the number of operations
// on floats. The result says nothing; `by` should be near 0.5
size_t kernel_peak(float *result, float by, size_t count);

// --- screen.c ----------------------------------------------------------------------------------

// Outputs and rows that are packed side by side.
enum { KERNEL_SCREEN = 16, KERNEL_SCREEN_ROWS = 6 };

// How far the product of two rounded vectors of `width` components is off at most, in products of their units
float kernel_screen_slack(size_t width);
// q[i step + j] = x[2 i + j] / unit, rounded, j 0 or 1; returns the unit: 0 for zeros, infinity (and zeros in q) for
// a vector that is not finite or whose length is not within 1e-12...1e12
float kernel_quantize(int16_t *q, size_t step, const float *x, size_t width);
// y[r][o] = (Σ x[r] w[o] - slack) row_units[r] units[o] + bias[o], a lower bound of the product of the floats:
// x is [rows / KERNEL_SCREEN_ROWS][pairs][KERNEL_SCREEN_ROWS][2], w [outputs / KERNEL_SCREEN][pairs][KERNEL_SCREEN][2],
// both filled up, as are units and bias; rows of y are `stride` apart
void kernel_screen(float *y, size_t stride, const int16_t *x, const float *row_units, size_t rows,
                   const int16_t *w, const float *units, const float *bias, size_t outputs, size_t pairs,
                   float slack);
// The i with y[i] + margin units[i] ≥ least, or not comparable; returns their number. There must be room for all
size_t kernel_screened(int32_t *indices, const float *y, float margin, const float *units, float least,
                       size_t count);

// --- winograd.c --------------------------------------------------------------------------------

// Pictures of height · width pixels, each cut into `tiles` tiles of 4 × 4, counted row by row.
typedef struct {
  size_t height, width, channels;
  size_t tiles_across, tiles;
} kernel_map;

// v[p · plane + (c - channel) 16 + t - first]: place p of the 36 of Bᵀ d B, for `count` channels (at most KERNEL_INPUTS) from
// `channel` on and the tiles t in first..<last, at most 16; behind them zeros
void kernel_winograd_input(float *v, size_t plane, const float *x, const kernel_map *map, size_t channel, size_t count,
                           size_t first, size_t last);
// y = Aᵀ m A + bias (or +=) at the pixels of the tiles first..<last, for `count` channels from `channel` on, from
// m[p · plane + (c - channel) stride + t - first], which has tiles to fill groups of 16
void kernel_winograd_output(float *y, const float *m, size_t plane, size_t stride, const float *bias, bool accumulate,
                            const kernel_map *map, size_t channel, size_t count, size_t first, size_t last);
// u[p][output - first][i]: place p of the 36 of G g Gᵀ, for the outputs first..<last of w [outputs][all inputs · 3 · 3]
// and `inputs` inputs from `input` on; rows are `stride` apart, planes `plane`
void kernel_winograd_weights(float *u, size_t plane, size_t stride, const kernel_weights *w, size_t first, size_t last,
                             size_t input, size_t inputs);

#endif
