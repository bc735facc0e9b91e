#include "layer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ffi.h"
#include "kernels.h"
#include "threads.h"

// UNIT is how many values are worth a worker's asking for them.
enum { UNIT = 1 << 14 };

// rows_work is work on rows, part by part, which the workers take one after the other.
typedef struct {
    const void *of;
    void (*part)(const void *of, long from, long to);
    long rows, height; // of all, of a part
    atomic_long next;
} rows_work;

static int rows_job(void *of, int worker, int workers) {
    (void)worker, (void)workers;
    rows_work *w = of;
    for (long from; (from = atomic_fetch_add(&w->next, w->height)) < w->rows;)
        w->part(w->of, from, from + w->height < w->rows ? from + w->height : w->rows);
    return 0;
}

// height is how many rows of so many values are a part, for any number of workers, so that sums are
// the same.
static long height(long width) { return width && width < UNIT ? UNIT / width : 1; }

static int run_rows(void (*part)(const void *, long, long), const void *of, long rows, long width, int workers) {
    rows_work w = {.of = of, .part = part, .rows = rows, .height = height(width)};
    return threads_run(rows_job, &w, w.height < rows ? workers : 1);
}

static void norm_part(const void *of, long from, long to) { kernels_for(0)->norm(of, from, to); }
static void norm_vjp_part(const void *of, long from, long to) { kernels_for(0)->norm_vjp(of, from, to); }
static void rotate_part(const void *of, long from, long to) { kernels_for(0)->rotate(of, from, to); }
static void gate_part(const void *of, long from, long to) { kernels_for(0)->gate(of, from, to); }
static void gate_vjp_part(const void *of, long from, long to) { kernels_for(0)->gate_vjp(of, from, to); }

int norm_rows(rms_norm n, int workers) { return run_rows(norm_part, &n, n.rows, n.width, workers); }
int rotate_rows(rotation r, int workers) { return run_rows(rotate_part, &r, r.rows, r.heads * r.width, workers); }
int gate_values(gating g, int workers) { return run_rows(gate_part, &g, g.n, 1, workers); }
int gate_values_vjp(gating g, int workers) { return run_rows(gate_vjp_part, &g, g.n, 1, workers); }

int norm_rows_vjp(rms_norm n, int workers) {
    n.part = height(n.width);
    const long parts = (n.rows + n.part - 1) / n.part;
    n.sums = calloc(parts * n.width + 1, sizeof *n.sums);
    if (!n.sums) return -1;
    const int failed = run_rows(norm_vjp_part, &n, n.rows, n.width, workers);
    memset(n.dweight, 0, n.width * sizeof *n.dweight);
    for (long i = 0; i < parts; i++) accumulate_f32(n.dweight, n.sums + i * n.width, n.width);
    free(n.sums);
    return failed;
}

static int call_workers = 1;

static long values_of(const ffi_buffer *b) {
    long n = 1;
    for (int64_t i = 0; i < b->rank; i++) n *= b->dims[i];
    return n;
}

static float scalar(const ffi_buffer *b) { return *(const float *)b->data; }

// in: x, weight, epsilon, offset, and backwards dy; out: y, or backwards dx and dweight.
static rms_norm norm_of(ffi_frame *f) {
    ffi_buffer **in = f->in.list, **out = f->out.list;
    const long width = in[0]->dims[in[0]->rank - 1];
    rms_norm n = {
        .x = in[0]->data, .weight = in[1]->data, .bf16 = in[0]->dtype == FFI_BF16, .weight_bf16 = in[1]->dtype == FFI_BF16,
        .epsilon = scalar(in[2]), .offset = scalar(in[3]), .rows = width ? values_of(in[0]) / width : 0, .width = width, .y = out[0]->data};
    if (f->in.count > 4) n.dy = in[4]->data, n.dweight = out[1]->data;
    return n;
}

static int call_norm(ffi_frame *f) { return norm_rows(norm_of(f), call_workers); }
static int call_norm_vjp(ffi_frame *f) { return norm_rows_vjp(norm_of(f), call_workers); }

// in: x [S, H, C], cos and sin [S, R/2]; out: y.
static int call_rotate(ffi_frame *f) {
    const ffi_buffer *x = f->in.list[0], *cos = f->in.list[1];
    const rotation r = {
        .x = x->data, .cos = cos->data, .sin = f->in.list[2]->data, .y = f->out.list[0]->data, .bf16 = x->dtype == FFI_BF16,
        .rows = x->dims[0], .heads = x->dims[1], .width = x->dims[2], .half = cos->dims[1]};
    return rotate_rows(r, call_workers);
}

// in: gate, up, and backwards dy; out: y, or backwards dgate and dup.
static int call_gate(ffi_frame *f, int gelu) {
    ffi_buffer **in = f->in.list, **out = f->out.list;
    gating g = {.gate = in[0]->data, .up = in[1]->data, .bf16 = in[0]->dtype == FFI_BF16, .gelu = gelu, .n = values_of(in[0])};
    if (f->in.count == 2) {
        g.y = out[0]->data;
        return gate_values(g, call_workers);
    }
    g.dy = in[2]->data, g.dgate = out[0]->data, g.dup = out[1]->data;
    return gate_values_vjp(g, call_workers);
}

static int call_silu(ffi_frame *f) { return call_gate(f, 0); }
static int call_gelu(ffi_frame *f) { return call_gate(f, 1); }

#define HANDLER(call) \
    static void *handle_##call(ffi_frame *f) { return ffi_executes(f) && call(f) ? ffi_failed(f, EXHAUSTED, "layer: out of memory") : NULL; }
HANDLER(call_norm)
HANDLER(call_norm_vjp)
HANDLER(call_rotate)
HANDLER(call_silu)
HANDLER(call_gelu)

void *layer_handler(const char *name, int workers) {
    static const struct {
        const char *name;
        void *(*handler)(ffi_frame *);
    } all[] = {
        {"norm", handle_call_norm}, {"norm_vjp", handle_call_norm_vjp}, {"rotate", handle_call_rotate}, {"silu_gate", handle_call_silu},
        {"silu_gate_vjp", handle_call_silu}, {"gelu_gate", handle_call_gelu}, {"gelu_gate_vjp", handle_call_gelu}};
    call_workers = workers;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, name)) return (void *)all[i].handler;
    return NULL;
}
