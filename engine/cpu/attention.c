#include "attention.h"

#include <math.h>
#include <stdlib.h>

#include "threads.h"
#include "gemm.h"
#include "isa.h"

#define KERNEL "attention_f32.h"
#include "widths.h"

// attention_bf16.h's kernels multiply in bf16, which is what they read.
#ifdef WIDE_X86
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx2,fma")
#include "attention_bf16.h"
#pragma GCC pop_options
#endif

#ifdef WIDE_X86
#define CHOOSE(name) (s->products ? name##_half : WIDEST(name))
#else
#define CHOOSE(name) WIDEST(name)
#endif

// job is what both are told.
typedef struct {
    const shape *s;
    const int *bounds;
    int parts;
    const void *q, *k, *v;
    const unsigned char *sees;
    const int *depth, *start, *reach;
    void *o;
    float *lse;
    const void *out, *dO; // o and lse, backwards
    const float *stats;
    float *sums;
    void *dq, *dk, *dv;
} job;

static void forward_share(void *of, int worker, int workers) {
    const job *j = of;
    const shape *s = j->s;
    forward_kernel *kernel = CHOOSE(forward);
    for (int i = worker; i < j->parts; i += workers)
        kernel(s, j->bounds[i], j->bounds[i + 1], j->q, j->k, j->v, j->sees, j->depth, j->start, j->reach, j->o, j->lse);
}

void attention_forward(const shape *s, const int *bounds, int parts, const void *q, const void *k, const void *v,
                   const unsigned char *sees, const int *depth, const int *start, const int *reach, void *o,
                   float *lse) {
    job j = {s, bounds, parts, q, k, v, sees, depth, start, reach, .o = o, .lse = lse};
    threads_run(forward_share, &j, parts);
}

// sums_size is how many values one part has for dk, and as many for dv.
static long sums_size(const shape *s) { return (long)s->kv * s->padded * attention_wide(s); }

static void backward_share(void *of, int worker, int workers) {
    const job *j = of;
    const shape *s = j->s;
    backward_kernel *kernel = CHOOSE(backward);
    for (int i = worker; i < j->parts; i += workers) {
        float *dk = j->sums + 2 * i * sums_size(s);
        kernel(s, j->bounds[i], j->bounds[i + 1], j->q, j->k, j->v, j->out, j->stats, j->dO, j->sees, j->depth, j->start,
               j->reach, j->dq, dk, dk + sums_size(s));
    }
}

// add_share sets some positions of dk and dv to the sums over all parts.
static void add_share(void *of, int worker, int workers) {
    const job *j = of;
    const shape *s = j->s;
    const long wide = attention_wide(s);
    for (long p = (long)s->positions * worker / workers; p < (long)s->positions * (worker + 1) / workers; p++)
        for (int h = 0; h < s->kv; h++)
            for (int second = 0; second < 2; second++) {
                const float *from = j->sums + second * sums_size(s) + (h * (long)s->padded + p) * wide;
                for (int c = 0; c < s->width; c++) {
                    float sum = from[c];
                    for (int i = 1; i < j->parts; i++) sum += from[2 * i * sums_size(s) + c];
                    set_plain(second ? j->dv : j->dk, (p * s->kv + h) * s->width + c, sum, s->half);
                }
            }
}

void attention_backward(const shape *s, const int *bounds, int parts, const void *q, const void *k, const void *v,
                    const void *o, const float *lse, const void *dO, const unsigned char *sees, const int *depth,
                    const int *start, const int *reach, float *sums, void *dq, void *dk, void *dv) {
    job j = {s, bounds, parts, q, k, v, sees, depth, start, reach, .out = o, .stats = lse, .dO = dO, .sums = sums, .dq = dq, .dk = dk, .dv = dv};
    threads_run(backward_share, &j, parts);
    threads_run(add_share, &j, parts);
}
