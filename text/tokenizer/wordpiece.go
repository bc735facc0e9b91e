package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// wordPiece takes the longest known prefix of a word, again and again
// (Devlin et al. 2018, arXiv 1810.04805).
type wordPiece struct {
	vocabulary
	unk      int32
	prefix   string // before every token of a word but the first
	maxRunes int    // a longer word is unknown
	maxBytes int    // the longest token
}

func newWordPiece(m modelJSON) (*wordPiece, error) {
	v, err := m.vocabulary()
	if err != nil {
		return nil, err
	}
	w := &wordPiece{vocabulary: v, prefix: "##", maxRunes: 100}
	unk := "[UNK]"
	if m.UnkToken != nil {
		unk = *m.UnkToken
	}
	if m.ContinuingSubwordPrefix != nil {
		w.prefix = *m.ContinuingSubwordPrefix
	}
	if m.MaxInputCharsPerWord != nil {
		w.maxRunes = *m.MaxInputCharsPerWord
	}
	var ok bool
	if w.unk, ok = w.ids[unk]; !ok {
		return nil, fmt.Errorf("unk_token: %q is not in the vocabulary; a token of vocab is expected", unk)
	}
	w.measure(false)
	for token := range w.ids {
		w.maxBytes = max(w.maxBytes, len(token))
	}
	return w, nil
}

func (w *wordPiece) encode(out []int32, p string, s *scratch) []int32 {
	if len(p) > w.maxRunes && utf8.RuneCountInString(p) > w.maxRunes {
		return append(out, w.unk)
	}
	from := len(out)
	buf := append(append(s.bytes[:0], w.prefix...), p...)
	s.bytes = buf
	n := len(w.prefix)
	for start := 0; start < len(p); {
		// The word's bytes before start are spent: the prefix goes there.
		lo := n
		if start > 0 {
			lo = start
			copy(buf[lo:], w.prefix)
		}
		end := min(len(buf), lo+w.maxBytes)
		for end > n+start && end < len(buf) && !utf8.RuneStart(buf[end]) {
			end--
		}
		id, ok := int32(0), false
		for end > n+start {
			if id, ok = w.ids[string(buf[lo:end])]; ok {
				break
			}
			_, size := utf8.DecodeLastRune(buf[n+start : end])
			end -= size
		}
		if !ok {
			return append(out[:from], w.unk)
		}
		out = append(out, id)
		start = end - n
	}
	return out
}

// wordLevel knows whole pieces only.
type wordLevel struct {
	vocabulary
	unk int32 // -1: an unknown piece is dropped
}

func newWordLevel(m modelJSON) (*wordLevel, error) {
	v, err := m.vocabulary()
	if err != nil {
		return nil, err
	}
	w := &wordLevel{vocabulary: v, unk: -1}
	if m.UnkToken != nil {
		if id, ok := w.ids[*m.UnkToken]; ok {
			w.unk = id
		}
	}
	return w, nil
}

func (w *wordLevel) encode(out []int32, p string, _ *scratch) []int32 {
	if id, ok := w.ids[p]; ok {
		return append(out, id)
	}
	if w.unk >= 0 {
		out = append(out, w.unk)
	}
	return out
}
