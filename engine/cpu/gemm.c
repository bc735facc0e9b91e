#include "gemm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "ffi.h"
#include "isa.h"
#include "kernels.h"
#include "threads.h"
#include "tiles.h"

// SMALL is how many products of two numbers one worker does as fast.
#define SMALL (1 << 18)

// MOST_TILES is how many tiles of a are packed at a time.
#define MOST_TILES 1024

// work is a product under way. A unit of it is a panel and a block of rows, or, while operands
// are packed, tiles of a or a panel of b.
typedef struct {
    const kernels *kernels;
    gemm g;
    void (*pack)(const gemm *g, long unit);
    long panels, height, units;
    atomic_long next;
} work;

static int block_job(void *of, int worker, int workers) {
    (void)worker, (void)workers;
    work *w = of;
    const size_t panel = sizeof(float) * w->kernels->gemm_panel, own = w->g.panels ? 0 : panel * GEMM_DEPTH;
    char *room = threads_room(own + (w->g.y ? panel * w->height : 0) + 1);
    if (!room) return -1;
    gemm_room parts = {room, (float *)(room + own)};
    for (long u; (u = atomic_fetch_add(&w->next, 1)) < w->units;) {
        const long m0 = u / w->panels * w->height, m1 = m0 + w->height < w->g.m ? m0 + w->height : w->g.m;
        w->kernels->gemm_block(&w->g, m0, m1, w->g.n0 + u % w->panels * w->kernels->gemm_panel, &parts);
    }
    return 0;
}

static int pack_job(void *of, int worker, int workers) {
    (void)worker, (void)workers;
    work *w = of;
    for (long u; (u = atomic_fetch_add(&w->next, 1)) < w->units;) w->pack(&w->g, u);
    return 0;
}

// run has so many units of a job done.
static int run(threads_job *job, work *w, long units) {
    w->units = units;
    atomic_store(&w->next, 0);
    return threads_run(job, w, w->g.m * w->g.k * w->g.n < SMALL ? 1 : w->g.workers);
}

// height is how many rows are a block. Blocks are made smaller until there are enough to share.
static long height(const kernels *k, const gemm *g) {
    const long values = GEMM_DEPTH * k->gemm_step, deep = g->k < values ? g->k : values, rows = k->gemm_rows;
    const long fit = GEMM_CACHED / (deep * 4 / k->gemm_step), most = fit < GEMM_TILES * rows ? fit : GEMM_TILES * rows;
    const long panels = gemm_upwards(g->n, k->gemm_panel);
    long blocks = gemm_upwards(g->m, most);
    if (g->workers > 1 && panels * blocks < 8 * g->workers) blocks = gemm_upwards(8 * g->workers, panels);
    return gemm_upwards(gemm_upwards(g->m, blocks), rows) * rows;
}

static size_t column_bytes(const kernels *k, const gemm *g) { return 4 * (size_t)gemm_upwards(g->k, k->gemm_step); }

// together is how many columns of b are packed for all workers at a time; 0 where so few blocks of
// rows need them, or so few units come of them, that to wait for each other would cost more.
static long together(const kernels *k, const gemm *g) {
    const long panel = k->gemm_panel, fit = (long)(GEMM_PANELS / column_bytes(k, g)) / panel * panel, all = gemm_upwards(g->n, panel) * panel;
    const long blocks = gemm_upwards(g->m, height(k, g)), columns = all < fit ? all : fit > panel ? fit : panel;
    if (blocks < 3 || (columns < all && columns / panel * blocks < 4 * g->workers)) return 0;
    return columns;
}

// multiply has blocks worked on, of so many columns together that are packed before.
static int multiply(const kernels *k, gemm g, long columns) {
    work w = {.kernels = k, .g = g, .pack = k->gemm_pack_right, .height = height(k, &g)};
    int failed = 0;
    for (long n; !failed && w.g.n0 < g.n; w.g.n0 += n) {
        n = columns && w.g.n0 + columns < g.n ? columns : g.n - w.g.n0;
        w.panels = gemm_upwards(n, k->gemm_panel);
        if (columns) failed = run(pack_job, &w, w.panels);
        if (!failed) failed = run(block_job, &w, w.panels * gemm_upwards(g.m, w.height));
    }
    return failed;
}

static pthread_mutex_t packing = PTHREAD_MUTEX_INITIALIZER;

void *gemm_take(size_t bytes) {
    static void *kept;
    static size_t size;
    pthread_mutex_lock(&packing);
    if (bytes > size) {
        free(kept);
        if (posix_memalign(&kept, 64, bytes)) kept = NULL;
        size = kept ? bytes : 0;
    }
    return kept;
}

void gemm_give(void) { pthread_mutex_unlock(&packing); }

int gemm_bf16(gemm g) {
    const tile_kernels *tiles = tiles_in_use();
    g.bf16 = 1;
    if (tiles) return tiles_gemm(tiles, g);
    const kernels *k = kernels_for(1);
    const long columns = together(k, &g);
    if (!columns) return multiply(k, g, 0);
    g.panels = gemm_take(columns * column_bytes(k, &g));
    const int failed = g.panels ? multiply(k, g, columns) : -1;
    gemm_give();
    return failed;
}

int weight_grad_gemm(gemm g) {
    const kernels *k = kernels_for(g.bf16);
    const tile_kernels *tiles = g.bf16 ? tiles_in_use() : NULL;
    if (tiles) {
        g.columns = g.m;
        return tiles_gemm(tiles, g);
    }
    const long rows = k->gemm_rows, most = MOST_TILES * rows, m = g.m, columns = together(k, &g);
    const size_t left = column_bytes(k, &g) * gemm_upwards(m < most ? m : most, rows) * rows;
    char *packed = gemm_take(left + columns * column_bytes(k, &g));
    int failed = packed ? 0 : -1;
    const char *a = g.a;
    float *sum = g.sum;
    g.columns = m, g.packed = packed, g.panels = columns ? packed + left : NULL;
    for (long at = 0; !failed && at < m; at += most) {
        g.a = a + at * (g.bf16 ? 2 : 4);
        g.sum = sum + at * g.n, g.m = m - at < most ? m - at : most;
        work pack = {.kernels = k, .g = g, .pack = k->gemm_pack};
        failed = run(pack_job, &pack, gemm_upwards(g.m, rows * GEMM_PACKED));
        if (!failed) failed = multiply(k, g, columns);
    }
    gemm_give();
    return failed;
}

static void *call(ffi_frame *f, int trans_b) {
    if (!ffi_executes(f)) return NULL;
    const ffi_buffer *x = f->in.list[0], *w = f->in.list[1], *y = f->out.list[0];
    const gemm g = {.a = x->data, .b = w->data, .trans_b = trans_b, .y = y->data, .m = x->dims[0], .k = x->dims[1], .n = y->dims[1], .workers = threads_of_calls()};
    return gemm_bf16(g) ? ffi_failed(f, EXHAUSTED, "GEMM: out of memory") : NULL;
}

void *gemm_nt_call(void *frame) { return call(frame, 1); }
void *gemm_nn_call(void *frame) { return call(frame, 0); }
