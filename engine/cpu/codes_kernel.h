// Search over codes of 8 bits for one set of instructions that multiplies bytes (VPDPBUSD). A lane
// is a row; rows whose bound reaches the worst score that a query keeps are multiplied in f32, in the
// order of the components, as search_kernel.h does.

// length_of is a float of at least the root of a sum of squares.
INLINE float length_of(double squares) { return nextafterf((float)(sqrt(squares) * (1 + 1e-6)), INFINITY); }

// code_row makes codes of a row, of which four stand
// step bytes behind the four before, and gives its scale, its length and that of what they leave out.
INLINE void code_row(uint8_t *to, long step, uint8_t zero, const float *row, long width, float *scale, double *squares, double *rest) {
    float most = 0;
    for (long i = 0; i < width; i++) most = fabsf(row[i]) > most ? fabsf(row[i]) : most;
    *scale = most / 127;
    const float inverse = *scale > 1e-30f ? 1 / *scale : 0; // what is smaller is left out whole
    __m512d all_squares = {0}, all_rest = {0};
    for (long i = 0; i < width; i += 16) {
        const lanes n = lanes_of(width - i);
        const VF x = load_lanes(row, i, n, 0);
        __m512i code = _mm512_cvtps_epi32((__m512)(x * inverse));
        code = _mm512_max_epi32(_mm512_min_epi32(code, _mm512_set1_epi32(127)), _mm512_set1_epi32(-127));
        const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x)), high = _mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)x, 1));
        const __m512d s = _mm512_set1_pd(*scale);
        const __m512d a = low - s * _mm512_cvtepi32_pd(_mm512_castsi512_si256(code));
        const __m512d b = high - s * _mm512_cvtepi32_pd(_mm512_extracti32x8_epi32(code, 1));
        all_squares += low * low + high * high;
        all_rest += a * a + b * b;
        uint8_t bytes[16];
        _mm_storeu_si128((__m128i *)bytes, _mm_add_epi8(_mm512_cvtepi32_epi8(code), _mm_set1_epi8((char)zero)));
        for (long j = i; j < i + 16 && j < (width + 3) / 4 * 4; j += 4) memcpy(to + j / 4 * step, bytes + (j - i), 4);
    }
    *squares = *rest = 0;
    for (int l = 0; l < 8; l++) *squares += all_squares[l], *rest += all_rest[l];
}

static void set_codes(uint8_t *panels, const float *rows, const float *factors, long n, long width, long stride) {
    const long steps = codes_steps(width);
    for (long row = 0; row < n; row += CODE_ROWS, panels += codes_panel(width)) {
        float *scales = (float *)(panels + 64 * steps), *errors = scales + CODE_ROWS, *lengths = errors + CODE_ROWS;
        for (long r = 0; r < CODE_ROWS; r++) {
            if (row + r >= n) {
                for (long s = 0; s < steps; s++) memset(panels + 64 * s + 4 * r, 128, 4);
                scales[r] = errors[r] = lengths[r] = 0;
                continue;
            }
            double squares, rest;
            code_row(panels + 4 * r, 64, 128, rows + (row + r) * stride, width, &scales[r], &squares, &rest);
            const double factor = factors ? factors[row + r] : 1;
            scales[r] *= (float)factor;
            errors[r] = length_of(rest * factor * factor);
            lengths[r] = length_of(squares * factor * factor);
        }
    }
}

static void set_query(code_query *q, int8_t *codes, long step, const float *query, long width) {
    double squares, rest;
    code_row((uint8_t *)codes, step, 0, query, width, &q->scale, &squares, &rest);
    int sum = 0;
    for (long s = 0; s < codes_steps(width); s++)
        for (int i = 0; i < 4; i++) sum += codes[s * step + i];
    q->start = -128 * sum;
    // What f32 loses where a product is summed, and where a bound is: twice what can be.
    const double rounding = (double)(width + 16) / (1 << 23);
    q->errors = length_of(squares) + length_of(rest); // at least the length of what the codes say
    q->rows = length_of(rest) + (float)(rounding * sqrt(squares)) + 1e-37f;
    q->pending = 0;
}

// multiply_pending offers the rows that a query waits for.
static void multiply_pending(const code_search *s, long query) {
    code_query *c = &s->coded[query];
    const float *q = s->queries + query * s->width, *row[CODE_PENDING];
    for (int r = 0; r < CODE_PENDING; r++) row[r] = s->rows + (r < c->pending ? c->row[r] : c->row[0]) * s->stride;
    float x[CODE_PENDING] = {0};
    for (long i = 0; i < s->width; i++)
        UNROLL(8)
        for (int r = 0; r < CODE_PENDING; r++) x[r] = __builtin_fmaf(q[i], row[r][i], x[r]);
    const search to = {.k = s->k, .scores = s->scores, .index = s->index, .found = s->found};
    for (int r = 0; r < c->pending; r++)
        offer(&to, query, s->factors ? x[r] * s->factors[c->row[r]] : x[r], (int)(s->first + c->row[r]));
    c->pending = 0;
}

// wait_for has the rows of a panel whose bits are set wait to be multiplied.
INLINE void wait_for(const code_search *s, long query, unsigned bits, long row) {
    code_query *c = &s->coded[query];
    for (; bits; bits &= bits - 1) {
        const int at = (int)row + __builtin_ctz(bits);
        const char *from = (const char *)(s->rows + at * s->stride);
        for (long line = 0; line < s->width * 4; line += 64) __builtin_prefetch(from + line);
        c->row[c->pending++] = at;
        if (c->pending == CODE_PENDING) multiply_pending(s, query);
    }
}

// add_products adds four products of bytes in each lane. GCC copies the sums of the intrinsic.
INLINE void add_products(__m512i *sum, __m512i a, __m512i b) { __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(a), "v"(b)); }

// compare looks which rows of some panels, from row on, some queries, from query on, may keep.
INLINE void compare(const code_search *s, long query, const uint8_t *panel, long row, const int count, const int panels) {
    const long steps = codes_steps(s->width), size = codes_panel(s->width);
    __m512i x[CODE_QUERIES][2];
    const int *units = (const int *)s->units + query * steps;
    UNROLL(12)
    for (int q = 0; q < count; q++)
        UNROLL(2)
        for (int p = 0; p < panels; p++) x[q][p] = _mm512_set1_epi32(s->coded[query + q].start);
    for (long i = 0; i < steps; i++) {
        __m512i a[2];
        UNROLL(2)
        for (int p = 0; p < panels; p++) a[p] = _mm512_loadu_si512(panel + p * size + 64 * i);
        UNROLL(12)
        for (int q = 0; q < count; q++) {
            const __m512i one = _mm512_set1_epi32(units[i * count + q]);
            UNROLL(2)
            for (int p = 0; p < panels; p++) add_products(&x[q][p], a[p], one);
        }
    }
    UNROLL(2)
    for (int p = 0; p < panels; p++) {
        const float *of = (const float *)(panel + p * size + 64 * steps);
        const __m512 scales = _mm512_loadu_ps(of), errors = _mm512_loadu_ps(of + 16), lengths = _mm512_loadu_ps(of + 32);
        const long at = row + p * CODE_ROWS;
        const unsigned there = s->n - at >= CODE_ROWS ? 0xffff : s->n > at ? (1u << (s->n - at)) - 1 : 0;
        UNROLL(12)
        for (int q = 0; q < count; q++) {
            const code_query *c = &s->coded[query + q];
            const float worst = s->found[query + q] == s->k ? s->scores[(query + q) * s->k + s->k - 1] : -INFINITY;
            __m512 most = scales * c->scale * _mm512_cvtepi32_ps(x[q][p]) + 1e-37f;
            most += errors * c->errors + lengths * c->rows;
            const unsigned bits = _mm512_cmp_ps_mask(most, _mm512_set1_ps(worst), _CMP_NLT_UQ) & there; // not a number too
            if (bits) wait_for(s, query + q, bits, at);
        }
    }
}

// compare_all compares some panels with all queries, in the groups of codes_queries.
INLINE void compare_all(const code_search *s, const uint8_t *panel, long row, const int panels) {
    long q = 0;
    for (; q + CODE_QUERIES <= s->nq; q += CODE_QUERIES) compare(s, q, panel, row, CODE_QUERIES, panels);
    for (; q + CODE_FEW <= s->nq; q += CODE_FEW) compare(s, q, panel, row, CODE_FEW, panels);
    for (; q < s->nq; q++) compare(s, q, panel, row, 1, panels);
}

static void search_codes(const code_search *s) {
    const long size = codes_panel(s->width);
    const uint8_t *panel = s->codes;
    long row = 0;
    for (; row + CODE_ROWS < s->n; row += 2 * CODE_ROWS, panel += 2 * size) compare_all(s, panel, row, 2);
    if (row < s->n) compare_all(s, panel, row, 1);
    for (long q = 0; q < s->nq; q++)
        if (s->coded[q].pending) multiply_pending(s, q);
}
