package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"

	"gorqa/internal/golden"
)

// TestDecodeGEMM holds products of f32 and of bf16 weights against float64 ones, and the last
// row against the same one alone, to the bit.
func TestDecodeGEMM(t *testing.T) { withEachISA(t, testDecodeGEMM) }

func testDecodeGEMM(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s Workspace // holds what the case before left in it
	for _, c := range []struct{ rows, in, out int }{{1, 1, 1}, {1, 5, 3}, {3, 64, 7}, {8, 576, 192}, {9, 100, 513}, {17, 33, 2}, {33, 64, 50}, {50, 32, 17}} {
		x := representable(r, c.rows*c.in)
		full, bf16 := make([]float32, c.out*c.in), make([]bfloat16.BFloat16, c.out*c.in)
		for i := range full {
			full[i] = float32(r.NormFloat64())
			bf16[i] = bfloat16.FromFloat32(full[i])
		}
		a, err := NewMatrix(full, c.out, c.in)
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewMatrix(bf16, c.out, c.in)
		if err != nil {
			t.Fatal(err)
		}
		s.Reset()
		ys, err := s.Multiply(x, c.rows, a, b)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := s.Multiply(x[(c.rows-1)*c.in:], 1, a, b)
		if err != nil {
			t.Fatal(err)
		}
		row := make([]float32, c.in)
		for which, m := range []Matrix{a, b} {
			if last := ys[which][(c.rows-1)*c.out:]; !slices.Equal(alone[which], last) {
				t.Fatalf("%v, matrix %d: the last row is %v alone, %v among the others", c, which, alone[which], last)
			}
			for n := range c.out {
				m.Row(n, row)
				for i := range c.rows {
					var want, size float64
					for j, w := range row {
						p := float64(w) * float64(x[i*c.in+j])
						want, size = want+p, size+math.Abs(p)
					}
					if got := float64(ys[which][i*c.out+n]); !golden.Near(got, want, 1e-6*(1+size)) {
						t.Fatalf("%v, matrix %d: row %d, output %d is %g, expected %g", c, which, i, n, got, want)
					}
				}
			}
		}
	}
	if _, err := NewMatrix(make([]float32, 5), 2, 3); err == nil {
		t.Error("5 values are taken for 2 x 3")
	}
	m, _ := NewMatrix(make([]float32, 6), 2, 3)
	if _, err := s.Multiply(make([]float32, 4), 1, m); err == nil {
		t.Error("4 values are taken for a row of 3")
	}
}

// TestQuantisedGEMM holds products of quantised weights against those of their values in f32 and
// in bf16, to the bit.
func TestQuantisedGEMM(t *testing.T) { withEachISA(t, testQuantisedGEMM) }

func testQuantisedGEMM(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, form := range []struct {
		form, odd         form // of an odd number of blocks
		group, low, count int
		lowest            bool
	}{
		{formHalves, formHalves, 16, -128, 256, false}, {formTwo, formHalves, 32, -16, 32, false}, {formPlus, formPlus, 32, 0, 32, true},
		{formPlus, formPlus, 32, -3, 8, true}, {formNibbles, formPlus, 32, 0, 16, true}, {formNibbles, formHalves, 32, -8, 16, false},
	} {
		for _, c := range []struct{ rows, in, out int }{{1, 32, 1}, {1, 576, 35}, {1, 64, 130}, {2, 96, 17}, {9, 576, 33}, {24, 320, 50}} {
			q := Quantised{Numbers: make([]int8, c.out*c.in), Scales: make([]float32, c.out*c.in/form.group)}
			if form.lowest {
				q.Lowest = make([]float32, len(q.Scales))
			}
			full, bf16 := make([]float32, len(q.Numbers)), make([]bfloat16.BFloat16, len(q.Numbers))
			for i := range full {
				g := i / form.group
				if i%form.group == 0 {
					q.Scales[g] = bfloat16.FromFloat32(float32(r.NormFloat64())).Float32()
					if form.lowest {
						q.Lowest[g] = float32(r.NormFloat64())
					}
				}
				q.Numbers[i] = int8(form.low + r.IntN(form.count))
				full[i] = q.Scales[g] * float32(q.Numbers[i])
				if form.lowest {
					full[i] = float32(q.Scales[g]*float32(q.Numbers[i])) + q.Lowest[g]
				}
				bf16[i] = bfloat16.FromFloat32(full[i])
			}
			want, err := NewMatrix(full, c.out, c.in)
			if err != nil {
				t.Fatal(err)
			}
			got, ok, err := q.Matrix(c.out, c.in, false)
			expected := form.form
			if c.in/QuantBlock%2 == 1 {
				expected = form.odd
			}
			if err != nil || !ok || got.form != expected {
				t.Fatalf("%+v: form %d, %v, %v", form, got.form, ok, err)
			}
			same(t, form, c.rows, want, got)
			if !MultipliesQuantised(true) {
				continue
			}
			if want, err = NewMatrix(bf16, c.out, c.in); err != nil {
				t.Fatal(err)
			}
			if got, _, err = q.Matrix(c.out, c.in, true); err != nil {
				t.Fatal(err)
			}
			same(t, form, c.rows, want, got)
		}
	}
	for _, q := range []Quantised{{Numbers: make([]int8, 96), Scales: make([]float32, 2)}, {Numbers: make([]int8, 96), Scales: make([]float32, 6), Lowest: make([]float32, 6)}} {
		if _, ok, err := q.Matrix(3, 32, false); ok || err != nil {
			t.Errorf("%d scales for 96 values: %v, %v; expected no form, no error", len(q.Scales), ok, err)
		}
	}
	if _, ok, err := (Quantised{Numbers: slices.Repeat([]int8{15}, 32), Scales: []float32{1.0000001}, Lowest: []float32{1}}).Matrix(1, 32, false); ok || err != nil {
		t.Errorf("a scale whose products are rounded: %v, %v; expected no form, no error", ok, err)
	}
	if _, _, err := (Quantised{Numbers: make([]int8, 95), Scales: make([]float32, 3)}).Matrix(3, 32, false); err == nil {
		t.Error("95 numbers are taken for 3 x 32")
	}
}

// same fails where products of random rows differ.
func same(t *testing.T, of any, rows int, want, got Matrix) {
	t.Helper()
	x := representable(rand.New(rand.NewPCG(5, 6)), rows*want.In)
	var s Workspace
	ys, err := s.Multiply(x, rows, want, got)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ys[0], ys[1]) {
		t.Fatalf("%+v, %d rows of %d: quantised weights give\n%v\nexpected\n%v", of, rows, want.In, ys[1], ys[0])
	}
}

// TestBF16InF32 holds products of bf16 weights in f32 against those of the same values in f32.
func TestBF16InF32(t *testing.T) {
	withEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		const out, in = 19, 70
		full, bf16 := make([]float32, out*in), make([]bfloat16.BFloat16, out*in)
		for i := range full {
			bf16[i] = bfloat16.FromFloat32(float32(r.NormFloat64()))
			full[i] = bf16[i].Float32()
		}
		want, err := NewMatrix(full, out, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := NewMatrix(bf16, out, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range []int{1, 5} {
			same(t, "bf16", rows, want, got.InF32())
		}
	})
}

func TestSoftCap(t *testing.T) { withEachISA(t, testSoftCap) }

func testSoftCap(t *testing.T) {
	x, want := make([]float32, 403), make([]float64, 403)
	for i := range x {
		x[i] = float32(i-200) * 0.7
		want[i] = 30 * math.Tanh(float64(x[i])/30)
	}
	SoftCap(x, 30)
	for i := range x {
		if !golden.Near(float64(x[i]), want[i], 1e-6*(1+math.Abs(want[i]))) {
			t.Fatalf("%d: %g, expected %g", i, x[i], want[i])
		}
	}
}

// BenchmarkDecodeGEMM is the up projections of SmolLM2-135M, one after the other:
// the weights are too many to stay in a cache.
func BenchmarkDecodeGEMM(b *testing.B) {
	const out, in, layers = 1536, 576, 60
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[string][]Matrix{}
	for range layers {
		values, rounded := make([]float32, out*in), make([]bfloat16.BFloat16, out*in)
		q := Quantised{Numbers: make([]int8, out*in), Scales: make([]float32, out*in/QuantBlock)}
		for i := range values {
			values[i] = float32(r.NormFloat64())
			rounded[i] = bfloat16.FromFloat32(values[i])
			q.Numbers[i] = int8(r.IntN(16))
		}
		f, err := NewMatrix(values, out, in)
		if err != nil {
			b.Fatal(err)
		}
		h, err := NewMatrix(rounded, out, in)
		if err != nil {
			b.Fatal(err)
		}
		bf16 := h.rounds && MultipliesQuantised(true)
		eight, _, err := q.Matrix(out, in, bf16)
		if err != nil {
			b.Fatal(err)
		}
		q.Lowest = q.Scales
		four, _, err := q.Matrix(out, in, bf16)
		if err != nil {
			b.Fatal(err)
		}
		for name, m := range map[string]Matrix{"f32": f, "bf16": h, "8bit": eight, "4bit": four} {
			kinds[name] = append(kinds[name], m)
		}
	}
	for _, rows := range []int{1, 8, 16, 24, 32, 64} {
		x := make([]float32, rows*in)
		for name, ms := range kinds {
			b.Run(fmt.Sprintf("rows=%d/%s", rows, name), func(b *testing.B) {
				var s Workspace
				for b.Loop() {
					for _, m := range ms {
						s.Reset()
						if _, err := s.Multiply(x, rows, m); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
