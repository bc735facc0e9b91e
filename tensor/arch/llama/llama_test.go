package llama

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/files/weights"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes"
)

// load puts a tiny model on the device in f32, every weight trained.
func load(t *testing.T, name string) (*Model, *tape.Runner) {
	t.Helper()
	return loadIn(t, name, false)
}

// loadIn is load for a model that computes in bf16 or f32.
func loadIn(t *testing.T, name string, bf16 bool) (*Model, *tape.Runner) {
	t.Helper()
	files := enginetest.Files(t, filepath.Join("testdata", name))
	c, err := ParseConfig(files.Config())
	if err != nil {
		t.Fatal(err)
	}
	return New(c, bf16), enginetest.Load(t, files, c.Weights(), bf16, true)
}

// rows packs the golden's rows one after another, padded to S positions.
func rows(t *testing.T, g *golden.Golden, s int) *batch.Decoder {
	t.Helper()
	b := &batch.Decoder{Window: 64}
	for r := range 3 {
		ids, labels := g.Ints(t, fmt.Sprintf("ids.%d", r)), g.Ints(t, fmt.Sprintf("labels.%d", r))
		start := len(b.Tokens)
		for i, id := range ids {
			b.Tokens = append(b.Tokens, id)
			b.Positions = append(b.Positions, int32(i))
			b.Reach = append(b.Reach, int32(start+len(ids)-1))
			if i > 0 && labels[i] >= 0 {
				b.Sources = append(b.Sources, int32(start+i-1))
				b.Targets = append(b.Targets, labels[i])
				b.Weights = append(b.Weights, 1)
				b.Terms++
			}
		}
	}
	for i := len(b.Tokens); i < s; i++ {
		b.Tokens = append(b.Tokens, 0)
		b.Positions = append(b.Positions, 0)
		b.Reach = append(b.Reach, int32(i))
	}
	for range 3 { // padding of the loss
		b.Sources, b.Targets, b.Weights = append(b.Sources, 0), append(b.Targets, 0), append(b.Weights, 0)
	}
	return b
}

func TestParity(t *testing.T) {
	differences := map[string]difference{}
	defer writeDifferences(t, differences)
	for _, m := range enginetest.FamiliesHere() {
		t.Run(m.Name, func(t *testing.T) {
			far := difference{}
			defer func() { differences[m.Name] = far }()
			g := golden.Load(t, filepath.Join("testdata", m.Name))
			model, runner := load(t, m.Name)
			b := rows(t, g, 80)

			tp := runner.New(false)
			at, lo := make([]int32, 80), 0
			for i := range at {
				at[i] = int32(i)
			}
			logits, err := model.Logits(tp, b, at)
			if err != nil {
				t.Fatal(err)
			}
			all, err := xla.ToHost[float32](logits.Tensor)
			if err != nil {
				t.Fatal(err)
			}
			v := model.Config.Vocabulary
			for r := range 3 {
				name := fmt.Sprintf("logits.%d", r)
				n := len(g.Ints(t, fmt.Sprintf("ids.%d", r)))
				g.Compare(t, name, all[lo*v:(lo+n)*v])
				far.Logits = max(far.Logits, g.Largest(t, name, all[lo*v:(lo+n)*v]))
				lo += n
			}
			if err := tp.Free(); err != nil {
				t.Fatal(err)
			}

			far.Loss, far.Gradients = compareGradients(t, g, model, runner, b)
			if !runner.Device.Native {
				return // that was by graphs
			}
			if err := runner.Params.ClearGradients(); err != nil {
				t.Fatal(err)
			}
			graphs := tape.NewRunner(runner.Engine, runner.Params)
			graphs.Device.Native = false
			compareGradients(t, g, model, graphs, b)
		})
	}
}

// compareGradients holds loss and gradients of a micro-batch against a golden, and
// gives their largest differences; frozen weights have no gradient.
func compareGradients(t *testing.T, g *golden.Golden, m *Model, r *tape.Runner, b *batch.Decoder) (loss, gradients float64) {
	t.Helper()
	sum := enginetest.Walk(t, r.New(true), m.Loss, b, true)
	mean := []float32{float32(sum) / float32(b.Terms)}
	g.Compare(t, "loss", mean)
	loss = g.Largest(t, "loss", mean)
	for _, p := range r.Params.All() {
		if p.Trained != (p.Grad != nil) {
			t.Errorf("%s: trained %t, a gradient %t", p.Name, p.Trained, p.Grad != nil)
		}
		if p.Grad == nil {
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
		gradients = max(gradients, g.Largest(t, "grad."+p.Name, grad))
	}
	return loss, gradients
}

// TestStoredInBF16 loads weights that are stored as graphs read them, without a
// detour over f32.
func TestStoredInBF16(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "bf16")
	whole, err := weights.Open(t.Context(), filepath.Join("testdata", "llama"))
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	if err := whole.Convert(t.Context(), folder, weights.BF16, whole.Files()); err != nil {
		t.Fatal(err)
	}
	source, err := weights.Open(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}()
	c, err := ParseConfig(source.Config())
	if err != nil {
		t.Fatal(err)
	}
	e := enginetest.Open(t)
	direct, widened := tape.NewParams(e, true), tape.NewParams(e, true)
	err = errors.Join(
		direct.Load(t.Context(), c.Weights(), source, false, nil),
		widened.Load(t.Context(), c.Weights(), struct{ tape.Source }{source}, false, nil),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range direct.All() {
		if len(p.Dims) > 1 && p.Compute.DType() != dtypes.BFloat16 {
			t.Errorf("%s is %s", p.Name, p.Compute.DType())
		}
		got, err := direct.Host(p)
		if err != nil {
			t.Fatal(err)
		}
		want, err := widened.Host(widened.Get(p.Name))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s differs", p.Name)
		}
	}
}
