// What is done value by value, for one set of instructions: AdamW, sums, split weights.

// moved moves LANES weights, w, or if split those of bf16 and residual.
INLINE void moved(const adamw_step *s, adamw_weights at, const int split) {
    const VF d = AT(at.g) * s->scale;
    const VF mean = AT(at.m) * s->beta1 + d * s->rest1;
    const VF square = AT(at.v) * s->beta2 + d * d * s->rest2;
    VF x;
    if (split) {
        const VW up = load_words(at.bf16) << 16, down = load_words((const uint16_t *)at.residual) << 16;
        x = (VF)(up + (VW)((VI)down >> 16)); // whose sign goes along
    } else {
        x = AT(at.w);
    }
    x = x * s->keep - s->rate * (mean / (roots(square) * s->root + s->epsilon));
    AT(at.m) = mean;
    AT(at.v) = square;
    if (split) {
        const VW bits = (VW)x, up = nearest(bits);
        const VI rest = (VI)(bits - (up << 16));
        store_words(at.bf16, up);
        store_words((uint16_t *)at.residual, (VW)(rest + (rest > 0x7fff))); // true is -1
    } else {
        AT(at.w) = x;
    }
}

// behind is a weight's place i further on.
INLINE adamw_weights behind(adamw_weights at, long i, const int split) {
    if (split)
        at.bf16 += i, at.residual += i;
    else
        at.w += i;
    at.m += i, at.v += i, at.g += i;
    return at;
}

// the last weights, fewer than LANES, in vectors of their own.
INLINE void move_rest(const adamw_step *s, adamw_weights at, long n, const int split) {
    float w[LANES] = {0}, m[LANES] = {0}, v[LANES] = {0}, g[LANES] = {0};
    uint16_t bf16[LANES] = {0};
    int16_t residual[LANES] = {0};
    const size_t size = sizeof(float) * n;
    memcpy(m, at.m, size);
    memcpy(v, at.v, size);
    memcpy(g, at.g, size);
    if (split)
        memcpy(bf16, at.bf16, size / 2), memcpy(residual, at.residual, size / 2);
    else
        memcpy(w, at.w, size);
    moved(s, (adamw_weights){w, bf16, residual, m, v, g}, split);
    memcpy(at.m, m, size);
    memcpy(at.v, v, size);
    if (split)
        memcpy(at.bf16, bf16, size / 2), memcpy(at.residual, residual, size / 2);
    else
        memcpy(at.w, w, size);
}

INLINE void move_all(const adamw_step *s, const adamw_weights *at, long n, const int split) {
    const adamw_step own = *s; // which no weight is part of
    const adamw_weights w = *at;
    long i = 0;
    for (; i + LANES <= n; i += LANES) moved(&own, behind(w, i, split), split);
    if (i < n) move_rest(&own, behind(w, i, split), n - i, split);
}

static void move_weights(const adamw_step *s, const adamw_weights *w, long n) {
    if (w->w)
        move_all(s, w, n, 0);
    else
        move_all(s, w, n, 1);
}

// decode sets the moments of a block to what n codes stand for, and to zeros behind them.
INLINE void decode_moments(float *x, const uint8_t *codes, float most, const float *value, long n) {
    for (long i = 0; i < n; i++) x[i] = value[codes[i]] * most;
    for (long i = n; i < MOMENT_BLOCK; i++) x[i] = 0;
}

// code_moments sets n codes to those nearest to a block's moments, and gives the largest size.
INLINE float code_moments(uint8_t *codes, const float *x, const float *end, long n) {
    VF sizes = all(0);
    for (long i = 0; i < MOMENT_BLOCK; i += LANES) {
        const VF v = AT(x + i);
        sizes = greater(sizes, pick(v > 0, v, -v));
    }
    const float largest = most(sizes);
    const VF by = all(largest > 0 ? largest : 1);
    uint8_t all_codes[MOMENT_BLOCK];
    for (long i = 0; i < MOMENT_BLOCK; i += LANES) {
        const VF v = AT(x + i) / by;
        VI code = {0};
        UNROLL(8)
        for (int half = 128; half > 0; half /= 2) code += (v > gathered(end, code + (half - 1))) & half;
        for (int l = 0; l < LANES; l++) all_codes[i + l] = (uint8_t)code[l];
    }
    memcpy(codes, all_codes, n);
    return largest;
}

static void move_coded(const adamw_step *s, const adamw_weights *w, const coded_moments *c, const moment_maps *maps, long n) {
    float m[MOMENT_BLOCK], v[MOMENT_BLOCK];
    for (long i = 0, block = 0; i < n; i += MOMENT_BLOCK, block++) {
        const long some = n - i < MOMENT_BLOCK ? n - i : MOMENT_BLOCK;
        decode_moments(m, c->m + i, c->m_max[block], maps->value[0], some);
        decode_moments(v, c->v + i, c->v_max[block], maps->value[1], some);
        adamw_weights at = {.m = m, .v = v, .g = w->g + i};
        if (w->w)
            at.w = w->w + i;
        else
            at.bf16 = w->bf16 + i, at.residual = w->residual + i;
        move_weights(s, &at, some);
        c->m_max[block] = code_moments(c->m + i, m, maps->end[0], some);
        c->v_max[block] = code_moments(c->v + i, v, maps->end[1], some);
    }
}

static void add_bf16(float *to, const uint16_t *d, long n, int first) {
    long i = 0;
    for (; i + LANES <= n; i += LANES) AT(to + i) = (first ? (VF){0} : AT(to + i)) + values(d, i, 1);
    for (; i < n; i++) to[i] = (first ? 0 : to[i]) + value(d, i, 1);
}

static void add_f32(float *to, const float *d, long n) {
    long i = 0;
    for (; i + LANES <= n; i += LANES) AT(to + i) += AT(d + i);
    for (; i < n; i++) to[i] += d[i];
}

static void split_values(const float *x, uint16_t *bf16, int16_t *residual, long n) {
    for (long i = 0; i < n; i += LANES) {
        const VW bits = (VW)some_values(x, i, n - i, 0), up = nearest(bits);
        const VI rest = (VI)(bits - (up << 16));
        uint16_t high[LANES], low[LANES];
        store_words(high, up);
        store_words(low, (VW)(rest + (rest > 0x7fff)));
        const size_t size = sizeof *high * (n - i < LANES ? n - i : LANES);
        memcpy(bf16 + i, high, size);
        if (residual) memcpy(residual + i, low, size);
    }
}

static void join_values(float *x, const uint16_t *bf16, const int16_t *residual, long n) {
    for (long i = 0; i < n; i++) {
        const uint32_t bits = ((uint32_t)bf16[i] << 16) + (uint32_t)(residual ? residual[i] : 0);
        memcpy(x + i, &bits, sizeof bits);
    }
}

static void cap_values(float *x, long n, float cap) {
    for (long i = 0; i < n; i += LANES) set_some(x, i, n - i, capped(some_values(x, i, n - i, 0), cap), 0);
}
