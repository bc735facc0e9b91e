#include "decode.h"

#include <math.h>
#include <stdlib.h>

#include "gemm.h"
#include "isa.h"
#include "threads.h"

// Products take about as long as their weights take to arrive. The two go on at once only if
// weights are asked for well ahead, so many bytes, and into the second-level cache: into the
// first they took turns, at half the rate. What is asked for behind the last does no harm.
#define AHEAD 8192
#define COMES(p) __builtin_prefetch((const char *)(p) + AHEAD, 0, 2)

#define KERNEL "decode_kernel.h"
#include "widths.h"

#ifdef WIDE_X86
// bf16 with bf16 (VDPBF16PS), sums in f32.
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx2,fma")
static void product_half(int half, const void *weights, const void *rows, float *y, long ldy, int m, int k, int from,
                         int to) {
    const uint16_t *w = weights, *x = rows;
    (void)half; // both are
    for (int n = from; n < to; n += 2) {
        const uint16_t *w0 = w + (long)n * k, *w1 = n + 1 < to ? w0 + k : w0;
        for (int i = 0; i < m; i += 8) {
            __m512 a[8], b[8];
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++) a[r] = b[r] = _mm512_setzero_ps();
            int j = 0;
            for (; j + 32 <= k; j += 32) {
                __m512bh u = (__m512bh)_mm512_loadu_si512(w0 + j), v = (__m512bh)_mm512_loadu_si512(w1 + j);
                COMES(w0 + j);
                COMES(w1 + j);
#pragma GCC unroll 8
                for (int r = 0; r < 8; r++) {
                    __m512bh p = (__m512bh)_mm512_loadu_si512(x + (long)(i + r) * k + j);
                    a[r] = _mm512_dpbf16_ps(a[r], u, p);
                    b[r] = _mm512_dpbf16_ps(b[r], v, p);
                }
            }
            if (j < k) {
                __mmask32 mask = (1u << (k - j)) - 1;
                __m512bh u = (__m512bh)_mm512_maskz_loadu_epi16(mask, w0 + j);
                __m512bh v = (__m512bh)_mm512_maskz_loadu_epi16(mask, w1 + j);
#pragma GCC unroll 8
                for (int r = 0; r < 8; r++) {
                    __m512bh p = (__m512bh)_mm512_maskz_loadu_epi16(mask, x + (long)(i + r) * k + j);
                    a[r] = _mm512_dpbf16_ps(a[r], u, p);
                    b[r] = _mm512_dpbf16_ps(b[r], v, p);
                }
            }
            vf_avx512 both[16];
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++) both[r] = (vf_avx512)a[r], both[8 + r] = (vf_avx512)b[r];
            vf_avx512 all = sums_avx512(both);
            for (int r = 0; r < 8 && i + r < m; r++) {
                y[(i + r) * ldy + n] = all[r];
                if (n + 1 < to) y[(i + r) * ldy + n + 1] = all[8 + r];
            }
        }
    }
}

// round_bf16 for as many values as fill vectors; gives their number.
static long round_half(uint16_t *to, const float *from, long n) {
    long i = 0;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(to + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
    return i;
}

// o [G, 32·J] = p·v / total: weights p [G, n] in pairs, their rows room values apart, and values
// v [n, c], whose last row stands in for one behind it where n is odd.
static inline __attribute__((always_inline)) void values_half(const int G, const int J, int n, int c, const uint16_t *p,
                                                              long room, const uint16_t *v, const float *total,
                                                              float *o) {
    __m512 low[4][2], high[4][2];
#pragma GCC unroll 4
    for (int h = 0; h < G; h++)
#pragma GCC unroll 2
        for (int j = 0; j < J; j++) low[h][j] = high[h][j] = _mm512_setzero_ps();
    for (int i = 0; i < n; i += 2) {
        const uint16_t *one = v + (long)i * c, *two = i + 1 < n ? one + c : one;
        __m512bh w[4];
#pragma GCC unroll 4
        for (int h = 0; h < G; h++) {
            int pair;
            memcpy(&pair, p + h * room + i, sizeof pair);
            w[h] = (__m512bh)_mm512_set1_epi32(pair);
        }
#pragma GCC unroll 2
        for (int j = 0; j < J; j++) {
            __m512i a = _mm512_loadu_si512(one + 32 * j), b = _mm512_loadu_si512(two + 32 * j);
            __m512bh x = (__m512bh)_mm512_unpacklo_epi16(a, b), y = (__m512bh)_mm512_unpackhi_epi16(a, b);
#pragma GCC unroll 4
            for (int h = 0; h < G; h++) {
                low[h][j] = _mm512_dpbf16_ps(low[h][j], w[h], x);
                high[h][j] = _mm512_dpbf16_ps(high[h][j], w[h], y);
            }
        }
    }
    // Of each 8 columns the first 4 are in low.
    const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
#pragma GCC unroll 4
    for (int h = 0; h < G; h++)
#pragma GCC unroll 2
        for (int j = 0; j < J; j++) {
            __m512 by = _mm512_set1_ps(total[h]);
            float *to = o + h * c + 32 * j;
            _mm512_storeu_ps(to, _mm512_div_ps(_mm512_permutex2var_ps(low[h][j], first, high[h][j]), by));
            _mm512_storeu_ps(to + 16, _mm512_div_ps(_mm512_permutex2var_ps(low[h][j], second, high[h][j]), by));
        }
}

// cached for keys and values in bf16, c a multiple of 32 and at most 256; queries and weights
// are rounded to bf16.
static void cached_half(int half, int g, int c, int from, int to, float scale, const float *q, const void *keys,
                        const void *values, float *scores, float *o) {
    int n = to - from, padded = (n + 15) / 16 * 16;
    const uint16_t *k = (const uint16_t *)keys + (long)from * c, *v = (const uint16_t *)values + (long)from * c;
    (void)half; // they are
    for (int h = 0; h < g; h++) {
        __m512bh query[8];
        for (int j = 0; j < c; j += 32)
            query[j / 32] = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(q + h * c + j + 16), _mm512_loadu_ps(q + h * c + j));
        for (int i = 0; i < padded; i += 16) {
            vf_avx512 x[16];
#pragma GCC unroll 16
            for (int l = 0; l < 16; l++) {
                const uint16_t *key = k + (long)(i + l < n ? i + l : n - 1) * c;
                __m512 a = _mm512_setzero_ps();
                for (int j = 0; j < c; j += 32)
                    a = _mm512_dpbf16_ps(a, query[j / 32], (__m512bh)_mm512_loadu_si512(key + j));
                x[l] = (vf_avx512)a;
            }
            *(vf_avx512 *)(scores + h * padded + i) = sums_avx512(x) * scale;
        }
    }
    float total[g];
    weigh_avx512(g, n, scores, total);
    for (int h = 0; h < g; h++) // in their place: halves are written behind what is read
        round_half((uint16_t *)(scores + h * padded), scores + h * padded, padded);
    const uint16_t *p = (const uint16_t *)scores;
    const long room = 2 * (long)padded;
    for (int h = 0; h < g; h += 4)
        for (int j = 0; j < c; j += 64) {
            const int wide = j + 64 <= c;
#define VALUES(G) \
    case G: \
        if (wide) \
            values_half(G, 2, n, c, p + h * room, room, v + j, total + h, o + h * c + j); \
        else \
            values_half(G, 1, n, c, p + h * room, room, v + j, total + h, o + h * c + j); \
        break
            switch (g - h) {
                VALUES(1);
                VALUES(2);
                VALUES(3);
            default:
                VALUES(4);
            }
#undef VALUES
        }
}
#pragma GCC pop_options
#endif

typedef void product_kernel(int half, const void *w, const void *x, float *y, long ldy, int m, int k, int from, int to);

struct product {
    product_kernel *kernel;
    int half;
    const void *w, *x;
    float *y;
    int m, k, out;
};

static void product_share(void *arg, int worker, int workers) {
    struct product *p = arg;
    int from = (long)p->out * worker / workers, to = (long)p->out * (worker + 1) / workers;
    if (from < to) p->kernel(p->half, p->w, p->x, p->y, p->out, p->m, p->k, from, to);
}

void decode_gemm(int half, const void *w, const void *x, float *y, int m, int k, int out, int workers) {
    struct product p = {WIDEST(product), half, w, x, y, m, k, out};
#ifdef WIDE_X86
    if (half && gemm_usable()) p.kernel = product_half;
#endif
    threads_run(product_share, &p, workers);
}

// to the nearest, of two the even one.
void round_bf16(uint16_t *to, const float *from, long n) {
    long i = 0;
#ifdef WIDE_X86
    if (gemm_usable()) i = round_half(to, from, n);
#endif
    for (; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, from + i, sizeof bits);
        to[i] = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    }
}

void swiglu(float *g, const float *u, long n) {
    void (*kernel)(float *, const float *, long) = WIDEST(gate);
    kernel(g, u, n);
}

// makes room for so many tokens and some more.
static int grow(kv_cache *c, int tokens) {
    int room = tokens + (tokens < 512 ? 64 : tokens / 8);
    size_t vector = (size_t)c->width * (c->half ? 2 : 4);
    void **parts[] = {&c->keys, &c->values};
    for (int i = 0; i < 2; i++) {
        char *wider = malloc(vector * c->heads * room), *old = *parts[i];
        if (!wider) return -1;
        for (int h = 0; h < c->heads && c->length; h++)
            memcpy(wider + vector * h * room, old + vector * h * c->room, vector * c->length);
        free(old);
        *parts[i] = wider;
    }
    c->room = room;
    return 0;
}

static void store(kv_cache *c, void *to, const void *x, int half, const int *places, int n) {
    const size_t value = c->half ? 2 : 4;
    for (int h = 0; h < c->heads; h++)
        for (int i = 0; i < n; i++) {
            const long from = ((long)places[i] * c->heads + h) * c->width;
            const long at = ((long)h * c->room + c->length + i) * c->width;
            if (c->half && !half)
                round_bf16((uint16_t *)to + at, (const float *)x + from, c->width);
            else
                memcpy((char *)to + at * value, (const char *)x + from * value, value * c->width);
        }
}

int kv_append(kv_cache *c, const void *k, const void *v, int half, const int *places, int n) {
    if (c->length + n > c->room && grow(c, c->length + n)) return -1;
    store(c, c->keys, k, half, places, n);
    store(c, c->values, v, half, places, n);
    c->length += n;
    return 0;
}

struct attention {
    kv_cache **caches;
    int rows, heads, slide;
    const float *q;
    float *o, *scores;
    long room; // of each worker's scores
};

static void attention_share(void *arg, int worker, int workers) {
    struct attention *a = arg;
    void (*kernel)(int, int, int, int, int, float, const float *, const void *, const void *, float *, float *);
    kernel = WIDEST(cached);
#ifdef WIDE_X86
    int width = a->caches[0]->width;
    if (a->caches[0]->half && width % 32 == 0 && width <= 256 && gemm_usable()) kernel = cached_half;
#endif
    int kv = a->caches[0]->heads, group = a->heads / kv;
    for (int item = worker; item < a->rows * kv; item += workers) {
        int row = item / kv, h = item % kv;
        kv_cache *c = a->caches[row];
        int from = a->slide && c->length > a->slide ? c->length - a->slide : 0;
        size_t key = (size_t)h * c->room * c->width * (c->half ? 2 : 4);
        long at = ((long)row * a->heads + (long)h * group) * c->width;
        kernel(c->half, group, c->width, from, c->length, 1 / sqrtf(c->width), a->q + at, (char *)c->keys + key,
               (char *)c->values + key, a->scores + worker * a->room, a->o + at);
    }
}

int decode_attention(kv_cache **caches, int rows, int heads, int slide, const float *q, float *o, int workers) {
    long longest = 0;
    for (int i = 0; i < rows; i++)
        if (caches[i]->length > longest) longest = caches[i]->length;
    long room = (long)heads / caches[0]->heads * (longest + 16);
    struct attention a = {caches, rows, heads, slide, q, o, malloc(sizeof(float) * room * workers), room};
    if (!a.scores) return -1;
    threads_run(attention_share, &a, workers);
    free(a.scores);
    return 0;
}
