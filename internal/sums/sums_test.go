package sums

import (
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

func BenchmarkAdd(b *testing.B) {
	sum, d := make([]float32, 1<<24), make([]bfloat16.BFloat16, 1<<24)
	b.SetBytes(10 << 24)
	for b.Loop() {
		if err := Add(sum, d, false); err != nil {
			b.Fatal(err)
		}
	}
}
