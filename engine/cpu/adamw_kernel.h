// A step of AdamW, for names ending in ISA. It is included once for each width of
// vectors.

#include "vector.h"

typedef uint32_t FN(words) __attribute__((vector_size(4 * LANES)));
typedef uint16_t FN(halves) __attribute__((vector_size(2 * LANES)));

INLINE VF FN(roots)(VF x) {
#if defined(WIDE_X86) && LANES == 16
    return (VF)_mm512_sqrt_ps((__m512)x);
#elif defined(WIDE_X86) && LANES == 8
    return (VF)_mm256_sqrt_ps((__m256)x);
#else
    VF y;
    for (int l = 0; l < LANES; l++) y[l] = __builtin_sqrtf(x[l]);
    return y;
#endif
}

INLINE void FN(narrow)(uint16_t *to, FN(words) x) {
#if defined(WIDE_X86) && LANES == 8
    __m256i low = (__m256i)(x & 0xffff), halves = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 8);
    memcpy(to, &halves, 2 * LANES);
#else
    FN(halves) halves = __builtin_convertvector(x, FN(halves));
    memcpy(to, &halves, sizeof halves);
#endif
}

// moved moves LANES weights, w, or if in halves those of high and low.
INLINE void FN(moved)(float *w, uint16_t *high, int16_t *low, float *m, float *v, const float *g, const struct step *s,
                      const int halves) {
    VF d = AT(g) * s->scale;
    VF mean = AT(m) * s->beta1 + d * s->rest1;
    VF square = AT(v) * s->beta2 + d * d * s->rest2;
    VF x;
    if (halves) {
        FN(halves) up, down;
        memcpy(&up, high, sizeof up);
        memcpy(&down, low, sizeof down);
        FN(words) bits = __builtin_convertvector(down, FN(words)) << 16; // whose sign goes along
        x = (VF)((FN(words))((VI)bits >> 16) + (__builtin_convertvector(up, FN(words)) << 16));
    } else {
        x = AT(w);
    }
    x = x * s->keep - s->rate * (mean / (FN(roots)(square) * s->root + s->epsilon));
    AT(m) = mean;
    AT(v) = square;
    if (halves) { // high is the nearest, of two the even one
        FN(words) bits = (FN(words))x, up = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        VI rest = (VI)(bits - (up << 16));
        FN(narrow)(high, up);
        FN(narrow)((uint16_t *)low, (FN(words))(rest + (rest > 0x7fff))); // true is -1
    } else {
        AT(w) = x;
    }
}

static void FN(adamw)(float *w, uint16_t *high, int16_t *low, float *m, float *v, const float *g, long n,
                      const struct step *s) {
    const struct step own = *s; // which no weight is part of
    s = &own;
    long i = 0;
    if (high)
        for (; i + LANES <= n; i += LANES) FN(moved)(NULL, high + i, low + i, m + i, v + i, g + i, s, 1);
    else
        for (; i + LANES <= n; i += LANES) FN(moved)(w + i, NULL, NULL, m + i, v + i, g + i, s, 0);
    if (i == n) return;
    float rest[4][LANES] = {0};
    uint16_t up[LANES] = {0};
    int16_t down[LANES] = {0};
    long size = sizeof(float) * (n - i);
    memcpy(rest[1], m + i, size);
    memcpy(rest[2], v + i, size);
    memcpy(rest[3], g + i, size);
    if (high) {
        memcpy(up, high + i, size / 2);
        memcpy(down, low + i, size / 2);
        FN(moved)(NULL, up, down, rest[1], rest[2], rest[3], s, 1);
        memcpy(high + i, up, size / 2);
        memcpy(low + i, down, size / 2);
    } else {
        memcpy(rest[0], w + i, size);
        FN(moved)(rest[0], NULL, NULL, rest[1], rest[2], rest[3], s, 0);
        memcpy(w + i, rest[0], size);
    }
    memcpy(m + i, rest[1], size);
    memcpy(v + i, rest[2], size);
}

#include "unvector.h"
