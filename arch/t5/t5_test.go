package t5

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"gorqa/batch"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/internal/xla"
	"gorqa/tape"
	"gorqa/train"
)

// tiny are the models of testdata, each made by parity/make_models.py.
var tiny = []struct{ name, why string }{
	{"t5", "v1.0: relu, tied head on scaled states"},
	{"t5v11", "v1.1: gated GELU, a head of its own"},
}

// load puts a tiny model on the device, every weight trained.
func load(t *testing.T, name string) (*Model, *tape.Runner) {
	t.Helper()
	folder := filepath.Join("testdata", name)
	data, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	e := enginetest.Open(t)
	p := tape.NewParams(e, false)
	arrays := golden.Arrays(t, filepath.Join(folder, "model.safetensors"))
	for _, w := range c.Weights() {
		a, ok := arrays[w.Name]
		if !ok {
			t.Fatalf("the model has no %s", w.Name)
		}
		if fmt.Sprint(a.Shape) != fmt.Sprint(w.Dims) {
			t.Fatalf("%s: dimensions %v, expected %v", w.Name, a.Shape, w.Dims)
		}
		if err := p.Add(w.Name, w.Dims, a.Floats, true); err != nil {
			t.Fatal(err)
		}
		delete(arrays, w.Name)
	}
	for n := range arrays {
		t.Errorf("the model has a weight that Weights does not list: %s", n)
	}
	t.Cleanup(func() {
		if err := p.Free(); err != nil {
			t.Error(err)
		}
	})
	return New(c, false), tape.NewRunner(e, p)
}

// small packs tiny rows into few positions.
func small() batch.FusionPacking {
	p := batch.DefaultFusionPacking()
	p.Capacity, p.Encode, p.Round, p.Answers, p.Terms = 1024, 128, 8, 4, 16
	return p
}

// single are the golden's rows of one passage.
func single(t *testing.T, g *golden.Golden) []batch.FusionRow {
	t.Helper()
	var rows []batch.FusionRow
	for i := range g.Names("ids.") {
		rows = append(rows, batch.FusionRow{
			Passages: [][]int32{g.Ints(t, fmt.Sprintf("ids.%d", i))},
			Answer:   g.Ints(t, fmt.Sprintf("labels.%d", i)), Index: i,
		})
	}
	return rows
}

// fused are the rows of several passages of the golden "fid".
func fused(t *testing.T, g *golden.Golden) []batch.FusionRow {
	t.Helper()
	var rows []batch.FusionRow
	for i := range g.Names("labels.") {
		r := batch.FusionRow{Answer: g.Ints(t, fmt.Sprintf("labels.%d", i)), Index: i}
		for j := range g.Names(fmt.Sprintf("ids.%d.", i)) {
			r.Passages = append(r.Passages, g.Ints(t, fmt.Sprintf("ids.%d.%d", i, j)))
		}
		rows = append(rows, r)
	}
	return rows
}

// encoderStates gives the states of each of a micro-batch's rows.
func encoderStates(t *testing.T, m *Model, r *tape.Runner, b *batch.Fusion) map[int][]float32 {
	t.Helper()
	tp := r.New(false)
	words, err := m.words(tp, b)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.encode(tp, b, words)
	if err != nil {
		t.Fatal(err)
	}
	states, err := xla.ToHost[float32](c.states.Tensor)
	if err != nil {
		t.Fatal(err)
	}
	lengths, err := xla.ToHost[int32](c.lengths.Tensor)
	if err != nil {
		t.Fatal(err)
	}
	if err := tp.Free(); err != nil {
		t.Fatal(err)
	}
	out := map[int][]float32{}
	d := m.Config.Width
	for i, row := range b.Rows {
		lo := i * b.States
		out[row] = states[lo*d : (lo+int(lengths[i]))*d]
	}
	return out
}

func TestEncoderParity(t *testing.T) {
	for _, c := range tiny {
		t.Run(c.name, func(t *testing.T) {
			g := golden.Load(t, filepath.Join("testdata", c.name))
			m, r := load(t, c.name)
			seen := 0
			for _, b := range small().Pack(single(t, g)) {
				for row, states := range encoderStates(t, m, r, b) {
					g.Compare(t, fmt.Sprintf("encoder.%d", row), states)
					seen++
				}
			}
			if seen != 3 {
				t.Errorf("states of %d rows, expected 3", seen)
			}
		})
	}
}

// outputs are what a set of micro-batches gives.
type outputs struct {
	loss   float32              // summed
	terms  int                  // label tokens
	grads  map[string][]float32 // summed
	logits map[int][]float32    // by row, of its answer's tokens
}

func run(t *testing.T, m *Model, r *tape.Runner, packs []*batch.Fusion) outputs {
	t.Helper()
	out := outputs{grads: map[string][]float32{}, logits: map[int][]float32{}}
	for _, b := range packs {
		tp := r.New(false)
		x, err := m.Logits(tp, b, b.Sources)
		if err != nil {
			t.Fatal(err)
		}
		logits, err := xla.ToHost[float32](x.Tensor)
		if err != nil {
			t.Fatal(err)
		}
		if err := tp.Free(); err != nil {
			t.Fatal(err)
		}
		v := m.Config.Vocabulary
		for i, at := range b.Sources[:b.Terms] {
			row := b.Rows[int(at)/b.Width]
			out.logits[row] = append(out.logits[row], logits[i*v:(i+1)*v]...)
		}
		tp = r.New(true)
		losses, err := m.Loss(tp, b)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := tape.Sum(losses)
		if err != nil {
			t.Fatal(err)
		}
		if err := tp.Backward(losses...); err != nil {
			t.Fatal(err)
		}
		if err := tp.Free(); err != nil {
			t.Fatal(err)
		}
		out.loss += float32(sum)
		out.terms += b.Terms
	}
	for _, p := range r.Params.All() {
		if p.Grad == nil {
			t.Errorf("%s has no gradient", p.Name)
			continue
		}
		grad, err := xla.ToHost[float32](p.Grad)
		if err != nil {
			t.Fatal(err)
		}
		out.grads[p.Name] = grad
	}
	if err := r.Params.ClearGradients(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestParity(t *testing.T) {
	for _, c := range tiny {
		for _, kind := range []struct {
			name, why string
			rows      func(*testing.T, *golden.Golden) []batch.FusionRow
		}{
			{"golden", "one passage a row", single},
			{"fid", "three passages and two, of different lengths", fused},
		} {
			t.Run(c.name+" "+kind.name, func(t *testing.T) {
				g := golden.LoadNamed(t, filepath.Join("testdata", c.name), kind.name)
				m, r := load(t, c.name)
				out := run(t, m, r, small().Pack(kind.rows(t, g)))
				for row, logits := range out.logits {
					g.Compare(t, fmt.Sprintf("logits.%d", row), logits)
				}
				g.Compare(t, "loss", []float32{out.loss / float32(out.terms)})
				for name, grad := range out.grads {
					for i := range grad {
						grad[i] /= float32(out.terms)
					}
					g.Compare(t, "grad."+name, grad)
				}
			})
		}
	}
}

// TestTenSteps is the last rung of the parity ladder: ten AdamW steps with
// clipping give torch's losses, gradient norms and final weights.
func TestTenSteps(t *testing.T) {
	for _, c := range tiny {
		t.Run(c.name, func(t *testing.T) {
			g := golden.Load(t, filepath.Join("testdata", c.name))
			var values struct {
				Optimiser struct {
					LR          float64 `json:"lr"`
					WeightDecay float64 `json:"weight_decay"`
					Steps       int     `json:"steps"`
				} `json:"optimiser"`
			}
			g.Decode(t, &values)
			m, r := load(t, c.name)
			work := train.Work[*batch.Fusion]{Batches: small().Pack(single(t, g))}
			for _, b := range work.Batches {
				work.Terms += b.Terms
			}
			var losses, norms []float32
			never := func(int) bool { return false }
			adam := train.DefaultAdam()
			adam.WeightDecay = values.Optimiser.WeightDecay
			loop := train.Loop[*batch.Fusion]{
				Engine: enginetest.Open(t), Runner: r, Loss: m.Loss, Adam: adam,
				Work:     func(int) (train.Work[*batch.Fusion], error) { return work, nil },
				Schedule: train.Schedule{Kind: "constant", Peak: values.Optimiser.LR, Steps: values.Optimiser.Steps},
				EvalAt:   never, SaveAt: never,
				OnStep: func(s train.Step) error {
					losses, norms = append(losses, float32(s.Loss)), append(norms, float32(s.GradNorm))
					return nil
				},
			}
			if err := loop.Run(context.Background(), ""); err != nil {
				t.Fatal(err)
			}
			g.Compare(t, "losses", losses)
			g.Compare(t, "grad_norms", norms)
			for _, p := range r.Params.All() {
				final, err := xla.ToHost[float32](p.Master)
				if err != nil {
					t.Fatal(err)
				}
				g.Compare(t, "final."+p.Name, final)
			}
		})
	}
}
