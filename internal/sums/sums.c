#include "sums.h"

#include <string.h>

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
