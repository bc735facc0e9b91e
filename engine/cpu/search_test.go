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

	gocmp "github.com/google/go-cmp/cmp"

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
			found, err := TopK(context.Background(), queries, Rows{Values: rows, Width: size.width, Stride: size.width}, nil, size.k)
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
					one, err := TopK(context.Background(), query, Rows{Values: rows[i*size.width : (i+1)*size.width], Width: size.width, Stride: size.width}, nil, 1)
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
	if _, err := TopK(ctx, make([]float32, 8), Rows{Values: make([]float32, 800), Width: 8, Stride: 8}, nil, 3); !errors.Is(err, context.Canceled) {
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

// shapes of rows [n, width] that codes are good and bad at.
var shapes = []struct {
	name, why string
	make      func(random *rand.Rand, n, width int) []float32
}{
	{"normal", "as embeddings are", func(random *rand.Rand, n, width int) []float32 { return normal(random, n*width) }},
	{"alike", "all rows within the bound, so that every one is multiplied", func(random *rand.Rand, n, width int) []float32 {
		out := normal(random, n*width)
		for i := range out {
			out[i] = out[i%width] + 1e-4*out[i]
		}
		return out
	}},
	{"equal", "the earlier row ranks first", func(random *rand.Rand, n, width int) []float32 {
		out := normal(random, n*width)
		for i := range out {
			out[i] = out[i%(3*width)%len(out)]
		}
		return out
	}},
	{"one component", "its scale leaves nothing of the others", func(random *rand.Rand, n, width int) []float32 {
		out := normal(random, n*width)
		for i := 0; i < len(out); i += width {
			out[i] *= 1e6
		}
		return out
	}},
	{"lengths", "rows far shorter and longer than others", func(random *rand.Rand, n, width int) []float32 {
		out := normal(random, n*width)
		for i := range out {
			out[i] *= float32(math.Pow(10, float64(i/width%60-30)))
		}
		return out
	}},
	{"tiny", "below what squares and scales hold", func(random *rand.Rand, n, width int) []float32 {
		out := normal(random, n*width)
		for i := range out {
			out[i] *= 1e-38
		}
		return out
	}},
	{"zeros", "a scale of 0", func(_ *rand.Rand, n, width int) []float32 { return make([]float32, n*width) }},
}

func TestTopKByCodesIsTopK(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	if NewCodes(1, 1) == nil {
		t.Skip("skipped: this processor has no products of bytes (AVX512-VNNI), so there are no codes")
	}
	for _, shape := range shapes {
		for _, size := range []struct{ nq, n, width, stride, k int }{
			{1, 1, 1, 16, 1}, {13, 33, 17, 32, 40}, {30, 5000, 384, 384, 4}, {5, 4100, 30, 32, 100}, {12, 2049, 64, 64, 1},
		} {
			t.Run(fmt.Sprint(shape.name, size), func(t *testing.T) {
				values := make([]float32, size.n*size.stride)
				for i, x := range shape.make(random, size.n, size.width) {
					values[i/size.width*size.stride+i%size.width] = x
				}
				rows := Rows{Values: values, Width: size.width, Stride: size.stride}
				if size.n%2 == 1 { // to unit length
					rows.Factors = make([]float32, size.n)
					for i := range rows.Factors {
						var sum float64
						for _, x := range values[i*size.stride : i*size.stride+size.width] {
							sum += float64(x) * float64(x)
						}
						if sum > 0 {
							rows.Factors[i] = float32(min(1/math.Sqrt(sum), 1e38))
						}
					}
				}
				codes := NewCodes(size.n, size.width)
				for first := 0; first < size.n; first += 64 {
					last := min(size.n, first+64)
					if err := codes.Set(first, rows.between(first, last)); err != nil {
						t.Fatal(err)
					}
				}
				queries := shape.make(random, size.nq, size.width)
				want, err := TopK(context.Background(), queries, rows, nil, size.k)
				if err != nil {
					t.Fatal(err)
				}
				found, err := TopK(context.Background(), queries, rows, codes, size.k)
				if err != nil {
					t.Fatal(err)
				}
				if diff := gocmp.Diff(want, found); diff != "" {
					t.Errorf("%s (-without +with codes)\n%s", shape.why, diff)
				}
			})
		}
	}
}

func TestCodesOfWrongRows(t *testing.T) {
	codes := NewCodes(40, 8)
	if codes == nil {
		t.Skip("skipped: this processor has no products of bytes (AVX512-VNNI), so there are no codes")
	}
	for _, bad := range []struct {
		name         string
		first, count int
	}{{"inside a panel", 8, 16}, {"behind the last", 32, 16}, {"no whole panel", 0, 8}} {
		if err := codes.Set(bad.first, Rows{Values: make([]float32, 8*bad.count), Width: 8, Stride: 8}); err == nil {
			t.Errorf("%s: no error", bad.name)
		}
	}
	if _, err := TopK(context.Background(), make([]float32, 8), Rows{Values: make([]float32, 80), Width: 8, Stride: 8}, codes, 3); err == nil {
		t.Error("codes of other rows: no error")
	}
}

// BenchmarkTopK searches 400,000 rows of unit length, and says how many bytes of rows pass in a
// second, for one query, or how many billion operations are done, for many.
func BenchmarkTopK(b *testing.B) {
	const n, width, k = 400_000, 384, 4
	random := rand.New(rand.NewPCG(7, 8))
	rows := Rows{Values: normal(random, n*width), Width: width, Stride: width}
	codes := NewCodes(n, width)
	if codes != nil {
		if err := codes.Set(0, rows); err != nil {
			b.Fatal(err)
		}
	}
	for _, by := range []struct {
		name  string
		codes *Codes
	}{{"f32", nil}, {"codes", codes}} {
		for _, nq := range []int{1, 256} {
			b.Run(fmt.Sprint(by.name, nq), func(b *testing.B) {
				queries := normal(random, nq*width)
				for b.Loop() {
					if _, err := TopK(context.Background(), queries, rows, by.codes, k); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(2*float64(nq)*n*width*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
