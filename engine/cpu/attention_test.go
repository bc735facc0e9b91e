package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"

	"gorqa/internal/golden"
)

// naive is the formula in float64, and its gradients by hand.
func naive(s AttentionShape, q, k, v, dO []float32) (o, lse, dq, dk, dv []float64) {
	n, rows, g := len(s.Reach), s.queries(), s.Heads/s.KVHeads
	at := func(i, h, heads, c int) int { return (i*heads+h)*s.Width + c }
	o, dq, lse = make([]float64, len(q)), make([]float64, len(q)), make([]float64, s.Heads*rows)
	dk, dv = make([]float64, len(k)), make([]float64, len(k))
	scale := s.Scores.ScaleFor(s.Width)
	for h := range s.Heads {
		for i := range rows {
			p, dp, slope := make([]float64, n), make([]float64, n), make([]float64, n)
			sees := func(j int) bool {
				return start(s, j) <= i && i <= int(s.Reach[j]) && (s.Slide == 0 || int(s.Depth[i]-s.Depth[j]) < s.Slide)
			}
			var sum, delta float64
			for j := range n {
				if !sees(j) {
					continue
				}
				for c := range s.Width {
					p[j] += float64(q[at(i, h, s.Heads, c)]) * float64(k[at(j, h/g, s.KVHeads, c)]) * scale
					dp[j] += float64(dO[at(i, h, s.Heads, c)]) * float64(v[at(j, h/g, s.KVHeads, c)])
				}
				slope[j] = 1
				if most := s.Scores.Cap; most != 0 {
					p[j] = math.Tanh(p[j] / most)
					p[j], slope[j] = most*p[j], 1-p[j]*p[j]
				}
				p[j] = math.Exp(p[j])
				sum += p[j]
			}
			lse[h*rows+i] = math.Log(sum)
			for j := range n {
				p[j] /= sum
				delta += p[j] * dp[j]
			}
			for j := range n {
				d := p[j] * (dp[j] - delta) * scale * slope[j]
				for c := range s.Width {
					o[at(i, h, s.Heads, c)] += p[j] * float64(v[at(j, h/g, s.KVHeads, c)])
					dq[at(i, h, s.Heads, c)] += d * float64(k[at(j, h/g, s.KVHeads, c)])
					dk[at(j, h/g, s.KVHeads, c)] += d * float64(q[at(i, h, s.Heads, c)])
					dv[at(j, h/g, s.KVHeads, c)] += p[j] * float64(dO[at(i, h, s.Heads, c)])
				}
			}
		}
	}
	return o, lse, dq, dk, dv
}

// behind adds keys without queries of their own, each seen by some queries in a row.
func behind(r *rand.Rand, s AttentionShape, keys int) AttentionShape {
	s.Queries = len(s.Reach)
	s.Start = make([]int32, s.Queries)
	for i := range s.Start {
		s.Start[i] = int32(i)
	}
	for range keys {
		first := r.IntN(s.Queries)
		s.Start, s.Reach = append(s.Start, int32(first)), append(s.Reach, int32(first+r.IntN(s.Queries-first)))
		s.Depth = append(s.Depth, int32(r.IntN(int(s.Depth[first])+1)))
	}
	return s
}

// start is where those who see position j begin.
func start(s AttentionShape, j int) int {
	if s.Start == nil {
		return j
	}
	return int(s.Start[j])
}

// rows lays out random rows in which every position sees every other.
func rows(r *rand.Rand, n int) (start, reach []int32) {
	for len(start) < n {
		from, length := len(start), min(1+r.IntN(150), n-len(start))
		for range length {
			start, reach = append(start, int32(from)), append(reach, int32(from+length-1))
		}
	}
	return start, reach
}

// tree lays out random rows that share prefixes, depth first.
func tree(r *rand.Rand, n int) (depth, reach []int32) {
	depth, reach = make([]int32, n), make([]int32, n)
	var path []int
	for i := range n {
		if r.IntN(40) == 0 {
			path = path[:r.IntN(len(path)+1)] // a new branch
		}
		path = append(path, i)
		depth[i] = int32(len(path) - 1)
		for _, p := range path {
			reach[p] = int32(i)
		}
	}
	return depth, reach
}

func random(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// result is what the kernels give beside what the formula does.
type result struct {
	name string
	got  []float32
	want []float64
}

// attending makes random values, and gives what computes them by the kernels beside the
// formula's outcome, which is computed once for all sets of instructions: it takes longest.
func attending[T Number](s AttentionShape, r *rand.Rand) func(*testing.T) []result {
	n := s.queries()
	wide, narrow := n*s.Heads*s.Width, len(s.Reach)*s.KVHeads*s.Width
	q, k, v, dO := numbers[T](random(r, wide)), numbers[T](random(r, narrow)), numbers[T](random(r, narrow)), numbers[T](random(r, wide))
	wantO, wantLSE, wantDQ, wantDK, wantDV := naive(s, plain(q), plain(k), plain(v), plain(dO))
	return func(t *testing.T) []result {
		t.Helper()
		o, lse := make([]T, wide), make([]float32, n*s.Heads)
		dq, dk, dv := make([]T, wide), make([]T, narrow), make([]T, narrow)
		if err := of(s, q, k, v, o, lse).Forward(); err != nil {
			t.Fatal(err)
		}
		if err := of(s, q, k, v, o, lse).Backward(AttentionGrads[T]{dO, dq, dk, dv}); err != nil {
			t.Fatal(err)
		}
		return []result{{"o", plain(o), wantO}, {"lse", lse, wantLSE}, {"dq", plain(dq), wantDQ}, {"dk", plain(dk), wantDK}, {"dv", plain(dv), wantDV}}
	}
}

// numbers are values as T, and plain the reverse.
func numbers[T Number](x []float32) []T {
	out := make([]T, len(x))
	switch to := any(out).(type) {
	case []float32:
		copy(to, x)
	case []bfloat16.BFloat16:
		for i, v := range x {
			to[i] = bfloat16.FromFloat32(v)
		}
	}
	return out
}

func of[T Number](s AttentionShape, q, k, v, o []T, lse []float32) Attention[T] {
	return Attention[T]{Shape: s, Q: q, K: k, V: v, O: o, LSE: lse}
}

func plain[T Number](x []T) []float32 {
	out := make([]float32, len(x))
	switch from := any(x).(type) {
	case []float32:
		copy(out, from)
	case []bfloat16.BFloat16:
		for i, v := range from {
			out[i] = v.Float32()
		}
	}
	return out
}

func TestAttention(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		why                        string
		n, heads, kv, width, slide int
		whole                      bool // rows, not trees
		scores                     Scores
		behind                     int // keys without queries
	}{
		{"one position", 1, 1, 1, 8, 0, false, Scores{}, 0},
		{"less than a tile, an odd width", 23, 2, 1, 5, 0, false, Scores{}, 0},
		{"whole tiles", 128, 3, 3, 64, 0, false, Scores{}, 0},
		{"the shape of SmolLM2", 200, 9, 3, 64, 0, false, Scores{}, 0},
		{"a sliding window", 200, 4, 2, 32, 50, false, Scores{}, 0},
		{"a wide head", 130, 2, 2, 128, 0, false, Scores{}, 0},
		{"rows without an order", 330, 3, 3, 32, 0, true, Scores{}, 0},
		{"scores of Gemma 2", 200, 4, 2, 32, 50, false, Scores{Scale: 0.5, Cap: 3}, 0},
		{"a cap alone", 70, 2, 1, 24, 0, false, Scores{Cap: 0.7}, 0},
		{"keys without queries", 200, 4, 2, 32, 0, false, Scores{}, 300},
		{"more tiles of keys than of queries, in a window", 70, 4, 2, 24, 30, false, Scores{Cap: 2}, 500},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := AttentionShape{Heads: c.heads, KVHeads: c.kv, Width: c.width, Slide: c.slide, Scores: c.scores}
			s.Depth, s.Reach = tree(r, c.n)
			if c.whole {
				s.Start, s.Reach = rows(r, c.n)
			}
			if c.behind > 0 {
				s = behind(r, s, c.behind)
			}
			attended := attending[float32](s, r)
			withEachISA(t, func(t *testing.T) {
				for _, x := range attended(t) {
					for i, want := range x.want {
						if !golden.Near(float64(x.got[i]), want, 2e-5*(1+math.Abs(want))) {
							t.Fatalf("%s[%d] is %g, expected %g", x.name, i, x.got[i], want)
						}
					}
				}
			})
		})
	}
}

// TestAttentionBF16 holds values of bf16 against the formula over the same values:
// what is rounded to 8 bits on the way costs about a part in 500.
func TestAttentionBF16(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		n, heads, kv, width, slide int
		scores                     Scores
	}{
		{1, 1, 1, 8, 0, Scores{}}, {23, 2, 1, 5, 0, Scores{}}, {190, 9, 3, 64, 0, Scores{}}, {200, 4, 2, 80, 50, Scores{}},
		{130, 2, 2, 128, 0, Scores{}}, {200, 4, 2, 64, 50, Scores{Scale: 0.25, Cap: 3}},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			s := AttentionShape{Heads: c.heads, KVHeads: c.kv, Width: c.width, Slide: c.slide, Scores: c.scores}
			s.Depth, s.Reach = tree(r, c.n)
			if c.n == 190 {
				s = behind(r, s, 200)
			}
			attended := attending[bfloat16.BFloat16](s, r)
			withEachISA(t, func(t *testing.T) {
				for _, x := range attended(t) {
					var off, size float64
					for i, want := range x.want {
						d := float64(x.got[i]) - want
						off, size = off+d*d, size+want*want
					}
					if !(math.Sqrt(off) <= 4e-3*math.Sqrt(size)+1e-5) {
						t.Errorf("%s is off by %g of its size", x.name, math.Sqrt(off/size))
					}
				}
			})
		})
	}
}

// TestUnseenValuesWeighNothing has a large value where a query does not look: it adds not even
// the smallest number's share, and products of such numbers would take long.
func TestUnseenValuesWeighNothing(t *testing.T) {
	const n, width = 70, 8
	s := AttentionShape{Heads: 1, KVHeads: 1, Width: width, Depth: make([]int32, n), Reach: make([]int32, n)}
	v := make([]float32, n*width)
	for i := range n {
		s.Reach[i], v[i*width] = int32(i), 1 // each sees itself alone
	}
	v[(n-1)*width] = 3e38
	zero := make([]float32, n*width)
	withEachISA(t, func(t *testing.T) {
		o, lse := make([]float32, n*width), make([]float32, n)
		if err := of(s, zero, zero, v, o, lse).Forward(); err != nil {
			t.Fatal(err)
		}
		for i := range n - 1 {
			if o[i*width] != 1 {
				t.Fatalf("position %d gets %g; 1 expected", i, o[i*width])
			}
		}
	})
}

func TestAttentionWrongLengths(t *testing.T) {
	s := AttentionShape{Heads: 2, KVHeads: 1, Width: 4, Depth: []int32{0, 1}, Reach: []int32{1, 1}}
	if err := of(s, make([]float32, 16), make([]float32, 8), make([]float32, 7), make([]float32, 16), make([]float32, 4)).Forward(); err == nil {
		t.Error("a short v is taken")
	}
	if err := of[float32](AttentionShape{Heads: 3, KVHeads: 2, Width: 4}, nil, nil, nil, nil, nil).Forward(); err == nil {
		t.Error("3 heads over 2 are taken")
	}
}

// BenchmarkAttention is one layer's attention at the shape of SmolLM2-135M over
// rows of 360 tokens, or one row.
func BenchmarkAttention(b *testing.B) {
	for _, c := range []struct{ n, row int }{{1024, 360}, {1024, 1024}, {2048, 2048}} {
		b.Run(fmt.Sprintf("positions=%d/row=%d/f32", c.n, c.row), func(b *testing.B) { benchmarkAttention[float32](b, c.n, c.row) })
		b.Run(fmt.Sprintf("positions=%d/row=%d/bf16", c.n, c.row), func(b *testing.B) { benchmarkAttention[bfloat16.BFloat16](b, c.n, c.row) })
	}
}

func benchmarkAttention[T Number](b *testing.B, n, row int) {
	r := rand.New(rand.NewPCG(1, 2))
	s := AttentionShape{Heads: 9, KVHeads: 3, Width: 64}
	pairs := 0
	for i := range n {
		s.Depth = append(s.Depth, int32(i%row))
		s.Reach = append(s.Reach, int32(min(n, (i/row+1)*row)-1))
		pairs += i%row + 1
	}
	wide, narrow := n*9*64, n*3*64
	q, k, v, dO := numbers[T](random(r, wide)), numbers[T](random(r, narrow)), numbers[T](random(r, narrow)), numbers[T](random(r, wide))
	o, lse := make([]T, wide), make([]float32, n*9)
	dq, dk, dv := make([]T, wide), make([]T, narrow), make([]T, narrow)
	b.Run("forward", func(b *testing.B) {
		for b.Loop() {
			if err := of(s, q, k, v, o, lse).Forward(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*float64(pairs)*9*64*4/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
	b.Run("backward", func(b *testing.B) {
		for b.Loop() {
			if err := of(s, q, k, v, o, lse).Backward(AttentionGrads[T]{dO, dq, dk, dv}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*float64(pairs)*9*64*10/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
}
