package generate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Sampling draws each token from the model's distribution, narrowed as
// transformers does and in its order: temperature, the TopK likeliest tokens,
// then the smallest set of them that holds TopP of the probability
// (arXiv 1904.09751).
//
// The draws are made on the host, from a stream of random numbers of its own
// for each prompt, set by Seed and the prompt's place in the list: an answer
// does not depend on which rows it was batched with.
type Sampling struct {
	Temperature float64 // above 0; 1 leaves the distribution as it is
	TopK        int     // 0 for all tokens
	TopP        float64 // in (0, 1]; 1 for all tokens
	Seed        uint64
}

// DefaultSampling draws from the whole distribution as it is.
func DefaultSampling() Sampling { return Sampling{Temperature: 1, TopP: 1} }

// Validate reports every setting out of range.
func (s Sampling) Validate() error {
	var problems []error
	if !(s.Temperature > 0) || math.IsInf(s.Temperature, 1) {
		problems = append(problems, fmt.Errorf("sampling temperature is %g; expected a number above 0, or no sampling for greedy answers", s.Temperature))
	}
	if s.TopK < 0 {
		problems = append(problems, fmt.Errorf("TopK is %d; expected 0 (all tokens) or more", s.TopK))
	}
	if !(s.TopP > 0 && s.TopP <= 1) {
		problems = append(problems, fmt.Errorf("TopP is %g; expected a number in (0, 1]", s.TopP))
	}
	return errors.Join(problems...)
}

// stream gives the random numbers of one prompt.
func (s Sampling) stream(prompt int) *rand.Rand {
	return rand.New(rand.NewPCG(s.Seed, uint64(prompt)))
}

// token is a candidate with its unnormalised probability.
type token struct {
	id int32
	p  float64
}

// draw picks a token id by its logits [V], or noNumber.
func (s Sampling) draw(logits []float32, rnd *rand.Rand) int32 {
	top := float64(slices.Max(logits)) // NaN where there is one
	if math.IsNaN(top) || math.IsInf(top, 0) {
		return noNumber
	}
	candidates := make([]token, len(logits))
	sum := 0.0
	for i, l := range logits {
		p := math.Exp((float64(l) - top) / s.Temperature)
		candidates[i] = token{int32(i), p}
		sum += p
	}
	if s.TopK > 0 && s.TopK < len(candidates) {
		likeliestFirst(candidates)
		candidates = candidates[:s.TopK]
		sum = total(candidates)
	}
	if s.TopP < 1 {
		// Tokens below this bound hold less than 1-TopP together, so none of
		// them is in the set; what is left is short enough to sort.
		bound := (1 - s.TopP) * sum / float64(len(candidates))
		candidates = slices.DeleteFunc(candidates, func(t token) bool { return t.p < bound })
		likeliestFirst(candidates)
		kept, n := 0.0, 0
		for n < len(candidates) && kept < s.TopP*sum {
			kept += candidates[n].p
			n++
		}
		candidates, sum = candidates[:n], kept
	}
	at := rnd.Float64() * sum
	for _, t := range candidates {
		if at -= t.p; at < 0 {
			return t.id
		}
	}
	return candidates[len(candidates)-1].id // rounding left a rest
}

func likeliestFirst(ts []token) {
	slices.SortFunc(ts, func(a, b token) int { return cmp.Or(cmp.Compare(b.p, a.p), cmp.Compare(a.id, b.id)) })
}

func total(ts []token) float64 {
	sum := 0.0
	for _, t := range ts {
		sum += t.p
	}
	return sum
}
