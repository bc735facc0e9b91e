// Attention over trees, tile by tile. cpu.go explains the shape.

#pragma once

enum { TILE = 64 };

// What a tile of queries sees of a tile of keys: sees[query tile * tiles + key tile].
enum { NOTHING, PART, ALL };

typedef struct {
    int positions, padded;             // S, and S rounded up to whole tiles
    int heads, kv, width;              // H, N, C
    int slide;                         // sliding window in depth, 0 for none
    int bf16;                          // q, k, v, o and their cotangents are bf16, else f32
    float scale, cap;                  // of the scores; cap 0 for none
    const int *depth, *start, *reach;  // [padded], behind the end keys that nobody sees
    const unsigned char *sees;         // [tiles, tiles]
    const int *bounds;                 // [parts + 1] of items, see attention_forward
    int parts;
    const void *q, *k, *v;
    void *o;
    float *lse;
    const void *d_o; // backwards, and what is set then:
    void *dq, *dk, *dv;
} attention;

// attention_wide is C, rounded up to whole vectors, in what is summed up.
static inline int attention_wide(const attention *a) { return (a->width + 31) / 32 * 32; }

// Both divide the items into parts, of which part i ends at bounds[i + 1], and share the
// parts; item i is the tile of queries i % tiles of head i / tiles. They give -1 without
// memory.
int attention_forward(attention a);
int attention_backward(attention a);
