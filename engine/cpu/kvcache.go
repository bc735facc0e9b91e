package cpu

// #include "decode.h"
import "C"

import (
	"errors"
	"fmt"
)

// KVCache holds the keys and values of one row in one layer, a token after the
// other. Its memory is C's: it is given back by Free.
type KVCache struct{ c *C.kv_cache }

// NewKVCache makes an empty cache of so many heads of that width, in bf16 or f32.
func NewKVCache(heads, width int, bf16 bool) (*KVCache, error) {
	c := C.kv_new(C.int(heads), C.int(width), truth(bf16))
	if c == nil {
		return nil, fmt.Errorf("keys and values: %w", errMemory)
	}
	return &KVCache{c}, nil
}

// Free gives the memory back; the cache is not to be used again.
func (c *KVCache) Free() {
	C.kv_free(c.c)
	c.c = nil
}

// Length is how many tokens the cache holds.
func (c *KVCache) Length() int { return int(c.c.length) }

// Truncate drops what is behind the first so many tokens and keeps the memory.
func (c *KVCache) Truncate(length int) { c.c.length = min(c.c.length, C.int(max(0, length))) }

// AppendKV adds the keys and values at the given places of k and v [.., N, C]. A cache
// of f32 takes f32 alone.
func AppendKV[T Number](c *KVCache, k, v []T, places []int32) error {
	if len(places) == 0 {
		return nil
	}
	bf16 := truth(isBF16(k))
	if bf16 > c.c.bf16 {
		return errors.New("decode: bf16 keys to a cache of f32")
	}
	size := int(c.c.heads * c.c.width)
	for _, p := range places {
		if p < 0 || (int(p)+1)*size > min(len(k), len(v)) {
			return fmt.Errorf("decode: place %d of %d keys and %d values", p, len(k)/size, len(v)/size)
		}
	}
	return done("keys and values", C.kv_append(c.c, pointer(k), pointer(v), bf16, ints(places), C.int(len(places))))
}

// DecodeAttention is attention of B new tokens, each to the first lengths[b] tokens of
// its row's cache, of which it is the last: q [B, H, C] to o [B, H, C]. Several may be of
// one row. With a sliding window a token sees that many, itself among them.
func DecodeAttention(caches []*KVCache, lengths []int32, heads, slide int, s Scores, q, o []float32) error {
	if len(caches) == 0 {
		return nil
	}
	if len(lengths) != len(caches) {
		return fmt.Errorf("decode: %d caches, %d lengths", len(caches), len(lengths))
	}
	first := caches[0].c
	kv, width := int(first.heads), int(first.width)
	if slide < 0 {
		return fmt.Errorf("decode: a sliding window of %d tokens", slide)
	}
	if heads < kv || heads%kv != 0 || len(q) != len(caches)*heads*width || len(o) != len(q) {
		return fmt.Errorf("decode: %d and %d values for %d rows of %d heads over %d", len(q), len(o), len(caches), heads, kv)
	}
	list, tokens := make([]*C.kv_cache, len(caches)), 0
	for i, c := range caches {
		if c.c.heads != first.heads || c.c.width != first.width || c.c.bf16 != first.bf16 {
			return fmt.Errorf("decode: a cache of %d heads of %d (bf16 %d) beside one of %d of %d (bf16 %d)", c.c.heads, c.c.width, c.c.bf16, kv, width, first.bf16)
		}
		if lengths[i] < 1 || int(lengths[i]) > c.Length() {
			return fmt.Errorf("decode: attention to %d tokens of a cache of %d", lengths[i], c.Length())
		}
		list[i] = c.c
		tokens += int(lengths[i])
	}
	return done("decode", C.decode_attention(C.decode_tokens{
		caches: &list[0], lengths: ints(lengths), rows: C.int(len(list)), heads: C.int(heads), slide: C.int(slide),
		scale: C.float(s.ScaleFor(width)), cap: C.float(s.Cap), q: floats(q), o: floats(o),
	}, workers(tokens*kv*width)))
}
