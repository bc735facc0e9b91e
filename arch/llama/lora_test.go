package llama

import (
	"path/filepath"
	"slices"
	"testing"

	"gorqa/internal/golden"
	"gorqa/internal/xla"
	"gorqa/nn"
	"gorqa/tape"
	"gorqa/weights"
)

// TestLoRA is the parity ladder of an adapter that peft made: logits, loss, the
// gradient of every matrix and ten AdamW steps.
func TestLoRA(t *testing.T) {
	for _, test := range []struct{ name, why string }{
		{"lora", "on every linear layer"},
		{"rslora", "scaled by the root of the rank, on some layers only"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := filepath.Join("testdata", "llama", test.name)
			g := golden.Load(t, folder)
			m, r := load(t, "llama")
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
			losses, err := m.Loss(tp, b)
			if err != nil {
				t.Fatal(err)
			}
			sum, err := tape.Sum(losses)
			if err != nil {
				t.Fatal(err)
			}
			g.Compare(t, "loss", []float32{float32(sum) / float32(b.Terms)})
			if err := tp.Backward(losses...); err != nil {
				t.Fatal(err)
			}
			for _, p := range r.Params.All() {
				if !p.Trained {
					if p.Grad != nil {
						t.Errorf("%s is frozen and has a gradient", p.Name)
					}
					continue
				}
				grad, err := xla.ToHost[float32](p.Grad)
				if err != nil {
					t.Fatal(err)
				}
				for i := range grad {
					grad[i] /= float32(b.Terms)
				}
				g.Compare(t, "grad."+p.Name, grad)
			}
			if err := tp.Free(); err != nil {
				t.Fatal(err)
			}
			if err := r.Params.ClearGradients(); err != nil {
				t.Fatal(err)
			}

			tenSteps(t, g, m, r, b)
		})
	}
}
