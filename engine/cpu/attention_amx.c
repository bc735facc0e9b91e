#ifdef __x86_64__
#include "amx.h"
#include "attention.h"

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
    const long row = a.row * sizeof(unit), width = n * sizeof(unit);
    square q = {.row = {row, row}, .step = {64, 64}, .b_row = width, .b_step = TILE_SIDE * width, .ld = n};
    q.steps = steps / TILE_SIDE, q.sets = !add;
    for (int j = 0; j < n; j += 2 * TILE_SIDE)
        for (int i = 0; i < TILE; i += 2 * TILE_SIDE) {
            q.a[0] = (const char *)(a.at + i * a.row), q.a[1] = q.a[0] + TILE_SIDE * row;
            q.b[0] = (const char *)(b + j), q.b[1] = q.b[0] + 64;
            q.sums = c + i * n + j;
            multiply_square(2, 2, &q);
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
