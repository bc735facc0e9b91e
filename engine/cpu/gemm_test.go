package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"

	"gorqa/internal/golden"
)

// Sizes that fill panels, tiles and depths, and that leave a rest of each; of the last two
// not all columns are packed at a time, by tiles and by vectors.
var sizes = [][3]int{{1, 2, 1}, {6, 64, 64}, {7, 62, 65}, {300, 576, 192}, {253, 1538, 80}, {13, 3100, 17}, {5, 16, 16}, {64, 34, 130}, {70, 64, 100}, {3, 3104, 1400}, {24, 10000, 194}}

func TestGEMM(t *testing.T) { withEachISA(t, testGEMM) }

func testGEMM(t *testing.T) {
	if !HasGEMM() {
		t.Skip("a processor without AVX512-BF16")
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range sizes {
		for _, transB := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v,transB=%t", size, transB), func(t *testing.T) {
				m, k, n := size[0], size[1], size[2]
				x, w, y := draw(random, m*k), draw(random, n*k), draw(random, m*n)
				if err := GEMM(y, x, w, m, k, n, transB); err != nil {
					t.Fatal(err)
				}
				right, trans := matrix(w, k, n), blas.NoTrans
				if transB {
					right, trans = matrix(w, n, k), blas.Trans
				}
				wants, sizes := exactProduct(blas.NoTrans, trans, matrix(x, m, k), right, m, n)
				for i, want := range wants {
					// bf16 has 8 bits; sums in f32 are rounded at every step.
					if got := float64(y[i].Float32()); !golden.Near(got, want, math.Abs(want)/256+sizes[i]*1e-5) {
						t.Fatalf("[%d, %d] is %g, expected %g", i/n, i%n, got, want)
					}
				}
			})
		}
	}
}

func TestWeightGradGEMMBF16(t *testing.T) { withEachISA(t, testWeightGradGEMMBF16) }

func testWeightGradGEMMBF16(t *testing.T) {
	if !HasGEMM() {
		t.Skip("a processor without AVX512-BF16")
	}
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range [][3]int{{1, 1, 1}, {128, 12, 64}, {129, 13, 65}, {1601, 70, 100}, {40, 6150, 3}, {64, 13000, 8}, {13000, 330, 8}, {10000, 24, 194}} {
		rows, n, k := size[0], size[1], size[2]
		y, x := draw(random, rows*n), draw(random, rows*k)
		sum, before := make([]float32, n*k), make([]float32, n*k)
		for i := range sum {
			before[i] = float32(random.NormFloat64())
		}
		wants, sizes := exactProduct(blas.Trans, blas.NoTrans, matrix(y, rows, n), matrix(x, rows, k), n, k)
		for _, first := range []bool{true, false} {
			copy(sum, before)
			if err := WeightGradGEMM(sum, y, x, n, k, first); err != nil {
				t.Fatal(err)
			}
			for i, want := range wants {
				if !first {
					want += float64(before[i])
				}
				if got := float64(sum[i]); !golden.Near(got, want, 1e-5*(sizes[i]+1)) {
					t.Fatalf("%v first=%t: [%d, %d] is %g, expected %g", size, first, i/k, i%k, got, want)
				}
			}
		}
	}
}

func BenchmarkGEMM(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][3]int{{1024, 576, 1536}, {1024, 1536, 576}, {1024, 576, 192}, {128, 576, 49152}, {1024, 576, 16}} {
		for _, transB := range []bool{true, false} {
			m, k, n := size[0], size[1], size[2]
			x, w, y := draw(random, m*k), draw(random, n*k), draw(random, m*n)
			b.Run(fmt.Sprintf("%v,transB=%t", size, transB), func(b *testing.B) {
				for b.Loop() {
					if err := GEMM(y, x, w, m, k, n, transB); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(2*float64(m*k*n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
