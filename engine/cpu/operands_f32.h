// What is multiplied, in f32: a unit is one value. Values of bf16 are widened when they
// are packed.

typedef float unit;
typedef VF units; // LANES of them
enum { STEP = 1 }; // values of a unit
typedef VF acc;    // sums over them

INLINE units load_units(const unit *p) { return AT(p); }

INLINE units spread(unit x) { return all(x); }

// sum + a·b, lane by lane.
INLINE acc multiply_add(acc sum, units a, units b) { return sum + a * b; }

INLINE void store_rounded(uint16_t *to, lanes n, acc x) { store_lanes(to, 0, n, x, 1); }

// at most LANES units of a row, of n values that are left.
INLINE units row_units(const void *from, long at, long n, const int bf16) { return some_values(from, at, n, bf16); }

// the same of STEP rows, stride apart, of which so many are left: a column's STEP values
// are a unit.
INLINE units column_units(const void *from, long at, long stride, long n, long rows, const int bf16) {
    (void)stride;
    return some_values(from, at, rows > 0 ? n : 0, bf16);
}

// units of a row's values, LANES of them.
INLINE units units_of(VF low, VF high) {
    (void)high;
    return low;
}

// stores LANES values of a row from a place on.
INLINE void store_row(unit *row, long at, VF x) { AT(row + at) = x; }

// stores STEP rows of LANES values as units.
INLINE void store_columns(unit *to, const VF *x) { AT(to) = x[0]; }

INLINE void store_units(unit *to, units x) { AT(to) = x; }

// EXCHANGE makes squares of 2w by 2w out of four of w by w: of the rows i and i | w of x, the
// first keeps its lanes without the bit w, the second those with it.
#define KEPT_LANE(l, w) (((l) & (w)) ? ((l) ^ (w)) + LANES : (l))
#define GIVEN_LANE(l, w) (((l) & (w)) ? (l) + LANES : (l) ^ (w))
#define EXCHANGE(w)                                      \
    UNROLL(16)                                           \
    for (int i = 0; i < LANES; i++) {                    \
        if (i & (w)) continue;                           \
        const VF a = x[i], b = x[i | (w)];               \
        x[i] = SHUFFLE(a, b, EACH(KEPT_LANE, w));        \
        x[i | (w)] = SHUFFLE(a, b, EACH(GIVEN_LANE, w)); \
    }

// the transpose of LANES rows, stride apart, LANES values of each.
INLINE void transpose_square(unit *to, long ld, const float *from, long stride) {
    VF x[LANES];
    UNROLL(16)
    for (int i = 0; i < LANES; i++) x[i] = AT(from + i * stride);
    EXCHANGE(1)
    EXCHANGE(2)
#if LANES > 4
    EXCHANGE(4)
#endif
#if LANES > 8
    EXCHANGE(8)
#endif
    UNROLL(16)
    for (int i = 0; i < LANES; i++) AT(to + i * ld) = x[i];
}

// packs the transpose of rows, stride apart, k values of each: to [k, ld], whose columns
// behind the last row are zeros.
INLINE void transpose(unit *to, long ld, const void *from, long stride, long k, long rows, const int bf16) {
    const long squares = bf16 ? 0 : k / LANES * LANES;
    long r = 0;
    for (; r + LANES <= ld && r + LANES <= rows && squares; r += LANES) {
        const float *row = (const float *)from + r * stride;
        for (long s = 0; s < squares; s += LANES) transpose_square(to + s * ld + r, ld, row + s, stride);
        for (long s = squares; s < k; s++)
            for (int l = 0; l < LANES; l++) to[s * ld + r + l] = row[l * stride + s];
    }
    for (long s = 0; s < k; s++)
        for (long i = r; i < ld; i++) to[s * ld + i] = i < rows ? value(from, i * stride + s, bf16) : 0;
}
