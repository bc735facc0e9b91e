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

// Reset empties the cache and keeps its memory.
func (c *KVCache) Reset() { c.c.length = 0 }

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

// DecodeAttention is attention of one new token in each of B rows, whose keys and values
// are the last in its cache: q [B, H, C] to o [B, H, C]. With a sliding window a
// token sees that many, itself among them.
func DecodeAttention(caches []*KVCache, heads, slide int, q, o []float32) error {
	if len(caches) == 0 {
		return nil
	}
	first := caches[0].c
	kv, width := int(first.heads), int(first.width)
	if heads < kv || heads%kv != 0 || len(q) != len(caches)*heads*width || len(o) != len(q) {
		return fmt.Errorf("decode: %d and %d values for %d rows of %d heads over %d", len(q), len(o), len(caches), heads, kv)
	}
	list, tokens := make([]*C.kv_cache, len(caches)), 0
	for i, c := range caches {
		if c.c.heads != first.heads || c.c.width != first.width || c.c.length == 0 {
			return fmt.Errorf("decode: a cache of %d tokens, %d heads of %d beside one of %d of %d", c.c.length, c.c.heads, c.c.width, kv, width)
		}
		list[i] = c.c
		tokens += c.Length()
	}
	return done("decode", C.decode_attention(C.decode_tokens{
		caches: &list[0], rows: C.int(len(list)), heads: C.int(heads), slide: C.int(slide), q: floats(q), o: floats(o),
	}, workers(tokens*kv*width)))
}
