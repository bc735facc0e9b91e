package llama

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gorqa/batch"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/internal/xla"
	"gorqa/tape"
)

// gradients runs micro-batches and gives the summed loss and every gradient.
func gradients(t *testing.T, m *Model, r *tape.Runner, packs []*batch.Decoder) (float32, map[string][]float32) {
	t.Helper()
	var loss float64
	for _, b := range packs {
		loss += enginetest.Walk(t, r.New(true), m.Loss, b, true)
	}
	grads := map[string][]float32{}
	for _, p := range r.Params.All() {
		g, err := xla.ToHost[float32](p.Grad)
		if err != nil {
			t.Fatal(err)
		}
		grads[p.Name] = g
	}
	if err := r.Params.ClearGradients(); err != nil {
		t.Fatal(err)
	}
	return float32(loss), grads
}

// TestTreesEqualRows shows that packing and sharing change nothing: random
// trees give the loss and gradients of their rows one by one, and so they do
// where activations are computed again on the way back.
func TestTreesEqualRows(t *testing.T) {
	global := []int32{5, 6, 7, 8, 9}
	for _, c := range []struct {
		model, why string
		prefix     []int32 // before every row
		capacity   int
		recompute  bool
		graphs     bool
	}{
		{"llama", "branches on shared prefixes", nil, 512, false, false},
		{"llama", "a prefix common to all, outside the window", global, 2048, false, false},
		{"llama", "gradient checkpointing", global, 2048, true, false},
		{"mistral", "a sliding window across branches", nil, 512, false, false},
		{"llama", "attention as a graph, as on CUDA", global, 2048, false, true},
		{"mistral", "a sliding window as a graph", nil, 512, false, true},
	} {
		t.Run(c.model+"/"+c.why, func(t *testing.T) {
			m, r := load(t, c.model)
			rnd := rand.New(rand.NewPCG(7, 8))
			var rows []batch.Row
			for i := range 6 {
				tokens := slices.Clone(c.prefix)
				if i > 0 {
					old := rows[rnd.IntN(i)].Tokens
					tokens = slices.Clone(old[:len(c.prefix)+rnd.IntN(len(old)-len(c.prefix))])
				}
				for range 10 + rnd.IntN(150) {
					tokens = append(tokens, int32(rnd.IntN(96)))
				}
				rows = append(rows, batch.Row{Tokens: tokens, From: len(tokens) / 3, Index: i})
			}
			p := batch.DefaultPacking()
			p.Terms = 512 // one shape for the loss
			p.Share, p.Capacity = false, 1
			want, wantGrads := gradients(t, m, r, p.Pack(rows))
			p.Share, p.Capacity, p.Round = true, c.capacity, 128
			r.Recompute, r.Graphs, m.graphs = c.recompute, c.graphs, c.graphs
			got, gotGrads := gradients(t, m, r, p.Pack(rows))
			golden.Compare(t, "loss", []float32{got}, []float32{want}, golden.Tolerance{Absolute: 1e-5, Relative: 1e-5})
			for n, w := range wantGrads {
				golden.Compare(t, n, gotGrads[n], w, golden.Tolerance{Absolute: 2e-4, Relative: 1e-4})
			}
		})
	}
}
