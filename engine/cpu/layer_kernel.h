// What stands between the products of a layer (layer.h), for one set of instructions.

// inverse_root is what a row is multiplied by.
INLINE float inverse_root(const rms_norm *n, long at, const int bf16) {
    VF squares = all(0);
    for (long i = 0; i < n->width; i += LANES) {
        const VF x = some_values(n->x, at + i, n->width - i, bf16);
        squares += x * x;
    }
    return 1.0f / sqrtf(sum(squares) / (float)n->width + n->epsilon);
}

INLINE VF norm_weight(const rms_norm *n, long i) {
    return some_values(n->weight, i, n->width - i, n->weight_bf16) + n->offset;
}

INLINE void norm_all(const rms_norm *n, long from, long to, const int bf16) {
    for (long r = from; r < to; r++) {
        const long at = r * n->width;
        const float root = inverse_root(n, at, bf16);
        for (long i = 0; i < n->width; i += LANES)
            set_some(n->y, at + i, n->width - i, some_values(n->x, at + i, n->width - i, bf16) * root * norm_weight(n, i), bf16);
    }
}

static void norm(const rms_norm *n, long from, long to) {
    if (n->bf16)
        norm_all(n, from, to, 1);
    else
        norm_all(n, from, to, 0);
}

// For y = x·r·w, r = 1/√(mean(x²)+ε): dx = r·(dy·w - x·r²·mean(dy·w·x)), dw = Σ dy·x·r.
INLINE void norm_vjp_all(const rms_norm *n, long from, long to, const int bf16) {
    const long width = n->width;
    float *dweight = n->sums + from / n->part * width;
    for (long r = from; r < to; r++) {
        const long at = r * width;
        const float root = inverse_root(n, at, bf16);
        VF products = all(0);
        for (long i = 0; i < width; i += LANES) {
            const VF x = some_values(n->x, at + i, width - i, bf16), dy = some_values(n->dy, at + i, width - i, bf16);
            products += dy * norm_weight(n, i) * x;
            set_some(dweight, i, width - i, some_values(dweight, i, width - i, 0) + dy * x * root, 0);
        }
        const float by = root * root * sum(products) / (float)width;
        for (long i = 0; i < width; i += LANES) {
            const VF x = some_values(n->x, at + i, width - i, bf16), dy = some_values(n->dy, at + i, width - i, bf16);
            set_some(n->y, at + i, width - i, (dy * norm_weight(n, i) - x * by) * root, bf16);
        }
    }
}

static void norm_vjp(const rms_norm *n, long from, long to) {
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
            if (rest) memcpy((char *)r->y + (at + 2 * half) * size, (const char *)r->x + (at + 2 * half) * size, rest * size);
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

// activated is x·σ(x), or x·Φ(x) by its approximation with a tanh (arXiv 1606.08415), and its
// derivative.
INLINE VF activated(VF x, VF *slope, const int gelu) {
    if (!gelu) {
        const VF s = sigmoid(x);
        *slope = s * (1.0f + x * (1.0f - s));
        return x * s;
    }
    const VF square = x * x, t = tangent(0.797884561f * (x + 0.044715f * x * square));
    *slope = 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * (0.797884561f * (1.0f + 0.134145f * square));
    return 0.5f * x * (1.0f + t);
}

INLINE void gate_all(const gating *g, long from, long to, const int bf16, const int gelu) {
    for (long i = from; i < to; i += LANES) {
        VF slope;
        const VF x = activated(some_values(g->gate, i, to - i, bf16), &slope, gelu);
        set_some(g->y, i, to - i, x * some_values(g->up, i, to - i, bf16), bf16);
    }
}

INLINE void gate_vjp_all(const gating *g, long from, long to, const int bf16, const int gelu) {
    for (long i = from; i < to; i += LANES) {
        const VF up = some_values(g->up, i, to - i, bf16), dy = some_values(g->dy, i, to - i, bf16);
        VF slope;
        const VF x = activated(some_values(g->gate, i, to - i, bf16), &slope, gelu);
        set_some(g->dgate, i, to - i, dy * up * slope, bf16);
        set_some(g->dup, i, to - i, dy * x, bf16);
    }
}

// KNOWN_GATE has a gate's kinds known when it is compiled.
#define KNOWN_GATE(work, g, from, to)                        \
    switch (2 * (g)->bf16 + (g)->gelu) {                     \
        case 0: work(g, from, to, 0, 0); break;              \
        case 1: work(g, from, to, 0, 1); break;              \
        case 2: work(g, from, to, 1, 0); break;              \
        default: work(g, from, to, 1, 1);                    \
    }

static void gate(const gating *g, long from, long to) { KNOWN_GATE(gate_all, g, from, to) }
static void gate_vjp(const gating *g, long from, long to) { KNOWN_GATE(gate_vjp_all, g, from, to) }
