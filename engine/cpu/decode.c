#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "isa.h"
#include "kernels.h"
#include "threads.h"

typedef struct {
    decode_product p;
    const kernels *kernels;
} product;

static int product_job(void *of, int worker, int workers) {
    const product *j = of;
    const int pairs = (j->p.out + 1) / 2;
    const int from = 2 * (int)((long)pairs * worker / workers), to = 2 * (int)((long)pairs * (worker + 1) / workers);
    j->kernels->decode_gemm(&j->p, from, to < j->p.out ? to : j->p.out);
    return 0;
}

void decode_gemm(decode_product p, int workers) {
    product j = {p, kernels_for(p.bf16)};
    threads_run(product_job, &j, workers);
}

int decode_rounds(void) { return isa_used() >= ISA_AVX512BF16; }

void round_bf16(uint16_t *to, const float *from, long n) { kernels_for(1)->round_bf16(to, from, n); }

void soft_cap(float *x, long n, float cap) { kernels_for(0)->soft_cap(x, n, cap); }

kv_cache *kv_new(int heads, int width, int bf16) {
    kv_cache *c = calloc(1, sizeof *c);
    if (c) c->heads = heads, c->width = width, c->bf16 = bf16;
    return c;
}

void kv_free(kv_cache *c) {
    if (!c) return;
    free(c->keys);
    free(c->values);
    free(c);
}

static size_t vector_bytes(const kv_cache *c) { return (size_t)c->width * (c->bf16 ? 2 : 4); }

// wider is a copy of keys or values with room for more tokens, NULL without memory.
static char *wider(const kv_cache *c, const char *old, int room) {
    const size_t vector = vector_bytes(c);
    char *to = malloc(vector * c->heads * room);
    for (int h = 0; to && h < c->heads && c->length; h++)
        memcpy(to + vector * h * room, old + vector * h * c->room, vector * c->length);
    return to;
}

// grow makes room for so many tokens and some more.
static int grow(kv_cache *c, int tokens) {
    const int room = tokens + (tokens < 512 ? 64 : tokens / 8);
    char *keys = wider(c, c->keys, room), *values = wider(c, c->values, room);
    if (!keys || !values) {
        free(keys);
        free(values);
        return -1;
    }
    free(c->keys);
    free(c->values);
    c->keys = keys, c->values = values, c->room = room;
    return 0;
}

static void store(kv_cache *c, void *to, const void *x, int bf16, const int *places, int n) {
    const size_t value = c->bf16 ? 2 : 4;
    for (int h = 0; h < c->heads; h++)
        for (int i = 0; i < n; i++) {
            const long from = ((long)places[i] * c->heads + h) * c->width;
            const long at = ((long)h * c->room + c->length + i) * c->width;
            if (c->bf16 && !bf16)
                round_bf16((uint16_t *)to + at, (const float *)x + from, c->width);
            else
                memcpy((char *)to + at * value, (const char *)x + from * value, value * c->width);
        }
}

int kv_append(kv_cache *c, const void *k, const void *v, int bf16, const int *places, int n) {
    if (c->length + n > c->room && grow(c, c->length + n)) return -1;
    store(c, c->keys, k, bf16, places, n);
    store(c, c->values, v, bf16, places, n);
    c->length += n;
    return 0;
}

typedef struct {
    decode_tokens t;
    const kernels *kernels;
    int longest;
} tokens;

static int attention_job(void *of, int worker, int workers) {
    const tokens *j = of;
    const decode_tokens *t = &j->t;
    const kv_cache *first = t->caches[0];
    const int kv = first->heads, group = t->heads / kv, c = first->width;
    const long scores = decode_scores(group, j->longest), query = decode_query(group, c);
    float *room = threads_room(sizeof(float) * (scores + query + group));
    if (!room) return -1;
    for (int item = worker; item < t->rows * kv; item += workers) {
        const int row = item / kv, h = item % kv;
        const kv_cache *cache = t->caches[row];
        const int length = t->lengths[row], from = t->slide && length > t->slide ? length - t->slide : 0;
        const size_t key = ((size_t)h * cache->room + from) * vector_bytes(cache);
        const long at = ((long)row * t->heads + (long)h * group) * c;
        const decode_head head = {
            .bf16 = cache->bf16, .group = group, .width = c, .n = length - from, .scale = t->scale, .cap = t->cap,
            .q = t->q + at, .k = (char *)cache->keys + key, .v = (char *)cache->values + key,
            .scores = room, .query = room + scores, .total = room + scores + query, .o = t->o + at};
        j->kernels->decode_attention(&head);
    }
    return 0;
}

int decode_attention(decode_tokens t, int workers) {
    tokens j = {t, kernels_for(t.caches[0]->bf16), 0};
    for (int i = 0; i < t.rows; i++)
        if (t.lengths[i] > j.longest) j.longest = t.lengths[i];
    return threads_run(attention_job, &j, workers);
}
