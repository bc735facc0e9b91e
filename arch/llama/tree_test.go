package llama

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gorqa/batch"
	"gorqa/internal/golden"
	"gorqa/internal/xla"
	"gorqa/tape"
)

// gradients runs micro-batches and gives the summed loss and every gradient.
func gradients(t *testing.T, m *Model, r *tape.Runner, packs []*batch.Decoder) (float32, map[string][]float32) {
	t.Helper()
	var loss float32
	for _, b := range packs {
		tp := r.New(true)
		losses, err := m.Loss(tp, b)
		if err != nil {
			t.Fatal(err)
		}
		if err := tp.Backward(losses...); err != nil {
			t.Fatal(err)
		}
		for _, l := range losses {
			v, err := xla.ToHost[float32](l.Tensor)
			if err != nil {
				t.Fatal(err)
			}
			loss += v[0]
		}
		if err := tp.Free(); err != nil {
			t.Fatal(err)
		}
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
	return loss, grads
}

// TestTreesEqualRows shows that packing and sharing change nothing: random
// trees give the loss and gradients of their rows one by one.
func TestTreesEqualRows(t *testing.T) {
	for _, name := range []string{"llama", "mistral"} {
		t.Run(name, func(t *testing.T) {
			m, r := load(t, name)
			rnd := rand.New(rand.NewPCG(7, 8))
			var rows []batch.Row
			for i := range 7 {
				var tokens []int32
				if i > 0 {
					old := rows[rnd.IntN(i)].Tokens
					tokens = slices.Clone(old[:rnd.IntN(len(old))])
				}
				for range 10 + rnd.IntN(150) {
					tokens = append(tokens, int32(rnd.IntN(96)))
				}
				rows = append(rows, batch.Row{Tokens: tokens, From: len(tokens) / 3, Index: i})
			}
			alone := batch.DefaultPacking()
			alone.Share, alone.Capacity = false, 1
			want, wantGrads := gradients(t, m, r, alone.Pack(rows))
			for _, c := range []struct {
				name, why string
				capacity  int
				global    []int32
			}{
				{"trees", "branches on shared prefixes", 512, nil},
				{"one root", "a prefix common to all, outside the window", 2048, []int32{5, 6, 7, 8, 9}},
			} {
				t.Run(c.name, func(t *testing.T) {
					rows, want, wantGrads := rows, want, wantGrads
					if c.global != nil {
						rows = slices.Clone(rows)
						for i := range rows {
							rows[i].Tokens = append(slices.Clone(c.global), rows[i].Tokens...)
							rows[i].From += len(c.global)
						}
						want, wantGrads = gradients(t, m, r, alone.Pack(rows))
					}
					p := batch.DefaultPacking()
					p.Capacity, p.Round = c.capacity, 128
					packs := p.Pack(rows)
					got, gotGrads := gradients(t, m, r, packs)
					tol := golden.Tolerance{Absolute: 1e-5, Relative: 1e-5}
					golden.Compare(t, "loss", []float32{got}, []float32{want}, tol)
					for n, w := range wantGrads {
						golden.Compare(t, n, gotGrads[n], w, golden.Tolerance{Absolute: 2e-4, Relative: 1e-4})
					}
				})
			}
		})
	}
}
