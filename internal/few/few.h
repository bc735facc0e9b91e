// Layers over a few rows. Package few explains the arguments. Work is shared by
// so many workers, at most FEW_WORKERS.

#include <stdint.h>

#define FEW_WORKERS 64

// few_product sets y [m, out] to x·wᵀ for rows x [M, k] and weights w [out, k] in
// f32 or bf16 (half); M is m rounded up to FEW_ROWS, and x is in bf16 where w is
// and few_halves says so, else in f32.
#define FEW_ROWS 8
void few_product(int half, const void *w, const void *x, float *y, int m, int k, int out, int workers);

// few_halves says whether the processor multiplies bf16 with bf16.
int few_halves(void);

// few_round is n values in bf16.
void few_round(uint16_t *to, const float *from, long n);

// few_gate sets n values of g to silu(g)·u.
void few_gate(float *g, const float *u, long n);

// few_cache holds keys and values [heads, room, width] of `length` tokens in bf16
// (half) or f32.
typedef struct {
    int heads, width, half, room, length;
    void *keys, *values;
} few_cache;

// few_append adds the keys and values at n places of k and v [.., heads, width], which
// are bf16 (half), as the cache's are then, or f32. It gives -1 where there is no memory.
int few_append(few_cache *c, const void *k, const void *v, int half, const int *places, int n);

// few_attend is attention from the new tokens q [rows, heads, width], each to what
// its cache holds, to o. It gives -1 where there is no memory.
int few_attend(few_cache **caches, int rows, int heads, int slide, const float *q, float *o, int workers);

// few_share_by has work shared by share_run of package share.
void few_share_by(void *run);
