package nn

import (
	"gorqa/engine/cpu"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Cache says which keys and values of the past each of B rows attends to when
// one more token a row comes. A cache has two parts: an old one [N, B, P, C]
// that decoding only reads, each row's tokens at its right end, and a recent
// one [N, B, R, C] into which every step writes one place, the same for all
// rows. A step so copies the small part only.
type Cache struct {
	Positions *Node // [B] i32, depth of the new token in its row
	First     *Node // [B] i32, first old place of the row, P for none
	Place     *Node // i32 scalar, recent place of the new token
	Slide     int   // sliding window of the model, in depth; 0 for none
	Scores    cpu.Scores
}

// Attend writes the new k and v [N, B, C] to the recent parts and attends from
// q [N, G, B, C]. It returns o [N, G, B, C] and the new recent parts.
func (c Cache) Attend(q, k, v, oldK, oldV, recentK, recentV *Node) (o, newK, newV *Node) {
	n, g, b, width := q.Shape().Dimensions[0], q.Shape().Dimensions[1], q.Shape().Dimensions[2], q.Shape().Dimensions[3]
	p, r := oldK.Shape().Dimensions[2], recentK.Shape().Dimensions[2]
	zero := Scalar(q.Graph(), dtypes.Int32, 0)
	at := []*Node{zero, zero, c.Place, zero}
	newK = DynamicUpdateSlice(recentK, InsertAxes(k, 2), at)
	newV = DynamicUpdateSlice(recentV, InsertAxes(v, 2), at)
	q = TransposeAllAxes(q, 0, 2, 1, 3) // [N, B, G, C]
	scores := func(keys, ok *Node, m int) *Node {
		s := scored(c.Scores, cast(dot(q, keys, []int{3}, []int{0, 1}, []int{3}, []int{0, 1}), dtypes.Float32), width)
		return Where(BroadcastToDims(Reshape(ok, 1, b, 1, m), n, b, g, m), s, Scalar(q.Graph(), dtypes.Float32, -1e9))
	}
	old, recent := c.masks(b, p, r)
	s := Concatenate([]*Node{scores(oldK, old, p), scores(newK, recent, r)}, -1)
	e := Exp(Sub(s, BroadcastToShape(ReduceAndKeep(s, ReduceMax, -1), s.Shape())))
	sum := ReduceAndKeep(e, ReduceSum, -1)
	e = cast(e, q.DType())
	part := func(values *Node, lo, hi int) *Node {
		return cast(dot(SliceAxis(e, -1, AxisRange(lo, hi)), values, []int{3}, []int{0, 1}, []int{2}, []int{0, 1}), dtypes.Float32)
	}
	o = Add(part(oldV, 0, p), part(newV, p, p+r))
	o = cast(Div(o, BroadcastToShape(sum, o.Shape())), q.DType())
	return TransposeAllAxes(o, 0, 2, 1, 3), newK, newV
}

// masks is true [B, P] and [B, R] where a row attends to a place. The depth of
// an old place is its distance from First, that of a recent one its distance
// from Place before the new token's.
func (c Cache) masks(b, p, r int) (old, recent *Node) {
	g := c.First.Graph()
	wide := func(x *Node, m int) *Node { return BroadcastToDims(InsertAxes(x, -1), b, m) }
	index := func(m int) *Node { return Iota(g, shapes.Make(dtypes.Int32, b, m), 1) }
	old = LessOrEqual(wide(c.First, p), index(p))
	place := BroadcastToDims(Reshape(c.Place, 1, 1), b, r)
	recent = LessOrEqual(index(r), place)
	if c.Slide > 0 {
		limit := func(m int) *Node { return BroadcastToDims(Reshape(Scalar(g, dtypes.Int32, c.Slide), 1, 1), b, m) }
		depth := Sub(index(p), wide(c.First, p))
		old = And(old, LessThan(Sub(wide(c.Positions, p), depth), limit(p)))
		recent = And(recent, LessThan(Sub(place, index(r)), limit(r)))
	}
	return old, recent
}
