#include "flash.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// The kernels are written once, in kernel.h, over GCC's vector types, and
// compiled for each width of vector registers; the widest that the processor
// has is taken. Those of half.h multiply in bf16.
#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)
#define FN(name) JOIN(name, ISA)

#if defined(__x86_64__)
#define ISA _avx512
#define LANES 16
#define ROWS 8
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
#include "kernel.h"
#pragma GCC pop_options
#undef ISA
#undef LANES
#undef ROWS

#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx2,fma")
#include "half.h"
#pragma GCC pop_options

#define ISA _avx2
#define LANES 8
#define ROWS 6
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#include "kernel.h"
#pragma GCC pop_options
#undef ISA
#undef LANES
#undef ROWS
#endif

#define ISA _plain
#define LANES 4
#define ROWS 4
#include "kernel.h"

#if defined(__x86_64__)
#define CHOOSE(name)                                                            \
    (s->half && __builtin_cpu_supports("avx512bf16") ? name##_half              \
     : __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && \
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") \
         ? name##_avx512                                                        \
     : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? name##_avx2 \
                                                                       : name##_plain)
#else
#define CHOOSE(name) name##_plain
#endif

void flash_forward(const shape *s, int from, int to, const float *q, const float *k, const float *v,
                   const unsigned char *sees, const int *depth,
                   const int *start, const int *reach, float *o, float *lse) {
    forward_kernel *kernel = CHOOSE(forward);
    kernel(s, from, to, q, k, v, sees, depth, start, reach, o, lse);
}

void flash_backward(const shape *s, int from, int to, const float *q, const float *k, const float *v, const float *o,
                    const float *lse, const float *dO, const unsigned char *sees, const int *depth, const int *start, const int *reach, float *dq, float *dk,
                    float *dv) {
    backward_kernel *kernel = CHOOSE(backward);
    kernel(s, from, to, q, k, v, o, lse, dO, sees, depth, start, reach, dq, dk, dv);
}
