// Search for one set of instructions. Two vectors of rows are transposed into a panel, so that
// a lane is a row; a product is summed in the order of the components, whatever the block and
// the number of queries.

enum {
    PANEL = 2 * LANES,
    QUERIES = LANES == 16 ? 12 : LANES == 8 ? 6 : 4, // at a time: two sums each, in registers
};

// any says whether a comparison holds in a lane.
INLINE int any(VI is) {
#if defined(__x86_64__) && LANES == 16
    return _mm512_movepi32_mask((__m512i)is) != 0;
#elif defined(__x86_64__) && LANES == 8
    return _mm256_movemask_ps((__m256)is) != 0;
#else
    return (is[0] | is[1] | is[2] | is[3]) != 0;
#endif
}

// score_panel offers the rows of a panel, from row on, to count queries, from query on.
INLINE void score_panel(const search *s, long query, const float *panel, long row, const int count) {
    VF x[QUERIES][2];
    UNROLL(12)
    for (int q = 0; q < count; q++) x[q][0] = x[q][1] = (VF){0};
    const float *queries = s->queries + query * s->width;
    for (long i = 0; i < s->width; i++) {
        const VF a = AT(panel + i * PANEL), b = AT(panel + i * PANEL + LANES);
        UNROLL(12)
        for (int q = 0; q < count; q++) {
            const float one = queries[q * s->width + i];
            x[q][0] += one * a;
            x[q][1] += one * b;
        }
    }
    const long rows = s->n - row < PANEL ? s->n - row : PANEL;
    if (s->factors) {
        float factors[PANEL] = {0};
        memcpy(factors, s->factors + row, sizeof(float) * rows);
        UNROLL(12)
        for (int q = 0; q < count; q++) x[q][0] *= AT(factors), x[q][1] *= AT(factors + LANES);
    }
    UNROLL(12)
    for (int q = 0; q < count; q++) {
        if (s->found[query + q] == s->k) {
            const float worst = s->scores[(query + q) * s->k + s->k - 1];
            if (!any((x[q][0] > worst) | (x[q][1] > worst))) continue;
        }
        float scores[PANEL];
        AT(scores) = x[q][0];
        AT(scores + LANES) = x[q][1];
        for (long r = 0; r < rows; r++) offer(s, query + q, scores[r], (int)(s->first + row + r));
    }
}

// fill_panel makes the panel of the rows from row on, and asks for those of the next one, in the
// order in which they lie in memory.
static void fill_panel(const search *s, long row, float *panel) {
    const float *from = s->rows + row * s->stride;
    const char *next = (const char *)(row + PANEL < s->n ? from + PANEL * s->stride : from);
    const long rows = s->n - row < PANEL ? s->n - row : PANEL;
    for (long i = 0; i < s->width; i += LANES) {
        const long columns = s->width - i < LANES ? s->width - i : LANES;
        transpose(panel + i * PANEL, PANEL, from + i, s->stride, columns, rows, 0);
        for (long line = 0; line < columns * PANEL * 4; line += 64) __builtin_prefetch(next + line, 0, 2);
        next += columns * PANEL * 4;
    }
}

static void search_panels(const search *s, float *panel) {
    for (long row = 0; row < s->n; row += PANEL) {
        fill_panel(s, row, panel);
        long q = 0;
        for (; q + QUERIES <= s->nq; q += QUERIES) score_panel(s, q, panel, row, QUERIES);
        for (; q + 4 <= s->nq; q += 4) score_panel(s, q, panel, row, 4);
        for (; q < s->nq; q++) score_panel(s, q, panel, row, 1);
    }
}
