// Sums of gradients, and AdamW. Package cpu explains them.

#pragma once

#include <stdint.h>

enum { GROUP = 16 }; // columns of y that lie together while they are multiplied

// Sums over n values. A bf16 value is the high half of a float.
void set_half(float *to, const uint16_t *d, long n);
void add_half(float *to, const uint16_t *d, long n);
void add_float(float *to, const float *d, long n);

// A step of AdamW: what the gradient is multiplied with, the rate over the bias of
// m, the root of that of v, and what the weight is multiplied with.
struct step {
    float scale, rate, root, keep, beta1, rest1, beta2, rest2, epsilon; // a rest is 1 - beta
};

// A float in two halves is high, the nearest bf16, and low, what is to be added to
// its bits, high's before the 16 that it lacks. Half a step above an even high is one
// more than low can be: it becomes the next smaller float.
void split(const float *x, uint16_t *high, int16_t *low, long n); // low: NULL if not wanted
void join(float *x, const uint16_t *high, const int16_t *low, long n);

// Moves n weights w, or where that is NULL those of high and low, with their moments m
// and v by the gradients g.
void adamw(float *w, uint16_t *high, int16_t *low, float *m, float *v, const float *g, long n, const struct step *s);

// Rows from..to of sum [n, k] (+)= yᵀ·x, for y [rows, n] and x [rows, k] of f32
// or, if half, bf16. from is a multiple of GROUP. It returns 0 without memory.
int weight_grad_gemm(float *sum, const void *y, const void *x, int half, long rows, long n, long k, long from, long to,
                int first);
