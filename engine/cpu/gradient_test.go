package cpu

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"

	"gorqa/internal/golden"
)

// TestAccumulateIsAPlainSum holds sums over one and several goroutines against a plain loop.
func TestAccumulateIsAPlainSum(t *testing.T) { withEachISA(t, testAccumulate) }

func testAccumulate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 37, 3*smallestSum + 5} {
		bf16, full := make([]bfloat16.BFloat16, n), make([]float32, n)
		sum, want := make([]float32, n), make([]float32, n)
		for i := range n {
			bf16[i], full[i] = bfloat16.FromFloat32(float32(r.NormFloat64())), float32(r.NormFloat64())
			sum[i] = float32(r.NormFloat64()) // forgotten by the first term
			want[i] = bf16[i].Float32() + bf16[i].Float32() + full[i]
		}
		for _, err := range []error{Accumulate(sum, bf16, true), Accumulate(sum, bf16, false), Accumulate(sum, full, false)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(sum, want) {
			t.Errorf("%d values: the sums differ", n)
		}
		if err := Accumulate(sum, full, true); err != nil || !slices.Equal(sum, full) {
			t.Errorf("%d values: a first term is not copied (%v)", n, err)
		}
	}
	if err := Accumulate(make([]float32, 2), make([]float32, 3), false); err == nil {
		t.Error("3 values are added to 2")
	}
}

// TestRowsAreAddedToPlacesThatRepeat adds rows to places of which one is hit twice.
func TestRowsAreAddedToPlacesThatRepeat(t *testing.T) {
	sum, at := []float32{9, 9, 9, 9, 9, 9}, []int32{2, 0, 2}
	if err := AccumulateRows(sum, at, []float32{1, 2, 3, 4, 5, 6}, 2, true); err != nil {
		t.Fatal(err)
	}
	one := bfloat16.FromFloat32(1)
	if err := AccumulateRows(sum, at[:1], []bfloat16.BFloat16{one, one}, 2, false); err != nil {
		t.Fatal(err)
	}
	if want := []float32{3, 4, 0, 0, 7, 9}; !slices.Equal(sum, want) {
		t.Errorf("the sum is %v; expected %v", sum, want)
	}
	for _, place := range []int32{-1, 3} {
		if err := AccumulateRows(sum, []int32{place}, []float32{1, 1}, 2, false); err == nil {
			t.Errorf("row %d of 3 is added to", place)
		}
	}
}

// TestSplitWeightsGiveValuesBack shows that a bf16 and its residual give values back, all but those half a step above an
// even one, and that the bf16 is what rounding gives.
func TestSplitWeightsGiveValuesBack(t *testing.T) { withEachISA(t, testSplitWeight) }

func testSplitWeight(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	values := []float32{0, 1, -1, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Inf(1))}
	for range 3*smallestSum + 5 {
		values = append(values, float32(r.NormFloat64()))
	}
	const tie = 1 << 15
	for bits := uint32(0x3f800000); bits < 0x3f840000; bits += tie - 1 { // near and on ties
		values = append(values, math.Float32frombits(bits), -math.Float32frombits(bits), math.Float32frombits(bits/tie*tie))
	}
	h := SplitWeight{make([]bfloat16.BFloat16, len(values)), make([]int16, len(values))}
	back := make([]float32, len(values))
	if err := errors.Join(h.Split(values), h.Join(back)); err != nil {
		t.Fatal(err)
	}
	ties := 0
	for i, x := range values {
		want := math.Float32bits(x)
		if want%(2*tie) == tie && want/(2*tie)%2 == 0 {
			want, ties = want-1, ties+1
		}
		if math.Float32bits(back[i]) != want || h.BF16[i] != bfloat16.FromFloat32(x) {
			t.Errorf("%x is %x and %d, together %x", math.Float32bits(x), h.BF16[i], h.Residual[i], math.Float32bits(back[i]))
		}
	}
	if ties < 3 {
		t.Errorf("%d ties were tried", ties)
	}
	rounded := SplitWeight{BF16: make([]bfloat16.BFloat16, len(values))}
	if err := errors.Join(rounded.Split(values), rounded.Join(back)); err != nil {
		t.Fatal(err)
	}
	for i, x := range values {
		if want := bfloat16.FromFloat32(x); back[i] != want.Float32() {
			t.Errorf("%v is %v when rounded", x, back[i])
		}
	}
	if err := h.Split(values[1:]); err == nil {
		t.Error("one value more in the split weight than there are")
	}
}

// TestAdamWStepsAsInF64 holds three steps against the same in f64, with decay, with split weights and
// without.
func TestAdamWStepsAsInF64(t *testing.T) { withEachISA(t, testAdamW) }

func testAdamW(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 37, 3*smallestSum + 5} {
		for _, isSplit := range []bool{false, true} {
			step := AdamWStep{Scale: 0.5, Rate: 1e-2, Root: 1.5, Keep: 1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
			w, m, v, g := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			want, mean, square := make([]float64, n), make([]float64, n), make([]float64, n)
			for i := range n {
				w[i] = float32(r.NormFloat64())
				want[i] = float64(w[i])
			}
			split := SplitWeight{make([]bfloat16.BFloat16, n), make([]int16, n)}
			if err := split.Split(w); err != nil {
				t.Fatal(err)
			}
			if isSplit {
				step.Keep = 0.99
			}
			for range 3 {
				for i := range n {
					g[i] = float32(r.NormFloat64())
					d := float64(g[i]) * 0.5
					mean[i], square[i] = 0.9*mean[i]+0.1*d, 0.999*square[i]+0.001*d*d
					want[i] = want[i]*float64(step.Keep) - 1e-2*mean[i]/(1.5*math.Sqrt(square[i])+1e-8)
				}
				var err error
				if isSplit {
					err = AdamWSplit(step, split, m, v, g)
				} else {
					err = AdamW(step, w, m, v, g)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if isSplit {
				if err := split.Join(w); err != nil {
					t.Fatal(err)
				}
			}
			for i := range n {
				if !golden.Near(float64(w[i]), want[i], 2e-6) || !golden.Near(float64(m[i]), mean[i], 1e-6) || !golden.Near(float64(v[i]), square[i], 1e-6) {
					t.Fatalf("weight %d of %d is %v with %v and %v; expected %v with %v and %v", i, n, w[i], m[i], v[i], want[i], mean[i], square[i])
				}
				if isSplit && split.BF16[i] != bfloat16.FromFloat32(w[i]) {
					t.Fatalf("weight %d of %d is %v in bf16; expected %v", i, n, split.BF16[i], bfloat16.FromFloat32(w[i]))
				}
			}
		}
	}
	two, one := make([]float32, 2), make([]float32, 1)
	if AdamW(AdamWStep{}, two, two, one, two) == nil || AdamW(AdamWStep{}, one, two, two, two) == nil || AdamWSplit(AdamWStep{}, SplitWeight{}, two, two, two) == nil {
		t.Error("two moments of one weight")
	}
}

func BenchmarkAccumulate(b *testing.B) {
	sum, d := make([]float32, 1<<24), make([]bfloat16.BFloat16, 1<<24)
	b.SetBytes(10 << 24)
	for b.Loop() {
		if err := Accumulate(sum, d, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdamW(b *testing.B) {
	const n = 1 << 23
	m, v, g := make([]float32, n), make([]float32, n), make([]float32, n)
	w := SplitWeight{make([]bfloat16.BFloat16, n), make([]int16, n)}
	b.SetBytes(n * (4*4 + 3*4))
	for b.Loop() {
		if err := AdamWSplit(AdamWStep{Scale: 1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}, w, m, v, g); err != nil {
			b.Fatal(err)
		}
	}
}
