package embed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/arch/bert"
	"gorqa/tensor/device"
	"gorqa/tensor/tape"
)

const tiny = "../arch/bert/testdata/bert"

// encoder puts the tiny encoder on the device.
func encoder(t *testing.T, bf16 bool) (*tape.Runner, *bert.Model) {
	t.Helper()
	data, err := os.ReadFile(tiny + "/config.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := bert.ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	e := enginetest.Open(t)
	p := tape.NewParams(e, bf16)
	arrays := golden.Arrays(t, tiny+"/model.safetensors")
	for _, w := range c.Weights() {
		if err := p.Add(w, arrays[w.Name].Floats, false); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := p.Free(); err != nil {
			t.Error(err)
		}
	})
	return tape.NewRunner(e, p), bert.New(c, bf16)
}

func TestVectorsParity(t *testing.T) {
	g := golden.Load(t, tiny)
	r, c := encoder(t, false)
	opt := Options{Pooling: []Pooling{Mean}, BatchTokens: 64}
	m, err := New(r, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	rows := [][]int32{g.Ints(t, "ids.0"), g.Ints(t, "ids.1"), g.Ints(t, "ids.2")}
	var got [][]float32
	for _, r.Device = range []device.Profile{device.GPU(), device.Of(r.Engine)} {
		if got, err = m.Vectors(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			g.Compare(t, fmt.Sprintf("mean.%d", i), v)
		}
	}

	opt.Steps = []Step{{Kind: Normalise}}
	unit, err := New(r, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	reversed := slices.Clone(rows)
	slices.Reverse(reversed)
	back, err := unit.Vectors(t.Context(), reversed)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range back {
		w := got[len(got)-1-i]
		if l, cos := dotOf(v, v), dotOf(v, w)/math.Sqrt(dotOf(w, w)); !golden.Near(l, 1, 1e-5) || !golden.Near(cos, 1, 1e-5) {
			t.Errorf("row %d: squared length %v, cosine to the vector that is not normalised %v; want 1 and 1", i, l, cos)
		}
	}
}

// The bf16 encoder points the same way.
func TestBF16VectorsPointTheSameWay(t *testing.T) {
	g := golden.Load(t, tiny)
	r, c := encoder(t, true)
	m, err := New(r, c, DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Vectors(t.Context(), [][]int32{g.Ints(t, "ids.0"), g.Ints(t, "ids.1"), g.Ints(t, "ids.2")})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		want := g.Floats(t, fmt.Sprintf("mean.%d", i))
		if cos := dotOf(v, want) / math.Sqrt(dotOf(want, want)); cos < 1-1e-3 {
			t.Errorf("row %d: cosine %v to f32", i, cos)
		}
	}
}

func dotOf(a, b []float32) float64 {
	s := 0.0
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}

func TestPool(t *testing.T) {
	e := enginetest.Open(t)
	const b, s, d = 3, 4, 2
	x := []float32{
		1, -1, 2, -2, 4, -4,
		-3, 5,
		1, 1, 2, 0, 3, 5, 6, 2,
		9, 9,
	}
	at := []int32{0, 1, 2, 8, 3, 8, 8, 8, 4, 5, 6, 7}
	lengths := []int32{3, 1, 4}
	root := func(v float64) float32 { return float32(v) }
	for _, test := range []struct {
		name, why string
		pooling   []Pooling
		normalise bool
		from      int32
		want      []float32
	}{
		{"mean", "padding does not count", []Pooling{Mean}, false, 0, []float32{7. / 3, -7. / 3, -3, 5, 3, 2}},
		{"cls", "the first token", []Pooling{First}, false, 0, []float32{1, -1, -3, 5, 1, 1}},
		{"max", "padding is not the largest", []Pooling{Largest}, false, 0, []float32{4, -1, -3, 5, 6, 5}},
		{"sqrt", "over the root of the length", []Pooling{MeanSqrt}, false, 0, []float32{root(7 / math.Sqrt(3)), root(-7 / math.Sqrt(3)), -3, 5, 6, 4}},
		{"weighted", "later tokens count more", []Pooling{WeightedMean}, false, 0, []float32{17. / 6, -17. / 6, -3, 5, 3.8, 2.4}},
		{"last", "the last that is no padding", []Pooling{Last}, false, 0, []float32{4, -4, -3, 5, 6, 2}},
		{"joined", "one after the other", []Pooling{First, Last}, false, 0, []float32{1, -1, 4, -4, -3, 5, -3, 5, 1, 1, 6, 2}},
		{"behind a prompt", "its tokens do not count; where there are no others sentence-transformers gives zeros, or the first token", []Pooling{Mean, WeightedMean, First, Last}, false, 1, []float32{
			3, -3, 3.2, -3.2, 2, -2, 4, -4,
			0, 0, 0, 0, -3, 5, 0, 0,
			11. / 3, 7. / 3, 37. / 9, 23. / 9, 2, 0, 6, 2}},
		{"unit", "length 1", []Pooling{First}, true, 0, []float32{
			root(math.Sqrt2 / 2), root(-math.Sqrt2 / 2), root(-3 / math.Sqrt(34)), root(5 / math.Sqrt(34)), root(math.Sqrt2 / 2), root(math.Sqrt2 / 2)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := tape.NewRunner(e, tape.NewParams(e, false))
			m := &Model{opt: Options{Pooling: test.pooling}}
			if test.normalise {
				m.opt.Steps = []Step{{Kind: Normalise}}
			}
			block := m.poolBlock()
			tp := r.New(false)
			states, err1 := tp.Floats(x, len(x)/d, d)
			where, err2 := tp.Ints(at, b, s)
			rows, err3 := tp.Ints(lengths, b)
			from, err4 := tp.Ints([]int32{test.from}, 1)
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				t.Fatal(err)
			}
			out, err := tp.Call(block.Named(), states, where, rows, from)
			if err != nil {
				t.Fatal(err)
			}
			got, err := xla.ToHost[float32](out[0].Tensor)
			if err := errors.Join(err, tp.Free()); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, test.why, got, test.want, golden.Tolerance{Absolute: 1e-6, Relative: 1e-6})
		})
	}
}

func TestPacksTakeTheLongestThatFits(t *testing.T) {
	rows := func(lengths ...int) [][]int32 {
		var ids [][]int32
		for _, n := range lengths {
			ids = append(ids, make([]int32, n))
		}
		return ids
	}
	for _, test := range []struct {
		name, why string
		ids       [][]int32
		want      []pack
	}{
		{"none", "nothing to do", nil, nil},
		{"one", "a question alone", rows(9), []pack{{[]int{0}, 9}}},
		{"mixed", "the longest first, then the longest that fits", rows(20, 250, 20, 249, 240), []pack{{[]int{1, 3}, 499}, {[]int{4, 0, 2}, 280}}},
		{"exact", "a batch may be full", rows(256, 250, 6), []pack{{[]int{0, 1, 2}, 512}}},
		{"long", "a row beyond the budget is a batch of its own", rows(590, 513, 1), []pack{{[]int{0}, 590}, {[]int{1}, 513}, {[]int{2}, 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, packs(test.ids, 512), cmp.AllowUnexported(pack{})); diff != "" {
				t.Errorf("%s (-want +got)\n%s", test.why, diff)
			}
		})
	}
	many := make([]int, 2*maxRows+1)
	for i := range many {
		many[i] = 1
	}
	if n := len(packs(rows(many...), 512)); n != 3 {
		t.Errorf("%d batches of %d rows; want 3 with at most %d", n, len(many), maxRows)
	}
}

func TestVectorsRefuseEmptyAndLongRows(t *testing.T) {
	r, c := encoder(t, false)
	m, err := New(r, c, DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Vectors(t.Context(), [][]int32{{1}, {}, make([]int32, 65)})
	for _, want := range []string{"row 2 has 0 tokens", "row 3 has 65 tokens"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one that says %q too", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Vectors(ctx, [][]int32{{1}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error after cancelling is %v", err)
	}
	if _, err = New(r, c, Options{Pooling: []Pooling{"median"}}); err == nil || !strings.Contains(err.Error(), "median") || !strings.Contains(err.Error(), "BatchTokens") {
		t.Errorf("error %v; want both problems", err)
	}
	for _, test := range []struct {
		name, why, want string
		step            Step
	}{
		{"narrow", "a module of another model", "takes vectors of 16 numbers; expected 32", Step{Kind: Dense, Name: "d", In: 16, Out: 4, Activation: "tanh"}},
		{"activation", "it is not known", "activation \"mish\"", Step{Kind: Dense, Name: "d", In: 32, Out: 4, Activation: "mish"}},
		{"empty", "nothing would come out", "to 0", Step{Kind: Dense, Name: "d", In: 32, Activation: "tanh"}},
		{"kind", "it is not known", "step \"Sort\"", Step{Kind: "Sort"}},
	} {
		opt := DefaultOptions()
		opt.Steps = []Step{test.step}
		if _, err := New(r, c, opt); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v; want one with %q (%s)", test.name, err, test.want, test.why)
		}
	}
}
