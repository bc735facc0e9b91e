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

static int run_rows(void (*part)(const void *, long, long), const void *of, long rows, long height, int workers) {
    rows_work w = {.of = of, .part = part, .rows = rows, .height = height};
    return threads_run(rows_job, &w, w.height < rows ? workers : 1);
}

static void norm_part(const void *of, long from, long to) { kernels_for(0)->norm(of, from, to); }
static void norm_vjp_part(const void *of, long from, long to) { kernels_for(0)->norm_vjp(of, from, to); }
static void rotate_part(const void *of, long from, long to) { kernels_for(0)->rotate(of, from, to); }
static void activate_part(const void *of, long from, long to) { kernels_for(0)->activate(of, from, to); }
static void gate_part(const void *of, long from, long to) { kernels_for(0)->gate(of, from, to); }
static void gate_vjp_part(const void *of, long from, long to) { kernels_for(0)->gate_vjp(of, from, to); }

int norm_rows(row_norm n, int workers) { return run_rows(norm_part, &n, n.rows, height(n.width), workers); }
int rotate_rows(rotation r, int workers) { return run_rows(rotate_part, &r, r.rows, height(r.heads * r.width), workers); }
int activate_rows(activation a, int workers) { return run_rows(activate_part, &a, a.rows, height(a.width), workers); }
int gate_values(gating g, int workers) { return run_rows(gate_part, &g, g.n, UNIT, workers); }
int gate_values_vjp(gating g, int workers) { return run_rows(gate_vjp_part, &g, g.n, UNIT, workers); }

// MOST_SUMS is how many parts a weight's cotangent is summed in at most.
enum { MOST_SUMS = 64 };

int norm_rows_vjp(row_norm n, int workers) {
    const long least = (n.rows + MOST_SUMS - 1) / MOST_SUMS;
    n.part = height(n.width);
    if (n.part < least) n.part = least;
    if (!n.dweight) return run_rows(norm_vjp_part, &n, n.rows, n.part, workers);
    const long parts = (n.rows + n.part - 1) / n.part;
    n.sums = calloc(parts * n.width + 1, sizeof *n.sums);
    if (!n.sums) return -1;
    const int failed = run_rows(norm_vjp_part, &n, n.rows, n.part, workers);
    memset(n.dweight, 0, n.width * sizeof *n.dweight);
    for (long i = 0; i < parts; i++) accumulate_f32(n.dweight, n.sums + i * n.width, n.width);
    free(n.sums);
    return failed;
}

static float scalar(const ffi_buffer *b) { return *(const float *)b->data; }

static int is_bf16(const ffi_buffer *b) { return b->dtype == FFI_BF16; }

static int is_f32(const ffi_buffer *b) { return b->dtype == FFI_F32; }

static int has_values(const ffi_buffer *b, long n) { return (is_f32(b) || is_bf16(b)) && ffi_values(b) == n; }

// alike says whether b is of a's type and has as many values.
static int alike(const ffi_buffer *a, const ffi_buffer *b) { return a->dtype == b->dtype && has_values(b, ffi_values(a)); }

// UNLIKE is what calls give whose operands and results do not fit each other.
enum { UNLIKE = 1 };

// takes_norm says whether a call's x, weight, epsilon and y fit.
static int takes_norm(ffi_frame *f) {
    const ffi_buffer *x = f->in.list[0], *weight = f->in.list[1];
    return x->rank > 0 && alike(x, f->out.list[0]) && has_values(weight, x->dims[x->rank - 1]) && is_f32(f->in.list[2]);
}

// norm_of is of a call's x and weight.
static row_norm norm_of(ffi_frame *f) {
    const ffi_buffer *x = f->in.list[0], *weight = f->in.list[1];
    const long width = x->dims[x->rank - 1];
    return (row_norm){
        .x = x->data, .weight = weight->data, .bf16 = is_bf16(x), .weight_bf16 = is_bf16(weight), .epsilon = scalar(f->in.list[2]),
        .rows = width ? ffi_values(x) / width : 0, .width = width, .y = f->out.list[0]->data};
}

// in: x, weight, epsilon, offset; out: y.
static int call_norm(ffi_frame *f) {
    if (!takes_norm(f) || !is_f32(f->in.list[3])) return UNLIKE;
    row_norm n = norm_of(f);
    n.offset = scalar(f->in.list[3]);
    return norm_rows(n, threads_of_calls());
}

// in: x, weight, epsilon, offset, dy; out: dx, and dweight where it is wanted.
static int call_norm_vjp(ffi_frame *f) {
    const ffi_buffer *dweight = f->out.count > 1 ? f->out.list[1] : NULL;
    if (!takes_norm(f) || !is_f32(f->in.list[3]) || !alike(f->in.list[0], f->in.list[4])) return UNLIKE;
    row_norm n = norm_of(f);
    if (dweight && (!is_f32(dweight) || !has_values(dweight, n.width))) return UNLIKE;
    n.offset = scalar(f->in.list[3]), n.dy = f->in.list[4]->data, n.dweight = dweight ? dweight->data : NULL;
    return norm_rows_vjp(n, threads_of_calls());
}

// in: x, weight, epsilon, bias, which is of the weight's type; out: y.
static int call_layer_norm(ffi_frame *f) {
    if (!takes_norm(f) || !alike(f->in.list[1], f->in.list[3])) return UNLIKE;
    row_norm n = norm_of(f);
    n.bias = f->in.list[3]->data, n.centred = 1;
    return norm_rows(n, threads_of_calls());
}

// in: x [S, H, C], cos and sin [S, R/2]; out: y.
static int call_rotate(ffi_frame *f) {
    const ffi_buffer *x = f->in.list[0], *cos = f->in.list[1];
    if (x->rank != 3 || cos->rank != 2 || cos->dims[0] != x->dims[0] || 2 * cos->dims[1] > x->dims[2] || !is_f32(cos) || !alike(cos, f->in.list[2]) ||
        !alike(x, f->out.list[0]))
        return UNLIKE;
    const rotation r = {
        .x = x->data, .cos = cos->data, .sin = f->in.list[2]->data, .y = f->out.list[0]->data, .bf16 = is_bf16(x),
        .rows = x->dims[0], .heads = x->dims[1], .width = x->dims[2], .half = cos->dims[1]};
    return rotate_rows(r, threads_of_calls());
}

// in: gate, up, and backwards dy; out: y, or backwards dgate and dup.
static int call_gate(ffi_frame *f, int act) {
    ffi_buffer **in = f->in.list, **out = f->out.list;
    for (int64_t i = 1; i < f->in.count; i++)
        if (!alike(in[0], in[i])) return UNLIKE;
    for (int64_t i = 0; i < f->out.count; i++)
        if (!alike(in[0], out[i])) return UNLIKE;
    gating g = {.gate = in[0]->data, .up = in[1]->data, .bf16 = is_bf16(in[0]), .act = act, .n = ffi_values(in[0])};
    if (f->in.count == 2) {
        g.y = out[0]->data;
        return gate_values(g, threads_of_calls());
    }
    g.dy = in[2]->data, g.dgate = out[0]->data, g.dup = out[1]->data;
    return gate_values_vjp(g, threads_of_calls());
}

// in: x, bias; out: y.
static int call_activate(ffi_frame *f, int act) {
    const ffi_buffer *x = f->in.list[0], *bias = f->in.list[1];
    const long width = x->rank ? x->dims[x->rank - 1] : 0;
    if (!has_values(bias, width) || !alike(x, f->out.list[0])) return UNLIKE;
    const activation a = {
        .x = x->data, .bias = bias->data, .y = f->out.list[0]->data, .bf16 = is_bf16(x), .bias_bf16 = is_bf16(bias), .act = act,
        .rows = width ? ffi_values(x) / width : 0, .width = width};
    return activate_rows(a, threads_of_calls());
}

static int call_silu_gate(ffi_frame *f) { return call_gate(f, ACT_SILU); }
static int call_gelu_tanh_gate(ffi_frame *f) { return call_gate(f, ACT_GELU_TANH); }
static int call_gelu_gate(ffi_frame *f) { return call_gate(f, ACT_GELU); }
static int call_silu(ffi_frame *f) { return call_activate(f, ACT_SILU); }
static int call_gelu_tanh(ffi_frame *f) { return call_activate(f, ACT_GELU_TANH); }
static int call_gelu(ffi_frame *f) { return call_activate(f, ACT_GELU); }

static void *answer(ffi_frame *f, int (*call)(ffi_frame *)) {
    const int failed = ffi_executes(f) ? call(f) : 0;
    if (failed == UNLIKE) return ffi_failed(f, INTERNAL, "layer: operands of types or shapes that do not fit");
    return failed ? ffi_failed(f, EXHAUSTED, "layer: out of memory") : NULL;
}

#define HANDLER(call) \
    static void *handle_##call(ffi_frame *f) { return answer(f, call); }
HANDLER(call_norm)
HANDLER(call_norm_vjp)
HANDLER(call_layer_norm)
HANDLER(call_rotate)
HANDLER(call_silu_gate)
HANDLER(call_gelu_tanh_gate)
HANDLER(call_gelu_gate)
HANDLER(call_silu)
HANDLER(call_gelu_tanh)
HANDLER(call_gelu)

void *layer_handler(int i, const char **name) {
    static const struct {
        const char *name;
        void *(*handler)(ffi_frame *);
    } all[] = {
        {"norm", handle_call_norm},
        {"norm_vjp", handle_call_norm_vjp},
        {"layer_norm", handle_call_layer_norm},
        {"rotate", handle_call_rotate},
        {"silu_gate", handle_call_silu_gate},
        {"silu_gate_vjp", handle_call_silu_gate},
        {"gelu_tanh_gate", handle_call_gelu_tanh_gate},
        {"gelu_tanh_gate_vjp", handle_call_gelu_tanh_gate},
        {"gelu_gate", handle_call_gelu_gate},
        {"gelu_gate_vjp", handle_call_gelu_gate},
        {"silu", handle_call_silu},
        {"gelu_tanh", handle_call_gelu_tanh},
        {"gelu", handle_call_gelu}};
    if ((size_t)i >= sizeof all / sizeof *all) return NULL;
    *name = all[i].name;
    return (void *)all[i].handler;
}
