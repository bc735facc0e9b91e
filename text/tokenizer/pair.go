package tokenizer

import (
	"errors"
	"fmt"
	"slices"
)

// pairPiece is a piece of what a post-processor makes of two texts: one of them, or
// special tokens.
type pairPiece struct {
	text int // 1 or 2, 0 for special tokens
	ids  []int32
	kind int32 // token type
}

// classPair is what BertProcessing and RobertaProcessing make of two texts.
func classPair(before, after []int32, roberta bool) []pairPiece {
	if roberta {
		return []pairPiece{{ids: before}, {text: 1}, {ids: after}, {ids: after}, {text: 2}, {ids: after}}
	}
	return []pairPiece{{ids: before}, {text: 1}, {ids: after}, {text: 2, kind: 1}, {ids: after, kind: 1}}
}

// pairTemplate reads a TemplateProcessing's pair; a file without one joins the texts.
func (c component) pairTemplate() ([]pairPiece, error) {
	if len(c.Pair) == 0 {
		return []pairPiece{{text: 1}, {text: 2, kind: 1}}, nil
	}
	var list []pairPiece
	seen := map[string]int{}
	for i, piece := range c.Pair {
		switch {
		case piece.Sequence != nil:
			text := map[string]int{"A": 1, "B": 2}[piece.Sequence.ID]
			seen[piece.Sequence.ID]++
			list = append(list, pairPiece{text: text, kind: piece.Sequence.Kind})
		case piece.SpecialToken != nil:
			token, ok := c.SpecialTokens[piece.SpecialToken.ID]
			if !ok || slices.ContainsFunc(token.IDs, func(id int32) bool { return id < 0 }) {
				return nil, fmt.Errorf("pair[%d]: %q is not in special_tokens, or has ids below 0; its ids are expected there", i, piece.SpecialToken.ID)
			}
			list = append(list, pairPiece{ids: token.IDs, kind: piece.SpecialToken.Kind})
		default:
			return nil, fmt.Errorf("pair[%d]: neither a Sequence nor a SpecialToken; one of them is expected", i)
		}
	}
	if len(seen) != 2 || seen["A"] != 1 || seen["B"] != 1 {
		return nil, fmt.Errorf("pair: texts %v stand in it; A and B, once each, are expected", seen)
	}
	return list, nil
}

// EncodePair gives the ids of two texts as the post-processor joins them, and the type
// of each token. Where there would be more than most, the longer text is cut until
// both are as long, then both (longest_first of Hugging Face's tokenizers), at their
// end or at their beginning.
func (t *Tokenizer) EncodePair(a, b string, most int, beginning bool) (ids, kinds []int32, err error) {
	pair := []pairPiece{{text: 1}, {text: 2, kind: 1}}
	found, added := false, 0
	for _, p := range t.post {
		if found {
			return nil, nil, errors.New("the tokenizer joins two texts by several post-processors; expected one; choose another model")
		}
		found, pair = true, p.pair
	}
	for _, p := range pair {
		added += len(p.ids)
	}
	if most <= added {
		return nil, nil, fmt.Errorf("%d tokens for two texts and the %d special ones among them; expected more", most, added)
	}
	texts := [][]int32{t.Encode(a, false), t.Encode(b, false)}
	n, m := longestFirst(len(texts[0]), len(texts[1]), most-added)
	for i, keep := range []int{n, m} {
		if beginning {
			texts[i] = texts[i][len(texts[i])-keep:]
		} else {
			texts[i] = texts[i][:keep]
		}
	}
	for _, p := range pair {
		part := p.ids
		if p.text > 0 {
			part = texts[p.text-1]
		}
		ids = append(ids, part...)
		for range part {
			kinds = append(kinds, p.kind)
		}
	}
	return ids, kinds, nil
}

// longestFirst says how many tokens two texts of n and m keep, of most.
func longestFirst(n, m, most int) (int, int) {
	if n+m <= most {
		return n, m
	}
	if n > m {
		m, n = longestFirst(m, n, most)
		return n, m
	}
	switch rest := most - n; {
	case rest >= n:
		return n, min(m, rest)
	default:
		return most / 2, most/2 + most%2
	}
}
