package llama

import (
	"path/filepath"
	"testing"

	"gorqa/batch"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tape"
	"gorqa/train"
)

// TestTenSteps is the last rung of the parity ladder: ten AdamW steps with
// clipping give torch's losses, gradient norms and final weights.
func TestTenSteps(t *testing.T) {
	for _, c := range tiny {
		t.Run(c.name, func(t *testing.T) {
			g := golden.Load(t, filepath.Join("testdata", c.name))
			m, r := load(t, c.name)
			tenSteps(t, g, m, r, rows(t, g, 80))
		})
	}
}

// tenSteps takes ten AdamW steps and compares losses, gradient norms and the
// final values of the trained weights.
func tenSteps(t *testing.T, g *golden.Golden, m *Model, r *tape.Runner, b *batch.Decoder) {
	t.Helper()
	var values struct {
		Optimiser struct {
			LR          float64 `json:"lr"`
			WeightDecay float64 `json:"weight_decay"`
			Steps       int     `json:"steps"`
		} `json:"optimiser"`
	}
	g.Decode(t, &values)
	var losses, norms []float32
	never := func(int) bool { return false }
	adam := train.DefaultAdam()
	adam.WeightDecay = values.Optimiser.WeightDecay
	loop := train.Loop[*batch.Decoder]{
		Engine: enginetest.Open(t), Runner: r, Loss: m.Loss, Adam: adam,
		Work: func(int) (train.Work[*batch.Decoder], error) {
			return train.Work[*batch.Decoder]{Batches: []*batch.Decoder{b}, Terms: b.Terms}, nil
		},
		Schedule: train.Schedule{Kind: "constant", Peak: values.Optimiser.LR, Steps: values.Optimiser.Steps},
		EvalAt:   never, SaveAt: never,
		OnStep: func(s train.Step) error {
			losses, norms = append(losses, float32(s.Loss)), append(norms, float32(s.GradNorm))
			return nil
		},
	}
	if err := loop.Run(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	g.Compare(t, "losses", losses)
	g.Compare(t, "grad_norms", norms)
	for _, p := range r.Params.All() {
		if p.Trained {
			final, err := r.Params.Host(p)
			if err != nil {
				t.Fatal(err)
			}
			g.Compare(t, "final."+p.Name, final)
		}
	}
}
