// Vectors of LANES floats, and what is computed on them, for names ending in
// ISA. It is included once for each width.

typedef float FN(vf) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int FN(vi) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint16_t FN(vh) __attribute__((vector_size(2 * LANES), aligned(2), may_alias));
#define VF FN(vf)
#define VI FN(vi)
#define AT(p) (*(VF *)(p))
#define INLINE static inline __attribute__((always_inline))

INLINE VF FN(pick)(VI mask, VF a, VF b) { return (VF)(((VI)a & mask) | ((VI)b & ~mask)); }

INLINE VF FN(greater)(VF a, VF b) { return FN(pick)(a > b, a, b); }

// exp of x <= 0, within 2 units in the last place; below -87 it stays there.
// The integer part of x/ln 2 goes into the exponent, a polynomial does the rest.
INLINE VF FN(power)(VF x) {
    x = FN(greater)(x, (VF){0} - 87.0f);
    VF t = x * 1.44269504f + 12582912.0f; // the integer is in the low bits
    VF n = t - 12582912.0f;
    VF r = x - n * 0.693145752f - n * 1.42860677e-6f;
    VF p = r * 0.00138888889f + 0.00833333333f;
    p = p * r + 0.0416666667f;
    p = p * r + 0.166666667f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return (VF)((VI)p + ((VI)t << 23));
}

INLINE float FN(most)(VF x) {
    float s = x[0];
    for (int i = 1; i < LANES; i++) s = x[i] > s ? x[i] : s;
    return s;
}

// the sums of LANES vectors, each in its own lane; x is overwritten. A step
// makes one vector of two: lanes without the bit w are of the first.
INLINE VF FN(fold)(VF a, VF b, const int w) {
#if LANES == 16
    const VI lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif LANES == 8
    const VI lane = {0, 1, 2, 3, 4, 5, 6, 7};
#else
    const VI lane = {0, 1, 2, 3};
#endif
    const VI second = ((lane & w) != 0) & LANES;
#ifdef __clang__
    VF sum;
    for (int l = 0; l < LANES; l++) sum[l] = second[l] ? b[l] + b[l ^ w] : a[l] + a[l ^ w];
    return sum;
#else
    return __builtin_shuffle(a, b, lane + second) + __builtin_shuffle(a, b, (lane ^ w) + second);
#endif
}

INLINE VF FN(sums)(VF *x) {
#pragma GCC unroll 8
    for (int i = 0; i < LANES; i += 2) x[i] = FN(fold)(x[i], x[i + 1], 1);
#pragma GCC unroll 4
    for (int i = 0; i < LANES; i += 4) x[i] = FN(fold)(x[i], x[i + 2], 2);
#if LANES > 4
#pragma GCC unroll 2
    for (int i = 0; i < LANES; i += 8) x[i] = FN(fold)(x[i], x[i + 4], 4);
#endif
#if LANES > 8
    x[0] = FN(fold)(x[0], x[8], 8);
#endif
    return x[0];
}

INLINE float FN(sum)(VF x) {
    float s = 0;
    for (int i = 0; i < LANES; i++) s += x[i];
    return s;
}

// one value, and LANES of them, of an array of f32, or of bf16 (half).
INLINE float FN(value)(const void *p, long at, const int half) {
    if (!half) return ((const float *)p)[at];
    uint32_t bits = (uint32_t)((const uint16_t *)p)[at] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE void FN(set)(void *p, long at, float x, const int half) {
    if (!half) {
        ((float *)p)[at] = x;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    ((uint16_t *)p)[at] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16); // the nearest, of two the even one
}

INLINE VF FN(values)(const void *p, long at, const int half) {
    if (!half) return AT((const float *)p + at);
#if LANES == 16 // GCC does this in halves
    __m256i h = _mm256_loadu_si256((const __m256i *)((const uint16_t *)p + at));
    return (VF)_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
#else
    return (VF)(__builtin_convertvector(*(FN(vh) *)((const uint16_t *)p + at), VI) << 16);
#endif
}
