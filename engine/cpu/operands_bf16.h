// What is multiplied, in bf16 (VDPBF16PS): a unit is two values that are summed over, the
// first in the low half. Sums are f32. What is packed is bf16 already.

typedef uint32_t unit __attribute__((may_alias, aligned(2)));
typedef __m512bh units; // LANES of them
enum { STEP = 2 };      // values of a unit
typedef __m512 acc;     // sums over them: VF would be copied at each turn of a loop

INLINE units load_units(const unit *p) { return (units)_mm512_loadu_si512(p); }

INLINE units spread(unit x) { return (units)_mm512_set1_epi32((int)x); }

// sum + a·b, lane by lane.
INLINE acc multiply_add(acc sum, units a, units b) { return _mm512_dpbf16_ps(sum, a, b); }

INLINE __m256i rounded(acc x) { return (__m256i)_mm512_cvtneps_pbh(x); }

INLINE void store_rounded(uint16_t *to, lanes n, acc x) { _mm256_mask_storeu_epi16(to, n, rounded(x)); }

INLINE __m512i merged(__m256i low, __m256i high) {
    return _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
}

INLINE __mmask32 lanes_of_pairs(long n) { return n >= 32 ? 0xffffffff : n > 0 ? (1u << n) - 1 : 0; }

// at most LANES units of a row, of n values that are left.
INLINE units row_units(const void *from, long at, long n, const int bf16) {
    (void)bf16; // they are
    const uint16_t *p = (const uint16_t *)from + at;
    if (n >= 32) return (units)_mm512_loadu_si512(p);
    return (units)_mm512_maskz_loadu_epi16(lanes_of_pairs(n), p);
}

// the same of STEP rows, stride apart, of which so many are left: a column's STEP values
// are a unit.
INLINE units column_units(const void *from, long at, long stride, long n, long rows, const int bf16) {
    (void)bf16;
    const uint16_t *p = (const uint16_t *)from + at;
    const __m256i low = _mm256_maskz_loadu_epi16(lanes_of(rows > 0 ? n : 0), p);
    return (units)merged(low, _mm256_maskz_loadu_epi16(lanes_of(rows > 1 ? n : 0), p + stride));
}

// units of a row's values, LANES of them and the LANES behind.
INLINE units units_of(VF low, VF high) { return (units)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low); }

// stores LANES values of a row from a place on.
INLINE void store_row(unit *row, long at, VF x) { _mm256_storeu_si256((__m256i *)((uint16_t *)row + at), rounded((acc)x)); }

// stores STEP rows of LANES values as units.
INLINE void store_columns(unit *to, const VF *x) { _mm512_storeu_si512(to, merged(rounded((acc)x[0]), rounded((acc)x[1]))); }

INLINE void store_units(unit *to, units x) { _mm512_storeu_si512(to, (__m512i)x); }

// the transpose of 16 units in each of 16 vectors: a step doubles the squares that are in place.
INLINE void transpose_square(__m512i *a) {
    __m512i b[16];
    UNROLL(8)
    for (int r = 0; r < 16; r += 2) {
        b[r] = _mm512_unpacklo_epi32(a[r], a[r + 1]);
        b[r + 1] = _mm512_unpackhi_epi32(a[r], a[r + 1]);
    }
    UNROLL(4)
    for (int r = 0; r < 16; r += 4) {
        a[r] = _mm512_unpacklo_epi64(b[r], b[r + 2]);
        a[r + 1] = _mm512_unpackhi_epi64(b[r], b[r + 2]);
        a[r + 2] = _mm512_unpacklo_epi64(b[r + 1], b[r + 3]);
        a[r + 3] = _mm512_unpackhi_epi64(b[r + 1], b[r + 3]);
    }
    // a[4·i + c] has, of rows 4·i to 4·i + 3, columns c, 4 + c, 8 + c and 12 + c.
    UNROLL(4)
    for (int c = 0; c < 4; c++) {
        __m512i low = _mm512_shuffle_i32x4(a[c], a[4 + c], 0x88), high = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0x88);
        b[c] = _mm512_shuffle_i32x4(low, high, 0x88);
        b[8 + c] = _mm512_shuffle_i32x4(low, high, 0xdd);
        low = _mm512_shuffle_i32x4(a[c], a[4 + c], 0xdd), high = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0xdd);
        b[4 + c] = _mm512_shuffle_i32x4(low, high, 0x88);
        b[12 + c] = _mm512_shuffle_i32x4(low, high, 0xdd);
    }
    UNROLL(16)
    for (int r = 0; r < 16; r++) a[r] = b[r];
}

// packs the transpose of rows, stride apart, k values of each: to [k/2 upwards, ld], whose
// columns behind the last row are zeros; ld is a multiple of LANES.
INLINE void transpose(unit *to, long ld, const void *from, long stride, long k, long rows, const int bf16) {
    const long pairs = (k + 1) / 2;
    for (long s = 0; s < pairs; s += 16)
        for (long r0 = 0; r0 < ld; r0 += 16) {
            __m512i a[16];
            UNROLL(16)
            for (int r = 0; r < 16; r++)
                a[r] = (__m512i)row_units(from, (r0 + r) * stride + 2 * s, r0 + r < rows ? k - 2 * s : 0, bf16);
            transpose_square(a);
            UNROLL(16)
            for (int c = 0; c < 16; c++)
                if (s + c < pairs) _mm512_storeu_si512(to + (s + c) * ld + r0, a[c]);
        }
}
