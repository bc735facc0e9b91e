package llama

import (
	"math"
	"path/filepath"
	"testing"

	"gorqa/batch"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/tape"
	"gorqa/tensor/train"
	"gorqa/tensor/train/schedule"
)

// TestTenSteps is the last rung of the parity ladder: ten AdamW steps with
// clipping give torch's losses, gradient norms and final weights.
func TestTenSteps(t *testing.T) {
	for _, c := range enginetest.FamiliesHere() {
		for name, graphs := range map[string]bool{c.Name: false, c.Name + " by graphs alone, as on CUDA": true} {
			t.Run(name, func(t *testing.T) {
				g := golden.Load(t, filepath.Join("testdata", c.Name))
				m, r := load(t, c.Name)
				if graphs {
					byGraphs(t, r)
				}
				b := rows(t, g, 80)
				enginetest.TenSteps(t, g, r, m.Loss, []*batch.Decoder{b}, b.Terms)
			})
		}
	}
}

// byGraphs has a runner compute by graphs alone, and skips the test where it does so
// anyway.
func byGraphs(t *testing.T, r *tape.Runner) {
	t.Helper()
	if !r.Device.Native {
		t.Skip("this engine has no other way, which the test beside this goes")
	}
	r.Device.Native = false
}

// TestWeightOfBF16MovesAsInF32 shows that a weight that is computed with in bf16 is still an f32
// one: a first step moves it by the rate, which is far less than bf16 tells apart.
func TestWeightOfBF16MovesAsInF32(t *testing.T) {
	for name, graphs := range map[string]bool{"in place": false, "by graphs, as on CUDA": true} {
		t.Run(name, func(t *testing.T) {
			m, r := loadIn(t, "llama", true)
			if graphs {
				byGraphs(t, r)
			}
			before := map[string][]float32{}
			for _, p := range r.Params.All() {
				values, err := r.Params.Host(p)
				if err != nil {
					t.Fatal(err)
				}
				before[p.Name] = values
			}
			const rate = 1e-5
			b := rows(t, golden.Load(t, filepath.Join("testdata", "llama")), 80)
			enginetest.Optimise(t, r, m.Loss, []*batch.Decoder{b}, b.Terms, train.DefaultAdam(), schedule.Schedule{Kind: "constant", Peak: rate, Steps: 1})
			for _, p := range r.Params.All() {
				after, err := r.Params.Host(p)
				if err != nil {
					t.Fatal(err)
				}
				as := 0
				for i, w := range before[p.Name] {
					if by := math.Abs(float64(after[i] - w)); by > 0.99*rate && by < 1.01*rate {
						as++
					}
				}
				if !p.Table && as < len(after)*9/10 {
					t.Errorf("%s: %d of %d weights moved by the rate", p.Name, as, len(after))
				}
			}
		})
	}
}
