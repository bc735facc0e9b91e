package generate

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/golden"
)

// TestDrawsFollowTransformersDistribution compares frequencies of draws with the distribution that
// transformers' warpers leave of the same logits.
func TestDrawsFollowTransformersDistribution(t *testing.T) {
	logits := []float32{1, 3, 0, 2, -2, 2.5} // softmax: .0641 .4740 .0236 .1744 .0032 .2875 (sum 1.027 before rounding)
	soft := func(temperature float64, ids ...int) []float64 {
		p, sum := make([]float64, len(logits)), 0.0
		for _, i := range ids {
			p[i] = math.Exp(float64(logits[i]) / temperature)
			sum += p[i]
		}
		for i := range p {
			p[i] /= sum
		}
		return p
	}
	for _, c := range []struct {
		name, why string
		set       func(*Sampling)
		want      []float64
	}{
		{"whole", "the model's distribution", func(*Sampling) {}, soft(1, 0, 1, 2, 3, 4, 5)},
		{"hot", "temperature 2 flattens", func(s *Sampling) { s.Temperature = 2 }, soft(2, 0, 1, 2, 3, 4, 5)},
		{"top 2", "two likeliest tokens", func(s *Sampling) { s.TopK = 2 }, soft(1, 1, 5)},
		{"top 1", "greedy", func(s *Sampling) { s.TopK = 1 }, soft(1, 1)},
		{"nucleus", "tokens 1 and 5 hold 0.74, so token 3 is needed for 0.8", func(s *Sampling) { s.TopP = 0.8 }, soft(1, 1, 3, 5)},
		{"small nucleus", "the likeliest token always stays", func(s *Sampling) { s.TopP = 1e-9 }, soft(1, 1)},
		{"both", "TopP of what TopK left: token 1 holds 0.62 of two", func(s *Sampling) { s.TopK, s.TopP = 2, 0.6 }, soft(1, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := DefaultSampling()
			c.set(&s)
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			const n = 20000
			rnd := s.stream(0)
			got := make([]float64, len(logits))
			for range n {
				got[s.draw(logits, rnd)] += 1.0 / n
			}
			for i, p := range c.want {
				if sd := math.Sqrt(p * (1 - p) / n); !golden.Near(got[i], p, 5*sd+1e-9) {
					t.Errorf("token %d drawn with frequency %.4f, expected %.4f (%s)", i, got[i], p, c.why)
				}
			}
		})
	}
}

func testSamplingBySeed(t *testing.T, g *Generator) {
	ps := prompts(g.model.Config.Vocabulary)
	ps[3] = ps[1] // the same prompt twice is drawn twice
	run := func(seed uint64, size int) [][]int32 {
		s := DefaultSampling()
		s.Seed, s.Temperature, s.TopP = seed, 4, 0.95
		return answers(t, g, ps, Options{MaxNewTokens: 12, BatchSize: size, Sample: &s})
	}
	first := run(1, 8)
	if d := cmp.Diff(first, run(1, 8)); d != "" {
		t.Errorf("the same seed drew otherwise:\n%s", d)
	}
	if d := cmp.Diff(first, run(1, 3)); d != "" {
		t.Errorf("another batch size drew otherwise:\n%s", d)
	}
	if cmp.Equal(first, run(2, 8)) {
		t.Error("another seed drew the same")
	}
	if cmp.Equal(first[1], first[3]) {
		t.Errorf("the same prompt in two places drew the same: %v", first)
	}
}
