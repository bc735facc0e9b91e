package nn_test

import (
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graph code reads as formulas

	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/nn"
)

// TestAdapterDropout holds LinearVJP against autodiff of Linear, with an
// adapter whose input is dropped in part.
func TestAdapterDropout(t *testing.T) {
	const s, in, out, rank = 64, 32, 5, 3
	e, rnd := enginetest.Open(t), rand.New(rand.NewPCG(4, 5))
	adapter := nn.Adapter{Scale: 2, Dropout: 0.25}
	f, err := e.Func("linear", func(args []*Node) []*Node {
		x, a, b, dy := args[0], args[2], args[3], args[4]
		weights := func(seed *Node) *nn.Weights {
			return nn.NewWeights(map[string]*Node{
				"l.weight": args[1], "l.lora_A.weight": a, "l.lora_B.weight": b, nn.Seed: ConvertDType(seed, dtypes.Int32),
			}, func(name string) bool { return name != "l.weight" }, adapter, 0, false)
		}
		w := weights(args[5])
		y := nn.Linear(w, "l", x)
		dx := nn.LinearVJP(w, "l", x, dy)
		want := nn.Pullback([]*Node{y}, []*Node{dy}, []*Node{x, a, b})
		again, other := nn.Linear(weights(args[5]), "l", x), nn.Linear(weights(args[6]), "l", x)
		da, _ := w.Gradient("l.lora_A.weight")
		db, _ := w.Gradient("l.lora_B.weight")
		return append([]*Node{dx, da, db}, append(want, y, again, other)...)
	})
	if err != nil {
		t.Fatal(err)
	}
	wide := func(d ...int) array { return array{random(rnd, d[0]*d[1]), d} }
	got := callHost(t, e, f, wide(s, in), wide(out, in), wide(rank, in), wide(out, rank), wide(s, out), array{[]float32{7}, nil}, array{[]float32{8}, nil})
	for i, name := range []string{"dx", "dA", "dB"} {
		golden.Compare(t, name, got[i], got[3+i], golden.Tolerance{Absolute: 1e-4, Relative: 1e-5})
	}
	golden.Compare(t, "the same seed", got[7], got[6], golden.Tolerance{})
	if _, err := golden.Diff(got[8], got[6], golden.Tolerance{Absolute: 1e-3}); err == nil {
		t.Error("another seed drops the same values")
	}

	// With one layer of ones all through, the sum tells how much is dropped.
	ones := func(d ...int) array {
		a := array{make([]float32, d[0]*d[1]), d}
		for i := range a.flat {
			a.flat[i] = 1
		}
		return a
	}
	zero := array{make([]float32, out*in), []int{out, in}}
	got = callHost(t, e, f, ones(s, in), zero, ones(rank, in), ones(out, rank), ones(s, out), array{[]float32{7}, nil}, array{[]float32{8}, nil})
	var mean float64
	for _, y := range got[6] {
		mean += float64(y) / float64(s*out) / float64(rank*in) / adapter.Scale
	}
	if !golden.Near(mean, 1, 0.05) { // 2048 values: a standard deviation of 0.013
		t.Errorf("the mean of what dropout leaves is %v; expected about 1", mean)
	}
}
