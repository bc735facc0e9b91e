#ifdef __x86_64__
#include "amx.h"

// Products of decoding by tiles: weights are read where they lie, 32 outputs at a time, while
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
TARGET_END
#endif
