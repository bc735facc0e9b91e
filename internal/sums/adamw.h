// A step of AdamW, for names ending in ISA. It is included once for each width of
// vectors.

#include "../flash/vector.h"

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

// moved moves LANES weights.
INLINE void FN(moved)(float *w, float *m, float *v, const float *g, uint16_t *half, const struct step *s) {
    VF d = AT(g) * s->scale;
    VF mean = AT(m) * s->beta1 + d * s->rest1;
    VF square = AT(v) * s->beta2 + d * d * s->rest2;
    VF x = AT(w) * s->keep - s->rate * (mean / (FN(roots)(square) * s->root + s->epsilon));
    AT(w) = x;
    AT(m) = mean;
    AT(v) = square;
    if (half) { // the nearest, of two the even one
        FN(words) bits = (FN(words))x;
        bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
#if defined(WIDE_X86) && LANES == 8
        __m256i pairs = _mm256_permute4x64_epi64(_mm256_packus_epi32((__m256i)bits, (__m256i)bits), 8);
        memcpy(half, &pairs, 2 * LANES);
#else
        FN(halves) narrow = __builtin_convertvector(bits, FN(halves));
        memcpy(half, &narrow, sizeof narrow);
#endif
    }
}

static void FN(adamw)(float *w, float *m, float *v, const float *g, uint16_t *half, long n, const struct step *s) {
    const struct step own = *s; // which no weight is part of
    s = &own;
    long i = 0;
    for (; i + LANES <= n; i += LANES) FN(moved)(w + i, m + i, v + i, g + i, half ? half + i : NULL, s);
    if (i == n) return;
    float rest[4][LANES] = {0};
    uint16_t narrow[LANES];
    long size = sizeof(float) * (n - i);
    memcpy(rest[0], w + i, size);
    memcpy(rest[1], m + i, size);
    memcpy(rest[2], v + i, size);
    memcpy(rest[3], g + i, size);
    FN(moved)(rest[0], rest[1], rest[2], rest[3], narrow, s);
    memcpy(w + i, rest[0], size);
    memcpy(m + i, rest[1], size);
    memcpy(v + i, rest[2], size);
    if (half) memcpy(half + i, narrow, size / 2);
}

#include "../flash/unvector.h"
