// The kernels for one width of vectors, see vector.h.

#include "vector.h"

// ROWS rows of x at a time, and two of the weights.
#define ROWS (LANES / 2)

INLINE void FN(block)(const int half, const void *w, const float *x, float *y, long ldy, int m, int k, int from,
                      int to) {
    const int size = half ? 2 : 4;
    for (int n = from; n < to; n += 2) {
        long w0 = (long)n * k, w1 = n + 1 < to ? w0 + k : w0;
        for (int i = 0; i < m; i += ROWS) {
            VF s[ROWS] = {{0}}, t[ROWS] = {{0}};
            int j = 0;
            for (; j + LANES <= k; j += LANES) {
                VF a = FN(values)(w, w0 + j, half), b = FN(values)(w, w1 + j, half);
                COMES((const char *)w + (w0 + j) * size);
                COMES((const char *)w + (w1 + j) * size);
#pragma GCC unroll 8
                for (int r = 0; r < ROWS; r++) {
                    VF v = AT(x + (long)(i + r) * k + j);
                    s[r] += a * v;
                    t[r] += b * v;
                }
            }
            VF both[LANES];
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++) both[r] = s[r], both[ROWS + r] = t[r];
            VF all = FN(sums)(both);
            for (; j < k; j++)
                for (int r = 0; r < ROWS; r++) {
                    float v = x[(long)(i + r) * k + j];
                    all[r] += FN(value)(w, w0 + j, half) * v;
                    all[ROWS + r] += FN(value)(w, w1 + j, half) * v;
                }
            for (int r = 0; r < ROWS && i + r < m; r++) {
                y[(i + r) * ldy + n] = all[r];
                if (n + 1 < to) y[(i + r) * ldy + n + 1] = all[ROWS + r];
            }
        }
    }
}

static void FN(product)(int half, const void *w, const void *x, float *y, long ldy, int m, int k, int from, int to) {
    if (half)
        FN(block)(1, w, x, y, ldy, m, k, from, to);
    else
        FN(block)(0, w, x, y, ldy, m, k, from, to);
}

static void FN(gate)(float *g, const float *u, long n) {
    long i = 0;
    for (; i + LANES <= n; i += LANES) {
        VF x = AT(g + i), e = FN(power)(FN(pick)(x > 0, -x, x)); // exp(-|x|)
        AT(g + i) = x * FN(pick)(x > 0, (VF){0} + 1.0f, e) / (1.0f + e) * AT(u + i);
    }
    for (; i < n; i++) g[i] = g[i] / (1.0f + expf(-g[i])) * u[i];
}

// e^s over its sum for g rows of n scores, before the division: the sums are the
// totals. There is room for n rounded up to LANES; the rest becomes next to 0.
INLINE void FN(weigh)(int g, int n, float *scores, float *total) {
    int padded = (n + LANES - 1) / LANES * LANES;
    for (int h = 0; h < g; h++) {
        float *row = scores + h * padded;
        for (int i = n; i < padded; i++) row[i] = -1e30f;
        VF best = AT(row), add = {0};
        for (int i = LANES; i < padded; i += LANES) best = FN(greater)(best, AT(row + i));
        float high = FN(most)(best);
        for (int i = 0; i < padded; i += LANES) {
            AT(row + i) = FN(power)(AT(row + i) - high);
            add += AT(row + i);
        }
        total[h] = FN(sum)(add);
    }
}

// Attention of one new token of a row: g query heads q [g, c] over the keys and
// values from..to of their head, k and v [.., c], to o [g, c]. scores has room
// for g times the keys rounded up to LANES.
INLINE void FN(attend)(const int half, int g, int c, int from, int to, float scale, const float *q, const void *k,
                       const void *v, float *scores, float *o) {
    int n = to - from, padded = (n + LANES - 1) / LANES * LANES, whole = c / LANES * LANES;
    for (int i = 0; i < padded; i += LANES)
        for (int h = 0; h < g; h++) {
            VF x[LANES];
            float rest[LANES];
#pragma GCC unroll 16
            for (int l = 0; l < LANES; l++) {
                long key = (long)(from + (i + l < n ? i + l : n - 1)) * c;
                VF a = {0};
                for (int j = 0; j < whole; j += LANES) a += AT(q + h * c + j) * FN(values)(k, key + j, half);
                x[l] = a;
                rest[l] = 0;
                for (int j = whole; j < c; j++) rest[l] += q[h * c + j] * FN(value)(k, key + j, half);
            }
            VF all = FN(sums)(x);
            if (whole < c) all += AT(rest);
            AT(scores + h * padded + i) = all * scale;
        }
    float total[g];
    FN(weigh)(g, n, scores, total);
    for (int h = 0; h < g; h++) {
        const float *row = scores + h * padded;
        for (int j = 0; j < whole; j += LANES) {
            VF a[4] = {{0}};
            int i = 0;
            for (; i + 4 <= n; i += 4)
#pragma GCC unroll 4
                for (int u = 0; u < 4; u++) a[u] += row[i + u] * FN(values)(v, (long)(from + i + u) * c + j, half);
            for (; i < n; i++) a[0] += row[i] * FN(values)(v, (long)(from + i) * c + j, half);
            AT(o + h * c + j) = (a[0] + a[1] + a[2] + a[3]) / total[h];
        }
        for (int j = whole; j < c; j++) {
            float a = 0;
            for (int i = 0; i < n; i++) a += row[i] * FN(value)(v, (long)(from + i) * c + j, half);
            o[h * c + j] = a / total[h];
        }
    }
}

static void FN(cached)(int half, int g, int c, int from, int to, float scale, const float *q, const void *k,
                       const void *v, float *scores, float *o) {
    if (half)
        FN(attend)(1, g, c, from, to, scale, q, k, v, scores, o);
    else
        FN(attend)(0, g, c, from, to, scale, q, k, v, scores, o);
}

#undef ROWS
#include "unvector.h"
