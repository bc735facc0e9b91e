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

// work is a product under way. A unit of it is a panel and a block of rows, or, while a
// is packed, a tile of it.
typedef struct {
    const kernels *kernels;
    gemm g;
    long panels, height, units;
    atomic_long next;
} work;

static int block_job(void *of, int worker, int workers) {
    (void)worker, (void)workers;
    work *w = of;
    const size_t panel = sizeof(float) * w->kernels->gemm_panel;
    char *room = threads_room(panel * (GEMM_DEPTH + (w->g.y ? w->height : 0)));
    if (!room) return -1;
    gemm_room parts = {room, (float *)(room + panel * GEMM_DEPTH)};
    for (long u; (u = atomic_fetch_add(&w->next, 1)) < w->units;) {
        const long m0 = u / w->panels * w->height, m1 = m0 + w->height < w->g.m ? m0 + w->height : w->g.m;
        w->kernels->gemm_block(&w->g, m0, m1, u % w->panels * w->kernels->gemm_panel, &parts);
    }
    return 0;
}

static int pack_job(void *of, int worker, int workers) {
    (void)worker, (void)workers;
    work *w = of;
    for (long u; (u = atomic_fetch_add(&w->next, 1)) < w->units;) w->kernels->gemm_pack(&w->g, u);
    return 0;
}

// multiply has blocks worked on. They are made smaller until there are enough to share.
static int multiply(const kernels *k, gemm g) {
    const long values = GEMM_DEPTH * k->gemm_step, deep = g.k < values ? g.k : values;
    const long fit = GEMM_CACHED / (deep * 4 / k->gemm_step), rows = k->gemm_rows;
    const long most = fit < GEMM_TILES * rows ? fit : GEMM_TILES * rows;
    const int workers = g.m * g.k * g.n < SMALL ? 1 : g.workers;
    work w = {.kernels = k, .g = g, .panels = gemm_upwards(g.n, k->gemm_panel)};
    long blocks = gemm_upwards(g.m, most);
    if (workers > 1 && w.panels * blocks < 8 * workers) blocks = gemm_upwards(8 * workers, w.panels);
    w.height = gemm_upwards(gemm_upwards(g.m, blocks), rows) * rows;
    w.units = w.panels * gemm_upwards(g.m, w.height);
    return threads_run(block_job, &w, workers);
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
    return tiles ? tiles_gemm(tiles, g) : multiply(kernels_for(1), g);
}

int weight_grad_gemm(gemm g) {
    const kernels *k = kernels_for(g.bf16);
    const tile_kernels *tiles = g.bf16 ? tiles_in_use() : NULL;
    if (tiles) {
        g.columns = g.m;
        return tiles_gemm(tiles, g);
    }
    const long rows = k->gemm_rows, most = MOST_TILES * rows, m = g.m;
    const size_t need = 4 * (size_t)gemm_upwards(g.k, k->gemm_step) * gemm_upwards(m < most ? m : most, rows) * rows;
    void *packed = gemm_take(need);
    int failed = packed ? 0 : -1;
    const char *a = g.a;
    float *sum = g.sum;
    for (long at = 0; !failed && at < m; at += most) {
        g.a = a + at * (g.bf16 ? 2 : 4), g.columns = m, g.packed = packed;
        g.sum = sum + at * g.n, g.m = m - at < most ? m - at : most;
        work pack = {.kernels = k, .g = g, .units = gemm_upwards(g.m, rows * GEMM_PACKED)};
        failed = threads_run(pack_job, &pack, g.workers);
        if (!failed) failed = multiply(k, g);
    }
    gemm_give();
    return failed;
}

static int call_workers = 1;

void gemm_call_workers(int workers) { call_workers = workers; }

static void *call(ffi_frame *f, int trans_b) {
    if (f->extension && f->extension->type == METADATA) {
        f->extension->metadata->version.major = f->api->version.major;
        f->extension->metadata->version.minor = f->api->version.minor;
    } else if (f->stage == EXECUTING) {
        const ffi_buffer *x = f->in.list[0], *w = f->in.list[1], *y = f->out.list[0];
        const gemm g = {.a = x->data, .b = w->data, .trans_b = trans_b, .y = y->data, .m = x->dims[0], .k = x->dims[1], .n = y->dims[1], .workers = call_workers};
        if (gemm_bf16(g)) {
            ffi_error error = {sizeof error, NULL, "GEMM: out of memory", EXHAUSTED};
            return f->api->create_error(&error);
        }
    }
    return NULL;
}

void *gemm_nt_call(void *frame) { return call(frame, 1); }
void *gemm_nn_call(void *frame) { return call(frame, 0); }
