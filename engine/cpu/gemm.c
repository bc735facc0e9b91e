#include "gemm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "isa.h"
#include "threads.h"
#include "ffi.h"

// A worker packs a panel of so many columns of the second matrix, at most so deep,
// which then stays in its cache while rows of the first pass by it. Two values that
// VDPBF16PS multiplies and adds at once are a pair.
enum { VECTORS = 4, PANEL = 16 * VECTORS, DEPTH = 768 }; // in pairs
enum { ROWS = 6, HEIGHT = 64 * ROWS }; // of a tile, and at most of a unit of work

// BLOCK is how many bytes of the first matrix stay in a worker's cache beside a panel,
// while one panel after the other passes by them.
#define BLOCK (384 << 10)

// job is a product [m, n] under way. A unit of work is a panel and a block of rows.
typedef struct job {
    const uint16_t *x, *w; // x [m, k]
    uint16_t *y;           // [m, n]
    float *sum;            // [m, n], to be added to
    const uint16_t *from;  // columns [k, m] of [k, n], to be packed: x's transpose
    uint32_t *pairs;       // of it, [tiles, depth, ROWS]
    long m, k, n;
    int across, first;
    long panels, height, units; // height: rows of a block
    int workers;
    void (*unit)(struct job *j, long u);
    atomic_long next;
} job;

static long upwards(long n, long by) { return (n + by - 1) / by; }

#ifdef WIDE_X86
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx2,fma")
#define INLINE static inline __attribute__((always_inline))

INLINE __mmask16 lanes(long n) { return n >= 16 ? 0xffff : n > 0 ? (__mmask16)((1u << n) - 1) : 0; }

// up to 16 values of two rows, of which the second may not be there.
INLINE __m512i two(const uint16_t *row, const uint16_t *below, __mmask16 mask, int both) {
    __m512i a = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, row));
    __m512i b = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(both ? mask : 0, below));
    return _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
}

// packs columns of w [k, ld] to [k/2, 16·wide].
static void pack_across(uint32_t *panel, const uint16_t *w, long ld, long k, long columns, int wide) {
    for (long s = 0; s < k; s += 2, w += 2 * ld)
        for (int v = 0; v < wide; v++, panel += 16)
            _mm512_storeu_si512(panel, two(w + 16 * v, w + ld + 16 * v, lanes(columns - 16 * v), s + 1 < k));
}

// packs ROWS columns of y [k, ld] to [k/2, ROWS].
static void pack_columns(uint32_t *pairs, const uint16_t *y, long ld, long k, long columns) {
    for (long s = 0; s < k; s += 2, y += 2 * ld, pairs += ROWS)
        _mm512_mask_storeu_epi32(pairs, lanes(ROWS), two(y, y + ld, lanes(columns), s + 1 < k));
}

// packs the transpose of rows of w [columns, ld], k of each, to [k/2, 16·wide]. Their
// pairs lie together already.
static void pack_rows(uint32_t *panel, const uint16_t *w, long ld, long k, long columns, int wide) {
    for (long s = 0; s < k / 2; s += 16)
        for (int v = 0; v < wide; v++) {
            const __mmask16 mask = lanes(k / 2 - s);
            __m512i a[16], b[16];
#pragma GCC unroll 16
            for (int r = 0; r < 16; r++) {
                const long row = 16 * v + r;
                a[r] = _mm512_maskz_loadu_epi32(row < columns ? mask : 0, w + row * ld + 2 * s);
            }
#pragma GCC unroll 8
            for (int r = 0; r < 16; r += 2) {
                b[r] = _mm512_unpacklo_epi32(a[r], a[r + 1]);
                b[r + 1] = _mm512_unpackhi_epi32(a[r], a[r + 1]);
            }
#pragma GCC unroll 4
            for (int r = 0; r < 16; r += 4) {
                a[r] = _mm512_unpacklo_epi64(b[r], b[r + 2]);
                a[r + 1] = _mm512_unpackhi_epi64(b[r], b[r + 2]);
                a[r + 2] = _mm512_unpacklo_epi64(b[r + 1], b[r + 3]);
                a[r + 3] = _mm512_unpackhi_epi64(b[r + 1], b[r + 3]);
            }
            // a[4·i + c] has, of rows 4·i to 4·i + 3, columns c, 4 + c, 8 + c and 12 + c.
#pragma GCC unroll 4
            for (int c = 0; c < 4; c++) {
                __m512i low = _mm512_shuffle_i32x4(a[c], a[4 + c], 0x88), high = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0x88);
                b[c] = _mm512_shuffle_i32x4(low, high, 0x88);
                b[8 + c] = _mm512_shuffle_i32x4(low, high, 0xdd);
                low = _mm512_shuffle_i32x4(a[c], a[4 + c], 0xdd), high = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0xdd);
                b[4 + c] = _mm512_shuffle_i32x4(low, high, 0x88);
                b[12 + c] = _mm512_shuffle_i32x4(low, high, 0xdd);
            }
#pragma GCC unroll 16
            for (int c = 0; c < 16; c++)
                if (s + c < k / 2) _mm512_storeu_si512(panel + ((s + c) * wide + v) * 16, b[c]);
        }
}

// part is a tile's work: rows of pairs, x with the pair s of row r at r·row + s·step,
// by a panel. The outcome goes to sums, in f32, or to y.
typedef struct {
    const char *x;
    long row, step; // in bytes
    const uint32_t *panel;
    long pairs, columns;
    float *sums;
    long ld_sums;
    int sets; // sums are not to be added to
    uint16_t *y;
    long ld;
} part;

INLINE void tile(const int rows, const int wide, const part *p) {
    __m512 a[ROWS][VECTORS];
    __mmask16 mask[VECTORS];
    for (int v = 0; v < wide; v++) mask[v] = lanes(p->columns - 16 * v);
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < wide; v++) {
            const float *from = p->sums + r * p->ld_sums + v * 16;
            a[r][v] = p->sets ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask[v], from);
            if (!p->y) _mm_prefetch((const char *)(from + ROWS * p->ld_sums), _MM_HINT_T0);
        }
    const char *x = p->x;
    const uint32_t *panel = p->panel;
    for (long s = 0; s < p->pairs; s++, panel += 16 * wide, x += p->step) {
        __m512bh b[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < wide; v++) b[v] = (__m512bh)_mm512_loadu_si512(panel + v * 16);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            int pair;
            memcpy(&pair, x + r * p->row, sizeof pair);
            const __m512bh c = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 4
            for (int v = 0; v < wide; v++) a[r][v] = _mm512_dpbf16_ps(a[r][v], b[v], c);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < wide; v++) {
            if (p->y)
                _mm256_mask_storeu_epi16(p->y + r * p->ld + v * 16, mask[v], (__m256i)_mm512_cvtneps_pbh(a[r][v]));
            else
                _mm512_mask_storeu_ps(p->sums + r * p->ld_sums + v * 16, mask[v], a[r][v]);
        }
}

static void tiles(long rows, int wide, const part *p) {
#define WIDTHS(rows)                    \
    case rows:                          \
        if (wide == 4) tile(rows, 4, p); \
        if (wide == 3) tile(rows, 3, p); \
        if (wide == 2) tile(rows, 2, p); \
        if (wide == 1) tile(rows, 1, p); \
        return;
    switch (rows) { WIDTHS(1) WIDTHS(2) WIDTHS(3) WIDTHS(4) WIDTHS(5) default: WIDTHS(6) }
#undef WIDTHS
}

// place is what unit u is of: columns from c0 on, rows m0 up to m1.
typedef struct {
    long c0, columns, m0, m1;
    int wide;
} place;

static place of(const job *j, long u) {
    place p = {.c0 = u % j->panels * PANEL, .m0 = u / j->panels * j->height};
    p.columns = j->n - p.c0 < PANEL ? j->n - p.c0 : PANEL;
    p.m1 = p.m0 + j->height < j->m ? p.m0 + j->height : j->m;
    p.wide = (int)upwards(p.columns, 16);
    return p;
}

// set_unit is a unit of gemm_bf16.
static void set_unit(job *j, long u) {
    uint32_t panel[PANEL * DEPTH];
    float sums[HEIGHT * PANEL];
    const place at = of(j, u);
    for (long k0 = 0; k0 < j->k; k0 += 2 * DEPTH) {
        const long k = j->k - k0 < 2 * DEPTH ? j->k - k0 : 2 * DEPTH;
        if (j->across)
            pack_across(panel, j->w + k0 * j->n + at.c0, j->n, k, at.columns, at.wide);
        else
            pack_rows(panel, j->w + at.c0 * j->k + k0, j->k, k, at.columns, at.wide);
        for (long i = at.m0; i < at.m1; i += ROWS) {
            const part p = {
                (const char *)(j->x + i * j->k + k0), 2 * j->k, 4, panel, k / 2, at.columns, sums + (i - at.m0) * PANEL, PANEL,
                k0 == 0, k0 + k == j->k ? j->y + i * j->n + at.c0 : NULL, j->n};
            tiles(at.m1 - i, at.wide, &p);
        }
    }
}

// pack_unit packs a tile's columns of y, in weight_grad_gemm_bf16.
static void pack_unit(job *j, long u) {
    pack_columns(j->pairs + u * upwards(j->k, 2) * ROWS, j->from + u * ROWS, j->n, j->k, j->m - u * ROWS);
}

// add_unit is a unit of weight_grad_gemm_bf16.
static void add_unit(job *j, long u) {
    uint32_t panel[PANEL * DEPTH];
    const place at = of(j, u);
    for (long k0 = 0; k0 < j->k; k0 += 2 * DEPTH) {
        const long k = j->k - k0 < 2 * DEPTH ? j->k - k0 : 2 * DEPTH;
        pack_across(panel, j->w + k0 * j->n + at.c0, j->n, k, at.columns, at.wide);
        for (long i = at.m0; i < at.m1; i += ROWS) {
            const part p = {
                (const char *)(j->pairs + (i / ROWS * upwards(j->k, 2) + k0 / 2) * ROWS), 4, 4 * ROWS, panel, upwards(k, 2),
                at.columns, j->sum + i * j->n + at.c0, j->n, j->first && k0 == 0, NULL, 0};
            tiles(at.m1 - i, at.wide, &p);
        }
    }
}
#pragma GCC pop_options
#else
static void set_unit(job *j, long u) {}
static void pack_unit(job *j, long u) {}
static void add_unit(job *j, long u) {}
#endif

int gemm_usable(void) { return HALVES; }

static void work(void *of, int worker, int workers) {
    job *j = of;
    for (long u; (u = atomic_fetch_add(&j->next, 1)) < j->units;) j->unit(j, u);
}

// SMALL is how many products of two numbers one worker does as fast.
#define SMALL (1 << 18)

// run has units worked on. Blocks are made smaller until there are enough to share.
static void run(job *j) {
    const long deep = j->k < 2 * DEPTH ? j->k : 2 * DEPTH;
    const int workers = j->m * j->k * j->n < SMALL ? 1 : j->workers;
    long most = BLOCK / (2 * deep) < HEIGHT ? BLOCK / (2 * deep) : HEIGHT;
    j->panels = upwards(j->n, PANEL);
    long blocks = upwards(j->m, most);
    if (workers > 1 && j->panels * blocks < 8 * workers) blocks = upwards(8 * workers, j->panels);
    j->height = upwards(upwards(j->m, blocks), ROWS) * ROWS;
    j->units = j->panels * upwards(j->m, j->height);
    threads_run(work, j, workers);
}

void gemm_bf16(const uint16_t *x, const uint16_t *w, uint16_t *y, long m, long k, long n, int across, int workers) {
    job j = {.x = x, .w = w, .y = y, .m = m, .k = k, .n = n, .across = across, .workers = workers, .unit = set_unit};
    run(&j);
}

// MOST is how many rows of a sum have pairs at a time.
#define MOST (1024 * ROWS)

int weight_grad_gemm_bf16(float *sum, const uint16_t *y, const uint16_t *x, long rows, long n, long k, int first, int workers) {
    // Fresh memory for each call would cost a tenth of it in page faults.
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    static uint32_t *pairs;
    static long room;
    const long need = upwards(rows, 2) * (n < MOST ? upwards(n, ROWS) * ROWS : MOST);
    pthread_mutex_lock(&one);
    if (need > room) {
        free(pairs);
        pairs = malloc(sizeof *pairs * need);
        room = pairs ? need : 0;
    }
    const int can = pairs != NULL;
    for (long at = 0; can && at < n; at += MOST) {
        const long some = n - at < MOST ? n - at : MOST;
        job pack = {.from = y + at, .pairs = pairs, .m = some, .k = rows, .n = n, .unit = pack_unit, .units = upwards(some, ROWS)};
        threads_run(work, &pack, workers);
        job j = {.w = x, .sum = sum + at * k, .pairs = pairs, .m = some, .k = rows, .n = k, .first = first, .workers = workers, .unit = add_unit};
        run(&j);
    }
    pthread_mutex_unlock(&one);
    return can;
}

static int call_workers = 1;

void gemm_call_workers(int workers) { call_workers = workers; }

static void *multiply(ffi_frame *f, int across) {
    if (f->extension && f->extension->type == METADATA) {
        f->extension->metadata->version.major = f->api->version.major;
        f->extension->metadata->version.minor = f->api->version.minor;
    } else if (f->stage == EXECUTING) {
        const ffi_buffer *x = f->in.list[0], *w = f->in.list[1], *y = f->out.list[0];
        gemm_bf16(x->data, w->data, y->data, x->dims[0], x->dims[1], y->dims[1], across, call_workers);
    }
    return NULL;
}

void *gemm_nt_call(void *frame) { return multiply(frame, 0); }
void *gemm_nn_call(void *frame) { return multiply(frame, 1); }
