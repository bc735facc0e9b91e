package t5

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// TestLoRA holds an adapter on every linear layer against the same model with
// the product in its weights, W + s·B·A: the loss is the same, and by the chain
// rule dA = s·Bᵀ·dW and dB = s·dW·Aᵀ. (The rules themselves are held against
// peft in arch/llama.)
func TestLoRA(t *testing.T) {
	const rank, scale = 2, 1.5
	adapted, ra := load(t, "t5v11", false)
	merged, rm := load(t, "t5v11", false)
	for _, p := range ra.Params.All() {
		p.Trained = false
	}
	ra.Adapter = nn.Adapter{Scale: scale}
	rnd := rand.New(rand.NewPCG(7, 8))
	host := map[string][]float32{}
	for _, w := range tape.Adapters(adapted.Config.Linears(), rank) {
		values := make([]float32, w.Size())
		for i := range values {
			values[i] = float32(rnd.NormFloat64() * 0.1)
		}
		host[w.Name] = values
		if err := ra.Params.Add(w, values, true); err != nil {
			t.Fatal(err)
		}
	}
	linears := adapted.Config.Linears()
	if want := 2*7 + 2*11; len(linears) != want { // layers of encoder and decoder
		t.Fatalf("%d linear layers; expected %d", len(linears), want)
	}
	for _, l := range linears {
		module := strings.TrimSuffix(l.Name, ".weight")
		p := rm.Params.Get(l.Name)
		w, err := rm.Params.Host(p)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range product(host[module+".lora_B.weight"], host[module+".lora_A.weight"], l.Dims[0], rank, l.Dims[1], scale) {
			w[i] += x
		}
		if err := rm.Params.SetHost(p, w); err != nil {
			t.Fatal(err)
		}
	}

	g := golden.LoadNamed(t, filepath.Join("testdata", "t5v11"), "fid")
	packs := small().Pack(fused(t, g))
	losses := make([]float32, 2)
	for i, m := range []struct {
		m *Model
		r *tape.Runner
	}{{adapted, ra}, {merged, rm}} {
		for _, b := range packs {
			losses[i] += float32(enginetest.Walk(t, m.r.New(true), m.m.Loss, b, true))
		}
	}
	golden.Compare(t, "loss", losses[:1], losses[1:], golden.Tolerance{Relative: 1e-5})
	grad := func(r *tape.Runner, name string) []float32 {
		values, err := xla.ToHost[float32](r.Params.Get(name).Grad)
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	near := golden.Tolerance{Absolute: 1e-4, Relative: 1e-3}
	for _, l := range linears {
		module := strings.TrimSuffix(l.Name, ".weight")
		nameA, nameB := module+".lora_A.weight", module+".lora_B.weight"
		out, in, dW := l.Dims[0], l.Dims[1], grad(rm, l.Name)
		golden.Compare(t, nameA, grad(ra, nameA), product(transposed(host[nameB], out, rank), dW, rank, out, in, scale), near)
		golden.Compare(t, nameB, grad(ra, nameB), product(dW, transposed(host[nameA], rank, in), out, in, rank, scale), near)
	}
}

// product is scale·x·y for x [n, k] and y [k, m].
func product(x, y []float32, n, k, m int, scale float32) []float32 {
	out := make([]float32, n*m)
	for i := range n {
		for j := range m {
			for l := range k {
				out[i*m+j] += scale * x[i*k+l] * y[l*m+j]
			}
		}
	}
	return out
}

// transposed is xᵀ for x [n, m].
func transposed(x []float32, n, m int) []float32 {
	out := make([]float32, n*m)
	for i := range n {
		for j := range m {
			out[j*n+i] = x[i*m+j]
		}
	}
	return out
}
