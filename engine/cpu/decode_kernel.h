// What decoding takes a step with, for one set of instructions and one kind of operands.

// Products take about as long as their weights take to arrive. The two go on at once only if
// weights are asked for well ahead, so many bytes, and into the second-level cache: into the
// first they took turns, at half the rate. What is asked for behind the last does no harm.
enum { AHEAD = 8192 };
#define COMES(p) __builtin_prefetch((const char *)(p) + AHEAD, 0, 2)

enum {
    WIDE = LANES * STEP,                                       // values of a vector of units
    ROWS = LANES / 2 < DECODE_ROWS ? LANES / 2 : DECODE_ROWS,  // rows of x at a time, and two of w
};

// two rows of w from n on by ROWS rows of x: sums[i] and sums[ROWS + i].
INLINE VF decode_block(const decode_product *p, const int bf16, long w0, long w1, long x0) {
    const int size = bf16 ? 2 : 4, x_bf16 = STEP > 1;
    acc s[2 * ROWS];
    UNROLL(16)
    for (int r = 0; r < 2 * ROWS; r++) s[r] = (acc){0};
    int j = 0;
    for (; j + WIDE <= p->k; j += WIDE) {
        const units a = row_units(p->w, w0 + j, WIDE, bf16), b = row_units(p->w, w1 + j, WIDE, bf16);
        COMES((const char *)p->w + (w0 + j) * size);
        COMES((const char *)p->w + (w1 + j) * size);
        UNROLL(8)
        for (int r = 0; r < ROWS; r++) {
            const units x = row_units(p->x, x0 + (long)r * p->k + j, WIDE, x_bf16);
            s[r] = multiply_add(s[r], a, x);
            s[ROWS + r] = multiply_add(s[ROWS + r], b, x);
        }
    }
    if (j < p->k) {
        const units a = row_units(p->w, w0 + j, p->k - j, bf16), b = row_units(p->w, w1 + j, p->k - j, bf16);
        UNROLL(8)
        for (int r = 0; r < ROWS; r++) {
            const units x = row_units(p->x, x0 + (long)r * p->k + j, p->k - j, x_bf16);
            s[r] = multiply_add(s[r], a, x);
            s[ROWS + r] = multiply_add(s[ROWS + r], b, x);
        }
    }
    VF sums[2 * ROWS];
    UNROLL(16)
    for (int r = 0; r < 2 * ROWS; r++) sums[r] = (VF)s[r];
    return sum_each(sums);
}

INLINE void decode_rows(const decode_product *p, const int bf16, int from, int to) {
    for (int n = from; n < to; n += 2) {
        const long w0 = (long)n * p->k, w1 = n + 1 < to ? w0 + p->k : w0;
        for (int i = 0; i < p->m; i += ROWS) {
            const VF sums = decode_block(p, bf16, w0, w1, (long)i * p->k);
            for (int r = 0; r < ROWS && i + r < p->m; r++) {
                float *y = p->y + (long)(i + r) * p->out + n;
                y[0] = sums[r];
                if (n + 1 < to) y[1] = sums[ROWS + r];
            }
        }
    }
}

// outputs from..to of a product.
static void decode_gemm_part(const decode_product *p, int from, int to) {
    if (STEP > 1 || p->bf16)
        decode_rows(p, 1, from, to);
    else
        decode_rows(p, 0, from, to);
}

// scores of a head's group: q·k, scaled and capped.
INLINE void decode_dots(const decode_head *h, const int bf16) {
    const int n = h->n, c = h->width, padded = (n + 15) / 16 * 16, apart = (c + 31) / 32 * 32;
    unit *query = h->query;
    for (int g = 0; g < h->group; g++)
        for (int j = 0; j < apart; j += LANES)
            store_row(query, (long)g * apart + j, some_values(h->q, (long)g * c + j, c - j, 0));
    for (int i = 0; i < padded; i += LANES)
        for (int g = 0; g < h->group; g++) {
            VF x[LANES];
            UNROLL(16)
            for (int l = 0; l < LANES; l++) {
                const long key = (long)(i + l < n ? i + l : n - 1) * c;
                acc dot = {0};
                int j = 0;
                for (; j + WIDE <= c; j += WIDE)
                    dot = multiply_add(dot, load_units(query + (g * apart + j) / STEP), row_units(h->k, key + j, WIDE, bf16));
                if (j < c)
                    dot = multiply_add(dot, load_units(query + (g * apart + j) / STEP), row_units(h->k, key + j, c - j, bf16));
                x[l] = (VF)dot;
            }
            const VF scores = sum_each(x) * h->scale;
            AT(h->scores + (long)g * padded + i) = h->cap ? capped(scores, h->cap) : scores;
        }
}

// e^s over its sum for each row of scores, before the division: the sums are the totals. Weights
// are rows of units in the place of scores; those behind the last key are next to 0.
static void decode_softmax(const decode_head *h, float *total) {
    const int padded = (h->n + 15) / 16 * 16;
    for (int g = 0; g < h->group; g++) {
        float *row = h->scores + (long)g * padded;
        for (int i = h->n; i < padded; i++) row[i] = -1e30f;
        VF best = AT(row), add = {0};
        for (int i = LANES; i < padded; i += LANES) best = greater(best, AT(row + i));
        const float high = most(best);
        for (int i = 0; i < padded; i += LANES) {
            const VF e = power(AT(row + i) - high);
            add += e;
            store_row((unit *)row, i, e); // never ahead of what is read
        }
        total[g] = sum(add);
    }
}

enum { HEADS = 4, COLUMNS = LANES == 16 ? 4 / STEP : 2 }; // at a time: query heads, and vectors of WIDE columns

// columns from j on of so many heads' outputs, from g on; whole says that none is behind the last.
INLINE void decode_columns(const int heads, const int whole, const decode_head *h, const int bf16, int g, int j, const float *total) {
    const int n = h->n, c = h->width, padded = (n + 15) / 16 * 16;
    const unit *weights = (const unit *)(h->scores + (long)g * padded);
    acc x[HEADS][COLUMNS][STEP];
    UNROLL(4)
    for (int i = 0; i < heads; i++)
        UNROLL(4)
        for (int v = 0; v < COLUMNS; v++)
            UNROLL(2)
            for (int s = 0; s < STEP; s++) x[i][v][s] = (acc){0};
    for (int key = 0; key < n; key += STEP) {
        units w[HEADS];
        UNROLL(4)
        for (int i = 0; i < heads; i++) w[i] = spread(weights[(long)i * padded + key / STEP]);
        UNROLL(4)
        for (int v = 0; v < COLUMNS; v++) {
            const int at = j + v * WIDE;
            units u[STEP];
            columns_take(u, h->v, (long)key * c + at, c, whole ? WIDE : c - at, n - key, bf16);
            UNROLL(4)
            for (int i = 0; i < heads; i++)
                UNROLL(2)
                for (int s = 0; s < STEP; s++) x[i][v][s] = multiply_add(x[i][v][s], w[i], u[s]);
        }
    }
    UNROLL(4)
    for (int i = 0; i < heads; i++)
        UNROLL(4)
        for (int v = 0; v < COLUMNS; v++) {
            UNROLL(2)
            for (int s = 0; s < STEP; s++) x[i][v][s] = (acc)((VF)x[i][v][s] / total[g + i]);
            columns_put(h->o + (long)(g + i) * c + j + v * WIDE, x[i][v], c - j - v * WIDE);
        }
}

// as many heads' outputs as are left, from g on.
INLINE void decode_heads(const int whole, const decode_head *h, const int bf16, int g, int j, const float *total) {
    switch (h->group - g) {
    case 1: decode_columns(1, whole, h, bf16, g, j, total); break;
    case 2: decode_columns(2, whole, h, bf16, g, j, total); break;
    case 3: decode_columns(3, whole, h, bf16, g, j, total); break;
    default: decode_columns(HEADS, whole, h, bf16, g, j, total);
    }
}

INLINE void decode_head_as(const decode_head *h, const int bf16) {
    float *total = h->total;
    decode_dots(h, bf16);
    decode_softmax(h, total);
    for (int g = 0; g < h->group; g += HEADS)
        for (int j = 0; j < h->width; j += COLUMNS * WIDE) {
            if (j + COLUMNS * WIDE <= h->width)
                decode_heads(1, h, bf16, g, j, total);
            else
                decode_heads(0, h, bf16, g, j, total);
        }
}

static void decode_head_part(const decode_head *h) {
    if (STEP > 1 || h->bf16)
        decode_head_as(h, 1);
    else
        decode_head_as(h, 0);
}

static void decode_round(uint16_t *to, const float *from, long n) {
    for (long i = 0; i < n; i += LANES) store_rounded(to + i, lanes_of(n - i), some_values(from, i, n - i, 0));
}
