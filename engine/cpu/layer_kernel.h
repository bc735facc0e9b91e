// What stands between the products of a layer (layer.h), for one set of instructions.

INLINE float mean_of(const row_norm *n, long at, const int bf16) {
    VF all_of = all(0);
    for (long i = 0; i < n->width; i += LANES) all_of += some_values(n->x, at + i, n->width - i, bf16);
    return sum(all_of) / (float)n->width;
}

// inverse_root is what a row less its mean is multiplied by.
INLINE float inverse_root(const row_norm *n, long at, float mean, const int bf16) {
    VF squares = all(0);
    for (long i = 0; i < n->width; i += LANES) {
        VF x = some_values(n->x, at + i, n->width - i, bf16) - mean;
        if (i + LANES > n->width) x = in_lanes(x, n->width - i);
        squares += x * x;
    }
    return 1.0f / sqrtf(sum(squares) / (float)n->width + n->epsilon);
}

INLINE VF norm_weight(const row_norm *n, long i) {
    return some_values(n->weight, i, n->width - i, n->weight_bf16) + n->offset;
}

INLINE void norm_all(const row_norm *n, long from, long to, const int bf16, const int centred) {
    for (long r = from; r < to; r++) {
        const long at = r * n->width;
        const float mean = centred ? mean_of(n, at, bf16) : 0, root = inverse_root(n, at, mean, bf16);
        for (long i = 0; i < n->width; i += LANES) {
            VF y = (some_values(n->x, at + i, n->width - i, bf16) - mean) * root * norm_weight(n, i);
            if (centred) y += some_values(n->bias, i, n->width - i, n->weight_bf16);
            set_some(n->y, at + i, n->width - i, y, bf16);
        }
    }
}

static void norm(const row_norm *n, long from, long to) {
    switch (2 * n->bf16 + n->centred) {
        case 0: norm_all(n, from, to, 0, 0); break;
        case 1: norm_all(n, from, to, 0, 1); break;
        case 2: norm_all(n, from, to, 1, 0); break;
        default: norm_all(n, from, to, 1, 1);
    }
}

// For y = x·r·w, r = 1/√(mean(x²)+ε): dx = r·(dy·w - x·r²·mean(dy·w·x)), dw = Σ dy·x·r.
INLINE void norm_vjp_all(const row_norm *n, long from, long to, const int bf16) {
    const long width = n->width;
    float *dweight = n->sums ? n->sums + from / n->part * width : NULL;
    for (long r = from; r < to; r++) {
        const long at = r * width;
        const float root = inverse_root(n, at, 0, bf16);
        VF products = all(0);
        for (long i = 0; i < width; i += LANES) {
            const VF x = some_values(n->x, at + i, width - i, bf16), dy = some_values(n->dy, at + i, width - i, bf16);
            products += dy * norm_weight(n, i) * x;
            if (dweight) set_some(dweight, i, width - i, some_values(dweight, i, width - i, 0) + dy * x * root, 0);
        }
        const float by = root * root * sum(products) / (float)width;
        for (long i = 0; i < width; i += LANES) {
            const VF x = some_values(n->x, at + i, width - i, bf16), dy = some_values(n->dy, at + i, width - i, bf16);
            set_some(n->y, at + i, width - i, (dy * norm_weight(n, i) - x * by) * root, bf16);
        }
    }
}

static void norm_vjp(const row_norm *n, long from, long to) {
    if (n->bf16)
        norm_vjp_all(n, from, to, 1);
    else
        norm_vjp_all(n, from, to, 0);
}

INLINE void rotate_all(const rotation *r, long from, long to, const int bf16) {
    const long half = r->half, size = bf16 ? 2 : 4;
    for (long row = from; row < to; row++)
        for (long h = 0; h < r->heads; h++) {
            const long at = (row * r->heads + h) * r->width, rest = r->width - 2 * half;
            for (long i = 0; i < half; i += LANES) {
                const VF c = some_values(r->cos, row * half + i, half - i, 0), s = some_values(r->sin, row * half + i, half - i, 0);
                const VF a = some_values(r->x, at + i, half - i, bf16), b = some_values(r->x, at + half + i, half - i, bf16);
                set_some(r->y, at + i, half - i, a * c - b * s, bf16);
                set_some(r->y, at + half + i, half - i, b * c + a * s, bf16);
            }
            if (rest && r->y != r->x) memcpy((char *)r->y + (at + 2 * half) * size, (const char *)r->x + (at + 2 * half) * size, rest * size);
        }
}

static void rotate(const rotation *r, long from, long to) {
    if (r->bf16)
        rotate_all(r, from, to, 1);
    else
        rotate_all(r, from, to, 0);
}

// sigmoid is 1/(1+exp(-x)).
INLINE VF sigmoid(VF x) {
    const VF e = power(pick(x > 0, -x, x)); // exp(-|x|)
    return pick(x > 0, all(1), e) / (1.0f + e);
}

// erf_of is the error function, within 2e-7 (Abramowitz and Stegun, 7.1.26).
INLINE VF erf_of(VF x) {
    const VF size = pick(x > 0, x, -x), t = 1.0f / (1.0f + 0.3275911f * size);
    VF p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const VF y = 1.0f - p * t * power(-(size * size));
    return pick(x > 0, y, -y);
}

// activated is an activation (GELU: arXiv 1606.08415) and its derivative.
INLINE VF activated(VF x, VF *slope, const int act) {
    const VF square = x * x;
    if (act == ACT_SILU) {
        const VF s = sigmoid(x);
        *slope = s * (1.0f + x * (1.0f - s));
        return x * s;
    }
    if (act == ACT_GELU) {
        const VF part = 0.5f * (1.0f + erf_of(x * 0.707106781f));
        *slope = part + x * 0.398942280f * power(-0.5f * square);
        return x * part;
    }
    const VF t = tangent(0.797884561f * (x + 0.044715f * x * square));
    *slope = 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * (0.797884561f * (1.0f + 0.134145f * square));
    return 0.5f * x * (1.0f + t);
}

INLINE void activate_all(const activation *a, long from, long to, const int bf16, const int act) {
    for (long r = from; r < to; r++)
        for (long i = 0; i < a->width; i += LANES) {
            const long at = r * a->width + i, left = a->width - i;
            VF slope;
            set_some(a->y, at, left, activated(some_values(a->x, at, left, bf16) + some_values(a->bias, i, left, a->bias_bf16), &slope, act), bf16);
        }
}

INLINE void gate_all(const gating *g, long from, long to, const int bf16, const int act) {
    for (long i = from; i < to; i += LANES) {
        VF slope;
        const VF x = activated(some_values(g->gate, i, to - i, bf16), &slope, act);
        set_some(g->y, i, to - i, x * some_values(g->up, i, to - i, bf16), bf16);
    }
}

INLINE void gate_vjp_all(const gating *g, long from, long to, const int bf16, const int act) {
    for (long i = from; i < to; i += LANES) {
        const VF up = some_values(g->up, i, to - i, bf16), dy = some_values(g->dy, i, to - i, bf16);
        VF slope;
        const VF x = activated(some_values(g->gate, i, to - i, bf16), &slope, act);
        set_some(g->dgate, i, to - i, dy * up * slope, bf16);
        set_some(g->dup, i, to - i, dy * x, bf16);
    }
}

// BY_KIND has the kind of values and the activation known when work is compiled.
#define BY_KIND(work, of, from, to)                                       \
    switch (3 * (of)->bf16 + (of)->act) {                                 \
        case ACT_SILU: work(of, from, to, 0, ACT_SILU); break;            \
        case ACT_GELU_TANH: work(of, from, to, 0, ACT_GELU_TANH); break;  \
        case ACT_GELU: work(of, from, to, 0, ACT_GELU); break;            \
        case 3 + ACT_SILU: work(of, from, to, 1, ACT_SILU); break;        \
        case 3 + ACT_GELU_TANH: work(of, from, to, 1, ACT_GELU_TANH); break; \
        default: work(of, from, to, 1, ACT_GELU);                         \
    }

static void activate(const activation *a, long from, long to) { BY_KIND(activate_all, a, from, to) }
static void gate(const gating *g, long from, long to) { BY_KIND(gate_all, g, from, to) }
static void gate_vjp(const gating *g, long from, long to) { BY_KIND(gate_vjp_all, g, from, to) }
