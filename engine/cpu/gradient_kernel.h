// A product of two matrices that are summed over their rows, for names ending in
// ISA. It is included once for each width of vectors.

#include "vector.h"

#define ROWS (LANES == 16 ? 8 : 4) // of a tile of the sum
#define WIDTH (3 * LANES) // of a panel of x

// columns at.. of n, zeros after the last, of row s.
INLINE VF FN(step)(const void *from, long s, long at, long n, int half) {
    if (at + LANES <= n) return FN(values)(from, s * n + at, half);
    VF x = {0};
    for (int l = 0; l < LANES && at + l < n; l++) x[l] = FN(value)(from, s * n + at + l, half);
    return x;
}

// adds a tile of ROWS columns of y by a panel of x to sum, where it has rows and columns.
INLINE void FN(tile)(float *sum, long ld, long rows, long columns, const float *y, const float *x, long steps,
                     int first) {
    VF a[ROWS][3];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++) a[r][0] = a[r][1] = a[r][2] = (VF){0};
    for (int r = 0; r < ROWS && r < rows; r++)
        for (int v = 0; v < 3; v++) __builtin_prefetch(sum + r * ld + v * LANES, 1);
    for (long s = 0; s < steps; s++, x += WIDTH, y += GROUP) {
        VF b[3] = {AT(x), AT(x + LANES), AT(x + 2 * LANES)};
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            for (int v = 0; v < 3; v++) a[r][v] += y[r] * b[v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++) {
        if (r >= rows) return;
        float *to = sum + r * ld;
        if (columns >= WIDTH) {
            for (int v = 0; v < 3; v++) AT(to + v * LANES) = (first ? (VF){0} : AT(to + v * LANES)) + a[r][v];
            continue;
        }
        float out[WIDTH];
        for (int v = 0; v < 3; v++) AT(out + v * LANES) = a[r][v];
        for (long c = 0; c < columns; c++) to[c] = first ? out[c] : to[c] + out[c];
    }
}

static void FN(product)(float *sum, const void *y, const void *x, int half, long rows, long n, long k, long from,
                        long to, int first, float *scratch) {
    const long size = half ? 2 : 4, groups = (to - from + GROUP - 1) / GROUP;
    float *panel = scratch, *columns = scratch + PANEL_FLOATS;
    for (long r0 = 0; r0 < rows; r0 += DEPTH, first = 0) {
        const long steps = rows - r0 < DEPTH ? rows - r0 : DEPTH;
        const char *y0 = (const char *)y + r0 * n * size, *x0 = (const char *)x + r0 * k * size;
        for (long g = 0; g < groups; g++)
            for (long s = 0; s < steps; s++)
                for (int c = 0; c < GROUP; c += LANES)
                    AT(columns + (g * steps + s) * GROUP + c) = FN(step)(y0, s, from + g * GROUP + c, n, half);
        for (long k0 = 0; k0 < k; k0 += WIDTH) {
            for (long s = 0; s < steps; s++)
                for (int v = 0; v < 3; v++)
                    AT(panel + s * WIDTH + v * LANES) = FN(step)(x0, s, k0 + v * LANES, k, half);
            for (long i = from; i < to; i += ROWS) {
                const float *at = columns + (i - from) / GROUP * steps * GROUP + (i - from) % GROUP;
                FN(tile)(sum + i * k + k0, k, to - i, k - k0, at, panel, steps, first);
            }
        }
    }
}

#undef ROWS
#undef WIDTH
#include "unvector.h"
