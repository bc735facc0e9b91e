// What stands between the products of a layer: norms, rotations and gates of rows, and their
// vector-Jacobian products. Values are f32, or bf16 where bf16 says so, and are computed with in
// f32. layer.go explains them.

#pragma once

#include <stdint.h>

// A norm of rows [rows, width] by the root of their mean square, or if centred of that of what is
// left without their mean (LayerNorm), which has no cotangents.
typedef struct {
    const void *x, *weight, *bias, *dy; // bias where centred, dy backwards
    int bf16, weight_bf16, centred;
    float epsilon, offset; // of the mean square; of the weight
    long rows, width;
    void *y;        // or backwards x's cotangent
    float *dweight; // [width], backwards, or NULL
    float *sums;    // [parts, width], what parts of so many rows add to dweight, from zeros
    long part;
} row_norm;

// A rotation of the first 2·half of each head's coordinates, x [rows, heads, width] to y, by
// angles [rows, half].
typedef struct {
    const void *x;
    const float *cos, *sin;
    void *y;
    int bf16;
    long rows, heads, width, half;
} rotation;

// Activations: x·σ(x), and GELU by its approximation with a tanh and as it is.
enum { ACT_SILU, ACT_GELU_TANH, ACT_GELU };

// What a gate lets pass of up: n values each. y is act(gate)·up; backwards dgate and dup are set
// from dy.
typedef struct {
    const void *gate, *up, *dy;
    void *y, *dgate, *dup;
    int bf16, act;
    long n;
} gating;

// y is act(x + bias), x [rows, width] and bias [width].
typedef struct {
    const void *x, *bias;
    void *y;
    int bf16, bias_bf16, act;
    long rows, width;
} activation;

// They give -1 without memory.
int norm_rows(row_norm n, int workers);
int norm_rows_vjp(row_norm n, int workers);
int rotate_rows(rotation r, int workers);
int activate_rows(activation a, int workers);
int gate_values(gating g, int workers);
int gate_values_vjp(gating g, int workers);

// layer_handler is the ith handler of XLA's foreign calls that does one of these, with its name, or
// NULL behind the last.
void *layer_handler(int i, const char **name);
