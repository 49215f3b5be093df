// Products of pairs of 16-bit integers, added up in 32 bits: one instruction where the processor has VNNI.
#ifndef INTEGERS_H
#define INTEGERS_H

#include "tile.h"

// Words hold a pair of inputs each, or a float.
#define WORDS(TYPE, BYTES) TYPE __attribute__((vector_size(BYTES), aligned(4), may_alias))
typedef WORDS(int16_t, 32) shorts;
typedef WORDS(int16_t, 64) pairs;
typedef WORDS(int8_t, 16) octets;
typedef int32_t products __attribute__((vector_size(128)));

// sums[r] += the sum of the products of the pairs x[r] and w.
typedef void adding(ints *sums, const ints *x, int32_t w);

// Two instructions on x86.
INLINE void add_pairs(ints *sums, const ints *x, int32_t w) {
  ints all = (ints){0} + w;
  products p = __builtin_convertvector(*(const pairs *)x, products) * __builtin_convertvector(*(pairs *)&all, products);
  *sums += __builtin_shufflevector(p, p, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
           __builtin_shufflevector(p, p, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

#if defined(__x86_64__)
#define VNNI __attribute__((target("arch=x86-64-v4,avx512vnni"), WIDE))
#define BEST_INTEGERS (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni") ? &vnni : BEST)
// The variants of tile.h and one more; MAKE(name, target, vectors, outputs, adding) defines a `variant`.
#define INTEGER_VARIANTS(MAKE) VARIANTS MAKE(vnni, VNNI, 2, 12, add_pairs_vnni)

// One instruction, which clang would often make two of again if it knew it.
VNNI INLINE void add_pairs_vnni(ints *sums, const ints *x, int32_t w) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(*sums) : "v"(*x), "v"((ints){0} + w));
}
#else
#define BEST_INTEGERS BEST
#define INTEGER_VARIANTS(MAKE) VARIANTS
#endif

#endif
