// Kernels are written once, over GCC's vector types, and compiled for each width
// of vector registers: FN gives each its name, WIDEST takes that of the widest
// that the processor has. widths.h compiles it for all.

#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) && !defined(__clang__) // which would need attributes instead of pragmas
#define WIDE_X86
#include <immintrin.h>
#endif

#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)
#define FN(name) JOIN(name, ISA)

#ifdef WIDE_X86
#define HAS(feature) __builtin_cpu_supports(feature)
#define WIDEST(name)                                                                                        \
    (HAS("avx512f") && HAS("avx512bw") && HAS("avx512dq") && HAS("avx512vl") ? name##_avx512                \
     : HAS("avx2") && HAS("fma")                                             ? name##_avx2                  \
                                                                             : name##_plain)
// whether kernels that multiply bf16 with bf16 may run
#define HALVES (HAS("avx512bf16") && HAS("avx512bw") && HAS("avx512dq") && HAS("avx512vl"))
#else
#define WIDEST(name) name##_plain
#define HALVES 0
#endif
