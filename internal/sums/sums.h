#include <stdint.h>

enum { GROUP = 16 }; // columns of y that lie together while they are multiplied

// Sums over n values. A bf16 value is the high half of a float.
void set_half(float *to, const uint16_t *d, long n);
void add_half(float *to, const uint16_t *d, long n);
void add_float(float *to, const float *d, long n);

// Rows from..to of sum [n, k] (+)= yᵀ·x, for y [rows, n] and x [rows, k] of f32
// or, if half, bf16. from is a multiple of GROUP. It returns 0 without memory.
int add_product(float *sum, const void *y, const void *x, int half, long rows, long n, long k, long from, long to,
                int first);
