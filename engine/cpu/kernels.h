// The kernels, one table of them for each set of instructions. They are written once,
// over vectors (simd.h) and over what is multiplied (operands_f32.h, operands_bf16.h),
// and compiled for each set (set_*.c). A kernel does one worker's part of the work and
// knows nothing of threads.

#pragma once

#include "adamw.h"
#include "attention.h"
#include "codes.h"
#include "decode.h"
#include "gemm.h"
#include "layer.h"
#include "search.h"

typedef struct {
    const attention_kernels *attention;

    int gemm_rows, gemm_panel, gemm_step; // rows of a tile, columns of a panel, values of a unit
    void (*gemm_block)(const gemm *g, long m0, long m1, long n0, gemm_room *room);
    void (*gemm_pack)(const gemm *g, long group);
    void (*gemm_pack_right)(const gemm *g, long panel);

    void (*decode_gemm)(const decode_product *p, int from, int to, const char *next);
    void (*decode_attention)(const decode_head *h);
    void (*round_bf16)(uint16_t *to, const float *from, long n);

    // These are NULL where bytes are not multiplied: they are with bf16.
    void (*codes_set)(uint8_t *panels, const float *rows, const float *factors, long n, long width, long stride);
    void (*codes_query)(code_query *q, int8_t *codes, long step, const float *query, long width);
    void (*codes_search)(const code_search *s);

    // These are NULL where there are only kernels for bf16.
    void (*norm)(const row_norm *n, long from, long to);
    void (*norm_vjp)(const row_norm *n, long from, long to);
    void (*rotate)(const rotation *r, long from, long to);
    void (*activate)(const activation *a, long from, long to);
    void (*gate)(const gating *g, long from, long to);
    void (*gate_vjp)(const gating *g, long from, long to);
    void (*soft_cap)(float *x, long n, float cap);
    void (*accumulate_bf16)(float *to, const uint16_t *d, long n, int first);
    void (*accumulate_f32)(float *to, const float *d, long n);
    void (*split)(const float *x, uint16_t *bf16, int16_t *residual, long n);
    void (*join)(float *x, const uint16_t *bf16, const int16_t *residual, long n);
    void (*search)(const search *s, float *panel); // of SEARCH_ROWS by width
    void (*adamw)(const adamw_step *s, const adamw_weights *w, long n);
    void (*adamw_coded)(const adamw_step *s, const adamw_weights *w, const coded_moments *c, const moment_maps *maps, long n);
} kernels;

extern const kernels kernels_plain, kernels_avx2, kernels_avx512, kernels_avx512bf16;

// kernels_for gives the kernels of the set in use, for values in bf16 or f32.
const kernels *kernels_for(int bf16);
