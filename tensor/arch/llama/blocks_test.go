package llama

import (
	"fmt"
	"path/filepath"
	"testing"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/internal/golden"
)

// blockRows are a golden's rows of blocks.
func blockRows(t *testing.T, g *golden.Golden) []batch.Row {
	t.Helper()
	var rows []batch.Row
	for i := range 4 {
		r := batch.Row{Tokens: g.Ints(t, fmt.Sprintf("ids.%d", i)), Index: i}
		for _, end := range g.Ints(t, fmt.Sprintf("blocks.%d", i)) {
			r.Blocks = append(r.Blocks, int(end))
		}
		r.From = len(r.Tokens) - int(g.Ints(t, fmt.Sprintf("answer.%d", i))[0])
		rows = append(rows, r)
	}
	return rows
}

// TestBlocksParity holds rows of blocks, of which passages are computed once, against
// transformers over the same rows written out.
func TestBlocksParity(t *testing.T) {
	for _, name := range []string{"llama", "gemma3_text", "smollm3", "phi3"} {
		t.Run(name, func(t *testing.T) {
			g := golden.LoadNamed(t, filepath.Join("testdata", name), "blocks")
			m, r := load(t, name)
			if !r.Device.Native {
				t.Skip("blocks are computed on the processor alone")
			}
			rows := blockRows(t, g)
			p := batch.DefaultPacking()
			packs := p.Pack(rows)
			if len(packs) != 1 || len(packs[0].Rows) != len(rows) {
				t.Fatalf("%d packs", len(packs))
			}
			b := packs[0]
			tp := r.New(false)
			every := make([]int32, len(b.Tokens))
			for i := range every {
				every[i] = int32(i)
			}
			logits, err := m.Logits(tp, b, every)
			if err != nil {
				t.Fatal(err)
			}
			all, err := xla.ToHost[float32](logits.Tensor)
			if err != nil {
				t.Fatal(err)
			}
			v := m.Config.Vocabulary
			for i, row := range b.Rows {
				var of []float32
				for _, at := range b.Paths[i] {
					of = append(of, all[int(at)*v:(int(at)+1)*v]...)
				}
				g.Compare(t, fmt.Sprintf("logits.%d", row), of)
			}
			if err := tp.Free(); err != nil {
				t.Fatal(err)
			}
			for _, checkpointing := range []bool{false, true} {
				r.Recompute = checkpointing
				compareGradients(t, g, m, r, b)
				if err := r.Params.ClearGradients(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
