package config

// KVCache says what is kept of passages that are blocks.
type KVCache struct {
	KVCacheGB  float64 // in memory
	KVCacheDir string  // on disk, "" for nothing
}

// DefaultKVCache keeps some forty passages of 512 tokens of a small model, in memory alone.
func DefaultKVCache() KVCache { return KVCache{KVCacheGB: 1} }

func (m *KVCache) declare(s *set) {
	s.number(&m.KVCacheGB, "kv_cache_gb", "with block_attention: GB of memory for the keys and values of passages that were read, those that were used last; a passage among them is not computed again")
	s.text(&m.KVCacheDir, "kv_cache_dir", "DIR", "with block_attention: folder that keeps them on disk too, by passage and model, for the next command; what is in it may be removed at any time")
}

func (m *KVCache) check(p *problems) {
	p.that(m.KVCacheGB >= 0 && m.KVCacheGB <= 1e6, "kv_cache_gb: %v found; 0 to 1000000 expected", m.KVCacheGB)
}
