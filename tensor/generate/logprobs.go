package generate

import (
	"cmp"
	"math"
	"slices"
)

// LogProb is a token with the natural logarithm of its probability.
type LogProb struct {
	ID int32
	P  float64
}

// LogProbs gives of logits [V] the logarithm of a token's probability and the so many
// likeliest tokens, the likeliest first. Temperature and what else narrows the
// distribution before a token is drawn have no part in it.
func LogProbs(logits []float32, id int32, top int) (chosen float64, likeliest []LogProb) {
	most := float64(slices.Max(logits))
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - most)
	}
	norm := most + math.Log(sum)
	for i, l := range logits {
		p := LogProb{int32(i), float64(l) - norm}
		if len(likeliest) == top && (top == 0 || p.P <= likeliest[top-1].P) {
			continue
		}
		at, _ := slices.BinarySearchFunc(likeliest, p, func(a, b LogProb) int { return cmp.Or(cmp.Compare(b.P, a.P), cmp.Compare(a.ID, b.ID)) })
		if likeliest = slices.Insert(likeliest, at, p); len(likeliest) > top {
			likeliest = likeliest[:top]
		}
	}
	return float64(logits[id]) - norm, likeliest
}
