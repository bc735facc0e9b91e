package llama

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/files/weights"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// TestLoRA is the parity ladder of an adapter that peft made: logits, loss, the
// gradient of every matrix and ten AdamW steps.
func TestLoRA(t *testing.T) {
	for _, test := range []struct {
		name, why string
		standIn   bool // also run there: its graphs are of another kind than the others'
	}{
		{"llama/lora", "on every linear layer", true},
		{"llama/rslora", "scaled by the root of the rank, on some layers only", false},
		{"gemma3_text/lora", "norms behind what it adds to, layers of two kinds", false},
		{"phi3/lora", "one pair of matrices for q, k and v, and for gate and up", true},
		{"gemma/lora", "norms of 1 and the weight, scaled embeddings", false},
		{"gemma2/lora", "soft caps of scores and logits", false},
		{"olmo2/lora", "norms behind, and on all heads together", false},
		{"olmo3/lora", "layers that turn by other positions", false},
		{"granite/lora", "what a part adds is scaled", false},
		{"smollm3/lora", "layers without rotary positions", false},
		{"ministral3/lora", "yarn, heads wider than their share", false},
		{"qwen2/lora", "beside biases", false},
		{"qwen3/lora", "before norms on queries and keys", false},
		{"gemma3/lora", "put on the wrapper", false},
		{"mistral3/lora", "put on the wrapper of a mistral", false},
		{"mistral3-ministral3/lora", "put on the wrapper of a ministral3", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if enginetest.Name() == enginetest.StandIn && !test.standIn {
				t.Skip("adds to its linear layers by graphs that others have")
			}
			folder := filepath.Join("testdata", filepath.FromSlash(test.name))
			g := golden.Load(t, folder)
			m, r := adapted(t, folder)
			b := rows(t, g, 80)

			tp := r.New(true)
			at := make([]int32, 80)
			for i := range at {
				at[i] = int32(i)
			}
			logits, err := m.Logits(tp, b, at)
			if err != nil {
				t.Fatal(err)
			}
			all, err := xla.ToHost[float32](logits.Tensor)
			if err != nil {
				t.Fatal(err)
			}
			lo := 0
			for _, name := range g.Names("logits.") {
				n := len(g.Floats(t, name))
				g.Compare(t, name, all[lo:lo+n])
				lo += n
			}
			if err := tp.Free(); err != nil {
				t.Fatal(err)
			}
			compareGradients(t, g, m, r, b)
			if err := r.Params.ClearGradients(); err != nil {
				t.Fatal(err)
			}

			enginetest.TenSteps(t, g, r, m.Loss, []*batch.Decoder{b}, b.Terms)
		})
	}
}

// TestQuantisedBase: beside an adapter, a base whose linear layers are held in 8
// or 4 bits computes with the values that these stand for, forwards and backwards.
func TestQuantisedBase(t *testing.T) {
	rounded := map[int]func([]float32) []float32{
		8: func(v []float32) []float32 { return nn.Dequantised8(nn.Quantise8(v)) },
		4: func(v []float32) []float32 { return nn.Dequantised4(nn.Quantise4(v)) },
	}
	for bits, most := range map[int]float64{8: 0.01, 4: 0.1} { // of the loss
		for _, name := range []string{"llama", "phi3"} { // wide enough for blocks of 32
			if enginetest.Name() == enginetest.StandIn && (bits == 8) != (name == "llama") {
				continue // each format and each kind of matrix once
			}
			t.Run(fmt.Sprintf("%s in %d bits", name, bits), func(t *testing.T) { quantisedBase(t, name, bits, rounded[bits], most) })
		}
	}
}

func quantisedBase(t *testing.T, name string, bits int, rounded func([]float32) []float32, most float64) {
	folder := filepath.Join("testdata", name, "lora")
	run := func(quantised, round bool) (loss float64, grads map[string][]float32) {
		m, r := adapted(t, folder)
		linears := m.Config.Linears()
		if quantised {
			r.Params.Quantise(linears, bits)
		}
		for _, w := range linears {
			p := r.Params.Get(w.Name)
			values, err := r.Params.Host(p)
			if err != nil {
				t.Fatal(err)
			}
			blocks := w.Dims[1]%32 == 0 // others stay what they are
			if round && blocks {
				values = rounded(values)
			}
			if err := r.Params.SetHost(p, values); err != nil {
				t.Fatal(err)
			}
			if want := quantised && blocks; want != (p.Scale != nil) {
				t.Fatalf("%s quantised: %t; expected %t", w.Name, p.Scale != nil, want)
			}
			if held, err := r.Params.Host(p); err != nil || round && !slices.Equal(held, values) {
				t.Fatalf("%s: other values than it was given, or %v", w.Name, err)
			}
		}
		loss = enginetest.Walk(t, r.New(true), m.Loss, rows(t, golden.Load(t, folder), 80), true)
		grads = map[string][]float32{}
		for _, p := range r.Params.All() {
			if !p.Trained {
				continue
			}
			var err error
			if grads[p.Name], err = xla.ToHost[float32](p.Grad); err != nil {
				t.Fatal(err)
			}
		}
		return loss, grads
	}
	exact, _ := run(false, false)
	want, wantGrads := run(false, true)
	got, gotGrads := run(true, false)
	if !golden.Near(got, want, 1e-5*want) {
		t.Errorf("a loss of %v; expected %v as with the values that the bits stand for", got, want)
	}
	if got == exact || !golden.Near(got, exact, most*exact) {
		t.Errorf("a loss of %v, %v before; expected them to differ by less than %v of it", got, exact, most)
	}
	for name, grad := range wantGrads {
		// Weights that are one step of float32 off, as sums in another order are, move a
		// gradient by 1.4e-6 of the largest.
		largest := float64(slices.MaxFunc(grad, func(a, b float32) int { return cmp.Compare(math.Abs(float64(a)), math.Abs(float64(b))) }))
		golden.Compare(t, name, gotGrads[name], grad, golden.Tolerance{Absolute: max(1e-5, 3e-6*math.Abs(largest)), Relative: 1e-4})
	}
}

// adapted is a tiny model with the adapter of a folder in its own, which alone
// is trained.
func adapted(t *testing.T, folder string) (*Model, *tape.Runner) {
	t.Helper()
	m, r := load(t, filepath.Base(filepath.Dir(folder)))
	for _, p := range r.Params.All() {
		p.Trained = false
	}
	source, lora, err := weights.OpenAdapter(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	names := source.Names()
	matrices := slices.DeleteFunc(tape.Adapters(m.Config.Linears(), lora.Rank), func(w tape.Weight) bool {
		return !slices.Contains(names, w.Name)
	})
	if len(matrices) != len(names) {
		t.Fatalf("%d matrices in the model; the adapter has %d", len(matrices), len(names))
	}
	if err := r.Params.Load(t.Context(), matrices, source, true, nil); err != nil {
		t.Fatal(err)
	}
	r.Adapter = nn.Adapter{Scale: lora.Scale()}
	return m, r
}

// TestLoRADropout: with part of the adapters' inputs dropped, and again where
// the layers are computed a second time on the way back, the loss falls along
// its gradient as the gradient says.
func TestLoRADropout(t *testing.T) {
	for _, recompute := range []bool{false, true} {
		folder := filepath.Join("testdata", "llama", "lora")
		m, r := adapted(t, folder)
		r.Adapter.Dropout, r.Recompute = 0.3, recompute
		b := rows(t, golden.Load(t, folder), 80)
		loss := func(seed uint64, backward bool) float64 {
			tp := r.New(true)
			tp.Seed = seed
			return enginetest.Walk(t, tp, m.Loss, b, backward)
		}
		first := loss(1, true)
		if again, other := loss(1, false), loss(2, false); again != first || !(math.Abs(other-first) >= 1e-3) {
			t.Errorf("recompute %t: losses %v and %v with one seed, %v with another; expected two equal ones and another", recompute, first, again, other)
		}
		var square float64
		values, grads := map[*tape.Param][]float32{}, map[*tape.Param][]float32{}
		for _, p := range r.Params.All() {
			if !p.Trained {
				continue
			}
			var err error
			if values[p], err = r.Params.Host(p); err != nil {
				t.Fatal(err)
			}
			if grads[p], err = xla.ToHost[float32](p.Grad); err != nil {
				t.Fatal(err)
			}
			for _, x := range grads[p] {
				square += float64(x) * float64(x)
			}
		}
		const part = 0.02 // what a step is to change the loss by
		size := part / square
		at := func(size float64) float64 {
			for p, v := range values {
				moved := slices.Clone(v)
				for i, x := range grads[p] {
					moved[i] += float32(size) * x
				}
				if err := r.Params.SetHost(p, moved); err != nil {
					t.Fatal(err)
				}
			}
			return loss(1, false)
		}
		if got := (at(size) - at(-size)) / (2 * size); !golden.Near(got, square, 0.01*square) {
			t.Errorf("recompute %t: the loss changes by %v; expected %v", recompute, got, square)
		}
	}
}
