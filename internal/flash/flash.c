#include "flash.h"

#include <math.h>
#include <stdlib.h>

#include "isa.h"

#define KERNEL "kernel.h"
#include "widths.h"

// half.h's kernels multiply in bf16.
#ifdef WIDE_X86
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx2,fma")
#include "half.h"
#pragma GCC pop_options
#endif

#ifdef WIDE_X86
#define CHOOSE(name) (s->half && HAS("avx512bf16") ? name##_half : WIDEST(name))
#else
#define CHOOSE(name) WIDEST(name)
#endif

void flash_forward(const shape *s, int from, int to, const float *q, const float *k, const float *v,
                   const unsigned char *sees, const int *depth, const int *start, const int *reach, float *o,
                   float *lse) {
    forward_kernel *kernel = CHOOSE(forward);
    kernel(s, from, to, q, k, v, sees, depth, start, reach, o, lse);
}

void flash_backward(const shape *s, int from, int to, const float *q, const float *k, const float *v, const float *o,
                    const float *lse, const float *dO, const unsigned char *sees, const int *depth, const int *start,
                    const int *reach, float *dq, float *dk, float *dv) {
    backward_kernel *kernel = CHOOSE(backward);
    kernel(s, from, to, q, k, v, o, lse, dO, sees, depth, start, reach, dq, dk, dv);
}
