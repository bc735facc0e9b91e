// What stands between the products of a layer: norms, rotations and gates of rows, and their
// vector-Jacobian products. Values are f32, or bf16 where bf16 says so, and are computed with in
// f32. layer.go explains them.

#pragma once

#include <stdint.h>

// A norm of rows [rows, width] by the root of their mean square.
typedef struct {
    const void *x, *weight, *dy; // dy backwards
    int bf16, weight_bf16;
    float epsilon, offset; // of the mean square; of the weight
    long rows, width;
    void *y;        // or backwards x's cotangent
    float *dweight; // [width], backwards
    float *sums;    // [parts, width], what parts of so many rows add to dweight, from zeros
    long part;
} rms_norm;

// A rotation of the first 2·half of each head's coordinates, x [rows, heads, width] to y, by
// angles [rows, half].
typedef struct {
    const void *x;
    const float *cos, *sin;
    void *y;
    int bf16;
    long rows, heads, width, half;
} rotation;

// What a gate lets pass of up: n values each. y is silu(gate)·up, or with gelu GELU in silu's
// place; backwards dgate and dup are set from dy.
typedef struct {
    const void *gate, *up, *dy;
    void *y, *dgate, *dup;
    int bf16, gelu;
    long n;
} gating;

// They give -1 without memory.
int norm_rows(rms_norm n, int workers);
int norm_rows_vjp(rms_norm n, int workers);
int rotate_rows(rotation r, int workers);
int gate_values(gating g, int workers);
int gate_values_vjp(gating g, int workers);

// layer_handler is a handler of XLA's foreign calls that does one of these, NULL for a name that
// none has. So many workers do what they are called for.
void *layer_handler(const char *name, int workers);
