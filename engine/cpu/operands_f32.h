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

// the same of LANES·STEP columns.
INLINE void columns_take(units *x, const void *from, long at, long stride, long n, long rows, const int bf16) {
    x[0] = column_units(from, at, stride, n, rows, bf16);
}

// sets at most LANES·STEP columns, of n that are left, to sums over columns_take's units.
INLINE void columns_put(float *to, const acc *x, long n) { set_some(to, 0, n, x[0], 0); }

// stores LANES values of a row from a place on.
INLINE void store_row(unit *row, long at, VF x) { AT(row + at) = x; }

// stores STEP rows of LANES values as units.
INLINE void store_columns(unit *to, const VF *x) { AT(to) = x[0]; }

INLINE void store_units(unit *to, units x) { AT(to) = x; }

// packs the transpose of rows, stride apart, k values of each: to [k, ld], whose columns
// behind the last row are zeros.
INLINE void transpose(unit *to, long ld, const void *from, long stride, long k, long rows, const int bf16) {
    for (long s = 0; s < k; s++)
        for (long r = 0; r < ld; r++) to[s * ld + r] = r < rows ? value(from, r * stride + s, bf16) : 0;
}
