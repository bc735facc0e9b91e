package tokenizer

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	// maxCachedBytes is the longest piece whose ids are kept.
	maxCachedBytes = 48
	// cacheSlots bounds the cache: a slot keeps the piece that came last.
	cacheSlots = 1 << 15
)

// wordCache keeps the ids of recent pieces. Slots are written and read
// atomically, so it needs no lock.
type wordCache struct {
	seed  maphash.Seed
	slots []atomic.Pointer[cachedWord]
}

type cachedWord struct {
	word string
	ids  []int32
}

func newWordCache() *wordCache {
	return &wordCache{seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[cachedWord], cacheSlots)}
}

// get returns the slot of word and, if the slot holds word, its ids (never nil).
func (c *wordCache) get(word string) (slot uint64, ids []int32) {
	slot = maphash.String(c.seed, word) % cacheSlots
	if w := c.slots[slot].Load(); w != nil && w.word == word {
		return slot, w.ids
	}
	return slot, nil
}

func (c *wordCache) put(slot uint64, word string, ids []int32) {
	c.slots[slot].Store(&cachedWord{strings.Clone(word), append(make([]int32, 0, len(ids)), ids...)})
}
