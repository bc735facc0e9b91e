// Attention over trees, tile by tile. cpu.go explains the shape.

#pragma once

enum { TILE = 64 };

// What a tile of queries sees of a tile of keys: sees[query tile * tiles + key tile].
enum { NOTHING, PART, ALL };

typedef struct {
    int queries;                       // Q, those of the first positions
    int positions, padded;             // S, and S rounded up to whole tiles: keys
    int heads, kv, width;              // H, N, C
    int slide;                         // sliding window in depth, 0 for none
    int bf16;                          // q, k, v, o and their cotangents are bf16, else f32
    float scale, cap;                  // of the scores; cap 0 for none
    const int *depth, *start, *reach;  // [padded], behind the end keys that nobody sees
    const unsigned char *sees;         // [tiles of queries, tiles of keys]
    const int *bounds;                 // [parts + 1] of items, see attention_forward
    int parts;
    const void *q, *k, *v;
    void *o;
    float *lse;
    const void *d_o; // backwards, and what is set then:
    void *dq, *dk, *dv;
} attention;

// attention_rows is how many of so many queries or keys a tile holds, and attention_tiles
// how many tiles hold them.
static inline int attention_rows(int count, int tile) { return count - tile * TILE < TILE ? count - tile * TILE : TILE; }
static inline int attention_tiles(int count) { return (count + TILE - 1) / TILE; }

// attention_wide is C, rounded up to whole vectors, in what is summed up.
static inline int attention_wide(const attention *a) { return (a->width + 31) / 32 * 32; }

// Both divide the items into parts, of which part i ends at bounds[i + 1], and share the
// parts; item i is the tile of queries i % tiles of head i / tiles of queries. They give -1 without
// memory.
int attention_forward(attention a);
int attention_backward(attention a);

// attention_kernels do one worker's part, of items from up to to; dk and dv are its own sums,
// [N, padded, wide]. They give 0, or -1 without memory.
typedef struct {
    int (*forward)(const attention *a, int from, int to);
    int (*backward)(const attention *a, int from, int to, float *dk, float *dv);
} attention_kernels;
