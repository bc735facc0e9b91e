package tokenizer

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"gorqa/files/modelfile"
)

// unknownPenalty is what an unknown rune scores below the least likely token
// (SentencePiece, kUnkPenalty).
const unknownPenalty = 10

// unigram takes the most likely segmentation of a piece (Kudo 2018,
// arXiv 1804.10959).
type unigram struct {
	vocabulary
	trie     *pairTable // (node, byte) -> child, id of the token that ends there
	scores   []float64
	unk      int32 // -1: unknown text is dropped
	unkScore float64
	bytes    [256]int32
	fallback bool // every byte has its token and byte_fallback is set
}

// uniNode is the best path to a byte of the piece.
type uniNode struct {
	score float64
	start int32 // -1: no path yet
	id    int32 // -1: unknown, and the model has no unknown token
}

// newUnigram lays the ids out in the order of the vocabulary.
func newUnigram(m modelJSON) (*unigram, error) {
	var entries [][2]json.RawMessage
	if err := modelfile.JSONPart(m.Vocab, &entries); err != nil {
		return nil, fmt.Errorf("vocab: %w; a list of [token, score] is expected", err)
	}
	u := &unigram{unk: -1, trie: newPairTable(2 * len(entries))}
	u.ids, u.tokens = make(map[string]int32, len(entries)), make(map[int32]string, len(entries))
	nodes, scores := int32(1), make([]float64, 0, len(entries))
	for i, e := range entries {
		var token string
		var score float64
		if json.Unmarshal(e[0], &token) != nil || json.Unmarshal(e[1], &score) != nil {
			return nil, fmt.Errorf("vocab[%d]: %s, %s; a token and its score are expected", i, e[0], e[1])
		}
		u.ids[token], u.tokens[int32(i)] = int32(i), token
		scores = append(scores, libraryFloat(string(e[1])))
		node := int32(0)
		for j := range len(token) {
			child, ends, ok := u.trie.get(node, int32(token[j]))
			if !ok {
				child, ends = nodes, -1
				nodes++
			}
			if j == len(token)-1 {
				ends = int32(i)
			}
			u.trie.put(node, int32(token[j]), child, ends)
			node = child
		}
	}
	u.max = int32(len(entries)) - 1
	u.measure(false)
	u.setScores(scores)
	if m.UnkID != nil {
		if u.unk = *m.UnkID; u.unk < 0 || u.unk > u.max {
			return nil, fmt.Errorf("unk_id: %d; an index into the %d tokens of vocab is expected", u.unk, len(entries))
		}
	}
	u.fallback = m.ByteFallback
	for i := range u.bytes {
		id, ok := u.ids[fmt.Sprintf("<0x%02X>", i)]
		if !ok {
			id = -1
		}
		u.bytes[i] = id
	}
	return u, nil
}

// setScores sets the scores of all tokens, by id.
func (u *unigram) setScores(scores []float64) {
	u.scores, u.unkScore = scores, math.Inf(1)
	for _, score := range scores {
		u.unkScore = min(u.unkScore, score)
	}
	u.unkScore -= unknownPenalty
}

func (u *unigram) size() int { return len(u.scores) }

func (u *unigram) encode(out []int32, p string, s *scratch) []int32 {
	best := u.bestPaths(p, s)
	// From the end back to the start of the path, unknown neighbours as one.
	word := s.word[:0]
	for end := int32(len(p)); end > 0; {
		n := best[end]
		start := n.start
		if n.id != u.unk {
			word = append(word, n.id)
			s.passed(1, start, end)
			end = start
			continue
		}
		for start > 0 && best[start].id == u.unk {
			start = best[start].start
		}
		from := len(word)
		word = u.unknown(word, p[start:end])
		s.passed(len(word)-from, start, end)
		end = start
	}
	s.word = word
	for i := len(word) - 1; i >= 0; i-- {
		out = append(out, word[i])
	}
	return out
}

// bestPaths gives, for each end in p, the last token of the best path to it.
func (u *unigram) bestPaths(p string, s *scratch) []uniNode {
	best := s.uni
	if cap(best) <= len(p) {
		best = make([]uniNode, 2*len(p)+1)
	}
	best = best[:len(p)+1]
	s.uni = best
	for i := range best {
		best[i] = uniNode{start: -1}
	}
	for start := 0; start < len(p); {
		here := best[start].score
		_, size := utf8.DecodeRuneInString(p[start:])
		single := false
		node := int32(0)
		for i := start; i < len(p); i++ {
			child, id, ok := u.trie.get(node, int32(p[i]))
			if !ok {
				break
			}
			node = child
			if id < 0 {
				continue
			}
			if to, score := &best[i+1], u.scores[id]+here; to.start < 0 || score > to.score {
				*to = uniNode{score, int32(start), id}
			}
			single = single || i+1-start == size
		}
		if !single {
			if to, score := &best[start+size], u.unkScore+here; to.start < 0 || score > to.score {
				*to = uniNode{score, int32(start), u.unk}
			}
		}
		start += size
	}
	return best
}

// unknown appends the ids of unknown text, last one first.
func (u *unigram) unknown(word []int32, text string) []int32 {
	if id, ok := u.ids[text]; ok {
		return append(word, id)
	}
	if u.fallback {
		from, all := len(word), true
		for i := len(text) - 1; i >= 0; i-- {
			id := u.bytes[text[i]]
			all = all && id >= 0
			word = append(word, id)
		}
		if all {
			return word
		}
		word = word[:from]
	}
	if u.unk < 0 {
		return word
	}
	return append(word, u.unk)
}

// libraryFloat reads a JSON number as serde_json does without its feature
// float_roundtrip: the digits as one integer, times or over a power of ten.
// The last bit may differ from the nearest float64, and equally likely
// segmentations are told apart by that bit.
func libraryFloat(number string) float64 {
	digits, negative := strings.CutPrefix(number, "-")
	var significand uint64
	exponent, fraction, full := 0, false, false
	i := 0
	for ; i < len(digits); i++ {
		c := digits[i]
		if c == '.' {
			fraction = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		d := uint64(c - '0')
		full = full || significand > (math.MaxUint64-d)/10
		switch {
		case full && !fraction:
			exponent++
		case !full:
			significand = significand*10 + d
			if fraction {
				exponent--
			}
		}
	}
	if i < len(digits) { // at the e
		e, err := strconv.Atoi(digits[i+1:])
		if err != nil { // far out of range
			e = math.MinInt32
		}
		exponent += e
	}
	f := float64(significand)
	for ; exponent < -308 && f != 0; exponent += 308 {
		f /= 1e308
	}
	if power, err := strconv.ParseFloat("1e"+strconv.Itoa(max(exponent, -exponent)), 64); err == nil && exponent >= 0 {
		f *= power
	} else if err == nil {
		f /= power
	}
	if negative {
		return -f
	}
	return f
}
