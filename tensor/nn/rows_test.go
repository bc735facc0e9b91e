package nn_test

import (
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graph code reads as formulas
	"github.com/gomlx/gomlx/core/tensors"

	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/nn"
)

func TestBucket(t *testing.T) {
	var head golden.Header
	golden.ReadJSON(t, "testdata/t5_buckets.json", &head)
	g := golden.Golden{Header: head}
	var values struct {
		Last  int `json:"last"`
		Cases []struct {
			Buckets int      `json:"buckets"`
			Limit   int      `json:"limit"`
			Causal  bool     `json:"causal"`
			Runs    [][2]int `json:"runs"`
		} `json:"cases"`
	}
	g.Decode(t, &values)
	for _, c := range values.Cases {
		r, runs, want := nn.Relative{Buckets: c.Buckets, Limit: c.Limit, Causal: c.Causal}, c.Runs, 0
		for d := -values.Last; d <= values.Last; d++ {
			if len(runs) > 0 && runs[0][0] == d {
				want, runs = runs[0][1], runs[1:]
			}
			if got := r.Bucket(d); got != want {
				t.Errorf("%+v: distance %d is in bucket %d, expected %d", r, d, got, want)
			}
		}
	}
}

// TestRelativeBias shows that the bias by diagonals is the table's entry of
// each pair's bucket.
func TestRelativeBias(t *testing.T) {
	const s, h = 7, 2
	e := enginetest.Open(t)
	r := nn.Relative{Buckets: 8, Limit: 6}
	table := random(rand.New(rand.NewPCG(1, 1)), r.Buckets*h)
	f, err := e.Func("bias", func(in []*Node) []*Node { return []*Node{r.Bias(in[0], s)} })
	if err != nil {
		t.Fatal(err)
	}
	got := callHost(t, e, f, array{table, []int{r.Buckets, h}})[0]
	var want []float32
	for head := range h {
		for q := range s {
			for k := range s {
				want = append(want, table[r.Bucket(k-q)*h+head])
			}
		}
	}
	golden.Compare(t, "bias", got, want, golden.Tolerance{})
}

// TestRowAttention holds attention by blocks, and its hand-written
// vector-Jacobian product, against the plain formula under autodiff.
func TestRowAttention(t *testing.T) {
	const b, h, q, s, c = 2, 2, 7, 7, 3
	e, rnd := enginetest.Open(t), rand.New(rand.NewPCG(2, 3))
	for _, test := range []struct {
		name, why     string
		bias, lengths bool
		causal, drops bool
	}{
		{"encoder", "a bias, and rows of 7 and 4 keys", true, true, false, false},
		{"decoder", "a bias, causal", true, false, true, false},
		{"cross", "no bias", false, true, false, false},
		{"dropout", "some probabilities are zeroed, the others scaled up", true, true, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows := func(bias *Node, block int) nn.Rows {
				r := nn.Rows{Causal: test.causal, Block: block}
				if test.bias {
					r.Bias = bias
				}
				if test.drops {
					r.Drop = func(lo int, p *Node) *Node { return Mul(p, mask(p, lo)) }
				}
				if test.lengths {
					r.Lengths = Const(bias.Graph(), []int32{7, 4})
				}
				return r
			}
			f, err := e.Func("rows "+test.name, func(in []*Node) []*Node {
				query, k, v, bias, dO := in[0], in[1], in[2], in[3], in[4]
				r := rows(bias, 3)
				o, lse := nn.RowAttention(r, query, k, v)
				dq, dk, dv, dBias := nn.RowAttentionVJP(r, query, k, v, o, lse, dO)
				want := plain(rows(bias, 0), query, k, v)
				outs := []*Node{o, dq, dk, dv}
				ins := []*Node{query, k, v}
				if test.bias {
					outs, ins = append(outs, dBias), append(ins, bias)
				}
				return append(append(outs, want), nn.Pullback([]*Node{want}, []*Node{dO}, ins)...)
			})
			if err != nil {
				t.Fatal(err)
			}
			wide := func() array { return array{random(rnd, b*h*q*c), []int{b, h, q, c}} }
			out := callHost(t, e, f, wide(), wide(), wide(), array{random(rnd, h*q*s), []int{h, q, s}}, wide())
			for i, got := range out[:len(out)/2] {
				name := []string{"o", "dq", "dk", "dv", "dBias"}[i]
				golden.Compare(t, name, got, out[len(out)/2+i], golden.Tolerance{Absolute: 1e-5, Relative: 1e-5})
			}
		})
	}
}

// plain is the formula with all scores at once.
func plain(r nn.Rows, q, k, v *Node) *Node {
	s := Einsum("bhqc,bhkc->bhqk", q, k)
	if r.Bias != nil {
		s = Add(s, BroadcastToShape(InsertAxes(r.Bias, 0), s.Shape()))
	}
	key := Iota(s.Graph(), shapes.Make(dtypes.Int32, s.Shape().Dimensions...), 3)
	seen := GreaterOrEqual(key, ZerosLike(key))
	if r.Causal {
		seen = LessOrEqual(key, IotaLike(key, 2))
	}
	if r.Lengths != nil {
		seen = And(seen, LessThan(key, BroadcastToShape(Reshape(r.Lengths, key.Shape().Dimensions[0], 1, 1, 1), key.Shape())))
	}
	p := Softmax(Where(seen, s, Scalar(s.Graph(), dtypes.Float32, -1e9)), -1)
	if r.Drop != nil {
		p = r.Drop(0, p)
	}
	return Einsum("bhqk,bhkc->bhqc", p, v)
}

// mask is 0 for every third pair of query and key, the queries counted from lo,
// and 1.5 for the others.
func mask(p *Node, lo int) *Node {
	pair := Add(MulScalar(AddScalar(IotaLike(p, 2), float64(lo)), 2), IotaLike(p, 3))
	third := Equal(Sub(pair, MulScalar(Floor(DivScalar(pair, 3)), 3)), ZerosLike(p))
	return Where(third, ZerosLike(p), MulScalar(OnesLike(p), 1.5))
}

func random(rnd *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rnd.NormFloat64())
	}
	return out
}

// array is host values and their dimensions.
type array struct {
	flat []float32
	dims []int
}

// callHost runs a function on host values.
func callHost(t *testing.T, e *xla.Engine, f *xla.Func, in ...array) [][]float32 {
	t.Helper()
	var args []*tensors.Tensor
	for _, a := range in {
		x, err := xla.FromHost(e, a.flat, a.dims...)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, x)
	}
	results, err := f.Call(args...)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]float32
	for _, r := range results {
		flat, err := xla.ToHost[float32](r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, flat)
	}
	if err := xla.Free(append(args, results...)...); err != nil {
		t.Fatal(err)
	}
	return out
}
