// Products of bf16 matrices on every processor. Package product explains them.

#include <stdint.h>

// product_usable says whether the processor multiplies bf16 with bf16.
int product_usable(void);

// product_share_by has work shared by share_run of package share, among so many.
void product_share_by(void *run, int workers);

// product_set sets y [m, n] to x·wᵀ for x [m, k] and w [n, k], or, if across, to x·w
// for w [k, n]. k is even.
void product_set(const uint16_t *x, const uint16_t *w, uint16_t *y, long m, long k, long n, int across);

// product_add adds yᵀ·x to sum [n, k], or, if first, sets sum to it, for y [rows, n]
// and x [rows, k]. It returns 0 without memory.
int product_add(float *sum, const uint16_t *y, const uint16_t *x, long rows, long n, long k, int first);

// product_rows and product_across are handlers of XLA's foreign calls: of x and w
// to y as product_set has them.
void *product_rows(void *frame);
void *product_across(void *frame);
