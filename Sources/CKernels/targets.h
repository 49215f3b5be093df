// Compiles a function once for each generation of processor; the loader picks the best at start.
#if defined(__x86_64__)
#define CLONES __attribute__((target_clones("default", "arch=haswell", "arch=skylake-avx512")))
#else
#define CLONES
#endif
