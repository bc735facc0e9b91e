// Attention over trees, tile by tile. Package cpu explains the arguments.

#pragma once

#define TILE 64

// shape is what the kernels are told about one batch.
typedef struct {
    int positions, padded; // S, and S rounded up to whole tiles
    int heads, kv, width;  // H, N, C
    int slide;             // sliding window in depth, 0 for none
    int half;              // q, k, v, o and their cotangents are bf16, else f32
    int products;          // and what is summed over is rounded to bf16 too, see gemm_usable
    float scale;           // of the scores
} shape;

// attention_wide is C, rounded up to whole vectors, in what is summed by parts.
static inline int attention_wide(const shape *s) { return (s->width + 31) / 32 * 32; }

// What a tile of queries sees of a tile of keys: sees[query tile * tiles + key tile].
enum { NOTHING, PART, ALL };

// forward and backward do the items from..to; item i is the tile of queries
// i % tiles of head i / tiles.
typedef void forward_kernel(const shape *s, int from, int to, const void *q, const void *k, const void *v,
                            const unsigned char *sees, const int *depth, const int *start, const int *reach, void *o,
                            float *lse);
typedef void backward_kernel(const shape *s, int from, int to, const void *q, const void *k, const void *v,
                             const void *o, const float *lse, const void *dO, const unsigned char *sees,
                             const int *depth, const int *start, const int *reach, void *dq, float *dk, float *dv);

// Both divide the items into parts, of which part i ends at bounds[i + 1], and share
// them by threads_run. sums [parts, 2, N, padded, attention_wide] is
// room for each part's dk and dv, all zeros.
void attention_forward(const shape *s, const int *bounds, int parts, const void *q, const void *k, const void *v,
                   const unsigned char *sees, const int *depth, const int *start, const int *reach, void *o,
                   float *lse);
void attention_backward(const shape *s, const int *bounds, int parts, const void *q, const void *k, const void *v,
                    const void *o, const float *lse, const void *dO, const unsigned char *sees, const int *depth,
                    const int *start, const int *reach, float *sums, void *dq, void *dk, void *dv);
