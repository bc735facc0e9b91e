package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"gonum.org/v1/gonum/blas"

	"gorqa/internal/golden"
)

// TestWeightGradGEMM holds products against sums in f64, over sizes that fill
// neither tiles nor panels nor pairs of rows.
func TestWeightGradGEMM(t *testing.T) { withEachISA(t, testWeightGradGEMM) }

func testWeightGradGEMM(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, size := range [][3]int{{1, 1, 1}, {3, 5, 7}, {70, 33, 49}, {513, 16, 48}, {1025, 64, 100}, {37, 192, 576}} {
		rows, n, k := size[0], size[1], size[2]
		for _, bf16 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d rows of %d by %d, bf16 %t", rows, n, k, bf16), func(t *testing.T) {
				y, x := draw(r, rows*n), draw(r, rows*k)
				got := make([]float32, n*k)
				for i := range got {
					got[i] = float32(math.NaN()) // forgotten by the first term
				}
				once, _ := exactProduct(blas.Trans, blas.NoTrans, matrix(y, rows, n), matrix(x, rows, k), n, k)
				for _, first := range []bool{true, false} {
					add := func() error { return WeightGradGEMM(got, plain(y), plain(x), n, k, first) }
					if bf16 {
						add = func() error { return WeightGradGEMM(got, y, x, n, k, first) }
					}
					if err := add(); err != nil {
						t.Fatal(err)
					}
				}
				for i := range got {
					if want := 2 * once[i]; !golden.Near(float64(got[i]), want, 1e-5*(1+math.Sqrt(float64(rows)))) {
						t.Fatalf("value %d is %g; expected %g", i, got[i], want)
					}
				}
			})
		}
	}
	if err := WeightGradGEMM(make([]float32, 4), make([]float32, 4), make([]float32, 6), 2, 2, true); err == nil {
		t.Error("2 rows are multiplied with 3")
	}
}

func draw(r *rand.Rand, n int) []bfloat16.BFloat16 {
	out := make([]bfloat16.BFloat16, n)
	for i := range out {
		out[i] = bfloat16.FromFloat32(float32(r.NormFloat64()))
	}
	return out
}

func BenchmarkWeightGradGEMM(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, size := range [][3]int{{1024, 1536, 576}, {1024, 576, 1536}, {1024, 192, 576}, {256, 49152, 576}} {
		rows, n, k := size[0], size[1], size[2]
		y, x, sum := draw(r, rows*n), draw(r, rows*k), make([]float32, n*k)
		fullY, fullX := plain(y), plain(x)
		for name, product := range map[string]func() error{
			"bf16": func() error { return WeightGradGEMM(sum, y, x, n, k, false) },
			"f32":  func() error { return WeightGradGEMM(sum, fullY, fullX, n, k, false) },
		} {
			b.Run(fmt.Sprintf("%s/%dx%dx%d", name, rows, n, k), func(b *testing.B) {
				for b.Loop() {
					if err := product(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(2*float64(rows*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
