// Products of matrices by all workers: of bf16, as layers take them, and those that
// weights' gradients are. gemm.go explains them.

#pragma once

#include <stddef.h>
#include <stdint.h>

// A product of a [m, k] and b to y or to sum [m, n].
typedef struct {
    const void *a;   // [m, k]; where it is packed, its transpose [k, columns] from a column on
    long columns;    // 0 where a is not packed
    const void *b;   // [k, n], or if trans_b [n, k]
    int trans_b;
    int bf16;        // a and b are bf16, else f32
    long m, k, n;
    uint16_t *y;     // is set; or NULL, then:
    float *sum;      // is added to, or if first is set
    int first;
    int workers;
    void *packed;    // a's tiles [m/rows upwards, k/STEP upwards, rows] of units
    void *panels;    // b's, from column n0 on, each in its place; NULL where workers pack those they come to
    long n0;
} gemm;

// gemm_room is what a worker works in.
typedef struct {
    void *panel; // of b
    float *sums; // of a block, on the way to y
} gemm_room;

// How deep a panel of b is at most, in units, how many rows of a are a worker's unit of
// work at most, in tiles, and how many bytes of it stay in the worker's cache beside a
// panel, while one panel after the other passes by them; and how many tiles are packed together.
enum { GEMM_DEPTH = 768, GEMM_TILES = 64, GEMM_CACHED = 384 << 10, GEMM_PACKED = 16 };

// GEMM_PANELS is how many bytes of b's panels are packed at a time for all workers.
enum { GEMM_PANELS = 4 << 20 };

// gemm_take gives memory on a cache line that operands are packed in, kept from call to call,
// since page faults would cost a tenth of a product: to one product at a time, until it calls
// gemm_give, also where there was none (NULL).
void *gemm_take(size_t bytes);
void gemm_give(void);

static inline long gemm_upwards(long n, long by) { return (n + by - 1) / by; }

// gemm_bf16 sets g.y. Only the sets from avx512bf16 on have it, and k is even. It gives -1 without
// memory.
int gemm_bf16(gemm g);

// weight_grad_gemm adds to g.sum [m, n], for a [k, m] and b [k, n] in rows. It gives -1 without
// memory.
int weight_grad_gemm(gemm g);

// gemm_nt_call and gemm_nn_call are handlers of XLA's foreign calls that do what gemm_bf16
// does with trans_b and without.
void *gemm_nt_call(void *frame);
void *gemm_nn_call(void *frame);
