package llama

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/device"
	"gorqa/tensor/tape"
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
		{"gemma2", "soft caps", nil, 512, false, false},
		{"phi3", "fused matrices, a window", nil, 512, false, false},
		{"olmo2", "norms behind, gradient checkpointing", nil, 512, true, false},
		{"gemma3_text", "windows and rotary positions by layer", nil, 512, false, false},
	} {
		t.Run(c.model+"/"+c.why, func(t *testing.T) {
			m, r := load(t, c.model)
			if c.graphs && !r.Device.Native {
				t.Skip("this engine has no other way, which the rows before go")
			}
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
			r.Recompute, r.Device.Native = c.recompute, r.Device.Native && !c.graphs
			got, gotGrads := gradients(t, m, r, p.Pack(rows))
			golden.Compare(t, "loss", []float32{got}, []float32{want}, golden.Tolerance{Absolute: 1e-5, Relative: 1e-5})
			for n, w := range wantGrads {
				golden.Compare(t, n, gotGrads[n], w, golden.Tolerance{Absolute: 2e-4, Relative: 1e-4})
			}
		})
	}
}

// TestRowAloneIsAsExactByTheFusedKernel shows that the loss and gradients of a row which has a micro-batch for
// itself are as near to those in f32 by the device's fused kernel, which is of bf16, as
// by the graph of a tree, with gradient checkpointing too.
func TestRowAloneIsAsExactByTheFusedKernel(t *testing.T) {
	if enginetest.Open(t).OnHost() {
		t.Skip("the host has no fused kernel; make test runs this with GORQA_TEST_ENGINE=standin")
	}
	for _, name := range []string{"llama", "mistral", "qwen3"} {
		t.Run(name, func(t *testing.T) {
			m, r := loadIn(t, name, true)
			rnd := rand.New(rand.NewPCG(9, 10))
			row := batch.Row{From: 20}
			for range 100 {
				row.Tokens = append(row.Tokens, int32(rnd.IntN(96)))
			}
			if name == "mistral" {
				row.Tokens, row.From = row.Tokens[:8], 2 // within the sliding window
			}
			fused := device.GPU().Decoder.Pack([]batch.Row{row})[0]
			tree := *fused
			tree.Paths = append(tree.Paths, tree.Paths[0])
			if a, b := m.kind(r.New(true), fused, m.Config.Slide[0]), m.kind(r.New(true), &tree, m.Config.Slide[0]); !a.row || b.row {
				t.Fatalf("attention of kinds %+v and %+v", a, b)
			}
			exact, exactRunner := load(t, name)
			loss, truth := gradients(t, exact, exactRunner, []*batch.Decoder{&tree})
			off := func(grad, want []float32) float64 { // as a part of its size
				var off, size float64
				for i, w := range want {
					off += math.Pow(float64(grad[i]-w), 2)
					size += math.Pow(float64(w), 2)
				}
				return math.Sqrt(off / size)
			}
			_, graph := gradients(t, m, r, []*batch.Decoder{&tree})
			for _, r.Recompute = range []bool{false, true} {
				got, grads := gradients(t, m, r, []*batch.Decoder{fused})
				golden.Compare(t, "loss", []float32{got}, []float32{loss}, golden.Tolerance{Relative: 2e-3})
				for n, want := range truth {
					if by, than := off(grads[n], want), off(graph[n], want); !(by <= 2*than) {
						t.Errorf("%s is off by %.2g of its size, and %.2g by the graph", n, by, than)
					}
				}
			}
			long := device.GPU().Decoder.Pack([]batch.Row{{Tokens: slices.Repeat(row.Tokens, 9)}})[0]
			if kind := m.kind(r.New(true), long, m.Config.Slide[0]); kind.row != (m.Config.Slide[0] == 0) {
				t.Errorf("a row of %d tokens in a window of %d: %+v", len(long.Paths[0]), m.Config.Slide[0], kind)
			}
		})
	}
}
