package cpu

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorqa/internal/golden"
)

func TestTopKFindsWhatSortingAllScoresFinds(t *testing.T) { withEachISA(t, topKFindsWhatSortingFinds) }

func topKFindsWhatSortingFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, size := range []struct{ nq, n, width, k int }{
		{1, 1, 1, 1}, {1, 33, 16, 4}, {3, 31, 17, 40}, {29, 300, 48, 7}, {5, 4100, 30, 100}, {12, 64, 384, 64},
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			queries, rows := normal(random, size.nq*size.width), normal(random, size.n*size.width)
			copy(rows[(size.n-1)*size.width:], rows[:size.width]) // equal rows: the earlier one ranks first
			found, err := TopK(context.Background(), queries, rows, size.width, size.k)
			if err != nil {
				t.Fatal(err)
			}
			for q, hits := range found {
				if len(hits) != min(size.k, size.n) {
					t.Fatalf("query %d: %d hits of %d rows; expected %d", q, len(hits), size.n, min(size.k, size.n))
				}
				query := queries[q*size.width : (q+1)*size.width]
				want := make([]Hit, size.n)
				for i := range want {
					one, err := TopK(context.Background(), query, rows[i*size.width:(i+1)*size.width], size.width, 1)
					if err != nil {
						t.Fatal(err)
					}
					want[i] = Hit{i, one[0][0].Score} // to the bit, alone or among others
				}
				slices.SortStableFunc(want, func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
				if !slices.Equal(hits, want[:len(hits)]) {
					t.Errorf("query %d: %v; expected %v", q, hits, want[:len(hits)])
				}
				for _, h := range hits {
					var exact, most float64
					for i, x := range query {
						p := float64(x) * float64(rows[h.Row*size.width+i])
						exact, most = exact+p, most+math.Abs(p)
					}
					if !golden.Near(float64(h.Score), exact, 1e-6*most) {
						t.Errorf("query %d, row %d: score %g; expected %g", q, h.Row, h.Score, exact)
					}
				}
			}
		})
	}
}

func TestTopKStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := TopK(ctx, make([]float32, 8), make([]float32, 800), 8, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; expected that of the context", err)
	}
}

func normal(random *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(random.NormFloat64())
	}
	return out
}

func BenchmarkTopK(b *testing.B) {
	const n, width, k = 400_000, 384, 4
	random := rand.New(rand.NewPCG(7, 8))
	rows := normal(random, n*width)
	for _, nq := range []int{1, 256} {
		b.Run(fmt.Sprint(nq), func(b *testing.B) {
			queries := normal(random, nq*width)
			for b.Loop() {
				if _, err := TopK(context.Background(), queries, rows, width, k); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(2*float64(nq)*n*width*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
