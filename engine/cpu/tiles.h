// Products of bf16 matrices by tiles: registers of 16 rows of 64 bytes (AMX), of which one
// instruction multiplies two and adds to a third. gemm.h has what is multiplied.

#pragma once

#include "attention.h"
#include "decode.h"
#include "gemm.h"

// A tile of a has 16 rows of 32 values, one of b 16 pairs of rows with 16 columns, one of sums
// 16 rows of 16 values.
enum { TILE_SIDE = 16, TILE_VALUES = 32, TILE_BYTES = 1024 };

// tiles is a part of a product: rows m0 up to m1 by columns n0 up to n1. Whole tiles are
// multiplied, filled up with zeros.
typedef struct {
    gemm g;
    long m0, m1, n0, n1;
    long deep;   // tiles of k
    long packed; // rows from here on are in left, those before are read where they are
    char *left;  // [rows/16 upwards, deep] tiles
    char *right; // [columns/16 upwards, deep] tiles
} tiles;

// A worker's unit of work is so many rows at most, by columns of which so many bytes stay in
// its second-level cache; and so many tiles deep at a time, which stay in the first.
enum { TILES_ROWS = 256, TILES_CACHED = 1 << 20, TILES_DEPTH = 8, TILES_GROUPS = 64 };

// tile_kernels do one worker's part of the work. A unit is 32 rows of a, or columns of
// b, that are packed; sums is room for 32 rows.
typedef struct {
    void (*left)(const tiles *t, long unit);
    void (*right)(const tiles *t, long unit);
    void (*block)(const tiles *t, long m0, long m1, long n0, long n1, float *sums);
    // outputs from..to of a product of decoding that tiles_decode takes; room is for tiles_room bytes.
    void (*decode)(const decode_product *p, int from, int to, void *room);
    // attention of decoding of so many tokens of one row, at most 16 query heads, that
    // tiles_attend takes; room is for tiles_attention_room bytes.
    void (*attend)(const decode_head *heads, int tokens, void *room);
    const attention_kernels *attention;
} tile_kernels;

extern const attention_kernels attention_amx;
void decode_by_tiles(const decode_product *p, int from, int to, void *room);
void attend_by_tiles(const decode_head *heads, int tokens, void *room);
extern const tile_kernels tiles_amx;

// tiles_in_use gives the kernels where the set in use has tiles, else NULL.
const tile_kernels *tiles_in_use(void);

// tiles_gemm does what gemm_bf16 does, and weight_grad_gemm where g.columns is set.
int tiles_gemm(const tile_kernels *k, gemm g);

// tiles_decode says whether tiles multiply these rows and weights where they lie.
static inline int tiles_decode(const decode_product *p) { return p->bf16 && p->form == WEIGHT_BF16 && p->k % TILE_VALUES == 0 && p->out >= TILE_SIDE; }
static inline size_t tiles_room(const decode_product *p) {
    return 4 * TILE_BYTES + 2 * (size_t)p->k * gemm_upwards(p->m, TILE_SIDE) * TILE_SIDE;
}

// tiles_attend says whether tiles do attention of decoding with such heads.
static inline int tiles_attend(int bf16, int group, int width) { return bf16 && group <= TILE_SIDE && width % TILE_VALUES == 0; }
static inline size_t tiles_attention_room(int n, int width) {
    return TILE_SIDE * (4 * (size_t)gemm_upwards(n, 2 * TILE_SIDE) * 2 * TILE_SIDE + 2 * width) + 4 * TILE_BYTES;
}
