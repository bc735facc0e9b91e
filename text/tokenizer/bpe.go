package tokenizer

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"gorqa/files/modelfile"
)

// bpe is byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909).
type bpe struct {
	vocabulary
	merges       *pairTable // (left, right) -> rank, id of both together
	unk          int32      // -1: unknown text is dropped
	prefix       string     // before every symbol of a piece but the first
	suffix       string     // after the last symbol
	fuseUnk      bool
	byteFallback bool
	ignoreMerges bool
	// byteLevel says that pieces are raw text whose bytes the model maps.
	byteLevel bool
	// words says that no merge reaches from another rune into a ▁ after it, so
	// that text may be cut there.
	words bool
	bytes [256]int32 // the symbol of a byte: byte-level, or <0x..>; -1 if none
}

// vocabulary is the two-way map of tokens and ids.
type vocabulary struct {
	ids    map[string]int32
	tokens map[int32]string
	max    int32

	lengths []int32 // by id, see measure
	runes   bool
}

func newVocabulary(ids map[string]int32) (vocabulary, error) {
	v := vocabulary{ids: ids, tokens: make(map[int32]string, len(ids)), max: -1}
	for token, id := range ids {
		if id < 0 {
			return v, fmt.Errorf("vocab: token %q has id %d; an id from 0 on is expected", token, id)
		}
		v.tokens[id] = token
		v.max = max(v.max, id)
	}
	return v, nil
}

func (v *vocabulary) id(token string) (int32, bool) { id, ok := v.ids[token]; return id, ok }
func (v *vocabulary) token(id int32) (string, bool) { s, ok := v.tokens[id]; return s, ok }
func (v *vocabulary) size() int                     { return len(v.ids) }
func (v *vocabulary) maxID() int32                  { return v.max }

// modelJSON is the "model" of a tokenizer.json, all types in one.
type modelJSON struct {
	Type                    string          `json:"type"`
	Vocab                   json.RawMessage `json:"vocab"`
	Merges                  json.RawMessage `json:"merges"`
	UnkToken                *string         `json:"unk_token"`
	UnkID                   *int32          `json:"unk_id"`
	ContinuingSubwordPrefix *string         `json:"continuing_subword_prefix"`
	EndOfWordSuffix         *string         `json:"end_of_word_suffix"`
	MaxInputCharsPerWord    *int            `json:"max_input_chars_per_word"`
	FuseUnk                 bool            `json:"fuse_unk"`
	ByteFallback            bool            `json:"byte_fallback"`
	IgnoreMerges            bool            `json:"ignore_merges"`
}

// vocabulary reads the tokens of models that list them with their ids.
func (m modelJSON) vocabulary() (vocabulary, error) {
	var ids map[string]int32
	if err := modelfile.JSONPart(m.Vocab, &ids); err != nil {
		return vocabulary{}, fmt.Errorf("vocab: %w; an object of tokens and their ids is expected", err)
	}
	return newVocabulary(ids)
}

func newBPE(m modelJSON, byteLevel bool) (*bpe, error) {
	v, err := m.vocabulary()
	if err != nil {
		return nil, err
	}
	merges, err := readMerges(m.Merges)
	if err != nil {
		return nil, err
	}
	b := &bpe{
		vocabulary: v, merges: newPairTable(len(merges)), unk: -1,
		fuseUnk: m.FuseUnk, byteFallback: m.ByteFallback, ignoreMerges: m.IgnoreMerges,
	}
	if m.ContinuingSubwordPrefix != nil {
		b.prefix = *m.ContinuingSubwordPrefix
	}
	if m.EndOfWordSuffix != nil {
		b.suffix = *m.EndOfWordSuffix
	}
	if m.UnkToken != nil {
		if id, ok := b.ids[*m.UnkToken]; ok {
			b.unk = id
		}
	}
	b.byteLevel = byteLevel && b.prefix == "" && b.suffix == "" && !b.byteFallback
	b.measure(b.byteLevel)
	for i := range b.bytes {
		symbol := fmt.Sprintf("<0x%02X>", i)
		if b.byteLevel {
			symbol = string(byteRunes[i])
		}
		b.bytes[i] = -1
		if id, ok := b.ids[symbol]; ok {
			b.bytes[i] = id
		}
	}
	_, b.words = b.ids[metaRune]
	b.words = b.words && !b.byteLevel && !b.ignoreMerges && b.prefix == "" && b.suffix == ""
	for rank, pair := range merges {
		left, okL := b.ids[pair[0]]
		right, okR := b.ids[pair[1]]
		if !okL || !okR || len(pair[1]) < len(b.prefix) {
			return nil, fmt.Errorf("merges[%d]: %q + %q: not in the vocabulary; merges of tokens of vocab are expected", rank, pair[0], pair[1])
		}
		both, ok := b.ids[pair[0]+pair[1][len(b.prefix):]]
		if !ok {
			return nil, fmt.Errorf("merges[%d]: %q: not in the vocabulary; what a merge makes is expected in vocab", rank, pair[0]+pair[1][len(b.prefix):])
		}
		b.merges.put(left, right, int32(rank), both)
		b.words = b.words && len(wordStarts(nil, piece{s: b.tokens[both]})) == 1
	}
	return b, nil
}

// metaRune stands for a space in SentencePiece's vocabularies.
const metaRune = "▁"

// wordStarts cuts before each ▁ that follows another rune. Where
// bpe.words holds, the ids stay those of the uncut text, and the pieces are
// short enough to be remembered.
func wordStarts(out []piece, p piece) []piece {
	last := 0
	_, first := utf8.DecodeRuneInString(p.s)
	for i := first; i < len(p.s); {
		j := strings.Index(p.s[i:], metaRune)
		if j < 0 {
			break
		}
		i += j
		if !strings.HasSuffix(p.s[:i], metaRune) {
			out = append(out, p.part(last, i))
			last = i
		}
		i += len(metaRune)
	}
	return append(out, p.part(last, len(p.s)))
}

// readMerges reads both spellings: "a b" and ["a", "b"].
func readMerges(data json.RawMessage) ([][2]string, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("merges: none found; a list of pairs is expected")
	}
	var pairs [][2]string
	var lists [][]string
	if err := json.Unmarshal(data, &lists); err == nil {
		for i, l := range lists {
			if len(l) != 2 {
				return nil, fmt.Errorf("merges[%d]: %d parts; two are expected", i, len(l))
			}
			pairs = append(pairs, [2]string{l[0], l[1]})
		}
		return pairs, nil
	}
	var lines []string
	if err := modelfile.JSONPart(data, &lines); err != nil {
		return nil, fmt.Errorf("merges: %w; a list of pairs, or of two tokens with a space between, is expected", err)
	}
	for i, l := range lines {
		if strings.HasPrefix(l, "#version") {
			continue
		}
		left, right, ok := strings.Cut(l, " ")
		if !ok || strings.Contains(right, " ") {
			return nil, fmt.Errorf("merges[%d]: %q; two tokens with one space between are expected", i, l)
		}
		pairs = append(pairs, [2]string{left, right})
	}
	return pairs, nil
}

// bpeScratch holds the symbols of a piece while they are merged.
type bpeScratch struct {
	ranks []int32
	made  []int32
	prev  []int32
	next  []int32
	heap  []merge32
}

type merge32 struct {
	rank, at, left, right int32
}

func (b *bpe) encode(out []int32, p string, s *scratch) []int32 {
	if b.ignoreMerges {
		if !b.byteLevel {
			if id, ok := b.ids[p]; ok {
				return append(out, id)
			}
		} else {
			buf := s.bytes[:0]
			for i := range len(p) {
				buf = utf8.AppendRune(buf, byteRunes[p[i]])
			}
			s.bytes = buf
			if id, ok := b.ids[string(buf)]; ok {
				return append(out, id)
			}
		}
	}
	word := s.word[:0]
	if b.byteLevel {
		word = b.byteSymbols(word, p, s)
	} else {
		word = b.symbols(word, p, s)
	}
	s.word = word
	if len(word) < 2 {
		return append(out, word...)
	}
	if len(word) <= 32 {
		return b.mergeShort(out, word, &s.bpe)
	}
	return b.mergeLong(out, word, &s.bpe)
}

// byteSymbols appends the symbol of each byte of p.
func (b *bpe) byteSymbols(word []int32, p string, s *scratch) []int32 {
	unk := false // the last symbol is an unknown one
	for i := range len(p) {
		id := b.bytes[p[i]]
		switch {
		case id >= 0:
			word = append(word, id)
			unk = false
			s.stands(1)
		case b.unk >= 0 && !(unk && b.fuseUnk):
			word = append(word, b.unk)
			unk = true
			s.stands(1)
		default:
			s.dropped(1)
		}
	}
	return word
}

// symbols appends the symbol of each rune of p. An unknown rune becomes its
// bytes, or else the unknown token, which waits for the next known symbol:
// bytes overtake it, as in the library.
func (b *bpe) symbols(word []int32, p string, s *scratch) []int32 {
	unknown := 0 // unknown tokens that wait
	waits := 0   // bytes of the last of them
	for i, r := range p {
		n := utf8.RuneLen(r)
		symbol := p[i : i+n]
		if i > 0 && b.prefix != "" || i+n == len(p) && b.suffix != "" {
			symbol = b.affixed(symbol, i > 0, i+n == len(p), s)
		}
		if id, ok := b.ids[symbol]; ok {
			for ; unknown > 0; unknown-- {
				word = append(word, b.unk)
				s.stands(waits)
			}
			word = append(word, id)
			s.stands(n)
			continue
		}
		if b.byteFallback {
			var all bool
			if word, all = b.appendBytes(word, symbol); all {
				for range n {
					s.stands(1)
				}
				continue
			}
		}
		if b.unk < 0 {
			s.dropped(n)
			continue
		}
		if unknown > 0 && !b.fuseUnk {
			word = append(word, b.unk)
			s.stands(waits)
			unknown--
		}
		if unknown == 0 {
			unknown, waits = 1, 0
		}
		waits += n
	}
	for ; unknown > 0; unknown-- {
		word = append(word, b.unk)
		s.stands(waits)
	}
	return word
}

// affixed is a symbol with the prefix of those that continue a word and the suffix
// of those that end one.
func (b *bpe) affixed(symbol string, continues, ends bool, s *scratch) string {
	buf := s.bytes[:0]
	if continues {
		buf = append(buf, b.prefix...)
	}
	buf = append(buf, symbol...)
	if ends {
		buf = append(buf, b.suffix...)
	}
	s.bytes = buf
	return string(buf)
}

// appendBytes appends the ids of a symbol's bytes if all have one.
func (b *bpe) appendBytes(word []int32, symbol string) ([]int32, bool) {
	from := len(word)
	for j := range len(symbol) {
		id := b.bytes[symbol[j]]
		if id < 0 {
			return word[:from], false
		}
		word = append(word, id)
	}
	return word, true
}

// mergeShort merges by looking for the lowest rank each time.
func (b *bpe) mergeShort(out, word []int32, s *bpeScratch) []int32 {
	n := len(word)
	if cap(s.ranks) < n {
		s.ranks, s.made = make([]int32, n, 2*n), make([]int32, n, 2*n)
	}
	ranks, made := s.ranks[:n], s.made[:n]
	for i := range n - 1 {
		ranks[i], made[i] = b.rank(word[i], word[i+1])
	}
	for n > 1 {
		best, at := int32(math.MaxInt32), -1
		for i, r := range ranks[:n-1] {
			if r < best {
				best, at = r, i
			}
		}
		if at < 0 {
			break
		}
		word[at] = made[at]
		copy(word[at+1:n-1], word[at+2:n])
		if at+2 < n {
			copy(ranks[at+1:n-2], ranks[at+2:n-1])
			copy(made[at+1:n-2], made[at+2:n-1])
		}
		n--
		if at > 0 {
			ranks[at-1], made[at-1] = b.rank(word[at-1], word[at])
		}
		if at < n-1 {
			ranks[at], made[at] = b.rank(word[at], word[at+1])
		}
	}
	return append(out, word[:n]...)
}

func (b *bpe) rank(left, right int32) (rank, id int32) {
	if rank, id, ok := b.merges.get(left, right); ok {
		return rank, id
	}
	return math.MaxInt32, -1
}

// mergeLong merges by a heap of candidates, lowest rank and leftmost first.
func (b *bpe) mergeLong(out, word []int32, s *bpeScratch) []int32 {
	n := int32(len(word))
	s.prev, s.next, s.heap = s.prev[:0], s.next[:0], s.heap[:0]
	for i := range n {
		s.prev, s.next = append(s.prev, i-1), append(s.next, i+1)
	}
	push := func(at, right int32) {
		if rank, _, ok := b.merges.get(word[at], word[right]); ok {
			s.heap = append(s.heap, merge32{rank, at, word[at], word[right]})
			up(s.heap)
		}
	}
	for i := range n - 1 {
		push(i, i+1)
	}
	for len(s.heap) > 0 {
		top := s.heap[0]
		last := len(s.heap) - 1
		s.heap[0] = s.heap[last]
		s.heap = s.heap[:last]
		down(s.heap)
		right := s.next[top.at]
		if word[top.at] != top.left || right >= n || word[right] != top.right {
			continue // one of the two was merged since
		}
		_, id, _ := b.merges.get(top.left, top.right)
		word[top.at], word[right] = id, -1
		after := s.next[right]
		s.next[top.at] = after
		if after < n {
			s.prev[after] = top.at
			push(top.at, after)
		}
		if before := s.prev[top.at]; before >= 0 {
			push(before, top.at)
		}
	}
	for i := int32(0); i < n; i = s.next[i] {
		out = append(out, word[i])
	}
	return out
}

func (m merge32) less(o merge32) bool { return m.rank < o.rank || m.rank == o.rank && m.at < o.at }

func up(h []merge32) {
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 4
		if !h[i].less(h[parent]) {
			return
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

func down(h []merge32) {
	for i := 0; ; {
		best := i
		for c := 4*i + 1; c < min(4*i+5, len(h)); c++ {
			if h[c].less(h[best]) {
				best = c
			}
		}
		if best == i {
			return
		}
		h[i], h[best] = h[best], h[i]
		i = best
	}
}
