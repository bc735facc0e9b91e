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
	var full, bf16 []Matrix
	for range layers {
		values, rounded := make([]float32, out*in), make([]bfloat16.BFloat16, out*in)
		for i := range values {
			values[i] = float32(r.NormFloat64())
			rounded[i] = bfloat16.FromFloat32(values[i])
		}
		f, err := NewMatrix(values, out, in)
		if err != nil {
			b.Fatal(err)
		}
		h, err := NewMatrix(rounded, out, in)
		if err != nil {
			b.Fatal(err)
		}
		full, bf16 = append(full, f), append(bf16, h)
	}
	for _, rows := range []int{1, 8, 16, 24, 32, 64} {
		x := make([]float32, rows*in)
		for bytes, ms := range map[int][]Matrix{4: full, 2: bf16} {
			b.Run(fmt.Sprintf("rows=%d/bytes=%d", rows, bytes), func(b *testing.B) {
				var s Workspace
				b.SetBytes(int64(out * in * layers * bytes))
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
