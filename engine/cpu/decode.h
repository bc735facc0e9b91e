// Layers over a few rows. Package cpu explains the arguments. Work is shared by
// so many workers, at most DECODE_WORKERS.

#pragma once

#include <stdint.h>

#define DECODE_WORKERS 64

// decode_gemm sets y [m, out] to x·wᵀ for rows x [M, k] and weights w [out, k] in
// f32 or bf16 (half); M is m rounded up to DECODE_ROWS, and x is in bf16 where w is
// and gemm_usable says so, else in f32.
#define DECODE_ROWS 8
void decode_gemm(int half, const void *w, const void *x, float *y, int m, int k, int out, int workers);

// round_bf16 is n values in bf16.
void round_bf16(uint16_t *to, const float *from, long n);

// swiglu sets n values of g to silu(g)·u.
void swiglu(float *g, const float *u, long n);

// kv_cache holds keys and values [heads, room, width] of `length` tokens in bf16
// (half) or f32.
typedef struct {
    int heads, width, half, room, length;
    void *keys, *values;
} kv_cache;

// kv_append adds the keys and values at n places of k and v [.., heads, width], which
// are bf16 (half), as the cache's are then, or f32. It gives -1 where there is no memory.
int kv_append(kv_cache *c, const void *k, const void *v, int half, const int *places, int n);

// decode_attention is attention from the new tokens q [rows, heads, width], each to what
// its cache holds, to o. It gives -1 where there is no memory.
int decode_attention(kv_cache **caches, int rows, int heads, int slide, const float *q, float *o, int workers);
