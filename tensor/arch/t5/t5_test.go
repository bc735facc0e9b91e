package t5

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/tape"
	"gorqa/tensor/train"
	"gorqa/tensor/train/schedule"
)

// tiny are the models of testdata, each made by parity/make_models.py.
var tiny = []struct{ name, why string }{
	{"t5", "v1.0: relu, tied head on scaled states"},
	{"t5v11", "v1.1: gated GELU, a head of its own"},
}

// load puts a tiny model on the device, every weight trained, to compute in bf16
// or f32.
func load(t *testing.T, name string, bf16 bool) (*Model, *tape.Runner) {
	t.Helper()
	files := enginetest.Files(t, filepath.Join("testdata", name))
	c, err := ParseConfig(files.Config(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return New(c, bf16), enginetest.Load(t, files, c.Weights(), bf16, true)
}

// small packs tiny rows into few shapes: passages of two widths, answers of one.
func small() batch.FiDPacking {
	p := batch.DefaultFiDPacking()
	p.Capacity, p.Encode, p.Round, p.Answers, p.Terms = 192, 48, 24, 12, 16
	return p
}

// alone packs every row, and every passage of it, by itself.
func alone() batch.FiDPacking {
	p := small()
	p.Capacity, p.Encode = 1, 1
	return p
}

// single are the golden's rows of one passage.
func single(t *testing.T, g *golden.Golden) []batch.FiDRow {
	t.Helper()
	var rows []batch.FiDRow
	for i := range g.Names("ids.") {
		rows = append(rows, batch.FiDRow{
			Passages: [][]int32{g.Ints(t, fmt.Sprintf("ids.%d", i))},
			Answer:   g.Ints(t, fmt.Sprintf("labels.%d", i)), Index: i,
		})
	}
	return rows
}

// fused are the rows of several passages of the golden "fid".
func fused(t *testing.T, g *golden.Golden) []batch.FiDRow {
	t.Helper()
	var rows []batch.FiDRow
	for i := range g.Names("labels.") {
		r := batch.FiDRow{Answer: g.Ints(t, fmt.Sprintf("labels.%d", i)), Index: i}
		for j := range g.Names(fmt.Sprintf("ids.%d.", i)) {
			r.Passages = append(r.Passages, g.Ints(t, fmt.Sprintf("ids.%d.%d", i, j)))
		}
		rows = append(rows, r)
	}
	return rows
}

// encoderStates gives the states of each of a micro-batch's rows.
func encoderStates(t *testing.T, m *Model, r *tape.Runner, b *batch.FiD) map[int][]float32 {
	t.Helper()
	tp := r.New(true) // the same compiled blocks as in training
	c, err := m.Context(tp, b)
	if err != nil {
		t.Fatal(err)
	}
	states, err := xla.ToHost[float32](c.States.Tensor)
	if err != nil {
		t.Fatal(err)
	}
	lengths, err := xla.ToHost[int32](c.Lengths.Tensor)
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

// outputs are what a set of micro-batches gives.
type outputs struct {
	loss   float32              // summed
	terms  int                  // label tokens
	grads  map[string][]float32 // summed
	logits map[int][]float32    // by row, of its answer's tokens
}

func run(t *testing.T, m *Model, r *tape.Runner, packs []*batch.FiD) outputs {
	t.Helper()
	out := outputs{grads: map[string][]float32{}, logits: map[int][]float32{}}
	for _, b := range packs {
		tp := r.New(true) // the same compiled blocks as in training
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
		out.loss += float32(enginetest.Walk(t, r.New(true), m.Loss, b, true))
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

// TestParityFromStatesToTenSteps climbs from encoder states to ten optimiser steps, on one set of
// compiled blocks per model.
func TestParityFromStatesToTenSteps(t *testing.T) {
	for _, c := range tiny {
		t.Run(c.name, func(t *testing.T) {
			m, r := load(t, c.name, false)
			g := golden.Load(t, filepath.Join("testdata", c.name))
			rows := single(t, g)
			t.Run("encoder", func(t *testing.T) {
				for _, b := range alone().Pack(rows) {
					for row, states := range encoderStates(t, m, r, b) {
						g.Compare(t, fmt.Sprintf("encoder.%d", row), states)
					}
				}
			})
			t.Run("one passage", func(t *testing.T) { compare(t, g, run(t, m, r, alone().Pack(rows))) })
			t.Run("one passage, gradients by graphs alone", func(t *testing.T) { // as on a GPU
				if !r.Device.Native {
					t.Skip("this engine has no other way, which the test before goes")
				}
				graphs := tape.NewRunner(r.Engine, r.Params)
				graphs.Device.Native = false
				compare(t, g, run(t, m, graphs, alone().Pack(rows)))
			})
			t.Run("FiD", func(t *testing.T) {
				g := golden.LoadNamed(t, filepath.Join("testdata", c.name), "fid")
				packs := small().Pack(fused(t, g))
				if len(packs) != 1 || len(packs[0].Groups) != 3 {
					t.Fatalf("%d micro-batches, the first of %d groups; expected one of three, in two widths", len(packs), len(packs[0].Groups))
				}
				compare(t, g, run(t, m, r, packs))
			})
			t.Run("ragged", func(t *testing.T) {
				raggedEqualsAlone(t, m, r, fused(t, golden.LoadNamed(t, filepath.Join("testdata", c.name), "fid")))
			})
			t.Run("shares", func(t *testing.T) {
				b := small().Pack(fused(t, golden.LoadNamed(t, filepath.Join("testdata", c.name), "fid")))[0]
				compareShares(t, c.name, m, r, b)
			})
			t.Run("ten steps", func(t *testing.T) {
				packs := alone().Pack(rows)
				enginetest.TenSteps(t, g, r, m.Loss, packs, terms(packs))
			})
		})
	}
}

// compare holds logits, loss and every gradient against a golden.
func compare(t *testing.T, g *golden.Golden, out outputs) {
	t.Helper()
	if len(out.logits) != len(g.Names("labels.")) {
		t.Errorf("logits of %d rows", len(out.logits))
	}
	for row, logits := range out.logits {
		g.Compare(t, fmt.Sprintf("logits.%d", row), logits)
	}
	g.Compare(t, "loss", []float32{out.loss / float32(out.terms)})
	worst := 0.0
	for name, grad := range out.grads {
		for i := range grad {
			grad[i] /= float32(out.terms)
		}
		worst = max(worst, g.Compare(t, "grad."+name, grad))
	}
	t.Logf("gradients use at most %.2g of their tolerance", worst)
}

// compareShares holds the shares of the passages against the scores of
// transformers' cross-attention.
func compareShares(t *testing.T, name string, m *Model, r *tape.Runner, b *batch.FiD) {
	t.Helper()
	g := golden.Golden{}
	golden.ReadJSON(t, filepath.Join("testdata", name, "search.json"), &g.Header)
	var values struct {
		Shares []struct {
			Shares []float32 `json:"shares"`
		} `json:"shares"`
	}
	g.Decode(t, &values)
	tp := r.New(true) // the same compiled blocks as in training
	c, err := m.Context(tp, b)
	if err != nil {
		t.Fatal(err)
	}
	shares, err := m.Shares(tp, c, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := tp.Free(); err != nil {
		t.Fatal(err)
	}
	for i, row := range b.Rows {
		var got []float32
		for _, share := range shares[i] {
			got = append(got, float32(share))
		}
		golden.Compare(t, fmt.Sprintf("row %d", row), got, values.Shares[row].Shares, g.ToleranceOf(t, "shares"))
	}
}

// terms counts the label tokens.
func terms(packs []*batch.FiD) (n int) {
	for _, b := range packs {
		n += b.Terms
	}
	return n
}

// TestTablesLearnAtTheirOwnRate shows that lookup tables learn at their own rate, ten times the
// others' here, and nothing else does.
func TestTablesLearnAtTheirOwnRate(t *testing.T) {
	moved := func(tables float64) map[string][]float32 {
		m, r := load(t, tiny[0].name, false)
		packs := alone().Pack(single(t, golden.Load(t, filepath.Join("testdata", tiny[0].name))))
		before := valuesOf(t, r)
		adam := train.DefaultAdam()
		adam.Tables = tables
		enginetest.Optimise(t, r, m.Loss, packs, terms(packs), adam, schedule.Schedule{Kind: "constant", Peak: 1e-3, Steps: 1})
		after := valuesOf(t, r)
		for name, values := range after {
			for i := range values {
				values[i] -= before[name][i]
			}
		}
		return after
	}
	once, tenfold := moved(1), moved(10)
	for name, d := range once {
		times := float32(1)
		if strings.HasPrefix(name, "shared.") || strings.Contains(name, "relative_attention_bias") {
			times = 10
		}
		for i := range d {
			if got := tenfold[name][i]; !golden.Near(got, times*d[i], 1e-5) {
				t.Errorf("%s[%d] moved by %g with the rate of tables at ten times, by %g at once; expected %v times that", name, i, got, d[i], times)
				break
			}
		}
	}
}

// TestDropout: with part of the activations dropped, and again where the layers
// are computed a second time on the way back, every weight's gradient says how
// the loss changes along it; without training nothing is dropped.
func TestDropout(t *testing.T) {
	for _, recompute := range []bool{false, true} {
		m, r := load(t, tiny[0].name, false)
		b := small().Pack(fused(t, golden.LoadNamed(t, filepath.Join("testdata", tiny[0].name), "fid")))[0]
		loss := func(train bool, seed uint64, backward bool) float64 {
			tp := r.New(train)
			tp.Seed = seed
			return enginetest.Walk(t, tp, m.Loss, b, backward)
		}
		plain := loss(false, 1, false)
		r.Recompute, r.Dropout = recompute, 0.2
		if again := loss(false, 1, false); again != plain {
			t.Errorf("a loss of %v with dropout and without training; expected %v as before", again, plain)
		}
		first := loss(true, 1, true)
		if again, other := loss(true, 1, false), loss(true, 2, false); again != first || !(math.Abs(other-first) >= 1e-3) || !(math.Abs(plain-first) >= 1e-3) {
			t.Errorf("recompute %t: losses %v and %v with one seed, %v with another, %v without dropout; expected only the first two to be equal", recompute, first, again, other, plain)
		}
		for _, p := range r.Params.All() {
			grad, err := xla.ToHost[float32](p.Grad)
			if err != nil {
				t.Fatal(err)
			}
			before, err := r.Params.Host(p)
			if err != nil {
				t.Fatal(err)
			}
			var square float64
			for _, x := range grad {
				square += float64(x) * float64(x)
			}
			const change = 0.05 // of the loss, to either side
			at := func(part float64) float64 {
				moved := slices.Clone(before)
				for i := range moved {
					moved[i] += float32(part / square * float64(grad[i]))
				}
				if err := r.Params.SetHost(p, moved); err != nil {
					t.Fatal(err)
				}
				return loss(true, 1, false)
			}
			if got := at(change) - at(-change); !golden.Near(got, 2*change, 0.1*2*change) {
				t.Errorf("recompute %t: the loss changes by %v along %s; its gradient says %v", recompute, got, p.Name, 2*change)
			}
			if err := r.Params.SetHost(p, before); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// valuesOf gives the values of all weights.
func valuesOf(t *testing.T, r *tape.Runner) map[string][]float32 {
	t.Helper()
	out := map[string][]float32{}
	for _, p := range r.Params.All() {
		values, err := r.Params.Host(p)
		if err != nil {
			t.Fatal(err)
		}
		out[p.Name] = values
	}
	return out
}

// raggedEqualsAlone shows that batching rows and passages changes nothing: rows
// of three passages, two, one, and one of them missing give the loss and
// gradients of the rows one by one, every passage encoded by itself.
func raggedEqualsAlone(t *testing.T, m *Model, r *tape.Runner, rows []batch.FiDRow) {
	t.Helper()
	rows = append(rows,
		batch.FiDRow{Passages: [][]int32{{5, 6, 7, 1}}, Answer: []int32{9, 1}, Index: 2},
		batch.FiDRow{Passages: [][]int32{nil, {40, 41, 42, 43, 1}}, Answer: []int32{8, 7, 6, 1}, Index: 3})
	packs := small().Pack(rows)
	if len(packs) != 2 {
		t.Fatalf("%d micro-batches, expected two of two rows", len(packs))
	}
	got, want := run(t, m, r, packs), run(t, m, r, alone().Pack(rows))
	golden.Compare(t, "loss", []float32{got.loss}, []float32{want.loss}, golden.Tolerance{Absolute: 1e-4, Relative: 1e-5})
	for row, logits := range want.logits {
		golden.Compare(t, fmt.Sprintf("logits of row %d", row), got.logits[row], logits, golden.Tolerance{Absolute: 2e-5, Relative: 1e-5})
	}
	for name, grad := range want.grads {
		golden.Compare(t, name, got.grads[name], grad, golden.Tolerance{Absolute: 1e-4, Relative: 1e-4})
	}
}

// TestBF16StaysNearF32 shows that the blocks fit together in bf16 and stay near f32: the
// loss within 2%, every gradient within 10 degrees of the golden's.
func TestBF16StaysNearF32(t *testing.T) {
	g := golden.LoadNamed(t, filepath.Join("testdata", "t5v11"), "fid")
	m, r := load(t, "t5v11", true)
	out := run(t, m, r, small().Pack(fused(t, g)))
	want := g.Floats(t, "loss")[0]
	if loss := out.loss / float32(out.terms); !golden.Near(loss, want, 0.02*float64(want)) {
		t.Errorf("loss %g, expected about %g", loss, want)
	}
	for name, grad := range out.grads {
		var dot, a, b float64
		for i, w := range g.Floats(t, "grad."+name) {
			dot, a, b = dot+float64(w*grad[i]), a+float64(w*w), b+float64(grad[i]*grad[i])
		}
		if cos := dot / math.Sqrt(a*b); !(cos > 0.985) {
			t.Errorf("%s: cosine %.4f to the golden's gradient", name, cos)
		}
	}
}
