#ifdef __x86_64__
#include "amx.h"
#include "decode_rows.h"

// Decoding by tiles. Products: weights are read where they lie, 32 outputs at a time, while
// the next ones are asked for. Outputs stand in rows, and the rows of x in columns.

// pack packs the rows of x, 16 at a time, as tiles.
static void pack(const decode_product *p, char *to) {
    for (long i = 0; i < p->m; i += TILE_SIDE)
        transpose((unit *)(to + 2 * i * p->k), TILE_SIDE, (const uint16_t *)p->x + i * p->k, p->k, p->k, p->m - i, 1);
}

// put stores a tile of sums [outputs, rows]: outputs from n on, but for the first few, which
// are there, of at most 16 rows of y from i on.
static void put(const decode_product *p, const float *sums, long n, long there, long i) {
    __m512i x[TILE_SIDE];
    UNROLL(16)
    for (int r = 0; r < TILE_SIDE; r++) x[r] = _mm512_loadu_si512(sums + r * 2 * TILE_SIDE);
    transpose_square(x);
    const lanes new = (lanes)(0xffff << there);
    for (long r = 0; r < TILE_SIDE && i + r < p->m; r++) store_lanes(p->y, (i + r) * p->out + n, new, (VF)x[r], 0);
}

// decode_by_tiles computes outputs from..to, of at least 16 that there are. The last tile of
// weights begins sooner where it would end behind the last row.
void decode_by_tiles(const decode_product *p, int from, int to, void *room) {
    const long row = 2 * (long)p->k, last = p->out - TILE_SIDE;
    float *sums = room;
    const char *w = p->w;
    char *x = (char *)room + sizeof(float) * 4 * TILE_SIDE * TILE_SIDE;
    begin_tiles();
    pack(p, x);
    square q = {.row = {row, row}, .step = {64, 64}, .b_row = 64, .b_step = TILE_BYTES, .steps = p->k / TILE_VALUES, .sums = sums, .ld = 2 * TILE_SIDE, .sets = 1};
    for (long n = from; n < to; n += 2 * TILE_SIDE) {
        const long n0 = n < last ? n : last, n1 = n + TILE_SIDE < last ? n + TILE_SIDE : last;
        const int two = n + TILE_SIDE < to;
        q.a[0] = w + n0 * row, q.a[1] = w + n1 * row;
        for (long i = 0; i < p->m; i += 2 * TILE_SIDE) {
            q.b[0] = x + i * row, q.b[1] = q.b[0] + TILE_SIDE * row;
            q.ahead = i == 0 && n + 2 * TILE_SIDE < to ? w + (n + 2 * TILE_SIDE) * row : NULL;
            const int more = i + TILE_SIDE < p->m;
            multiply_some(two ? 2 : 1, more ? 2 : 1, &q);
            put(p, sums, n0, n - n0, i);
            if (more) put(p, sums + TILE_SIDE, n0, n - n0, i + TILE_SIDE);
            if (!two) continue;
            put(p, sums + 2 * TILE_SIDE * TILE_SIDE, n1, n + TILE_SIDE - n1, i);
            if (more) put(p, sums + 2 * TILE_SIDE * TILE_SIDE + TILE_SIDE, n1, n + TILE_SIDE - n1, i + TILE_SIDE);
        }
    }
    _tile_release();
}

// Attention: a tile of queries has those of all tokens and heads that read the same keys, tiles
// of keys and values are read where they lie in the cache, while the next ones are asked for.

enum { AT_ONCE = 2 * TILE_SIDE, COLUMN_TILES = 4 };

// weigh adds up so many tiles of columns, from v on, over n values' tokens; weights are bf16
// [16, n], ld bytes apart, sums [16, 64].
INLINE void weigh(const int columns, const char *weights, long ld, const char *v, long row, int n, float *sums) {
    all_stored();
    _tile_zero(0);
    _tile_zero(1);
    if (columns > 2) _tile_zero(2);
    if (columns > 2) _tile_zero(3);
    for (int i = 0; i < n; i += AT_ONCE, v += TILE_SIDE * row) {
        _tile_loadd(4, weights + 2 * i, ld);
        for (int r = 2 * TILE_SIDE; r < 3 * TILE_SIDE; r++)
            for (int b = 0; b < columns; b++) _mm_prefetch(v + r * row + 64 * b, _MM_HINT_T1);
        _tile_loadd(5, v, row);
        _tile_dpbf16ps(0, 4, 5);
        _tile_loadd(6, v + 64, row);
        _tile_dpbf16ps(1, 4, 6);
        if (columns == 2) continue;
        _tile_loadd(5, v + 128, row);
        _tile_dpbf16ps(2, 4, 5);
        _tile_loadd(6, v + 192, row);
        _tile_dpbf16ps(3, 4, 6);
    }
    _tile_stored(0, sums, 4 * COLUMN_TILES * TILE_SIDE);
    _tile_stored(1, sums + TILE_SIDE, 4 * COLUMN_TILES * TILE_SIDE);
    if (columns > 2) _tile_stored(2, sums + 2 * TILE_SIDE, 4 * COLUMN_TILES * TILE_SIDE);
    if (columns > 2) _tile_stored(3, sums + 3 * TILE_SIDE, 4 * COLUMN_TILES * TILE_SIDE);
}

void attend_by_tiles(const decode_head *heads, int tokens, void *room) {
    const int c = heads->width, group = heads->group;
    int n = 0;
    for (int i = 0; i < tokens; i++)
        if (heads[i].n > n) n = heads[i].n;
    n = (n + AT_ONCE - 1) / AT_ONCE * AT_ONCE;
    float *scores = room, *sums = scores + (long)TILE_SIDE * n, total[TILE_SIDE];
    uint16_t *query = (uint16_t *)(sums + COLUMN_TILES * TILE_SIDE * TILE_SIDE);
    for (int i = 0; i < tokens * group; i++) decode_round(query + (long)i * c, heads[i / group].q + (long)(i % group) * c, c);

    begin_tiles();
    const char *k = heads->k, *v = heads->v;
    const long block = 32 * (long)c; // bytes of the keys of 16 tokens
    square s = {.a = {(const char *)query}, .row = {2 * c}, .step = {64}, .b_row = 64, .b_step = TILE_BYTES, .steps = c / TILE_VALUES, .ld = n, .sets = 1};
    for (int i = 0; i < n; i += AT_ONCE) {
        s.b[0] = k + i / TILE_SIDE * block, s.b[1] = s.b[0] + block, s.ahead = s.b[1] + block, s.sums = scores + i;
        multiply_square(1, 2, &s);
    }
    for (int i = 0; i < tokens * group; i++) {
        const decode_head *h = heads + i / group;
        float *row = scores + (long)i * n;
        for (int j = 0; j < n; j += LANES) {
            const VF x = AT(row + j) * h->scale;
            AT(row + j) = h->cap ? capped(x, h->cap) : x;
        }
        total[i] = softmax_row(row, h->skip, h->n, n);
    }
    for (int j = 0; j < c; j += COLUMN_TILES * TILE_SIDE) {
        if (j + COLUMN_TILES * TILE_SIDE <= c)
            weigh(COLUMN_TILES, (const char *)scores, 4 * (long)n, v + 4 * j, 4 * (long)c, n, sums);
        else
            weigh(2, (const char *)scores, 4 * (long)n, v + 4 * j, 4 * (long)c, n, sums);
        for (int i = 0; i < tokens * group; i++)
            for (int at = 0; at < COLUMN_TILES * TILE_SIDE && j + at < c; at += LANES)
                AT(heads[i / group].o + (long)(i % group) * c + j + at) = AT(sums + i * COLUMN_TILES * TILE_SIDE + at) / total[i];
    }
    _tile_release();
}
TARGET_END
#endif
