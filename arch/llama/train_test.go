package llama

import (
	"path/filepath"
	"testing"

	"gorqa/batch"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
)

// TestTenSteps is the last rung of the parity ladder: ten AdamW steps with
// clipping give torch's losses, gradient norms and final weights.
func TestTenSteps(t *testing.T) {
	for _, c := range tiny {
		for name, graphs := range map[string]bool{c.name: false, c.name + " by graphs alone, as on CUDA": true} {
			t.Run(name, func(t *testing.T) {
				g := golden.Load(t, filepath.Join("testdata", c.name))
				m, r := load(t, c.name)
				m.graphs, r.Graphs = graphs, graphs
				b := rows(t, g, 80)
				enginetest.TenSteps(t, g, r, m.Loss, []*batch.Decoder{b}, b.Terms)
			})
		}
	}
}
