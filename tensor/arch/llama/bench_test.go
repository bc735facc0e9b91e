package llama

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gorqa/batch"
	"gorqa/internal/enginetest"
	"gorqa/tensor/tape"
)

// smol is the shape of SmolLM2-135M.
const smol = `{"model_type":"llama","hidden_size":576,"num_hidden_layers":30,"num_attention_heads":9,
"num_key_value_heads":3,"intermediate_size":1536,"vocab_size":49152,"rms_norm_eps":1e-5,"rope_theta":100000,
"tie_word_embeddings":true,"max_position_embeddings":8192}`

// BenchmarkGradients measures loss and gradients of packed rows at the shape
// of SmolLM2-135M with random weights: rows of 360 tokens, a fifth of them
// answer, as in the Faire data.
func BenchmarkGradients(b *testing.B) {
	for _, c := range []struct{ rows, length, capacity int }{{2, 360, 768}, {4, 360, 1536}, {8, 360, 1024}, {1, 2048, 2048}} {
		for _, bf16 := range []bool{false, true} {
			b.Run(fmt.Sprintf("rows=%d/length=%d/capacity=%d/bf16=%t", c.rows, c.length, c.capacity, bf16), func(b *testing.B) {
				config, err := ParseConfig([]byte(smol))
				if err != nil {
					b.Fatal(err)
				}
				e := enginetest.Open(b)
				params := tape.NewParams(e, bf16)
				random := rand.New(rand.NewPCG(1, 1))
				for _, w := range config.Weights() {
					n := 1
					for _, d := range w.Dims {
						n *= d
					}
					values := make([]float32, n)
					for i := range values {
						values[i] = float32(random.NormFloat64() * 0.02)
					}
					if err := params.Add(w, values, true); err != nil {
						b.Fatal(err)
					}
				}
				var rows []batch.Row
				for i := range c.rows {
					tokens := make([]int32, c.length)
					for j := range tokens {
						tokens[j] = random.Int32N(49152)
					}
					rows = append(rows, batch.Row{Tokens: tokens, From: c.length * 4 / 5, Index: i})
				}
				p := batch.DefaultPacking()
				p.Capacity = c.capacity
				packs := p.Pack(rows)
				m, r := New(config, bf16), tape.NewRunner(e, params)
				step := func() {
					for _, d := range packs {
						t := r.New(true)
						losses, err := m.Loss(t, d)
						if err != nil {
							b.Fatal(err)
						}
						if err := t.Backward(losses...); err != nil {
							b.Fatal(err)
						}
						if err := t.Free(); err != nil {
							b.Fatal(err)
						}
					}
				}
				step() // compiles
				step()
				for b.Loop() {
					step()
				}
				b.ReportMetric(float64(b.N*c.rows*c.length)/b.Elapsed().Seconds(), "tokens/s")
				if err := params.Free(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
