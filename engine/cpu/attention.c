#include "attention.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "threads.h"
#include "tiles.h"

static const attention_kernels *kernels_of(const attention *a) {
    const tile_kernels *tiles = a->bf16 ? tiles_in_use() : NULL;
    return tiles ? tiles->attention : kernels_for(a->bf16)->attention;
}

static int forward_job(void *of, int worker, int workers) {
    const attention *a = of;
    const attention_kernels *k = kernels_of(a);
    for (int i = worker; i < a->parts; i += workers)
        if (k->forward(a, a->bounds[i], a->bounds[i + 1])) return -1;
    return 0;
}

int attention_forward(attention a) { return threads_run(forward_job, &a, a.parts); }

// sums are dk and dv of each part: [parts, 2, N, padded, wide].
typedef struct {
    attention a;
    float *sums;
} backward;

// sums_size is how many values one part has for dk, and as many for dv.
static size_t sums_size(const attention *a) { return (size_t)a->kv * a->padded * attention_wide(a); }

static int backward_job(void *of, int worker, int workers) {
    const backward *b = of;
    const attention *a = &b->a;
    const attention_kernels *k = kernels_of(a);
    for (int i = worker; i < a->parts; i += workers) {
        float *dk = b->sums + 2 * i * sums_size(a);
        memset(dk, 0, 2 * sums_size(a) * sizeof *dk);
        if (k->backward(a, a->bounds[i], a->bounds[i + 1], dk, dk + sums_size(a))) return -1;
    }
    return 0;
}

static uint16_t nearest(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// add_job sets some positions of dk and dv to the sums over all parts.
static int add_job(void *of, int worker, int workers) {
    const backward *b = of;
    const attention *a = &b->a;
    const long wide = attention_wide(a), from = (long)a->positions * worker / workers;
    for (long p = from; p < (long)a->positions * (worker + 1) / workers; p++)
        for (int h = 0; h < a->kv; h++)
            for (int second = 0; second < 2; second++) {
                const float *sums = b->sums + second * sums_size(a) + (h * (long)a->padded + p) * wide;
                void *to = second ? a->dv : a->dk;
                const long at = (p * a->kv + h) * a->width;
                for (int c = 0; c < a->width; c++) {
                    float sum = sums[c];
                    for (int i = 1; i < a->parts; i++) sum += sums[2 * i * sums_size(a) + c];
                    if (a->bf16)
                        ((uint16_t *)to)[at + c] = nearest(sum);
                    else
                        ((float *)to)[at + c] = sum;
                }
            }
    return 0;
}

int attention_backward(attention a) {
    backward b = {a, malloc(2 * a.parts * sums_size(&a) * sizeof(float))};
    if (!b.sums) return -1;
    int failed = threads_run(backward_job, &b, a.parts);
    if (!failed) failed = threads_run(add_job, &b, a.parts);
    free(b.sums);
    return failed;
}
