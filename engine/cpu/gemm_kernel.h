// Products of matrices for one set of instructions and one kind of operands. A panel of b's
// columns is packed, by the worker that needs it or before all of them, and stays in the cache
// while rows of a pass by it: tiles of GEMM_ROWS by GEMM_VECTORS, whose sums stay in registers.

enum { GEMM_PANEL = LANES * GEMM_VECTORS };

// tile_work is a tile of a product: a by a panel [steps, vectors·LANES]. It goes to sums, in f32,
// or to y.
typedef struct {
    left a;
    const unit *panel;
    long steps, columns;
    float *sums;
    long ld_sums;
    int sets; // sums are not to be added to
    uint16_t *y;
    long ld;
} tile_work;

INLINE void tile(const int rows, const int vectors, const tile_work *t) {
    acc x[GEMM_ROWS][GEMM_VECTORS];
    lanes n[GEMM_VECTORS];
    for (int v = 0; v < vectors; v++) n[v] = lanes_of(t->columns - v * LANES);
    UNROLL(8)
    for (int r = 0; r < rows; r++)
        UNROLL(4)
        for (int v = 0; v < vectors; v++) {
            const float *from = t->sums + r * t->ld_sums + v * LANES;
            x[r][v] = t->sets ? (acc){0} : (acc)load_lanes(from, 0, n[v], 0);
            if (!t->y) __builtin_prefetch(from + GEMM_ROWS * t->ld_sums);
        }
    const unit *a = t->a.at, *panel = t->panel;
    for (long s = 0; s < t->steps; s++, panel += vectors * LANES, a += t->a.step) {
        units b[GEMM_VECTORS];
        UNROLL(4)
        for (int v = 0; v < vectors; v++) b[v] = load_units(panel + v * LANES);
        UNROLL(8)
        for (int r = 0; r < rows; r++) {
            const units one = spread(a[r * t->a.row]);
            UNROLL(4)
            for (int v = 0; v < vectors; v++) x[r][v] = multiply_add(x[r][v], b[v], one);
        }
    }
    UNROLL(8)
    for (int r = 0; r < rows; r++)
        UNROLL(4)
        for (int v = 0; v < vectors; v++) {
            if (t->y)
                store_rounded(t->y + r * t->ld + v * LANES, n[v], x[r][v]);
            else
                store_lanes(t->sums + r * t->ld_sums + v * LANES, 0, n[v], (VF)x[r][v], 0);
        }
}

// rows_of_tiles is a tile with its sizes known when it is compiled.
static void rows_of_tiles(long rows, int vectors, const tile_work *t) {
#define TILE_OF(rows)                                         \
    case rows:                                                \
        if (GEMM_VECTORS > 3 && vectors == 4) tile(rows, 4, t); \
        if (vectors == 3) tile(rows, 3, t);                   \
        if (vectors == 2) tile(rows, 2, t);                   \
        if (vectors == 1) tile(rows, 1, t);                   \
        break;
    switch (rows < GEMM_ROWS ? rows : GEMM_ROWS) {
        TILE_OF(1)
        TILE_OF(2)
        TILE_OF(3)
        TILE_OF(4)
#if LANES == 16
        TILE_OF(5)
        TILE_OF(6)
#if GEMM_ROWS > 6
        TILE_OF(7)
        TILE_OF(8)
#endif
#endif
    }
#undef TILE_OF
}

// packs b's columns from n0 on, rows k0 up to k0 + k: to [k/STEP upwards, vectors·LANES].
static void pack_panel(const gemm *g, unit *panel, long k0, long k, long n0, long columns, int vectors) {
    const long size = g->bf16 ? 2 : 4;
    if (g->trans_b) {
        const char *from = (const char *)g->b + (n0 * g->k + k0) * size;
        transpose(panel, vectors * LANES, from, g->k, k, columns, g->bf16);
        return;
    }
    for (long s = 0; s < k; s += STEP)
        for (int v = 0; v < vectors; v++, panel += LANES)
            store_units(panel, column_units(g->b, (k0 + s) * g->n + n0 + v * LANES, g->n, columns - v * LANES, k - s, g->bf16));
}

static long panel_columns(const gemm *g, long n0) { return g->n - n0 < GEMM_PANEL ? g->n - n0 : GEMM_PANEL; }

static int panel_vectors(const gemm *g, long n0) { return (int)((panel_columns(g, n0) + LANES - 1) / LANES); }

// panel_at is where, among g->panels, the panel of columns from n0 on has rows from k0 on.
static unit *panel_at(const gemm *g, long n0, long k0) {
    return (unit *)g->panels + (n0 - g->n0) * ((g->k + STEP - 1) / STEP) + k0 / STEP * panel_vectors(g, n0) * LANES;
}

// depth_at is how many rows of a panel are taken together from k0 on.
static long depth_at(const gemm *g, long k0) { return g->k - k0 < GEMM_DEPTH * STEP ? g->k - k0 : GEMM_DEPTH * STEP; }

// packs a panel of b's columns to its place, one depth after the other.
static void gemm_pack_right(const gemm *g, long panel) {
    const long n0 = g->n0 + panel * GEMM_PANEL;
    for (long k0 = 0; k0 < g->k; k0 += GEMM_DEPTH * STEP)
        pack_panel(g, panel_at(g, n0, k0), k0, depth_at(g, k0), n0, panel_columns(g, n0), panel_vectors(g, n0));
}

// rows m0 up to m1 of a by a panel of b's columns from n0 on.
static void gemm_block(const gemm *g, long m0, long m1, long n0, gemm_room *room) {
    const long columns = panel_columns(g, n0), all_steps = (g->k + STEP - 1) / STEP;
    const int vectors = panel_vectors(g, n0);
    for (long k0 = 0; k0 < g->k; k0 += GEMM_DEPTH * STEP) {
        const long k = depth_at(g, k0);
        unit *panel = g->panels ? panel_at(g, n0, k0) : room->panel;
        if (!g->panels) pack_panel(g, panel, k0, k, n0, columns, vectors);
        tile_work t = {.panel = panel, .steps = (k + STEP - 1) / STEP, .columns = columns, .ld = g->n};
        for (long i = m0; i < m1; i += GEMM_ROWS) {
            if (g->packed)
                t.a = (left){(const unit *)g->packed + (i / GEMM_ROWS * all_steps + k0 / STEP) * GEMM_ROWS, 1, GEMM_ROWS};
            else
                t.a = (left){(const unit *)g->a + (i * g->k + k0) / STEP, g->k / STEP, 1};
            t.sums = g->y ? room->sums + (i - m0) * GEMM_PANEL : g->sum + i * g->n + n0;
            t.ld_sums = g->y ? GEMM_PANEL : g->n;
            t.sets = k0 == 0 && (g->y || g->first);
            t.y = g->y && k0 + k == g->k ? g->y + i * g->n + n0 : NULL;
            rows_of_tiles(m1 - i, vectors, &t);
        }
    }
}

// packs GEMM_PACKED tiles of a, as many as there are, step by step: a row of one tile is a part
// of a cache line, and the lines of a wide a push each other out of the cache.
static void gemm_pack(const gemm *g, long group) {
    const long steps = (g->k + STEP - 1) / STEP, first = group * GEMM_PACKED, from = first * GEMM_ROWS;
    for (long s = 0; s < steps; s++) {
        unit room[GEMM_PACKED * GEMM_ROWS]; // whole vectors; rows behind the last are not looked at
        for (long v = 0; v < GEMM_PACKED * GEMM_ROWS && from + v < g->m; v += LANES)
            store_units(room + v, column_units(g->a, s * STEP * g->columns + from + v, g->columns, g->m - from - v, g->k - s * STEP, g->bf16));
        for (long tile = 0; tile < GEMM_PACKED && from + tile * GEMM_ROWS < g->m; tile++)
            memcpy((unit *)g->packed + ((first + tile) * steps + s) * GEMM_ROWS, room + tile * GEMM_ROWS, sizeof(unit) * GEMM_ROWS);
    }
}
