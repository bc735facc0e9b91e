// What the files for AMX's tiles share: eight registers of 16 rows of 64 bytes, of which an
// instruction multiplies two and adds to a third. A file includes this once, on x86-64.

#define FEATURES "avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,amx-tile,amx-bf16,avx2,fma"
#define LANES 16
#define BF16_PRODUCTS
#include "tiles.h"

#include "simd.h"

#include "operands.h"

typedef struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} tiles_config;

// all_stored has what was stored so far be in memory: GCC 12 does not know that tile loads
// read it.
INLINE void all_stored(void) { __asm__ volatile("" ::: "memory"); }

// begin_tiles makes all tiles whole ones, until _tile_release.
static void begin_tiles(void) {
    tiles_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) c.bytes[i] = 64, c.rows[i] = TILE_SIDE;
    __asm__ volatile("" ::"m"(c)); // GCC 12 takes the load of a configuration for one of 8 bytes
    _tile_loadconfig(&c);
}

// square is a product of up to two tiles of rows with up to two of columns.
typedef struct {
    const char *a[2], *b[2];
    long row[2], step[2]; // bytes from row to row, and from tile to tile, of a
    long b_row, b_step;   // the same of b
    long steps;
    float *sums; // [32, 32], ld apart
    long ld;
    int sets; // sums are not to be added to
    const char *ahead; // what is read from memory next, 2 KB of it a step; NULL for nothing
} square;

INLINE void multiply_square(const int rows, const int columns, const square *q) {
    const long ld = q->ld * sizeof(float);
    float *lower = q->sums + TILE_SIDE * q->ld;
    all_stored();
    if (q->sets) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    } else {
        _tile_loadd(0, q->sums, ld);
        if (columns > 1) _tile_loadd(1, q->sums + TILE_SIDE, ld);
        if (rows > 1) _tile_loadd(2, lower, ld);
        if (rows > 1 && columns > 1) _tile_loadd(3, lower + TILE_SIDE, ld);
    }
    const char *a0 = q->a[0], *a1 = q->a[1], *b0 = q->b[0], *b1 = q->b[1];
    for (long s = 0; s < q->steps; s++) {
        _tile_loadd(4, a0, q->row[0]);
        if (rows > 1) _tile_loadd(5, a1, q->row[1]);
        _tile_loadd(6, b0, q->b_row);
        if (columns > 1) _tile_loadd(7, b1, q->b_row);
        _tile_dpbf16ps(0, 4, 6);
        if (columns > 1) _tile_dpbf16ps(1, 4, 7);
        if (rows > 1) _tile_dpbf16ps(2, 5, 6);
        if (rows > 1 && columns > 1) _tile_dpbf16ps(3, 5, 7);
        if (q->ahead)
            for (int i = 0; i < 2 * TILE_BYTES; i += 64) _mm_prefetch(q->ahead + s * 2 * TILE_BYTES + i, _MM_HINT_T1);
        a0 += q->step[0], a1 += q->step[1], b0 += q->b_step, b1 += q->b_step;
    }
    _tile_stored(0, q->sums, ld);
    if (columns > 1) _tile_stored(1, q->sums + TILE_SIDE, ld);
    if (rows > 1) _tile_stored(2, lower, ld);
    if (rows > 1 && columns > 1) _tile_stored(3, lower + TILE_SIDE, ld);
}

INLINE void multiply_some(int rows, int columns, const square *q) {
    if (rows > 1 && columns > 1) multiply_square(2, 2, q);
    else if (rows > 1) multiply_square(2, 1, q);
    else if (columns > 1) multiply_square(1, 2, q);
    else multiply_square(1, 1, q);
}
