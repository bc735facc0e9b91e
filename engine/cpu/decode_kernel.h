// What decoding takes a step with, for one set of instructions and one kind of operands.

#include "decode_rows.h"

// Products take about as long as their weights take to arrive. The two go on at once only if
// weights are asked for well ahead, at least so many bytes, and into the second-level cache: into
// the first they took turns, at half the rate. Rows that are multiplied together lie behind one
// another, so that what comes next is asked for in its order, and behind the last what is multiplied next.
enum { AHEAD = 12288, LINE = 64 };
#define COMES(p) __builtin_prefetch(p, 0, 2)

enum {
    WIDE = LANES * STEP,                                       // values of a vector of units
    ROWS = LANES / 2 < DECODE_ROWS ? LANES / 2 : DECODE_ROWS,  // rows of x at a time, and two of w
    ONE = 2 * ROWS,                                            // or rows of w by one of x
};

// LANES values of quantised ones that stand together, from one on.
INLINE VF quant_values(const char *from, const int form, const int at) {
    const float *floats = (const float *)from;
    const char *numbers = (const char *)(floats + quant_floats(form));
    VI n;
    if (form != QUANT_NIBBLES)
        n = load_signed((const int8_t *)numbers + at);
    else if (at < QUANT_BLOCK)
        n = (VI)(load_bytes((const uint8_t *)numbers + at) & 15);
    else
        n = (VI)(load_bytes((const uint8_t *)numbers + at - QUANT_BLOCK) >> 4);
    const VF x = __builtin_convertvector(n, VF);
    if (form == QUANT_HALVES || form == QUANT_TWO) return x * floats[at / (quant_step(form) / 2)];
    floats += at / QUANT_BLOCK * 2;
    return x * floats[0] + floats[1]; // fused or not
}

// at most WIDE values of a row of weights, of n that are left, from one on: some behind j, where quantised ones
// that stand together begin.
INLINE units weight_units(const char *row, const int form, long j, const int at, long n) {
    if (form == WEIGHT_F32 || form == WEIGHT_BF16) return row_units(row, j + at, n, form == WEIGHT_BF16);
    const char *from = row + j / quant_step(form) * quant_bytes(form);
#ifdef BF16_PRODUCTS
    if (form == QUANT_NIBBLES) { // the 16 values that there may be are made and rounded once, and picked
        const float *floats = (const float *)from + at / QUANT_BLOCK * 2;
        const VF number = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, x = number * floats[0] + floats[1];
        const __m512i two = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(from + 16)));
        return (units)_mm512_permutexvar_epi16(at ? _mm512_srli_epi16(two, 4) : two, (__m512i)units_of(x, x)); // twice: places have five bits
    }
#endif
    return units_of(quant_values(from, form, at), quant_values(from, form, (at + LANES) % quant_step(form)));
}

// adds the products of some rows of w and of x, of WIDE values or the n that are left, some behind j.
INLINE void decode_products(acc *s, const decode_product *p, const int form, const int ws, const int xs, const char *const *w, long x0, long j, const int at, long n) {
    units x[ROWS];
    UNROLL(8)
    for (int r = 0; r < xs; r++) x[r] = row_units(p->x, x0 + (long)r * p->k + j + at, n, STEP > 1);
    UNROLL(16)
    for (int i = 0; i < ws; i++) {
        const units a = weight_units(w[i], form, j, at, n);
        UNROLL(8)
        for (int r = 0; r < xs; r++) s[i * xs + r] = multiply_add(s[i * xs + r], a, x[r]);
    }
}

// ws rows of w by xs rows of x, LANES products: sums[i * xs + r]. Those ahead are asked for.
INLINE VF decode_block(const decode_product *p, const int form, const int ws, const int xs, const char *const *w, const char *ahead, long x0) {
    const int step = form > WEIGHT_BF16 ? quant_step(form) : WIDE, bytes = (int)weight_row(form, step);
    acc s[ONE];
    UNROLL(16)
    for (int i = 0; i < ONE; i++) s[i] = (acc){0};
    long j = 0;
    for (; j + step <= p->k; j += step) {
        UNROLL(32)
        for (int line = 0; line < ws * bytes; line += LINE) COMES(ahead + j / step * ws * bytes + line);
        if (xs > 1) {
            UNROLL(8)
            for (int at = 0; at < step; at += WIDE) decode_products(s, p, form, ws, xs, w, x0, j, at, WIDE);
            continue;
        }
        UNROLL(16)
        for (int i = 0; i < ws; i++) // a block's floats stay in registers
            UNROLL(8)
            for (int at = 0; at < step; at += WIDE) decode_products(s + i, p, form, 1, 1, w + i, x0, j, at, WIDE);
    }
    if (j < p->k) decode_products(s, p, form, ws, xs, w, x0, j, 0, p->k - j);
    VF sums[ONE];
    UNROLL(16)
    for (int i = 0; i < ONE; i++) sums[i] = (VF)s[i];
    return sum_each(sums);
}

// outputs from..to, ws rows of w by xs rows of x at a time.
INLINE void decode_rows(const decode_product *p, const int form, const int ws, const int xs, int from, int to, const char *next) {
    const long row = weight_row(form, p->k), ahead = (AHEAD / (ws * row) + 1) * ws * row;
    for (int n = from; n < to; n += ws) {
        const char *w[ONE];
        for (int i = 0; i < ws; i++) w[i] = (const char *)p->w + (n + i < to ? n + i : n) * row;
        const long left = (to - n) * row;
        const char *comes = ahead < left ? w[0] + ahead : next ? next + ahead - left : w[0];
        for (int m = 0; m < p->m; m += xs) {
            const VF sums = decode_block(p, form, ws, xs, w, comes, (long)m * p->k);
            for (int r = 0; r < xs && m + r < p->m; r++)
                for (int i = 0; i < ws && n + i < to; i++) p->y[(long)(m + r) * p->out + n + i] = sums[i * xs + r];
        }
    }
}

INLINE void decode_as(const decode_product *p, const int form, int from, int to, const char *next) {
    if (p->m == 1)
        decode_rows(p, form, ONE, 1, from, to, next);
    else
        decode_rows(p, form, 2, ROWS, from, to, next);
}

// outputs from..to of a product. What this thread multiplies with next begins at next; NULL where that is
// not known.
static void decode_gemm_part(const decode_product *p, int from, int to, const char *next) {
    switch (p->form) {
    case QUANT_HALVES: decode_as(p, QUANT_HALVES, from, to, next); break;
    case QUANT_PLUS: decode_as(p, QUANT_PLUS, from, to, next); break;
    case QUANT_TWO: decode_as(p, QUANT_TWO, from, to, next); break;
    case QUANT_NIBBLES: decode_as(p, QUANT_NIBBLES, from, to, next); break;
    case WEIGHT_BF16: decode_as(p, WEIGHT_BF16, from, to, next); break;
    default: decode_as(p, STEP > 1 ? WEIGHT_BF16 : WEIGHT_F32, from, to, next);
    }
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
