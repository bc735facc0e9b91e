// AdamW, and sums of gradients. adamw.go and gradient.go explain them.

#pragma once

#include <stdint.h>

// A step of AdamW: what the gradient is multiplied with, the rate over the bias of
// m, the root of that of v, and what the weight is multiplied with.
typedef struct {
    float scale, rate, root, keep, beta1, rest1, beta2, rest2, epsilon; // a rest is 1 - beta
} adamw_step;

// Weights w, or where that is NULL split ones, with their moments m and v and gradients g.
typedef struct {
    float *w;
    uint16_t *bf16;
    int16_t *residual;
    float *m, *v;
    const float *g;
} adamw_weights;

void adamw(adamw_step s, adamw_weights w, long n);

#define MOMENT_BLOCK 256

// What the codes of moments stand for, rising, and where the next code begins: of m, then of v.
typedef struct {
    float value[2][256], end[2][256];
} moment_maps;

// Moments as codes, with the largest size of each block of them.
typedef struct {
    uint8_t *m, *v;
    float *m_max, *v_max;
} coded_moments;

// adamw over weights whose moments are codes: m and v of w are not looked at.
void adamw_coded(adamw_step s, adamw_weights w, coded_moments c, const moment_maps *maps, long n);

// A split float is bf16, the nearest, and residual, what is to be added to its bits, bf16's
// before the 16 that it lacks. Half a step above an even bf16 is one more than residual can
// be: it becomes the next smaller float. residual is NULL if it is not wanted.
void split(const float *x, uint16_t *bf16, int16_t *residual, long n);
void join(float *x, const uint16_t *bf16, const int16_t *residual, long n);

// Sums over n values. The first term sets them.
void accumulate_bf16(float *to, const uint16_t *d, long n, int first);
void accumulate_f32(float *to, const float *d, long n);
