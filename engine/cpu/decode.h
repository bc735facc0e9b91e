// What decoding takes a step with, over a few rows. decode.go and kvcache.go explain it.
// Work is shared by so many workers.

#pragma once

#include <stddef.h>
#include <stdint.h>

// There is room for rows of x up to a multiple of this.
enum { DECODE_ROWS = 8 };

// Forms of weights. Quantised ones stand together in blocks of QUANT_BLOCK values, or in two: some floats,
// then numbers, signed bytes. A block's values are its numbers
// - times the first float in the first half, the second one in the other (QUANT_HALVES);
// - times the first float, plus the second one (QUANT_PLUS; the product is exact);
// - of two, times the first float in the first block, the second one in the other (QUANT_TWO);
// - of two, times the first of two floats of its own, plus the second one (QUANT_NIBBLES; exact, too), where
//   bytes have a number of each block in four bits, the first one's in the low ones.
enum { WEIGHT_F32, WEIGHT_BF16, QUANT_HALVES, QUANT_PLUS, QUANT_TWO, QUANT_NIBBLES };
enum { QUANT_BLOCK = 32 };

// quant_step is how many values stand together, in quant_bytes.
static inline int quant_step(int form) { return form < QUANT_TWO ? QUANT_BLOCK : 2 * QUANT_BLOCK; }
static inline int quant_floats(int form) { return form == QUANT_NIBBLES ? 4 : 2; }
static inline int quant_bytes(int form) { return (int)sizeof(float) * quant_floats(form) + (form == QUANT_TWO ? 2 : 1) * QUANT_BLOCK; }

static inline long weight_row(int form, long k) {
    return form == WEIGHT_F32 ? 4 * k : form == WEIGHT_BF16 ? 2 * k : k / quant_step(form) * quant_bytes(form);
}

// A product x·wᵀ, to y [m, out]. In bf16 weights and x are rounded to it where the processor has such products.
typedef struct {
    const void *w; // [out, k]
    const void *x; // [M, k], M: m rounded up to DECODE_ROWS; bf16 where decode_rounds says it, else f32
    float *y;
    int form, bf16, m, k, out;
} decode_product;

// decode_batch are products that are independent of one another. `after` is best the one that comes behind
// them, whose first weights are asked for beforehand; w NULL where that is not known.
enum { DECODE_PRODUCTS = 4 };
typedef struct {
    decode_product of[DECODE_PRODUCTS], after;
    int count;
} decode_batch;

// decode_rounds says whether a product in bf16 takes x in bf16.
int decode_rounds(void);

// decode_gemm gives -1 where there is no memory. A row's outputs do not depend on the others.
int decode_gemm(decode_batch b, int workers);

// round_bf16 is n values in bf16.
void round_bf16(uint16_t *to, const float *from, long n);

// soft_cap sets n values x to cap·tanh(x/cap).
void soft_cap(float *x, long n, float cap);

// kv_cache holds keys and values of `length` tokens in bf16 or f32, in words of 4 bytes. `room`
// is a multiple of 32. A head's keys are [room/16, words, 16 tokens], so that a vector has one
// word of several tokens: an f32 [words = width], or two columns in bf16 [words = width/2
// upwards], the first in the low half. Its values are f32 [room, width], or, in bf16, those of
// two tokens to a word [room/2, width].
typedef struct {
    int heads, width, bf16, room, length;
    void *keys, *values;
} kv_cache;

static inline int decode_words(int width, int bf16) { return bf16 ? (width + 1) / 2 : width; }

// kv_new makes an empty one, kv_free gives its memory back. NULL stands for no memory.
kv_cache *kv_new(int heads, int width, int bf16);
void kv_free(kv_cache *c);

// kv_append adds the keys and values at n places of k and v [.., heads, width], which
// are bf16, as the cache's are then, or f32. It gives -1 where there is no memory, and
// leaves the cache as it was.
int kv_append(kv_cache *c, const void *k, const void *v, int bf16, const int *places, int n);

// Attention of one new token of a row: some query heads q [group, width] over the n keys and
// values of their head, as a cache has them, but for the first `skip`, to o [group, width].
typedef struct {
    int bf16, group, width, n, skip;
    float scale, cap; // of the scores; cap 0 for none
    const float *q;
    const void *k, *v;
    float *scores; // room for decode_scores values
    void *query;   // and for decode_query ones
    float *o;
} decode_head;

static inline long decode_scores(int group, int n) { return (long)group * ((n + 15) / 16 * 16); }
static inline long decode_query(int group, int width) { return (long)group * ((width + 31) / 32 * 32); }

// decode_attention is attention from the new tokens q [rows, heads, width], each to so many
// of the first tokens of its cache, to o; best those of one cache behind one another. It gives
// -1 where there is no memory. What a token gets does not depend on the others, as long as all
// of its cache is finite.
typedef struct {
    kv_cache **caches;
    const int *lengths;
    int rows, heads, slide;
    float scale, cap;
    const float *q;
    float *o;
} decode_tokens;
int decode_attention(decode_tokens t, int workers);
