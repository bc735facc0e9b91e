// What decoding takes a step with, for one set of instructions and one kind of operands.

#include "decode_rows.h"

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

// Keys and values are words: an f32, or two values in bf16 (decode.h), which are one unit or
// two vectors of them.
#define PARTS (STEP == 1 && bf16 ? 2 : 1)

INLINE void word_units(units *u, VF words, const int bf16) {
#ifdef BF16_PRODUCTS
    (void)bf16; // they are
    u[0] = (units)(__m512)words;
#else
    u[0] = bf16 ? (VF)((VW)words << 16) : words;
    u[1] = (VF)((VW)words & 0xffff0000);
#endif
}

enum { HEADS = 4, VECTORS = LANES == 16 ? 4 : 2 }; // at a time: query heads, and vectors of keys or of columns

// scores of so many heads, from g on, and vectors of keys, from i on: q·k, scaled and capped.
INLINE void decode_dots(const int heads, const int vectors, const decode_head *h, const int bf16, int g, int i) {
    const int words = decode_words(h->width, bf16), apart = (h->width + 31) / 32 * 32, padded = (h->n + 15) / 16 * 16;
    const unit *query = (const unit *)h->query + (long)g * apart / STEP;
    acc s[HEADS][VECTORS];
    UNROLL(4)
    for (int r = 0; r < heads; r++)
        UNROLL(4)
        for (int v = 0; v < vectors; v++) s[r][v] = (acc){0};
    for (int w = 0; w < words; w++) {
        units u[VECTORS][2];
        UNROLL(4)
        for (int v = 0; v < vectors; v++) {
            const int key = i + v * LANES;
            word_units(u[v], AT((const float *)h->k + (long)(key / 16 * words + w) * 16 + key % 16), bf16);
        }
        UNROLL(4)
        for (int r = 0; r < heads; r++)
            for (int p = 0; p < PARTS; p++) {
                const units q = spread(query[(long)r * apart / STEP + w * PARTS + p]);
                UNROLL(4)
                for (int v = 0; v < vectors; v++) s[r][v] = multiply_add(s[r][v], u[v][p], q);
            }
    }
    UNROLL(4)
    for (int r = 0; r < heads; r++)
        UNROLL(4)
        for (int v = 0; v < vectors; v++) {
            const VF scores = (VF)s[r][v] * h->scale;
            AT(h->scores + (long)(g + r) * padded + i + v * LANES) = h->cap ? capped(scores, h->cap) : scores;
        }
}

// adds row r of words, from column j on, of which those bits are there, to so many heads' outputs;
// whole says that no column is behind the last.
INLINE void decode_row(acc (*x)[VECTORS], const int heads, const int whole, const decode_head *h, const int bf16, int g, int j, int r, const uint32_t there) {
    const int c = h->width, padded = (h->n + 15) / 16 * 16;
    const unit *weights = (const unit *)(h->scores + (long)g * padded);
    units w[HEADS][2];
    UNROLL(4)
    for (int i = 0; i < heads; i++)
        for (int p = 0; p < PARTS; p++) w[i][p] = spread(weights[(long)i * padded + r * PARTS + p]);
    UNROLL(4)
    for (int v = 0; v < VECTORS; v++) {
        const int at = j + v * LANES;
        units u[2];
        const VF words = whole ? AT((const float *)h->v + (long)r * c + at) : some_values(h->v, (long)r * c + at, c - at, 0);
        word_units(u, (VF)((VW)words & there), bf16);
        UNROLL(4)
        for (int i = 0; i < heads; i++)
            for (int p = 0; p < PARTS; p++) x[i][v] = multiply_add(x[i][v], u[p], w[i][p]);
    }
}

// columns from j on of so many heads' outputs, from g on.
INLINE void decode_columns(const int heads, const int whole, const decode_head *h, const int bf16, int g, int j, const float *total) {
    const int c = h->width, rows = bf16 ? h->n / 2 : h->n;
    acc x[HEADS][VECTORS];
    UNROLL(4)
    for (int i = 0; i < heads; i++)
        UNROLL(4)
        for (int v = 0; v < VECTORS; v++) x[i][v] = (acc){0};
    int r = bf16 ? h->skip / 2 : h->skip;
    if (bf16 && h->skip % 2) decode_row(x, heads, whole, h, bf16, g, j, r++, 0xffff0000);
    for (; r < rows; r++) decode_row(x, heads, whole, h, bf16, g, j, r, 0xffffffff);
    if (bf16 && h->n % 2) decode_row(x, heads, whole, h, bf16, g, j, rows, 0xffff);
    UNROLL(4)
    for (int i = 0; i < heads; i++)
        UNROLL(4)
        for (int v = 0; v < VECTORS; v++) {
            const int at = j + v * LANES;
            set_some(h->o, (long)(g + i) * c + at, c - at, (VF)x[i][v] / total[i], 0);
        }
}

// outputs of so many heads, from g on.
INLINE void decode_heads(const int heads, const decode_head *h, const int bf16, int g) {
    float total[HEADS];
    int i = 0, j = 0;
    for (; i + VECTORS * LANES <= h->n; i += VECTORS * LANES) decode_dots(heads, VECTORS, h, bf16, g, i);
    for (; i < h->n; i += LANES) decode_dots(heads, 1, h, bf16, g, i);
    const int padded = (h->n + 15) / 16 * 16;
    for (int r = 0; r < heads; r++) total[r] = softmax_row(h->scores + (long)(g + r) * padded, h->skip, h->n, padded);
    for (; j + VECTORS * LANES <= h->width; j += VECTORS * LANES) decode_columns(heads, 1, h, bf16, g, j, total);
    if (j < h->width) decode_columns(heads, 0, h, bf16, g, j, total);
}

INLINE void decode_head_as(const decode_head *h, const int bf16) {
    const int apart = (h->width + 31) / 32 * 32;
    for (int g = 0; g < h->group; g++)
        for (int j = 0; j < apart; j += LANES)
            store_row(h->query, (long)g * apart + j, some_values(h->q, (long)g * h->width + j, h->width - j, 0));
    for (int g = 0; g < h->group; g += HEADS) switch (h->group - g) {
        case 1: decode_heads(1, h, bf16, g); break;
        case 2: decode_heads(2, h, bf16, g); break;
        case 3: decode_heads(3, h, bf16, g); break;
        default: decode_heads(HEADS, h, bf16, g);
        }
}

static void decode_head_part(const decode_head *h) {
    if (STEP > 1 || h->bf16)
        decode_head_as(h, 1);
    else
        decode_head_as(h, 0);
}
