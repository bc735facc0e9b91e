#ifdef __x86_64__
#define FEATURES "avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,amx-tile,amx-bf16,avx2,fma"
#define LANES 16
#define BF16_PRODUCTS
#include "attention.h"
#include "simd.h"
#include "tiles.h"

#include "amx.h"
#include "operands.h"

// steps_of is how many units a row of queries, keys or values has in a product over it: those
// of whole tiles.
static int steps_of(const attention *a) { return attention_wide(a) / STEP; }

// turn packs a, which has its rows in columns, as rows of steps.
static void turn(int steps, left a, unit *to) {
    for (int i = 0; i < TILE; i += TILE_SIDE)
        for (int s = 0; s < steps; s += TILE_SIDE) {
            __m512i x[TILE_SIDE];
            UNROLL(16)
            for (int k = 0; k < TILE_SIDE; k++) x[k] = (__m512i)load_units(a.at + i + (s + k) * a.step);
            transpose_square(x);
            UNROLL(16)
            for (int r = 0; r < TILE_SIDE; r++) store_units(to + (i + r) * steps + s, (units)x[r]);
        }
}

// c [TILE, n] (+)= a·b, by squares of two tiles by two.
static void multiply(int n, int steps, left a, const unit *b, float *c, int add) {
    unit turned[TILE * TILE / STEP] __attribute__((aligned(64)));
    if (a.step != 1) {
        turn(steps, a, turned);
        a = (left){turned, steps, 1};
    }
    const long ld = n * sizeof(float), row = a.row * sizeof(unit), half = TILE_SIDE * n;
    for (int j = 0; j < n; j += 2 * TILE_SIDE)
        for (int i = 0; i < TILE; i += 2 * TILE_SIDE) {
            float *at = c + i * n + j;
            if (add) {
                _tile_loadd(0, at, ld);
                _tile_loadd(1, at + TILE_SIDE, ld);
                _tile_loadd(2, at + half, ld);
                _tile_loadd(3, at + half + TILE_SIDE, ld);
            } else {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
            }
            for (int s = 0; s < steps; s += TILE_SIDE) {
                const unit *rows = a.at + i * a.row + s, *columns = b + s * n + j;
                _tile_loadd(4, rows, row);
                _tile_loadd(5, rows + TILE_SIDE * a.row, row);
                _tile_loadd(6, columns, ld);
                _tile_loadd(7, columns + TILE_SIDE, ld);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, at, ld);
            _tile_stored(1, at + TILE_SIDE, ld);
            _tile_stored(2, at + half, ld);
            _tile_stored(3, at + half + TILE_SIDE, ld);
        }
}

#include "attention_kernel.h"

static int forward_by_tiles(const attention *a, int from, int to) {
    begin_tiles();
    const int failed = forward(a, from, to);
    _tile_release();
    return failed;
}

static int backward_by_tiles(const attention *a, int from, int to, float *dk, float *dv) {
    begin_tiles();
    const int failed = backward(a, from, to, dk, dv);
    _tile_release();
    return failed;
}
const attention_kernels attention_amx = {forward_by_tiles, backward_by_tiles};
TARGET_END
#endif
