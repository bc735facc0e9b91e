#ifdef __x86_64__
#include "amx.h"

// Products by tiles (AMX). Sums of 32 rows by 32 columns stay in four tiles, for which two
// tiles of a and two of b are loaded a step: a is read from the first-level cache, b from the
// second.

// paired pairs the values of two rows, in 16 columns from one on.
INLINE __m512i paired(__m512i x, __m512i y, const int from) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i column = _mm512_add_epi32(lane, _mm512_set1_epi32(from)); // of x, and 32 on of y
    return _mm512_permutex2var_epi16(x, _mm512_or_si512(column, _mm512_slli_epi32(_mm512_add_epi32(column, _mm512_set1_epi32(32)), 16)), y);
}

// rows_at gives up to 32 columns of rows at and at + 1 of a matrix [rows, ld], zeros behind the last row.
INLINE void rows_at(__m512i *x, const void *from, long at, long ld, long column, long columns, long rows) {
    x[0] = (__m512i)row_units(from, at * ld + column, at < rows ? columns : 0, 1);
    x[1] = (__m512i)row_units(from, (at + 1) * ld + column, at + 1 < rows ? columns : 0, 1);
}

// pack_left packs up to 32 rows of a, from the unit's place on.
static void pack_left(const tiles *t, long unit_of) {
    const gemm *g = &t->g;
    const long row = t->packed + unit_of * 2 * TILE_SIDE, rows = t->m1 - row;
    unit *to = (unit *)(t->left + unit_of * 2 * t->deep * TILE_BYTES), *second = to + t->deep * TILE_BYTES / sizeof(unit);
    for (long s = 0; s < t->deep; s++, to += TILE_SIDE * TILE_SIDE, second += TILE_SIDE * TILE_SIDE) {
        const long k = s * TILE_VALUES;
        __m512i x[TILE_SIDE], y[TILE_SIDE];
        if (g->columns) {
            UNROLL(16)
            for (int p = 0; p < TILE_SIDE; p++) {
                __m512i two[2];
                rows_at(two, g->a, k + 2 * p, g->columns, row, rows, g->k);
                x[p] = paired(two[0], two[1], 0), y[p] = paired(two[0], two[1], TILE_SIDE);
            }
            transpose_square(x);
            transpose_square(y);
        } else
            UNROLL(16)
            for (int r = 0; r < TILE_SIDE; r++) {
                x[r] = (__m512i)row_units(g->a, (row + r) * g->k + k, r < rows ? g->k - k : 0, 1);
                y[r] = (__m512i)row_units(g->a, (row + TILE_SIDE + r) * g->k + k, TILE_SIDE + r < rows ? g->k - k : 0, 1);
            }
        UNROLL(16)
        for (int r = 0; r < TILE_SIDE; r++) store_units(to + r * TILE_SIDE, (units)x[r]);
        if (rows <= TILE_SIDE) continue;
        UNROLL(16)
        for (int r = 0; r < TILE_SIDE; r++) store_units(second + r * TILE_SIDE, (units)y[r]);
    }
}

// pack_right packs up to 32 columns of b, from the unit's place on.
static void pack_right(const tiles *t, long unit_of) {
    const gemm *g = &t->g;
    const long column = t->n0 + unit_of * 2 * TILE_SIDE, columns = t->n1 - column, pairs = t->deep * TILE_SIDE;
    unit *to = (unit *)(t->right + unit_of * 2 * t->deep * TILE_BYTES), *second = columns > TILE_SIDE ? to + pairs * TILE_SIDE : NULL;
    if (g->trans_b) {
        const uint16_t *from = (const uint16_t *)g->b + column * g->k;
        transpose_whole(to, TILE_SIDE, pairs, from, g->k, g->k, columns, 1);
        if (second) transpose_whole(second, TILE_SIDE, pairs, from + TILE_SIDE * g->k, g->k, g->k, columns - TILE_SIDE, 1);
        return;
    }
    for (long p = 0; p < pairs; p++, to += TILE_SIDE) {
        __m512i two[2];
        rows_at(two, g->b, 2 * p, g->n, column, columns, g->k);
        store_units(to, (units)paired(two[0], two[1], 0));
        if (second) store_units(second + p * TILE_SIDE, (units)paired(two[0], two[1], TILE_SIDE));
    }
}

// finish hands a square's sums [32, 32] on: to y, or to g.sum.
static void finish(const gemm *g, long m, long rows, long n, long columns, const float *sums) {
    for (long i = 0; i < rows; i++, sums += 2 * TILE_SIDE) {
        const long at = (m + i) * g->n + n;
        VF x = AT(sums), y = AT(sums + LANES);
        if (g->y && columns >= 2 * TILE_SIDE) {
            _mm512_storeu_si512(g->y + at, (__m512i)_mm512_cvtne2ps_pbh((__m512)y, (__m512)x));
            continue;
        }
        const lanes low = lanes_of(columns), high = lanes_of(columns - LANES);
        if (g->y) {
            store_rounded(g->y + at, low, (acc)x);
            store_rounded(g->y + at + LANES, high, (acc)y);
            continue;
        }
        if (!g->first) {
            x += load_lanes(g->sum, at, low, 0);
            y += load_lanes(g->sum, at + LANES, high, 0);
        }
        store_lanes(g->sum, at, low, x, 0);
        store_lanes(g->sum, at + LANES, high, y, 0);
    }
}

// of_left sets where a square's tile of rows begins.
INLINE void of_left(const tiles *t, square *q, int which, long row, long s) {
    if (row < t->packed) {
        q->a[which] = (const char *)t->g.a + row * t->g.k * 2 + s * 64;
        q->row[which] = t->g.k * 2, q->step[which] = 64;
    } else {
        q->a[which] = t->left + ((row - t->packed) / TILE_SIDE * t->deep + s) * TILE_BYTES;
        q->row[which] = 64, q->step[which] = TILE_BYTES;
    }
}

// fetch asks for a part of a strip of rows, which is multiplied next.
INLINE void fetch(const tiles *t, long row, long part, long parts) {
    const long rows = t->packed - row < 2 * TILE_SIDE ? t->packed - row : 2 * TILE_SIDE;
    const char *from = (const char *)t->g.a + row * t->g.k * 2;
    const long bytes = rows * t->g.k * 2;
    for (long i = bytes * part / parts / 64; i < bytes * (part + 1) / parts / 64; i++) _mm_prefetch(from + i * 64, _MM_HINT_T1);
}

// rows m0 up to m1 by columns n0 up to n1, which is a worker's unit; sums is room for a strip.
static void block(const tiles *t, long m0, long m1, long n0, long n1, float *sums) {
    begin_tiles();
    const long parts = (t->deep + TILES_DEPTH - 1) / TILES_DEPTH, pair = 2 * TILE_SIDE, panels = (n1 - n0 + pair - 1) / pair;
    square q = {.b_row = 64, .b_step = TILE_BYTES, .ld = pair};
    for (long i = m0; i < m1; i += pair) {
        const long rows = m1 - i < pair ? m1 - i : pair;
        for (long part = 0; part < parts; part++) {
            const long s0 = t->deep * part / parts;
            q.steps = t->deep * (part + 1) / parts - s0, q.sets = part == 0;
            of_left(t, &q, 0, i, s0);
            if (rows > TILE_SIDE) of_left(t, &q, 1, i + TILE_SIDE, s0);
            for (long p = 0; p < panels; p++) {
                const long j = n0 + p * pair, columns = n1 - j < pair ? n1 - j : pair;
                if (i + pair < m1 && i + pair < t->packed) fetch(t, i + pair, part * panels + p, parts * panels);
                q.b[0] = t->right + ((j - t->n0) / TILE_SIDE * t->deep + s0) * TILE_BYTES;
                q.b[1] = q.b[0] + t->deep * TILE_BYTES;
                q.sums = sums + p * pair * pair;
                multiply_some(rows > TILE_SIDE ? 2 : 1, columns > TILE_SIDE ? 2 : 1, &q);
                if (part == parts - 1) finish(&t->g, i, rows, j, columns, q.sums);
            }
        }
    }
    _tile_release();
}

const tile_kernels tiles_amx = {pack_left, pack_right, block, decode_by_tiles, attend_by_tiles, &attention_amx};
TARGET_END
#endif
