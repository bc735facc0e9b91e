// Products of attention's tiles by vectors, for one set of instructions and one kind of operands.

enum { TILE_ROWS = LANES == 16 ? 8 : LANES == 8 ? 6 : 4 }; // of a product at a time

// steps_of is how many units a row of queries, keys or values has in a product over it.
static int steps_of(const attention *a) { return (a->width + STEP - 1) / STEP; }

// some rows of c [n] (+)= a·b over so many steps.
INLINE void multiply_rows(const int rows, int n, int steps, left a, const unit *b, long ldb, float *c, int ldc, int add) {
    for (int j = 0; j < n; j += 2 * LANES) {
        acc x[TILE_ROWS], y[TILE_ROWS];
        UNROLL(8)
        for (int r = 0; r < rows; r++) {
            x[r] = add ? (acc)AT(c + r * ldc + j) : (acc){0};
            y[r] = add ? (acc)AT(c + r * ldc + j + LANES) : (acc){0};
        }
        for (int s = 0; s < steps; s++) {
            const units b0 = load_units(b + s * ldb + j), b1 = load_units(b + s * ldb + j + LANES);
            UNROLL(8)
            for (int r = 0; r < rows; r++) {
                const units one = spread(a.at[r * a.row + s * a.step]);
                x[r] = multiply_add(x[r], one, b0);
                y[r] = multiply_add(y[r], one, b1);
            }
        }
        UNROLL(8)
        for (int r = 0; r < rows; r++) {
            AT(c + r * ldc + j) = (VF)x[r];
            AT(c + r * ldc + j + LANES) = (VF)y[r];
        }
    }
}

// c [TILE, n] (+)= a·b.
static void multiply(int n, int steps, left a, const unit *b, float *c, int add) {
    int i = 0;
    for (; i + TILE_ROWS <= TILE; i += TILE_ROWS, a.at += TILE_ROWS * a.row)
        multiply_rows(TILE_ROWS, n, steps, a, b, n, c + i * n, n, add);
    if (TILE % TILE_ROWS) multiply_rows(TILE % TILE_ROWS, n, steps, a, b, n, c + i * n, n, add);
}
