// Attention for one set of instructions and one kind of operands, over a multiply of its own
// (attention_vectors.h, attention_amx.c). Matrices are row-major. A tile has TILE rows and is
// padded with zeros, rows of width C to `wide`. What stands on the right of a product has STEP
// rows in one row of units.

// place is an item's tile of queries and its head: rows of q from `first` on.
typedef struct {
    int h, n, tile, first, rows;
    long at, stride; // of q, o and their cotangents
} place;

static place place_of(const attention *a, int item) {
    const int tiles = attention_tiles(a->queries);
    place p = {.h = item / tiles, .tile = item % tiles, .stride = (long)a->heads * a->width};
    p.n = p.h / (a->heads / a->kv);
    p.first = p.tile * TILE;
    p.rows = attention_rows(a->queries, p.tile);
    p.at = p.first * p.stride + (long)p.h * a->width;
    return p;
}

// source is rows of values in memory, stride apart.
typedef struct {
    const void *values;
    long at, stride;
    int rows;
} source;

// packs a tile as the left of a product: [TILE, wide/STEP].
static void pack_left(const attention *a, unit *to, source s) {
    const int wide = attention_wide(a);
    for (int i = 0; i < TILE; i++)
        for (int j = 0; j < wide; j += LANES * STEP)
            store_units(to + (i * wide + j) / STEP, row_units(s.values, s.at + i * s.stride + j, i < s.rows ? a->width - j : 0, a->bf16));
}

// packs a tile as the right of a product over its rows: [TILE/STEP, wide].
static void pack_right(const attention *a, unit *to, source s) {
    const int wide = attention_wide(a);
    for (int i = 0; i < TILE; i += STEP)
        for (int j = 0; j < wide; j += LANES)
            store_units(to + i / STEP * wide + j, column_units(s.values, s.at + i * s.stride + j, s.stride, a->width - j, s.rows - i, a->bf16));
}

// packs the transpose of a tile as the right of a product: [steps, TILE].
static void pack_transpose(const attention *a, unit *to, source s) {
    const char *from = (const char *)s.values + s.at * (a->bf16 ? 2 : 4);
    transpose_whole(to, TILE, steps_of(a), from, s.stride, a->width, s.rows, a->bf16);
}

// keys_at is a tile of one head's keys or values.
static source keys_at(const attention *a, const void *values, int n, int tile) {
    const long stride = (long)a->kv * a->width;
    return (source){values, tile * TILE * stride + (long)n * a->width, stride, attention_rows(a->positions, tile)};
}

// sets the scores of pairs that do not see each other to a very low number.
static void mask(const attention *a, float *scores, int qt, int kt) {
    for (int i = 0; i < TILE; i++) {
        const int query = qt * TILE + i;
        for (int j = 0; j < TILE; j += LANES) {
            const int key = kt * TILE + j;
            VI seen = (*(const VI *)(a->start + key) <= query) & (*(const VI *)(a->reach + key) >= query);
            if (a->slide) seen &= (a->depth[query] - *(const VI *)(a->depth + key)) < a->slide;
            AT(scores + i * TILE + j) = pick(seen, AT(scores + i * TILE + j), all(-1e30f));
        }
    }
}

// cap_scores scales scores and bends them to stay within ±cap.
static void cap_scores(const attention *a, float *scores) {
    for (int i = 0; i < TILE * TILE; i += LANES) AT(scores + i) = capped(AT(scores + i) * a->scale, a->cap);
}

// scores_of multiplies a tile of queries with one of keys, and gives what the products are
// still to be scaled by.
static float scores_of(const attention *a, int deep, left q, const unit *kt, float *scores) {
    multiply(TILE, deep, q, kt, scores, 0);
    if (!a->cap) return a->scale;
    cap_scores(a, scores);
    return 1;
}

// units_of_room gives room for so many units, 64 bytes apart from what lies before; NULL
// without memory.
static unit *units_of_room(size_t count) {
    void *p = NULL;
    return posix_memalign(&p, 64, count * sizeof(unit)) ? NULL : p;
}

// forward_room is what a forward pass works in. Scores become probabilities p, in their own
// place where a unit is one value.
typedef struct {
    unit *kt, *v, *q, *p; // kt, v: all tiles of a head
    float *scores, *o;
    float top[TILE], total[TILE]; // of each query's scores so far: the largest, and the sum of powers
} forward_room;

// softmax turns a tile of scores into powers p, and fades what was summed up under a smaller
// top.
static void softmax(forward_room *r, int wide, float scale) {
    for (int i = 0; i < TILE; i++) {
        VF x[TILE / LANES], best = all(-1e30f), add = {0};
        UNROLL(4)
        for (int j = 0; j < TILE / LANES; j++) {
            x[j] = AT(r->scores + i * TILE + j * LANES) * scale;
            best = greater(best, x[j]);
        }
        const float high = most(best);
        if (high > r->top[i]) {
            const float fade = expf(r->top[i] - high);
            for (int j = 0; j < wide; j += LANES) AT(r->o + i * wide + j) *= fade;
            r->total[i] *= fade;
            r->top[i] = high;
        }
        UNROLL(4)
        for (int j = 0; j < TILE / LANES; j++) {
            const VF e = power(x[j] - r->top[i]);
            add += e;
            store_row(r->p, i * TILE + j * LANES, e);
        }
        r->total[i] += sum(add);
    }
}

static void forward_item(const attention *a, const place *at, forward_room *r) {
    const int wide = attention_wide(a), tiles = a->padded / TILE, deep = steps_of(a);
    const size_t tile = (size_t)TILE * wide / STEP, turned = (size_t)TILE * deep;
    memset(r->o, 0, sizeof(float) * TILE * wide);
    for (int i = 0; i < TILE; i++) r->top[i] = -1e25f, r->total[i] = 0; // above what mask sets, scaled
    for (int t = 0; t < tiles; t++) {
        const int sees = a->sees[at->tile * tiles + t];
        if (sees == NOTHING) continue;
        const float scale = scores_of(a, deep, (left){r->q, wide / STEP, 1}, r->kt + t * turned, r->scores);
        if (sees == PART) mask(a, r->scores, at->tile, t);
        softmax(r, wide, scale);
        multiply(wide, TILE / STEP, (left){r->p, TILE / STEP, 1}, r->v + t * tile, r->o, 1);
    }
    for (int i = 0; i < at->rows; i++) {
        for (int j = 0; j < a->width; j += LANES)
            set_some(a->o, at->at + i * at->stride + j, a->width - j, AT(r->o + i * wide + j) / r->total[i], a->bf16);
        a->lse[(size_t)at->h * a->queries + at->first + i] = r->top[i] + logf(r->total[i]);
    }
}

static int forward(const attention *a, int from, int to) {
    const int wide = attention_wide(a), tiles = a->padded / TILE, deep = steps_of(a);
    const size_t tile = (size_t)TILE * wide / STEP, turned = (size_t)TILE * deep, square = TILE * TILE;
    unit *room = units_of_room(tiles * (turned + tile) + tile + STEP * tile + 2 * square);
    if (!room) return -1;
    forward_room r = {.kt = room, .v = room + tiles * turned};
    r.q = r.v + tiles * tile;
    r.o = (float *)(r.q + tile);
    r.scores = r.o + STEP * tile;
    r.p = (unit *)r.scores + (STEP > 1 ? square : 0);
    for (int item = from, loaded = -1; item < to; item++) {
        const place at = place_of(a, item);
        for (int t = 0; at.n != loaded && t < tiles; t++) {
            pack_transpose(a, r.kt + t * turned, keys_at(a, a->k, at.n, t));
            pack_right(a, r.v + t * tile, keys_at(a, a->v, at.n, t));
        }
        loaded = at.n;
        pack_left(a, r.q, (source){a->q, at.at, at.stride, at.rows});
        forward_item(a, &at, &r);
    }
    free(room);
    return 0;
}

// backward_room is what a backward pass works in: beside the tiles of keys and values, those
// of queries and dO as the left and as the right of a product; probabilities p and the
// cotangents of scores, e, in columns of units, and e in rows too.
typedef struct {
    unit *kt, *vt, *k, *q, *q_right, *d, *d_right, *p, *e, *e_rows;
    float *scores, *d_scores, *dq;
    float high[TILE], delta[TILE]; // of each query: lse, and dO·o
} backward_room;

// backward_scores turns scores, to be scaled, and the cotangents of probabilities into p and e.
static void backward_scores(const attention *a, backward_room *r, float scale) {
    for (int i = 0; i < TILE; i += STEP)
        for (int j = 0; j < TILE; j += LANES) {
            VF p[STEP], e[STEP];
            UNROLL(2)
            for (int s = 0; s < STEP; s++) {
                const long at = (i + s) * TILE + j;
                const VF x = AT(r->scores + at) * scale;
                p[s] = power(x - r->high[i + s]);
                e[s] = p[s] * (AT(r->d_scores + at) - r->delta[i + s]) * a->scale;
                if (a->cap) e[s] *= cap_slope(x, a->cap);
                if (STEP > 1) store_row(r->e_rows, at, e[s]);
            }
            store_columns(r->p + i / STEP * TILE + j, p);
            store_columns(r->e + i / STEP * TILE + j, e);
        }
}

// backward_load packs an item's queries, and takes what forward has kept of them.
static void backward_load(const attention *a, const place *at, backward_room *r) {
    pack_left(a, r->q, (source){a->q, at->at, at->stride, at->rows});
    pack_left(a, r->d, (source){a->d_o, at->at, at->stride, at->rows});
    if (STEP > 1) {
        pack_right(a, r->q_right, (source){a->q, at->at, at->stride, at->rows});
        pack_right(a, r->d_right, (source){a->d_o, at->at, at->stride, at->rows});
    }
    for (int i = 0; i < TILE; i++) r->high[i] = 1e30f, r->delta[i] = 0;
    for (int i = 0; i < at->rows; i++) {
        r->high[i] = a->lse[(size_t)at->h * a->queries + at->first + i];
        VF add = {0};
        for (int j = 0; j < a->width; j += LANES) {
            const long here = at->at + i * at->stride + j;
            add += some_values(a->d_o, here, a->width - j, a->bf16) * some_values(a->o, here, a->width - j, a->bf16);
        }
        r->delta[i] = sum(add);
    }
}

// dk and dv are sums of this part's items, [N, padded, wide].
static void backward_item(const attention *a, const place *at, backward_room *r, float *dk, float *dv) {
    const int wide = attention_wide(a), tiles = a->padded / TILE, deep = steps_of(a);
    const size_t tile = (size_t)TILE * wide / STEP, turned = (size_t)TILE * deep;
    const size_t head = (size_t)at->n * a->padded * wide, sums = (size_t)TILE * wide;
    memset(r->dq, 0, sizeof(float) * sums);
    for (int t = 0; t < tiles; t++) {
        const int sees = a->sees[at->tile * tiles + t];
        if (sees == NOTHING) continue;
        const float scale = scores_of(a, deep, (left){r->q, wide / STEP, 1}, r->kt + t * turned, r->scores);
        multiply(TILE, deep, (left){r->d, wide / STEP, 1}, r->vt + t * turned, r->d_scores, 0);
        if (sees == PART) mask(a, r->scores, at->tile, t);
        backward_scores(a, r, scale);
        multiply(wide, TILE / STEP, (left){r->p, 1, TILE}, r->d_right, dv + head + t * sums, 1);
        multiply(wide, TILE / STEP, (left){r->e, 1, TILE}, r->q_right, dk + head + t * sums, 1);
        multiply(wide, TILE / STEP, (left){r->e_rows, TILE / STEP, 1}, r->k + t * tile, r->dq, 1);
    }
    for (int i = 0; i < at->rows; i++)
        for (int j = 0; j < a->width; j += LANES)
            set_some(a->dq, at->at + i * at->stride + j, a->width - j, AT(r->dq + i * wide + j), a->bf16);
}

static int backward(const attention *a, int from, int to, float *dk, float *dv) {
    const int wide = attention_wide(a), tiles = a->padded / TILE, deep = steps_of(a);
    const size_t tile = (size_t)TILE * wide / STEP, turned = (size_t)TILE * deep, square = TILE * TILE;
    unit *room = units_of_room(tiles * (2 * turned + tile) + 4 * tile + STEP * tile + 5 * square);
    if (!room) return -1;
    backward_room r = {.kt = room, .vt = room + tiles * turned, .k = room + 2 * tiles * turned};
    r.q = r.k + tiles * tile;
    r.d = r.q + tile;
    r.q_right = STEP > 1 ? r.d + tile : r.q; // as the left and as the right they are the same where a unit is one value
    r.d_right = STEP > 1 ? r.q_right + tile : r.d;
    r.dq = (float *)(r.q + 4 * tile);
    r.scores = r.dq + STEP * tile;
    r.d_scores = r.scores + square;
    r.p = (unit *)r.scores + (STEP > 1 ? 2 * square : 0);
    r.e = r.p + square;
    r.e_rows = STEP > 1 ? r.e + square : r.e;
    for (int item = from, loaded = -1; item < to; item++) {
        const place at = place_of(a, item);
        for (int t = 0; at.n != loaded && t < tiles; t++) {
            pack_transpose(a, r.kt + t * turned, keys_at(a, a->k, at.n, t));
            pack_transpose(a, r.vt + t * turned, keys_at(a, a->v, at.n, t));
            pack_right(a, r.k + t * tile, keys_at(a, a->k, at.n, t));
        }
        loaded = at.n;
        backward_load(a, &at, &r);
        backward_item(a, &at, &r, dk, dv);
    }
    free(room);
    return 0;
}
