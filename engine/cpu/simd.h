// Vectors of LANES floats, and what is computed on them, for one set of instructions.
// A file set_*.c includes this once.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define JOIN_NAMES(a, b) a##b
#define JOINED(a, b) JOIN_NAMES(a, b)
#define PRAGMA(x) _Pragma(#x)
#ifdef __clang__
#define TARGET(features) PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define TARGET_END PRAGMA(clang attribute pop)
#define UNROLL(n) PRAGMA(clang loop unroll_count(n))
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define TARGET(features) PRAGMA(GCC target(features))
#define TARGET_END
#define UNROLL(n) PRAGMA(GCC unroll n)
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (VI){__VA_ARGS__})
#endif
#ifdef FEATURES // of the processor, for all that follows in the file
TARGET(FEATURES)
#endif

typedef float VF __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int VI __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t VW __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint16_t VH __attribute__((vector_size(2 * LANES), aligned(2), may_alias));

#define AT(p) (*(VF *)(p))
#define INLINE static inline __attribute__((always_inline))

INLINE VF all(float x) { return (VF){0} + x; }

INLINE VF pick(VI mask, VF a, VF b) { return (VF)(((VI)a & mask) | ((VI)b & ~mask)); }

INLINE VF greater(VF a, VF b) { return pick(a > b, a, b); }

// exp of x <= 0, within 2 units in the last place; up to -87 it is 0, since products with a
// smaller number would be subnormal, which takes processors a hundred times as long.
// The integer part of x/ln 2 goes into the exponent, a polynomial does the rest.
INLINE VF power(VF x) {
    const VI some = x > -87.0f;
    x = greater(x, all(-87.0f));
    VF t = x * 1.44269504f + 12582912.0f; // the integer is in the low bits
    VF n = t - 12582912.0f;
    VF r = x - n * 0.693145752f - n * 1.42860677e-6f;
    VF p = r * 0.00138888889f + 0.00833333333f;
    p = p * r + 0.0416666667f;
    p = p * r + 0.166666667f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return (VF)(((VI)p + ((VI)t << 23)) & some);
}

// tangent is the hyperbolic tangent, within 1e-7: by a polynomial up to 5/8, else by exp.
INLINE VF tangent(VF x) {
    const VF size = pick(x > 0, x, -x), z = x * x, e = power(-2.0f * size), far = (1.0f - e) / (1.0f + e);
    VF p = z * -0.00610496104f + 0.0210036524f;
    p = p * z - 0.0538525023f;
    p = p * z + 0.133327827f;
    p = p * z - 0.333333284f;
    return pick(size < 0.625f, x + x * z * p, pick(x > 0, far, -far));
}

// capped bends x to stay within ±cap, and cap_slope is its derivative there, of the outcome.
INLINE VF capped(VF x, float cap) { return cap * tangent(x / cap); }

INLINE VF cap_slope(VF outcome, float cap) {
    const VF part = greater(outcome, all(-cap)) / cap; // what is masked is far below
    return 1.0f - part * part;
}

// gathered has t[i] of each lane.
INLINE VF gathered(const float *t, VI i) {
#if defined(__x86_64__) && LANES == 16
    return (VF)_mm512_i32gather_ps((__m512i)i, t, 4);
#elif defined(__x86_64__) && LANES == 8
    return (VF)_mm256_i32gather_ps(t, (__m256i)i, 4);
#else
    VF y;
    for (int l = 0; l < LANES; l++) y[l] = t[i[l]];
    return y;
#endif
}

INLINE VF roots(VF x) {
#if defined(__x86_64__) && LANES == 16
    return (VF)_mm512_sqrt_ps((__m512)x);
#elif defined(__x86_64__) && LANES == 8
    return (VF)_mm256_sqrt_ps((__m256)x);
#else
    VF y;
    for (int l = 0; l < LANES; l++) y[l] = __builtin_sqrtf(x[l]);
    return y;
#endif
}

// EACH lists f of each lane.
#if LANES == 16
#define EACH(f, w) \
    f(0, w), f(1, w), f(2, w), f(3, w), f(4, w), f(5, w), f(6, w), f(7, w), f(8, w), f(9, w), f(10, w), f(11, w), \
        f(12, w), f(13, w), f(14, w), f(15, w)
#elif LANES == 8
#define EACH(f, w) f(0, w), f(1, w), f(2, w), f(3, w), f(4, w), f(5, w), f(6, w), f(7, w)
#else
#define EACH(f, w) f(0, w), f(1, w), f(2, w), f(3, w)
#endif

// FOLD makes one vector of two: lanes without the bit w have sums of the first's lanes, the
// others of the second's.
#define OF_SECOND(l, w) (((l) & (w)) ? LANES : 0)
#define OWN_LANE(l, w) ((l) + OF_SECOND(l, w))
#define OTHER_LANE(l, w) (((l) ^ (w)) + OF_SECOND(l, w))
#define FOLD(a, b, w) (SHUFFLE(a, b, EACH(OWN_LANE, w)) + SHUFFLE(a, b, EACH(OTHER_LANE, w)))

// the sums of LANES vectors, each in its own lane; x is overwritten.
INLINE VF sum_each(VF *x) {
    UNROLL(8)
    for (int i = 0; i < LANES; i += 2) x[i] = FOLD(x[i], x[i + 1], 1);
    UNROLL(4)
    for (int i = 0; i < LANES; i += 4) x[i] = FOLD(x[i], x[i + 2], 2);
#if LANES > 4
    UNROLL(2)
    for (int i = 0; i < LANES; i += 8) x[i] = FOLD(x[i], x[i + 4], 4);
#endif
#if LANES > 8
    x[0] = FOLD(x[0], x[8], 8);
#endif
    return x[0];
}

// FLIP has each lane's value in the one whose number differs in the bit w.
#define FLIPPED(l, w) ((l) ^ (w))
#define FLIP(x, w) SHUFFLE(x, x, EACH(FLIPPED, w))

INLINE float most(VF x) {
#if LANES > 8
    x = greater(x, FLIP(x, 8));
#endif
#if LANES > 4
    x = greater(x, FLIP(x, 4));
#endif
    x = greater(x, FLIP(x, 2));
    return greater(x, FLIP(x, 1))[0];
}

INLINE float sum(VF x) {
#if LANES > 8
    x += FLIP(x, 8);
#endif
#if LANES > 4
    x += FLIP(x, 4);
#endif
    x += FLIP(x, 2);
    return x[0] + x[1];
}

// bits of a float rounded to bf16, of two nearest the even one.
INLINE VW nearest(VW bits) {
    const VW up = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    const VI is_nan = (VI)(bits & 0x7fffffff) > 0x7f800000; // which a carry would make a zero of
    return (up & ~(VW)is_nan) | ((bits >> 16 | 0x40) & (VW)is_nan);
}

INLINE uint16_t nearest_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// the low halves of words.
INLINE void store_words(uint16_t *to, VW x) {
#if defined(__x86_64__) && LANES == 8
    __m256i low = (__m256i)(x & 0xffff);
    *(VH *)to = (VH)_mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 8));
#else
    *(VH *)to = __builtin_convertvector(x, VH);
#endif
}

INLINE VW load_words(const uint16_t *from) {
#if defined(__x86_64__) && LANES == 16 // GCC does this in two
    return (VW)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
#else
    return __builtin_convertvector(*(const VH *)from, VW);
#endif
}

// LANES bytes, without and with a sign.
INLINE VW load_bytes(const uint8_t *from) {
#if defined(__x86_64__) && LANES == 16
    return (VW)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from));
#elif defined(__x86_64__) && LANES == 8
    return (VW)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
#else
    VW y;
    for (int l = 0; l < LANES; l++) y[l] = from[l];
    return y;
#endif
}

INLINE VI load_signed(const int8_t *from) {
#if defined(__x86_64__) && LANES == 16
    return (VI)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from));
#elif defined(__x86_64__) && LANES == 8
    return (VI)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)from));
#else
    VI y;
    for (int l = 0; l < LANES; l++) y[l] = from[l];
    return y;
#endif
}

// one value of an array of f32, or of bf16.
INLINE float value(const void *p, long at, const int bf16) {
    if (!bf16) return ((const float *)p)[at];
    uint32_t bits = (uint32_t)((const uint16_t *)p)[at] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE void set(void *p, long at, float x, const int bf16) {
    if (bf16)
        ((uint16_t *)p)[at] = nearest_of(x);
    else
        ((float *)p)[at] = x;
}

// LANES values.
INLINE VF values(const void *p, long at, const int bf16) {
    return bf16 ? (VF)(load_words((const uint16_t *)p + at) << 16) : AT((const float *)p + at);
}

// lanes says how many lanes of a vector there are values for, of n that are left.
#if LANES == 16
typedef __mmask16 lanes;
INLINE lanes lanes_of(long n) { return n >= 16 ? 0xffff : n > 0 ? (__mmask16)((1u << n) - 1) : 0; }
#else
typedef long lanes;
INLINE lanes lanes_of(long n) { return n; }
#endif

// the values that there are; the rest are zeros.
INLINE VF load_lanes(const void *p, long at, lanes n, const int bf16) {
#if LANES == 16
    if (!bf16) return (VF)_mm512_maskz_loadu_ps(n, (const float *)p + at);
    const __m256i bits = _mm256_maskz_loadu_epi16(n, (const uint16_t *)p + at);
    return (VF)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
#else
    if (n >= LANES) return values(p, at, bf16);
    VF x = {0};
    for (int l = 0; l < n; l++) x[l] = value(p, at + l, bf16);
    return x;
#endif
}

INLINE void store_lanes(void *p, long at, lanes n, VF x, const int bf16) {
#if LANES == 16
    if (bf16)
        _mm256_mask_storeu_epi16((uint16_t *)p + at, n, (__m256i)__builtin_convertvector(nearest((VW)x), VH));
    else
        _mm512_mask_storeu_ps((float *)p + at, n, (__m512)x);
#else
    if (n >= LANES && bf16)
        store_words((uint16_t *)p + at, nearest((VW)x));
    else if (n >= LANES)
        AT((float *)p + at) = x;
    else
        for (int l = 0; l < n; l++) set(p, at + l, x[l], bf16);
#endif
}

// at most LANES values, of n that are left; the rest are zeros.
INLINE VF some_values(const void *p, long at, long n, const int bf16) { return load_lanes(p, at, lanes_of(n), bf16); }

// x with zeros in the lanes that there are no values for, of n that are left.
INLINE VF in_lanes(VF x, long n) {
    VI lane;
    for (int l = 0; l < LANES; l++) lane[l] = l;
    return pick(lane < (int)(n < LANES ? n : LANES), x, all(0));
}

// sets at most LANES values, of n that are left.
INLINE void set_some(void *p, long at, long n, VF x, const int bf16) { store_lanes(p, at, lanes_of(n), x, bf16); }
