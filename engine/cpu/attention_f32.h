// The kernels for one width of vectors: LANES floats, ROWS rows of a product
// at a time, names ending in ISA. Matrices are row-major; a tile is TILE rows,
// padded with zeros, and rows of width C are padded to whole pairs of vectors.

#include "vector.h"

#define ROWS (LANES == 16 ? 8 : LANES == 8 ? 6 : 4)

// some rows of c [n] (+)= a [k]·b [k, n]; a's rows are ar apart, its columns ac.
INLINE void FN(rows)(const int some, int n, int k, const float *a, long ar, long ac, const float *b, long ldb,
                     float *c, long ldc, int add) {
    for (int j = 0; j < n; j += 2 * LANES) {
        VF x[ROWS], y[ROWS];
#pragma GCC unroll 8
        for (int r = 0; r < some; r++) {
            x[r] = add ? AT(c + r * ldc + j) : (VF){0};
            y[r] = add ? AT(c + r * ldc + j + LANES) : (VF){0};
        }
        for (int p = 0; p < k; p++) {
            VF b0 = AT(b + p * ldb + j), b1 = AT(b + p * ldb + j + LANES);
#pragma GCC unroll 8
            for (int r = 0; r < some; r++) {
                float s = a[r * ar + p * ac];
                x[r] += s * b0;
                y[r] += s * b1;
            }
        }
#pragma GCC unroll 8
        for (int r = 0; r < some; r++) {
            AT(c + r * ldc + j) = x[r];
            AT(c + r * ldc + j + LANES) = y[r];
        }
    }
}

// c [TILE, n] (+)= a [TILE, k]·b [k, n].
static void FN(product)(int n, int k, const float *a, long ar, long ac, const float *b, long ldb, float *c, long ldc,
                        int add) {
    int i = 0;
    for (; i + ROWS <= TILE; i += ROWS) FN(rows)(ROWS, n, k, a + i * ar, ar, ac, b, ldb, c + i * ldc, ldc, add);
    for (; i < TILE; i += TILE % ROWS ? TILE % ROWS : 1)
        FN(rows)(TILE % ROWS ? TILE % ROWS : 1, n, k, a + i * ar, ar, ac, b, ldb, c + i * ldc, ldc, add);
}

// copies a tile of rows of width c, stride apart from a place on, into rows of width wide.
INLINE void FN(load_as)(float *to, const void *from, long at, long stride, int rows, int c, int wide, float scale,
                        const int half) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < c; j++) to[i * wide + j] = FN(value)(from, at + i * stride + j, half) * scale;
}

static void FN(load)(const shape *s, float *to, const void *from, long at, long stride, int rows, int wide, float scale) {
    memset(to, 0, sizeof(float) * TILE * wide);
    if (s->half)
        FN(load_as)(to, from, at, stride, rows, s->width, wide, scale, 1);
    else
        FN(load_as)(to, from, at, stride, rows, s->width, wide, scale, 0);
}

// the same, transposed: [c, TILE].
static void FN(turn)(const shape *s, float *to, const void *from, long at, long stride, int rows) {
    memset(to, 0, sizeof(float) * TILE * s->width);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < s->width; j++) to[j * TILE + i] = FN(value)(from, at + i * stride + j, s->half);
}

// how many positions a tile holds.
INLINE int FN(filled)(const shape *s, int tile) {
    int left = s->positions - tile * TILE;
    return left < TILE ? left : TILE;
}

// sets the scores of pairs that do not see each other to a very low number.
static void FN(mask)(const shape *s, float *scores, int qt, int kt, const int *depth, const int *start, const int *reach) {
    for (int i = 0; i < TILE; i++) {
        int query = qt * TILE + i;
        for (int j = 0; j < TILE; j += LANES) {
            VI seen = (*(VI *)(start + kt * TILE + j) <= query) & (*(VI *)(reach + kt * TILE + j) >= query);
            if (s->slide) seen &= (depth[query] - *(VI *)(depth + kt * TILE + j)) < s->slide;
            float *at = scores + i * TILE + j;
            AT(at) = FN(pick)(seen, AT(at), (VF){0} - 1e30f);
        }
    }
}

static float *FN(scratch)(size_t floats) {
    void *p = NULL;
    if (posix_memalign(&p, 64, floats * sizeof(float))) abort();
    return p;
}

static void FN(forward)(const shape *s, int from, int to, const void *q, const void *k, const void *v,
                        const unsigned char *sees, const int *depth, const int *start, const int *reach, void *o,
                        float *lse) {
    const int c = s->width, wide = (c + 2 * LANES - 1) / (2 * LANES) * (2 * LANES), tiles = s->padded / TILE;
    const long across = (long)s->heads * c, below = (long)s->kv * c; // strides of q and of k
    float *kt = FN(scratch)((size_t)s->padded * (c + wide) + 2 * (size_t)TILE * wide + TILE * TILE);
    float *vs = kt + (size_t)s->padded * c, *qs = vs + (size_t)s->padded * wide, *acc = qs + TILE * wide,
          *p = acc + TILE * wide;
    for (int item = from, loaded = -1; item < to; item++) {
        int h = item / tiles, qt = item % tiles, n = h / (s->heads / s->kv), first = qt * TILE;
        int rows = FN(filled)(s, qt);
        for (int t = 0; n != loaded && t < tiles; t++) {
            int some = FN(filled)(s, t);
            FN(turn)(s, kt + (size_t)t * TILE * c, k, t * TILE * below + n * c, below, some);
            FN(load)(s, vs + (size_t)t * TILE * wide, v, t * TILE * below + n * c, below, some, wide, 1);
        }
        loaded = n;
        FN(load)(s, qs, q, first * across + (long)h * c, across, rows, wide, s->scale);
        memset(acc, 0, sizeof(float) * TILE * wide);
        float top[TILE], total[TILE];
        for (int i = 0; i < TILE; i++) top[i] = -1e29f, total[i] = 0;
        for (int t = 0; t < tiles; t++) {
            if (sees[qt * tiles + t] == NOTHING) continue;
            FN(product)(TILE, c, qs, wide, 1, kt + (size_t)t * TILE * c, TILE, p, TILE, 0);
            if (sees[qt * tiles + t] == PART) FN(mask)(s, p, qt, t, depth, start, reach);
            for (int i = 0; i < TILE; i++) {
                float *row = p + i * TILE;
                VF best = AT(row);
                for (int j = LANES; j < TILE; j += LANES) best = FN(greater)(best, AT(row + j));
                float high = FN(most)(best);
                if (high > top[i]) {
                    float fade = expf(top[i] - high);
                    for (int j = 0; j < wide; j += LANES) AT(acc + i * wide + j) *= fade;
                    total[i] *= fade;
                    top[i] = high;
                }
                VF add = {0};
                for (int j = 0; j < TILE; j += LANES) {
                    VF x = FN(power)(AT(row + j) - top[i]);
                    AT(row + j) = x;
                    add += x;
                }
                total[i] += FN(sum)(add);
            }
            FN(product)(wide, TILE, p, TILE, 1, vs + (size_t)t * TILE * wide, wide, acc, wide, 1);
        }
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < c; j++) FN(set)(o, (first + i) * across + (long)h * c + j, acc[i * wide + j] / total[i], s->half);
            lse[(size_t)h * s->positions + first + i] = top[i] + logf(total[i]);
        }
    }
    free(kt);
}

// dk and dv are sums of this call's items, [N, padded, wide] with wide the
// width padded to 32 floats; dq is whole.
static void FN(backward)(const shape *s, int from, int to, const void *q, const void *k, const void *v,
                         const void *o, const float *lse, const void *dO, const unsigned char *sees,
                         const int *depth, const int *start, const int *reach, void *dq, float *dk, float *dv) {
    const int c = s->width, wide = attention_wide(s), tiles = s->padded / TILE;
    const long across = (long)s->heads * c, below = (long)s->kv * c;
    const size_t column = (size_t)s->padded * c, row = (size_t)s->padded * wide, tile = (size_t)TILE * wide;
    float *kt = FN(scratch)(2 * column + row + 3 * tile + 2 * TILE * TILE);
    float *vt = kt + column, *ks = vt + column, *qs = ks + row, *ds = qs + tile, *acc = ds + tile, *p = acc + tile,
          *dp = p + TILE * TILE;
    for (int item = from, loaded = -1; item < to; item++) {
        int h = item / tiles, qt = item % tiles, n = h / (s->heads / s->kv), first = qt * TILE;
        int rows = FN(filled)(s, qt);
        for (int t = 0; n != loaded && t < tiles; t++) {
            int some = FN(filled)(s, t);
            FN(turn)(s, kt + (size_t)t * TILE * c, k, t * TILE * below + n * c, below, some);
            FN(turn)(s, vt + (size_t)t * TILE * c, v, t * TILE * below + n * c, below, some);
            FN(load)(s, ks + (size_t)t * TILE * wide, k, t * TILE * below + n * c, below, some, wide, 1);
        }
        loaded = n;
        const long at = first * across + (long)h * c;
        FN(load)(s, qs, q, at, across, rows, wide, s->scale);
        FN(load)(s, ds, dO, at, across, rows, wide, 1);
        memset(acc, 0, sizeof(float) * tile);
        float high[TILE], delta[TILE];
        for (int i = 0; i < TILE; i++) high[i] = 1e30f, delta[i] = 0;
        for (int i = 0; i < rows; i++) {
            high[i] = lse[(size_t)h * s->positions + first + i];
            for (int j = 0; j < c; j++) delta[i] += ds[i * wide + j] * FN(value)(o, at + i * across + j, s->half);
        }
        float *dkn = dk + (size_t)n * row, *dvn = dv + (size_t)n * row;
        for (int t = 0; t < tiles; t++) {
            if (sees[qt * tiles + t] == NOTHING) continue;
            FN(product)(TILE, c, qs, wide, 1, kt + (size_t)t * TILE * c, TILE, p, TILE, 0);
            FN(product)(TILE, c, ds, wide, 1, vt + (size_t)t * TILE * c, TILE, dp, TILE, 0);
            if (sees[qt * tiles + t] == PART) FN(mask)(s, p, qt, t, depth, start, reach);
            for (int i = 0; i < TILE; i++)
                for (int j = 0; j < TILE; j += LANES) {
                    float *score = p + i * TILE + j, *d = dp + i * TILE + j;
                    VF x = FN(power)(AT(score) - high[i]);
                    AT(score) = x;
                    AT(d) = x * (AT(d) - delta[i]);
                }
            FN(product)(wide, TILE, p, 1, TILE, ds, wide, dvn + t * tile, wide, 1);
            FN(product)(wide, TILE, dp, 1, TILE, qs, wide, dkn + t * tile, wide, 1);
            FN(product)(wide, TILE, dp, TILE, 1, ks + t * tile, wide, acc, wide, 1);
        }
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < c; j++) FN(set)(dq, at + i * across + j, acc[i * wide + j] * s->scale, s->half);
    }
    free(kt);
}

#undef ROWS
#include "unvector.h"
