package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is one entry of added_tokens.
type addedToken struct {
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// addedVocabulary finds added tokens in text before the model sees it.
type addedVocabulary struct {
	ids     map[string]int32
	tokens  map[int32]addedToken
	special map[string]bool
	// normal holds the normalized form of a token where it differs: the
	// decoder reads that one.
	normal     map[int32]string
	raw        *tokenTrie // matched before the normalizer
	normalized *tokenTrie // matched after it
	maxID      int32
}

// newAddedVocabulary gives each token the id of its content in the model, or
// the next free one, as the library does: the ids of the file do not count.
func newAddedVocabulary(tokens []addedToken, m model, normalize func(string) string) *addedVocabulary {
	a := &addedVocabulary{
		ids: map[string]int32{}, tokens: map[int32]addedToken{}, special: map[string]bool{},
		normal: map[int32]string{}, maxID: -1,
	}
	next := int32(m.size())
	for _, t := range tokens {
		if t.Content == "" {
			continue
		}
		id, ok := a.ids[t.Content]
		if ok && a.tokens[id] == t {
			continue
		}
		if !ok {
			if id, ok = m.id(t.Content); !ok {
				id = next
				next++
			}
		}
		if t.Normalized {
			if n := normalize(t.Content); n != t.Content {
				a.normal[id] = n
			}
		}
		a.ids[t.Content] = id
		a.tokens[id] = t
		a.maxID = max(a.maxID, id)
		if t.Special {
			a.special[t.Content] = true
		}
	}
	for id, t := range a.tokens {
		into, pattern := &a.raw, t.Content
		if t.Normalized {
			into = &a.normalized
			if n, ok := a.normal[id]; ok {
				pattern = n
			}
		}
		if pattern == "" {
			continue
		}
		if *into == nil {
			*into = newTokenTrie()
		}
		(*into).add(pattern, id)
	}
	return a
}

func (a *addedVocabulary) decodeToken(id int32) (string, bool) {
	t, ok := a.tokens[id]
	if !ok {
		return "", false
	}
	if n, ok := a.normal[id]; ok {
		return n, true
	}
	return t.Content, true
}

// split appends the stretches of p between added tokens, and the tokens.
func (a *addedVocabulary) split(out []piece, p piece, trie *tokenTrie) []piece {
	text, done := p.s, 0
	for from := 0; ; {
		start, stop, id := trie.find(text, from)
		if id < 0 {
			break
		}
		from = stop
		t := a.tokens[id]
		if t.SingleWord {
			before, _ := utf8.DecodeLastRuneInString(text[:start])
			after, _ := utf8.DecodeRuneInString(text[stop:])
			if start > 0 && isWord(before) || stop < len(text) && isWord(after) {
				continue
			}
		}
		if t.LStrip {
			start = max(len(strings.TrimRightFunc(text[:start], unicode.IsSpace)), done)
		}
		if t.RStrip {
			stop = len(text) - len(strings.TrimLeftFunc(text[stop:], unicode.IsSpace))
		}
		if done < start {
			out = append(out, p.part(done, start))
		}
		token := p.part(start, stop)
		token.id = id
		out = append(out, token)
		done = stop
	}
	if done < len(text) {
		out = append(out, p.part(done, len(text)))
	}
	return out
}

// tokenTrie finds the leftmost, then longest of a set of strings.
type tokenTrie struct {
	first [256]bool
	next  *pairTable // (node, byte) -> child, id of the token that ends there
	nodes int32
}

func newTokenTrie() *tokenTrie { return &tokenTrie{next: newPairTable(64), nodes: 1} }

func (t *tokenTrie) add(s string, id int32) {
	t.first[s[0]] = true
	node := int32(0)
	for i := range len(s) {
		child, ends, ok := t.next.get(node, int32(s[i]))
		if !ok {
			child, ends = t.nodes, -1
			t.nodes++
		}
		if i == len(s)-1 {
			ends = id
		}
		t.next.put(node, int32(s[i]), child, ends)
		node = child
	}
}

// find returns the first match at or after from, and id -1 if there is none.
func (t *tokenTrie) find(s string, from int) (start, stop int, id int32) {
	for ; from < len(s); from++ {
		if !t.first[s[from]] {
			continue
		}
		id = -1
		node := int32(0)
		for i := from; i < len(s); i++ {
			child, ends, ok := t.next.get(node, int32(s[i]))
			if !ok {
				break
			}
			if ends >= 0 {
				stop, id = i+1, ends
			}
			node = child
		}
		if id >= 0 {
			return from, stop, id
		}
	}
	return 0, 0, -1
}

// pairTable maps a pair of ids to two numbers, by open addressing.
type pairTable struct {
	entries []pairEntry
	used    int
	mask    uint64
}

type pairEntry struct {
	key  uint64 // 0 is free: keys are stored plus one
	x, y int32
}

func newPairTable(n int) *pairTable {
	size := 16
	for size < 2*n {
		size *= 2
	}
	return &pairTable{entries: make([]pairEntry, size), mask: uint64(size - 1)}
}

func pairKey(a, b int32) uint64 { return (uint64(uint32(a))<<32 | uint64(uint32(b))) + 1 }

func (t *pairTable) get(a, b int32) (x, y int32, ok bool) {
	key := pairKey(a, b)
	for i := (key * 0x9E3779B97F4A7C15) >> 20 & t.mask; ; i = (i + 1) & t.mask {
		e := &t.entries[i]
		if e.key == key {
			return e.x, e.y, true
		}
		if e.key == 0 {
			return 0, 0, false
		}
	}
}

func (t *pairTable) put(a, b, x, y int32) {
	if 2*(t.used+1) > len(t.entries) {
		old := t.entries
		t.entries = make([]pairEntry, 2*len(old))
		t.mask, t.used = uint64(len(t.entries)-1), 0
		for _, e := range old {
			if e.key != 0 {
				t.set(e.key, e.x, e.y)
			}
		}
	}
	t.set(pairKey(a, b), x, y)
}

func (t *pairTable) set(key uint64, x, y int32) {
	for i := (key * 0x9E3779B97F4A7C15) >> 20 & t.mask; ; i = (i + 1) & t.mask {
		e := &t.entries[i]
		if e.key == 0 {
			t.used++
		} else if e.key != key {
			continue
		}
		*e = pairEntry{key, x, y}
		return
	}
}
