#include "tiles.h"

#include <stdatomic.h>

#include "threads.h"

// So many products of two numbers one worker does as fast, and so many bytes are packed of a
// and of b at a time.
#define SMALL (1 << 22)
#define MOST_PACKED (8L << 20)

// work is a part under way: units of packing, those of a before those of b; then groups of
// columns, each of units of rows.
typedef struct {
    const tile_kernels *kernels;
    tiles t;
    long lefts, units;
    long rows, columns, down, groups;
    atomic_long next, taken[TILES_GROUPS];
} work;

static int pack_job(void *of, int worker, int workers) {
    (void)worker, (void)workers;
    work *w = of;
    for (long u; (u = atomic_fetch_add(&w->next, 1)) < w->units;) {
        if (u < w->lefts)
            w->kernels->left(&w->t, u);
        else
            w->kernels->right(&w->t, u - w->lefts);
    }
    return 0;
}

// block_job begins with groups of the worker's own, whose columns stay in its cache, and helps
// with others' then.
static int block_job(void *of, int worker, int workers) {
    work *w = of;
    const tiles *t = &w->t;
    float *sums = threads_room(sizeof(float) * 2 * TILE_SIDE * w->columns);
    if (!sums) return -1;
    for (long i = 0; i < w->groups; i++) {
        const long group = (i + w->groups * worker / workers) % w->groups, n0 = t->n0 + group * w->columns;
        for (long u; (u = atomic_fetch_add(&w->taken[group], 1)) < w->down;) {
            const long m0 = t->m0 + u * w->rows;
            const long m1 = m0 + w->rows < t->m1 ? m0 + w->rows : t->m1, n1 = n0 + w->columns < t->n1 ? n0 + w->columns : t->n1;
            w->kernels->block(t, m0, m1, n0, n1, sums);
        }
    }
    return 0;
}

// cut makes units of work small enough that workers end together.
static void cut(work *w, int workers) {
    const long m = w->t.m1 - w->t.m0, n = w->t.n1 - w->t.n0, pair = 2 * TILE_SIDE;
    const long fit = TILES_CACHED / (w->t.deep * 2 * TILE_VALUES) / pair * pair;
    long groups = gemm_upwards(n, fit > pair ? fit : pair);
    if (groups % workers) groups += workers - groups % workers;
    if (groups > TILES_GROUPS) groups = TILES_GROUPS;
    w->columns = gemm_upwards(gemm_upwards(n, groups), pair) * pair;
    w->groups = gemm_upwards(n, w->columns);
    w->rows = TILES_ROWS;
    while (workers > 1 && w->rows > pair && w->groups * gemm_upwards(m, w->rows) < 8 * workers) w->rows /= 2;
    w->down = gemm_upwards(m, w->rows);
    for (long i = 0; i < w->groups; i++) atomic_store(&w->taken[i], 0);
}

// multiply_part packs what of a part is not packed yet, and multiplies it.
static int multiply_part(work *w, int packs_right, int workers) {
    tiles *t = &w->t;
    w->lefts = gemm_upwards(t->m1 - t->packed, 2 * TILE_SIDE);
    w->units = w->lefts + (packs_right ? gemm_upwards(t->n1 - t->n0, 2 * TILE_SIDE) : 0);
    atomic_store(&w->next, 0);
    if (threads_run(pack_job, w, workers)) return -1;
    cut(w, workers);
    return threads_run(block_job, w, workers);
}

int tiles_gemm(const tile_kernels *k, gemm g) {
    const int workers = g.m * g.k * g.n < SMALL ? 1 : g.workers;
    const long deep = gemm_upwards(g.k, TILE_VALUES), strip = deep * TILE_BYTES;
    const long fit = MOST_PACKED / strip > 2 ? MOST_PACKED / strip * TILE_SIDE : 2 * TILE_SIDE;
    const int in_place = !g.columns && g.k % TILE_VALUES == 0 && (uintptr_t)g.a % 64 == 0;
    const long rows = in_place || g.m < fit ? g.m : fit, columns = g.n < fit ? g.n : fit;
    const size_t left = (in_place ? 1 : gemm_upwards(rows, TILE_SIDE)) * strip;
    char *at = gemm_take(left + gemm_upwards(columns, TILE_SIDE) * strip);
    int failed = at ? 0 : -1;
    work w = {.kernels = k, .t = {.g = g, .deep = deep, .left = at, .right = at + left}};
    tiles *t = &w.t;
    for (t->n0 = 0; !failed && t->n0 < g.n; t->n0 = t->n1) {
        t->n1 = t->n0 + columns < g.n ? t->n0 + columns : g.n;
        for (t->m0 = 0; !failed && t->m0 < g.m; t->m0 = t->m1) {
            t->m1 = t->m0 + rows < g.m ? t->m0 + rows : g.m;
            t->packed = in_place ? t->m1 / TILE_SIDE * TILE_SIDE : t->m0;
            failed = multiply_part(&w, t->m0 == 0, workers);
        }
    }
    gemm_give();
    return failed;
}
