package nn

import (
	"gorqa/engine/cpu"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Packed describes packed rows whose tokens see each other both ways: B rows of at most S
// tokens in P positions (see batch.Pack.Lines).
type Packed struct {
	At      *Node // [B, S] i32, the position of each token
	Lengths *Node // [B] i32, how many tokens rows have
	Back    *Node // [P] i32, the place of each position in [B·S]
	Bias    *Node // [H, S, S] f32, added to scores; nil for none
	Window  int   // tokens see those no more than so many away; 0 for all
	Scores  cpu.Scores
}

// Attention is softmax(q·kᵀ·scale + bias)·v over the tokens of each row, for q [P, H, C],
// k and v [P, N, C]; it gives [P, H, C].
func (r Packed) Attention(q, k, v *Node) *Node {
	b, s, h, c := r.At.Shape().Dim(0), r.At.Shape().Dim(1), q.Shape().Dim(1), q.Shape().Dim(2)
	lines := func(x *Node) *Node { // [B, H, S, C]
		x = TransposeAllAxes(Gather(x, InsertAxes(r.At, -1)), 0, 2, 1, 3)
		if n := x.Shape().Dim(1); n != h {
			x = Reshape(BroadcastToDims(Reshape(x, b, n, 1, s, c), b, n, h/n, s, c), b, h, s, c)
		}
		return x
	}
	products := dot(lines(q), lines(k), []int{3}, []int{0, 1}, []int{3}, []int{0, 1}) // [B, H, S, S]
	scores := scored(r.Scores, ConvertDType(products, dtypes.Float32), c)
	shape, g := scores.Shape(), scores.Graph()
	if r.Bias != nil {
		scores = Add(scores, BroadcastToDims(InsertAxes(r.Bias, 0), shape.Dimensions...))
	}
	hidden := Scalar(g, dtypes.Float32, -1e9)
	key := Iota(g, shapes.Make(dtypes.Int32, b, 1, 1, s), 3)
	seen := LessThan(key, BroadcastToShape(Reshape(r.Lengths, b, 1, 1, 1), key.Shape()))
	scores = Where(BroadcastToDims(seen, shape.Dimensions...), scores, hidden)
	if r.Window > 0 {
		square := shapes.Make(dtypes.Int32, 1, 1, s, s)
		near := LessOrEqual(Abs(Sub(Iota(g, square, 2), Iota(g, square, 3))), Scalar(g, dtypes.Int32, r.Window))
		scores = Where(BroadcastToDims(near, shape.Dimensions...), scores, hidden)
	}
	p := Exp(Sub(scores, BroadcastToDims(ReduceAndKeep(scores, ReduceMax, -1), shape.Dimensions...)))
	sum := ReduceAndKeep(p, ReduceSum, -1) // [B, H, S, 1]
	o := dot(ConvertDType(p, q.DType()), lines(v), []int{3}, []int{0, 1}, []int{2}, []int{0, 1})
	o = Div(ConvertDType(o, dtypes.Float32), BroadcastToDims(sum, b, h, s, c))
	o = Reshape(TransposeAllAxes(ConvertDType(o, q.DType()), 0, 2, 1, 3), b*s, h, c)
	return Gather(o, InsertAxes(r.Back, -1))
}
