package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"

	"gorqa/internal/golden"
)

// TestKVCache holds attention over caches of several lengths, filled in pieces,
// against the formula.
func TestKVCache(t *testing.T) { withEachISA(t, testKVCache) }

func testKVCache(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		heads, kv, width, slide int
		bf16                    bool
		scores                  Scores
	}{
		{1, 1, 5, 0, false, Scores{}}, {9, 3, 64, 0, false, Scores{}}, {9, 3, 64, 0, true, Scores{}}, {4, 1, 80, 30, true, Scores{}},
		{4, 2, 12, 7, false, Scores{}}, {7, 1, 96, 31, true, Scores{}}, {4, 1, 40, 30, false, Scores{Scale: 0.3, Cap: 2}},
		{16, 1, 160, 33, true, Scores{Cap: 2}}, {17, 1, 64, 0, true, Scores{Scale: 0.3}}, {3, 1, 33, 7, true, Scores{Cap: 3}},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			var caches []*KVCache
			var lengths []int32
			var keys, values [][]float32 // of each row [tokens, N, C]
			size := c.kv * c.width
			for _, n := range []int{1, 3, 16, 77, 200} {
				k, v := representable(r, n*size), representable(r, n*size)
				x := newKVCache(t, c.kv, c.width, c.bf16)
				if err := AppendKV(x, make([]float32, size), make([]float32, size), []int32{0}); err != nil {
					t.Fatal(err)
				}
				x.Truncate(0)
				places := make([]int32, n)
				for i := range places {
					places[i] = int32(i)
				}
				if err := AppendKV(x, k, v, places[:n/2]); err != nil {
					t.Fatal(err)
				}
				var err error
				if c.bf16 { // as they come from graphs
					err = AppendKV(x, numbers[bfloat16.BFloat16](k), numbers[bfloat16.BFloat16](v), places[n/2:])
				} else {
					err = AppendKV(x, k, v, places[n/2:])
				}
				if err != nil {
					t.Fatal(err)
				}
				// The tokens of a draft that were dropped leave nothing behind, whatever they were.
				for range 3 {
					if err := AppendKV(x, slices.Repeat([]float32{float32(math.Inf(1))}, size), slices.Repeat([]float32{float32(math.Inf(-1))}, size), []int32{0}); err != nil {
						t.Fatal(err)
					}
				}
				x.Truncate(n - 1)
				if err := AppendKV(x, k, v, []int32{int32(n - 1)}); err != nil {
					t.Fatal(err)
				}
				for _, sees := range []int{n, n/2 + 1, n/2 + 2, n} { // as the tokens of a draft, which do not see the rest
					caches, lengths, keys, values = append(caches, x), append(lengths, int32(min(sees, n))), append(keys, k), append(values, v)
				}
			}
			q := representable(r, len(caches)*c.heads*c.width)
			o := make([]float32, len(q))
			if err := DecodeAttention(caches, lengths, c.heads, c.slide, c.scores, q, o); err != nil {
				t.Fatal(err)
			}
			workers := runtime.GOMAXPROCS(3)
			shared := make([]float32, len(q))
			err := DecodeAttention(caches, lengths, c.heads, c.slide, c.scores, q, shared)
			runtime.GOMAXPROCS(workers)
			if err != nil || !slices.Equal(o, shared) {
				t.Fatalf("three workers give %v, %v; %v expected", shared, err, o)
			}
			for row := range caches {
				each := c.heads * c.width
				alone := make([]float32, each)
				if err := DecodeAttention(caches[row:row+1], lengths[row:row+1], c.heads, c.slide, c.scores, q[row*each:(row+1)*each], alone); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(alone, o[row*each:(row+1)*each]) {
					t.Fatalf("token %d gets %v alone, %v among the others", row, alone, o[row*each:(row+1)*each])
				}
				n := int(lengths[row])
				from := 0
				if c.slide > 0 {
					from = max(0, n-c.slide)
				}
				for h := range c.heads {
					at := (row*c.heads + h) * c.width
					p, high, sum := make([]float64, n), math.Inf(-1), 0.0
					of := func(x []float32, i, j int) float64 {
						return float64(x[i*size+h*c.kv/c.heads*c.width+j])
					}
					for i := from; i < n; i++ {
						for j := range c.width {
							p[i] += float64(q[at+j]) * of(keys[row], i, j) * c.scores.ScaleFor(c.width)
						}
						if most := c.scores.Cap; most != 0 {
							p[i] = most * math.Tanh(p[i]/most)
						}
						high = max(high, p[i])
					}
					for i := from; i < n; i++ {
						p[i] = math.Exp(p[i] - high)
						sum += p[i]
						if c.bf16 && HasGEMM() { // as weights are rounded then
							p[i] = float64(bfloat16.FromFloat32(float32(p[i])).Float32())
						}
					}
					for j := range c.width {
						want := 0.0
						for i := from; i < n; i++ {
							want += p[i] / sum * of(values[row], i, j)
						}
						if !golden.Near(float64(o[at+j]), want, 2e-5*(1+math.Abs(want))) {
							t.Fatalf("row %d, head %d: o[%d] is %g, expected %g", row, h, j, o[at+j], want)
						}
					}
				}
			}
		})
	}
	if err := AppendKV(newKVCache(t, 2, 4, false), make([]float32, 8), make([]float32, 8), []int32{1}); err == nil {
		t.Error("a place behind the end is taken")
	}
	if err := AppendKV(newKVCache(t, 2, 4, false), make([]bfloat16.BFloat16, 8), make([]bfloat16.BFloat16, 8), []int32{0}); err == nil {
		t.Error("a cache of f32 takes bf16")
	}
	two := []*KVCache{newKVCache(t, 1, 4, false), newKVCache(t, 1, 4, true)}
	for _, c := range two {
		if err := AppendKV(c, make([]float32, 4), make([]float32, 4), []int32{0}); err != nil {
			t.Fatal(err)
		}
	}
	if err := DecodeAttention(two, []int32{1, 1}, 1, 0, Scores{}, make([]float32, 8), make([]float32, 8)); err == nil {
		t.Error("a cache of bf16 is taken beside one of f32")
	}
	if err := DecodeAttention(two[:1], []int32{1}, 1, -3, Scores{}, make([]float32, 4), make([]float32, 4)); err == nil {
		t.Error("a window of -3 tokens is taken")
	}
}

// BenchmarkKVCache is one layer of SmolLM2-135M over 8 rows of 1,100 tokens, of which the last
// ones are new.
func BenchmarkKVCache(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, bf16 := range []bool{false, true} {
		for _, tokens := range []int{1, 3} {
			b.Run(fmt.Sprintf("bf16=%t/tokens=%d", bf16, tokens), func(b *testing.B) {
				var caches []*KVCache
				var lengths []int32
				for range 8 {
					x := newKVCache(b, 3, 64, bf16)
					places := make([]int32, 1100)
					if err := AppendKV(x, representable(r, 192), representable(r, 192), places); err != nil {
						b.Fatal(err)
					}
					for i := range tokens {
						caches, lengths = append(caches, x), append(lengths, int32(1101-tokens+i))
					}
				}
				q := representable(r, len(caches)*9*64)
				o := make([]float32, len(q))
				for b.Loop() {
					if err := DecodeAttention(caches, lengths, 9, 0, Scores{}, q, o); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// representable are values that bf16 holds too.
func representable(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = bfloat16.FromFloat32(float32(r.NormFloat64())).Float32()
	}
	return out
}

func newKVCache(t testing.TB, heads, width int, bf16 bool) *KVCache {
	t.Helper()
	c, err := NewKVCache(heads, width, bf16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Free)
	return c
}
