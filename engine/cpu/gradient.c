#include "gradient.h"

#include <stdlib.h>

#include "isa.h"

// Compiled for each width of vector registers, where the linker can choose.
#if defined(__x86_64__) && defined(__gnu_linux__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

static inline float widen(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

WIDE void set_half(float *restrict to, const uint16_t *restrict d, long n) {
    for (long i = 0; i < n; i++) to[i] = widen(d[i]);
}

WIDE void add_half(float *restrict to, const uint16_t *restrict d, long n) {
    for (long i = 0; i < n; i++) to[i] += widen(d[i]);
}

WIDE void add_float(float *restrict to, const float *restrict d, long n) {
    for (long i = 0; i < n; i++) to[i] += d[i];
}

// nearest is bits in bf16, of two the even one.
static inline uint32_t nearest(uint32_t bits) { return (bits + 0x7fff + (bits >> 16 & 1)) >> 16; }

WIDE static void round_all(const uint32_t *restrict x, uint16_t *restrict high, long n) {
    for (long i = 0; i < n; i++) high[i] = (uint16_t)nearest(x[i]);
}

WIDE static void split_all(const uint32_t *restrict x, uint16_t *restrict high, int16_t *restrict low, long n) {
    for (long i = 0; i < n; i++) {
        const uint32_t up = nearest(x[i]);
        const int32_t rest = (int32_t)(x[i] - (up << 16));
        high[i] = (uint16_t)up;
        low[i] = (int16_t)(rest > INT16_MAX ? INT16_MAX : rest);
    }
}

WIDE static void join_all(uint32_t *restrict x, const uint16_t *restrict high, const int16_t *restrict low, long n) {
    for (long i = 0; i < n; i++) x[i] = ((uint32_t)high[i] << 16) + (uint32_t)(int32_t)low[i];
}

void split(const float *x, uint16_t *high, int16_t *low, long n) {
    if (low)
        split_all((const uint32_t *)x, high, low, n);
    else
        round_all((const uint32_t *)x, high, n);
}

void join(float *x, const uint16_t *high, const int16_t *low, long n) {
    if (low)
        join_all((uint32_t *)x, high, low, n);
    else
        set_half(x, high, n);
}

// How many rows of a product are packed at once, and floats for those of the widest
// panel of x.
#define DEPTH 256
#define PANEL_FLOATS (48 * DEPTH)

#define KERNEL "gradient_kernel.h"
#include "widths.h"

int weight_grad_gemm(float *sum, const void *y, const void *x, int half, long rows, long n, long k, long from, long to,
                int first) {
    long columns = (to - from + GROUP - 1) / GROUP * GROUP;
    float *scratch = malloc(sizeof(float) * (PANEL_FLOATS + DEPTH * columns));
    if (!scratch) return 0;
    WIDEST(product)(sum, y, x, half, rows, n, k, from, to, first, scratch);
    free(scratch);
    return 1;
}
