// What decoding by vectors and by tiles share.

// e^s over its sum for a row of scores up to `padded`, before the division: the sum is what it
// gives. Weights are a row of units in the place of scores; those of keys before `skip` and from
// n on, which are not seen, are 0.
INLINE float softmax_row(float *row, int skip, int n, int padded) {
    for (int i = 0; i < skip; i++) row[i] = -1e30f;
    for (int i = n; i < padded; i++) row[i] = -1e30f;
    VF best = AT(row), add = {0};
    for (int i = LANES; i < padded; i += LANES) best = greater(best, AT(row + i));
    const float high = most(best);
    for (int i = 0; i < padded; i += LANES) {
        const VF e = power(AT(row + i) - high);
        add += e;
        store_row((unit *)row, i, e); // never ahead of what is read
    }
    return sum(add);
}

static void decode_round(uint16_t *to, const float *from, long n) {
    for (long i = 0; i < n; i += LANES) store_rounded(to + i, lanes_of(n - i), some_values(from, i, n - i, 0));
}
