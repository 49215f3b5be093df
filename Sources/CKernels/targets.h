// Compiles a function once for each generation of processor; the loader picks the best at start.
// The generations are feature levels (v3: AVX2, FMA, F16C; v4: AVX-512): "arch=haswell" would ask for
// that very model, and every other processor, newer or not Intel's, would get the default.
#ifndef TARGETS_H
#define TARGETS_H

// WIDE: with AVX-512, clang takes registers of 256 bits unless a function says that it has wider vectors.
#if defined(__x86_64__)
#define WIDE min_vector_width(512)
#define CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), WIDE))
#else
#define CLONES
#endif

// Compiled into each variant of the function that uses it, with its vectors and registers.
#define INLINE static inline __attribute__((always_inline))

#endif
