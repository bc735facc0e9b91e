#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "isa.h"
#include "kernels.h"
#include "threads.h"
#include "tiles.h"

// place is the first output of a worker's part of a product, or of the worker behind the last.
static int place(const decode_product *p, int worker, int workers) {
    const int share = tiles_decode(p) ? 2 * TILE_SIDE : 2, at = share * (int)(gemm_upwards(p->out, share) * worker / workers);
    return at < p->out ? at : p->out;
}

// product_part is a worker's part of a product; that of the next one is asked for in time.
static int product_part(const decode_product *p, const decode_product *next, int worker, int workers) {
    const tile_kernels *tiles = tiles_decode(p) ? tiles_in_use() : NULL;
    const int from = place(p, worker, workers), to = place(p, worker + 1, workers);
    if (from >= to) return 0;
    if (tiles) {
        void *room = threads_room(tiles_room(p));
        if (!room) return -1;
        tiles->decode(p, from, to, room);
        return 0;
    }
    const char *comes = next->w ? (const char *)next->w + place(next, worker, workers) * weight_row(next->form, next->k) : NULL;
    kernels_for(p->bf16)->decode_gemm(p, from, to, comes);
    return 0;
}

static int product_job(void *of, int worker, int workers) {
    const decode_batch *b = of;
    int failed = 0;
    for (int i = 0; i < b->count; i++) failed |= product_part(&b->of[i], i + 1 < b->count ? &b->of[i + 1] : &b->after, worker, workers);
    return failed;
}

int decode_gemm(decode_batch b, int workers) { return threads_run(product_job, &b, workers); }

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

static size_t key_bytes(const kv_cache *c) { return 4 * (size_t)decode_words(c->width, c->bf16); }
static size_t value_bytes(const kv_cache *c) { return (c->bf16 ? 2 : 4) * (size_t)c->width; }

// wider is a copy of keys or values, of so many bytes a token, with room for more tokens, NULL
// without memory. Rows of a tile are lines of the first-level cache.
static char *wider(const kv_cache *c, const char *old, size_t token, int room) {
    void *p;
    if (posix_memalign(&p, 64, token * c->heads * room)) return NULL;
    char *to = p;
    const int kept = (c->length + 15) / 16 * 16;
    for (int h = 0; h < c->heads; h++, to += token * room) {
        if (kept) memcpy(to, old + token * h * c->room, token * kept);
        memset(to + token * kept, 0, token * (room - kept)); // keys that nobody sees are multiplied, too
    }
    return p;
}

// grow makes room for so many tokens and some more.
static int grow(kv_cache *c, int tokens) {
    const int room = (tokens + (tokens < 512 ? 64 : tokens / 8) + 31) / 32 * 32;
    char *keys = wider(c, c->keys, key_bytes(c), room), *values = wider(c, c->values, value_bytes(c), room);
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

// put_f32 sets a token's key and value in a cache of f32; place is its head's first one.
static void put_f32(kv_cache *c, size_t place, int token, const float *k, const float *v) {
    float *key = (float *)c->keys + (place + token / 16 * 16) * c->width + token % 16;
    for (int j = 0; j < c->width; j++) key[16 * j] = k[j];
    memcpy((float *)c->values + (place + token) * c->width, v, sizeof(float) * c->width);
}

// put_bf16 sets them in one of bf16.
static void put_bf16(kv_cache *c, size_t place, int token, const uint16_t *k, const uint16_t *v) {
    const int words = decode_words(c->width, 1);
    uint32_t *key = (uint32_t *)c->keys + (place + token / 16 * 16) * words + token % 16;
    for (int w = 0; w < c->width / 2; w++) key[16 * w] = k[2 * w] | (uint32_t)k[2 * w + 1] << 16;
    if (c->width % 2) key[16 * (words - 1)] = k[c->width - 1];
    uint32_t *value = (uint32_t *)c->values + (place + token) / 2 * c->width;
    for (int j = 0; j < c->width; j++) value[j] = token % 2 ? (value[j] & 0xffff) | (uint32_t)v[j] << 16 : v[j];
}

// clear sets the values behind the last token to 0, up to a tile's end: tiles multiply them by 0,
// and an infinite one that was dropped would not be gone.
static void clear(kv_cache *c) {
    const int from = (c->length + 1) / 2, to = (c->length + 31) / 32 * 16;
    for (int h = 0; c->bf16 && h < c->heads; h++)
        memset((uint32_t *)c->values + ((size_t)h * c->room / 2 + from) * c->width, 0, 4 * (size_t)(to - from) * c->width);
}

int kv_append(kv_cache *c, const void *k, const void *v, int bf16, const int *places, int n) {
    uint16_t *rounded = NULL; // one key and one value
    if (c->bf16 && !bf16 && !(rounded = malloc(4 * (size_t)c->width))) return -1;
    if (c->length + n > c->room && grow(c, c->length + n)) {
        free(rounded);
        return -1;
    }
    for (int i = 0; i < n; i++)
        for (int h = 0; h < c->heads; h++) {
            const size_t from = ((size_t)places[i] * c->heads + h) * c->width, place = (size_t)h * c->room;
            if (!c->bf16) {
                put_f32(c, place, c->length + i, (const float *)k + from, (const float *)v + from);
            } else if (bf16) {
                put_bf16(c, place, c->length + i, (const uint16_t *)k + from, (const uint16_t *)v + from);
            } else {
                round_bf16(rounded, (const float *)k + from, c->width);
                round_bf16(rounded + c->width, (const float *)v + from, c->width);
                put_bf16(c, place, c->length + i, rounded, rounded + c->width);
            }
        }
    free(rounded);
    c->length += n;
    clear(c);
    return 0;
}

typedef struct {
    decode_tokens t;
    const kernels *kernels;
    const tile_kernels *tiles; // NULL for none
    int longest;
} tokens;

// first_seen is the first token that a new one sees.
static int first_seen(const decode_tokens *t, int i) { return t->slide && t->lengths[i] > t->slide ? t->lengths[i] - t->slide : 0; }

// attend is one head's part of tokens from..to, which are of one cache.
static int attend(const tokens *j, int from, int to, int h) {
    const decode_tokens *t = &j->t;
    const kv_cache *cache = t->caches[from];
    const int kv = cache->heads, group = t->heads / kv, c = cache->width, at_once = j->tiles ? TILE_SIDE / group : 1;
    const size_t plain = sizeof(float) * (decode_scores(group, j->longest) + decode_query(group, c));
    float *room = threads_room(j->tiles ? tiles_attention_room(j->longest, c) : plain);
    if (!room) return -1;
    int start = t->lengths[from];
    for (int i = from; i < to; i++)
        if (first_seen(t, i) < start) start = first_seen(t, i);
    start = start / 32 * 32;
    const size_t place = (size_t)h * cache->room + start;
    for (int i = from; i < to; i += at_once) {
        decode_head heads[TILE_SIDE];
        const int some = to - i < at_once ? to - i : at_once;
        for (int k = 0; k < some; k++) {
            const long at = ((long)(i + k) * t->heads + (long)h * group) * c;
            heads[k] = (decode_head){
                .bf16 = cache->bf16, .group = group, .width = c, .n = t->lengths[i + k] - start, .skip = first_seen(t, i + k) - start,
                .scale = t->scale, .cap = t->cap,
                .q = t->q + at, .k = (char *)cache->keys + place * key_bytes(cache), .v = (char *)cache->values + place * value_bytes(cache),
                .scores = room, .query = room + decode_scores(group, j->longest), .o = t->o + at};
        }
        if (j->tiles)
            j->tiles->attend(heads, some, room);
        else
            j->kernels->decode_attention(heads);
    }
    return 0;
}

static int attention_job(void *of, int worker, int workers) {
    const tokens *j = of;
    int item = 0;
    for (int from = 0, to; from < j->t.rows; from = to) {
        for (to = from + 1; to < j->t.rows && j->t.caches[to] == j->t.caches[from];) to++;
        for (int h = 0; h < j->t.caches[from]->heads; h++, item++)
            if (item % workers == worker && attend(j, from, to, h)) return -1;
    }
    return 0;
}

int decode_attention(decode_tokens t, int workers) {
    const kv_cache *c = t.caches[0];
    tokens j = {t, kernels_for(c->bf16), tiles_attend(c->bf16, t.heads / c->heads, c->width) ? tiles_in_use() : NULL, 0};
    for (int i = 0; i < t.rows; i++)
        if (t.lengths[i] > j.longest) j.longest = t.lengths[i];
    return threads_run(attention_job, &j, workers);
}
