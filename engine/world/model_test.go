package world

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

// link is a way between processes: seconds a message, bytes a second.
type link struct{ alpha, beta float64 }

// sentBy is what a process sends in a step, in bytes: f32 gradients to those whose parts
// they are, in stage 2 of each micro-batch, and then sums in f32 or weights in bf16.
func sentBy(stage, processes, batches int, weights float64) (gradients, back float64) {
	others := weights * float64(processes-1) / float64(processes)
	switch stage {
	case 0:
		return 4 * others, 4 * others
	case 1:
		return 4 * others, 2 * others
	}
	return 4 * others * float64(batches), 2 * others
}

// predicted is the rate of a step over N times that of one process, and the share of
// communication that is hidden: behind the backward pass, but for the last block. The
// weights that stages 1 and 2 send come after it.
func predicted(l link, stage, processes int, weights, tokens, flops float64) (efficiency, hidden float64) {
	blocks := math.Ceil(weights / BlockValues)
	compute := 6 * weights * tokens / flops
	backward := compute * 2 / 3
	gradients, back := sentBy(stage, processes, 1, weights)
	each := blocks * float64(processes-1) * l.alpha
	behind, after := each+gradients/l.beta, each+back/l.beta
	if stage == 0 {
		behind, after = behind+after, 0
	}
	exposed := max(behind/blocks, behind-backward) + after
	return compute / (compute + exposed), 1 - exposed/(behind+after)
}

// The table of docs/scaling.md is what the model gives.
func TestModel(t *testing.T) {
	page, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	nvlink, ethernet := link{5e-6, 300e9}, link{30e-6, 10e9}
	for _, n := range []int{2, 4, 8, 16, 32, 64} {
		row := fmt.Sprintf("| %d |", n)
		for _, stage := range []int{0, 2} {
			gradients, back := sentBy(stage, n, 1, 7.25e9)
			row += fmt.Sprintf(" %.0f |", (gradients+back)/1e9)
			for _, l := range []link{nvlink, ethernet} {
				efficiency, hidden := predicted(l, stage, n, 7.25e9, 16384, 4e14)
				row += fmt.Sprintf(" %.0f %%, %.0f %% |", 100*efficiency, 100*hidden)
			}
		}
		if !strings.Contains(string(page), row+"\n") {
			t.Errorf("docs/scaling.md lacks the row\n%s", row)
		}
	}
}
