// The kernels for processors that multiply bf16 (VDPBF16PS): values that are
// summed over lie in pairs, sums are f32. They use attention_f32.h's for AVX-512.
// Matrices on the right of a product have their rows in pairs: [k/2, n] pairs.

typedef uint32_t pair; // of bf16, the first in the low half

#define HALF_ROWS 8

// c [TILE, n] (+)= a·b over k pairs; a's rows are ar pairs apart, its steps ac.
static void half_product(int n, int k, const pair *a, long ar, long ac, const pair *b, long ldb, float *c, long ldc,
                         int add) {
    for (int i = 0; i < TILE; i += HALF_ROWS)
        for (int j = 0; j < n; j += 32) {
            __m512 x[HALF_ROWS], y[HALF_ROWS];
            float *at = c + i * ldc + j;
#pragma GCC unroll 8
            for (int r = 0; r < HALF_ROWS; r++) {
                x[r] = add ? _mm512_loadu_ps(at + r * ldc) : _mm512_setzero_ps();
                y[r] = add ? _mm512_loadu_ps(at + r * ldc + 16) : _mm512_setzero_ps();
            }
            for (int p = 0; p < k; p++) {
                __m512bh b0 = (__m512bh)_mm512_loadu_si512(b + p * ldb + j);
                __m512bh b1 = (__m512bh)_mm512_loadu_si512(b + p * ldb + j + 16);
#pragma GCC unroll 8
                for (int r = 0; r < HALF_ROWS; r++) {
                    __m512bh s = (__m512bh)_mm512_set1_epi32((int)a[(i + r) * ar + p * ac]);
                    x[r] = _mm512_dpbf16_ps(x[r], s, b0);
                    y[r] = _mm512_dpbf16_ps(y[r], s, b1);
                }
            }
#pragma GCC unroll 8
            for (int r = 0; r < HALF_ROWS; r++) {
                _mm512_storeu_ps(at + r * ldc, x[r]);
                _mm512_storeu_ps(at + r * ldc + 16, y[r]);
            }
        }
}

static inline __m256i half_round(__m512 x) { return (__m256i)_mm512_cvtneps_pbh(x); }

static inline __m512i half_pairs(__m256i low, __m256i high) {
    return _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
}

static inline __m512 half_wide(__m256i x) { return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16); }

static inline __mmask16 half_left(int j, int c) {
    return c - j >= 16 ? 0xffff : c > j ? (__mmask16)((1u << (c - j)) - 1) : 0;
}

// up to 16 values of a row of c, zeros after its end or where there is no row.
static inline __m256i half_take(const uint16_t *row, int j, int c, int there) {
    return _mm256_maskz_loadu_epi16(there ? half_left(j, c) : 0, row + j);
}

// sets up to 16 values of a row of c.
static inline void half_put(uint16_t *row, int j, int c, __m512 x) {
    _mm256_mask_storeu_epi16(row + j, half_left(j, c), half_round(x));
}

// a tile of rows of width c, stride apart, in pairs along the rows: [TILE, wide/2].
static void half_along(pair *to, const uint16_t *from, long stride, int rows, int c, int wide) {
    for (int i = 0; i < TILE; i++)
        for (int j = 0; j < wide; j += 16)
            _mm256_storeu_si256((__m256i *)(to + (i * wide + j) / 2), half_take(from + i * stride, j, c, i < rows));
}

// the same in pairs of rows: [TILE/2, wide].
static void half_across(pair *to, const uint16_t *from, long stride, int rows, int c, int wide) {
    for (int i = 0; i < TILE; i += 2)
        for (int j = 0; j < wide; j += 16) {
            const uint16_t *row = from + i * stride;
            _mm512_storeu_si512(to + i / 2 * wide + j,
                                half_pairs(half_take(row, j, c, i < rows), half_take(row + stride, j, c, i + 1 < rows)));
        }
}

// the same transposed, in pairs along the rows: [wide/2, TILE].
static void half_turn(pair *to, const uint16_t *from, long stride, int rows, int c, int wide) {
    pair flat[TILE * wide / 2];
    half_along(flat, from, stride, rows, c, wide);
    for (int i = 0; i < TILE; i++)
        for (int j = 0; j < wide / 2; j++) to[j * TILE + i] = flat[i * (wide / 2) + j];
}

static void forward_half(const shape *s, int from, int to, const void *qh, const void *kh, const void *vh,
                         const unsigned char *sees, const int *depth, const int *start, const int *reach, void *oh,
                         float *lse) {
    const uint16_t *q = qh, *k = kh, *v = vh;
    uint16_t *o = oh;
    const int c = s->width, wide = attention_wide(s), tiles = s->padded / TILE;
    const long across = (long)s->heads * c, below = (long)s->kv * c; // strides of q and of k
    const size_t tile = (size_t)TILE * wide / 2;                     // pairs
    pair *kt = (pair *)scratch_avx512((2 * (size_t)tiles + 1) * tile + TILE * TILE / 2);
    pair *vs = kt + tiles * tile, *qs = vs + tiles * tile, *ps = qs + tile;
    float *acc = scratch_avx512((size_t)TILE * wide + TILE * TILE), *p = acc + TILE * wide;
    for (int item = from, loaded = -1; item < to; item++) {
        int h = item / tiles, qt = item % tiles, n = h / (s->heads / s->kv), first = qt * TILE;
        int rows = filled_avx512(s, qt);
        for (int t = 0; n != loaded && t < tiles; t++) {
            int some = filled_avx512(s, t);
            half_turn(kt + t * tile, k + t * TILE * below + n * c, below, some, c, wide);
            half_across(vs + t * tile, v + t * TILE * below + n * c, below, some, c, wide);
        }
        loaded = n;
        half_along(qs, q + first * across + (long)h * c, across, rows, c, wide);
        memset(acc, 0, sizeof(float) * TILE * wide);
        float top[TILE], total[TILE];
        for (int i = 0; i < TILE; i++) top[i] = -1e25f, total[i] = 0; // above what mask sets, scaled
        for (int t = 0; t < tiles; t++) {
            if (sees[qt * tiles + t] == NOTHING) continue;
            half_product(TILE, wide / 2, qs, wide / 2, 1, kt + t * tile, TILE, p, TILE, 0);
            if (sees[qt * tiles + t] == PART) mask_avx512(s, p, qt, t, depth, start, reach);
            for (int i = 0; i < TILE; i++) {
                __m512 x[TILE / 16], best = _mm512_set1_ps(-1e30f);
                for (int j = 0; j < TILE / 16; j++) {
                    x[j] = _mm512_loadu_ps(p + i * TILE + 16 * j) * s->scale;
                    best = _mm512_max_ps(best, x[j]);
                }
                float high = _mm512_reduce_max_ps(best);
                if (high > top[i]) {
                    float fade = expf(top[i] - high);
                    for (int j = 0; j < wide; j += 16)
                        _mm512_storeu_ps(acc + i * wide + j, _mm512_loadu_ps(acc + i * wide + j) * fade);
                    total[i] *= fade;
                    top[i] = high;
                }
                __m512 sum = _mm512_setzero_ps();
                for (int j = 0; j < TILE / 16; j++) {
                    __m512 e = (__m512)power_avx512((vf_avx512)(x[j] - top[i]));
                    sum += e;
                    _mm256_storeu_si256((__m256i *)(ps + (i * TILE + 16 * j) / 2), half_round(e));
                }
                total[i] += _mm512_reduce_add_ps(sum);
            }
            half_product(wide, TILE / 2, ps, TILE / 2, 1, vs + t * tile, wide, acc, wide, 1);
        }
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < wide; j += 16)
                half_put(o + (first + i) * across + (long)h * c, j, c, _mm512_loadu_ps(acc + i * wide + j) / total[i]);
            lse[(size_t)h * s->positions + first + i] = top[i] + logf(total[i]);
        }
    }
    free(kt);
    free(acc);
}

static void backward_half(const shape *s, int from, int to, const void *q, const void *kv, const void *vv,
                          const void *o, const float *lse, const void *dO, const unsigned char *sees,
                          const int *depth, const int *start, const int *reach, void *dq, float *dk, float *dv) {
    const uint16_t *k = kv, *v = vv;
    const int c = s->width, wide = attention_wide(s), tiles = s->padded / TILE;
    const long across = (long)s->heads * c, below = (long)s->kv * c;
    const size_t row = (size_t)s->padded * wide, tile = (size_t)TILE * wide / 2, square = TILE * TILE / 2;
    pair *kt = (pair *)scratch_avx512((3 * (size_t)tiles + 4) * tile + 3 * square);
    pair *vt = kt + tiles * tile, *ks = vt + tiles * tile, *qa = ks + tiles * tile, *qs = qa + tile, *da = qs + tile,
         *ds = da + tile, *ps = ds + tile, *es = ps + square, *ea = es + square; // e: gradients of scores
    float *acc = scratch_avx512((size_t)TILE * wide + 2 * TILE * TILE), *p = acc + TILE * wide, *dp = p + TILE * TILE;
    for (int item = from, loaded = -1; item < to; item++) {
        int h = item / tiles, qt = item % tiles, n = h / (s->heads / s->kv), first = qt * TILE;
        int rows = filled_avx512(s, qt);
        const long at = first * across + (long)h * c;
        const uint16_t *qh = (const uint16_t *)q + at, *dh = (const uint16_t *)dO + at, *oh = (const uint16_t *)o + at;
        for (int t = 0; n != loaded && t < tiles; t++) {
            int some = filled_avx512(s, t);
            half_turn(kt + t * tile, k + t * TILE * below + n * c, below, some, c, wide);
            half_turn(vt + t * tile, v + t * TILE * below + n * c, below, some, c, wide);
            half_across(ks + t * tile, k + t * TILE * below + n * c, below, some, c, wide);
        }
        loaded = n;
        half_along(qa, qh, across, rows, c, wide);
        half_across(qs, qh, across, rows, c, wide);
        half_along(da, dh, across, rows, c, wide);
        half_across(ds, dh, across, rows, c, wide);
        memset(acc, 0, sizeof(float) * TILE * wide);
        float high[TILE], delta[TILE];
        for (int i = 0; i < TILE; i++) high[i] = 1e30f, delta[i] = 0;
        for (int i = 0; i < rows; i++) {
            high[i] = lse[(size_t)h * s->positions + first + i];
            __m512 sum = _mm512_setzero_ps();
            for (int j = 0; j < wide; j += 16)
                sum += half_wide(half_take(dh + i * across, j, c, 1)) * half_wide(half_take(oh + i * across, j, c, 1));
            delta[i] = _mm512_reduce_add_ps(sum);
        }
        float *dkn = dk + (size_t)n * row, *dvn = dv + (size_t)n * row;
        for (int t = 0; t < tiles; t++) {
            if (sees[qt * tiles + t] == NOTHING) continue;
            half_product(TILE, wide / 2, qa, wide / 2, 1, kt + t * tile, TILE, p, TILE, 0);
            half_product(TILE, wide / 2, da, wide / 2, 1, vt + t * tile, TILE, dp, TILE, 0);
            if (sees[qt * tiles + t] == PART) mask_avx512(s, p, qt, t, depth, start, reach);
            for (int i = 0; i < TILE; i += 2)
                for (int j = 0; j < TILE; j += 16) {
                    __m512 x[2], e[2];
                    for (int r = 0; r < 2; r++) {
                        const float *score = p + (i + r) * TILE + j, *d = dp + (i + r) * TILE + j;
                        x[r] = (__m512)power_avx512((vf_avx512)(_mm512_loadu_ps(score) * s->scale - high[i + r]));
                        e[r] = x[r] * (_mm512_loadu_ps(d) - delta[i + r]) * s->scale;
                        _mm256_storeu_si256((__m256i *)(ea + ((i + r) * TILE + j) / 2), half_round(e[r]));
                    }
                    _mm512_storeu_si512(ps + i / 2 * TILE + j, half_pairs(half_round(x[0]), half_round(x[1])));
                    _mm512_storeu_si512(es + i / 2 * TILE + j, half_pairs(half_round(e[0]), half_round(e[1])));
                }
            half_product(wide, TILE / 2, ps, 1, TILE, ds, wide, dvn + t * 2 * tile, wide, 1);
            half_product(wide, TILE / 2, es, 1, TILE, qs, wide, dkn + t * 2 * tile, wide, 1);
            half_product(wide, TILE / 2, ea, TILE / 2, 1, ks + t * tile, wide, acc, wide, 1);
        }
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < wide; j += 16)
                half_put((uint16_t *)dq + at + i * across, j, c, _mm512_loadu_ps(acc + i * wide + j));
    }
    free(kt);
    free(acc);
}
