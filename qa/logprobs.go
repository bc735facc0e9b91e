package qa

import (
	"strings"

	"gorqa/tensor/generate"
	"gorqa/text/tokenizer"
)

// LogProbs is a token of an answer with the logarithm of its probability, and the
// likeliest tokens in its place.
type LogProbs struct {
	TokenLogProb
	Top []TokenLogProb
}

// TokenLogProb is a token as it reads in its place, and the natural logarithm of its
// probability.
type TokenLogProb struct {
	Text    string
	LogProb float64
}

func logProbs(t *tokenizer.Tokenizer, before, token int32, logits []float32, top int) LogProbs {
	chosen, likeliest := generate.LogProbs(logits, token, top)
	all := LogProbs{TokenLogProb: TokenLogProb{inPlace(t, before, token), chosen}, Top: []TokenLogProb{}}
	for _, l := range likeliest {
		all.Top = append(all.Top, TokenLogProb{inPlace(t, before, l.ID), l.P})
	}
	return all
}

// inPlace is a token's text behind another one: some tokenizers drop the space that a
// text begins with.
func inPlace(t *tokenizer.Tokenizer, before, token int32) string {
	if text, ok := strings.CutPrefix(t.Decode([]int32{before, token}, false), t.Decode([]int32{before}, false)); ok {
		return text
	}
	return t.Decode([]int32{token}, false)
}
