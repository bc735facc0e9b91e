// Products of bf16 matrices on every processor. Package cpu explains them.

#pragma once

#include <stdint.h>

// gemm_usable says whether the processor multiplies bf16 with bf16.
int gemm_usable(void);

// gemm_bf16 sets y [m, n] to x·wᵀ for x [m, k] and w [n, k], or, if across, to x·w
// for w [k, n]. k is even.
void gemm_bf16(const uint16_t *x, const uint16_t *w, uint16_t *y, long m, long k, long n, int across, int workers);

// weight_grad_gemm_bf16 adds yᵀ·x to sum [n, k], or, if first, sets sum to it, for y [rows, n]
// and x [rows, k]. It returns 0 without memory.
int weight_grad_gemm_bf16(float *sum, const uint16_t *y, const uint16_t *x, long rows, long n, long k, int first, int workers);

// gemm_nt_call and gemm_nn_call are handlers of XLA's foreign calls: of x and w
// to y as gemm_bf16 has them, by so many workers as gemm_call_workers was told.
void gemm_call_workers(int workers);
void *gemm_nt_call(void *frame);
void *gemm_nn_call(void *frame);
