#include "sums.h"

#include <stdlib.h>

#include "../flash/isa.h"

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

// How many rows of a product are packed at once, and floats for those of the widest
// panel of x.
#define DEPTH 256
#define PANEL_FLOATS (48 * DEPTH)

#define KERNEL "../sums/product.h"
#include "../flash/widths.h"

int add_product(float *sum, const void *y, const void *x, int half, long rows, long n, long k, long from, long to,
                int first) {
    long columns = (to - from + GROUP - 1) / GROUP * GROUP;
    float *scratch = malloc(sizeof(float) * (PANEL_FLOATS + DEPTH * columns));
    if (!scratch) return 0;
    WIDEST(product)(sum, y, x, half, rows, n, k, from, to, first, scratch);
    free(scratch);
    return 1;
}
