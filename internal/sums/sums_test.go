package sums

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// TestAdd holds sums over one and several goroutines against a plain loop.
func TestAdd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 37, 3*smallest + 5} {
		half, full := make([]bfloat16.BFloat16, n), make([]float32, n)
		sum, want := make([]float32, n), make([]float32, n)
		for i := range n {
			half[i], full[i] = bfloat16.FromFloat32(float32(r.NormFloat64())), float32(r.NormFloat64())
			sum[i] = float32(r.NormFloat64()) // forgotten by the first term
			want[i] = half[i].Float32() + half[i].Float32() + full[i]
		}
		for _, err := range []error{Add(sum, half, true), Add(sum, half, false), Add(sum, full, false)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(sum, want) {
			t.Errorf("%d values: the sums differ", n)
		}
		if err := Add(sum, full, true); err != nil || !slices.Equal(sum, full) {
			t.Errorf("%d values: a first term is not copied (%v)", n, err)
		}
	}
	if err := Add(make([]float32, 2), make([]float32, 3), false); err == nil {
		t.Error("3 values are added to 2")
	}
}

// TestAddRows adds rows to places of which one is hit twice.
func TestAddRows(t *testing.T) {
	sum, at := []float32{9, 9, 9, 9, 9, 9}, []int32{2, 0, 2}
	if err := AddRows(sum, at, []float32{1, 2, 3, 4, 5, 6}, 2, true); err != nil {
		t.Fatal(err)
	}
	one := bfloat16.FromFloat32(1)
	if err := AddRows(sum, at[:1], []bfloat16.BFloat16{one, one}, 2, false); err != nil {
		t.Fatal(err)
	}
	if want := []float32{3, 4, 0, 0, 7, 9}; !slices.Equal(sum, want) {
		t.Errorf("the sum is %v; expected %v", sum, want)
	}
	for _, place := range []int32{-1, 3} {
		if err := AddRows(sum, []int32{place}, []float32{1, 1}, 2, false); err == nil {
			t.Errorf("row %d of 3 is added to", place)
		}
	}
}

// TestAdamW holds three steps against the same in f64, with decay and the copy in
// bf16 and without.
func TestAdamW(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 37, 3*smallest + 5} {
		for _, halved := range []bool{false, true} {
			step := Step{Scale: 0.5, Rate: 1e-2, Root: 1.5, Keep: 1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
			var half []bfloat16.BFloat16
			if halved {
				step.Keep, half = 0.99, make([]bfloat16.BFloat16, n)
			}
			w, m, v, g := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			want, mean, square := make([]float64, n), make([]float64, n), make([]float64, n)
			for i := range n {
				w[i] = float32(r.NormFloat64())
				want[i] = float64(w[i])
			}
			for range 3 {
				for i := range n {
					g[i] = float32(r.NormFloat64())
					d := float64(g[i]) * 0.5
					mean[i], square[i] = 0.9*mean[i]+0.1*d, 0.999*square[i]+0.001*d*d
					want[i] = want[i]*float64(step.Keep) - 1e-2*mean[i]/(1.5*math.Sqrt(square[i])+1e-8)
				}
				if err := AdamW(step, w, m, v, g, half); err != nil {
					t.Fatal(err)
				}
			}
			for i := range n {
				if math.Abs(float64(w[i])-want[i]) > 2e-6 || math.Abs(float64(m[i])-mean[i]) > 1e-6 || math.Abs(float64(v[i])-square[i]) > 1e-6 {
					t.Fatalf("weight %d of %d is %v with %v and %v; expected %v with %v and %v", i, n, w[i], m[i], v[i], want[i], mean[i], square[i])
				}
				if halved && half[i] != bfloat16.FromFloat32(w[i]) {
					t.Fatalf("weight %d of %d is %v in bf16; expected %v", i, n, half[i], bfloat16.FromFloat32(w[i]))
				}
			}
		}
	}
	if err := AdamW(Step{}, make([]float32, 2), make([]float32, 2), make([]float32, 1), make([]float32, 2), nil); err == nil {
		t.Error("two weights have one mean square")
	}
}

func BenchmarkAdd(b *testing.B) {
	sum, d := make([]float32, 1<<24), make([]bfloat16.BFloat16, 1<<24)
	b.SetBytes(10 << 24)
	for b.Loop() {
		if err := Add(sum, d, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdamW(b *testing.B) {
	const n = 1 << 23
	w, m, v, g, half := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]bfloat16.BFloat16, n)
	b.SetBytes(n * (4*4 + 3*4 + 2))
	for b.Loop() {
		if err := AdamW(Step{Scale: 1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}, w, m, v, g, half); err != nil {
			b.Fatal(err)
		}
	}
}
