package nn

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Rows describes attention of T queries to S keys inside each of B rows, the
// scores not scaled, as T5 has it.
type Rows struct {
	Bias    *Node // [H, T, S] f32 added to the scores, nil for none
	Lengths *Node // [B] i32, leading keys of each row that are seen; nil for all
	Causal  bool  // query i sees keys up to i
	Block   int   // queries per block of scores

	// Drop is dropout on the probabilities [B, H, n, S] from query lo on; nil for none.
	Drop func(lo int, p *Node) *Node
}

func (r Rows) drop(lo int, p *Node) *Node {
	if r.Drop == nil {
		return p
	}
	return r.Drop(lo, p)
}

// scores gives the masked scores [B, H, n, S] in f32 of the queries lo..hi.
func (r Rows) scores(q, k *Node, lo, hi int) *Node {
	s := cast(dot(SliceAxis(q, 2, AxisRange(lo, hi)), k, []int{3}, []int{0, 1}, []int{3}, []int{0, 1}), dtypes.Float32)
	shape := s.Shape()
	if r.Bias != nil {
		s = Add(s, BroadcastToShape(InsertAxes(SliceAxis(r.Bias, 1, AxisRange(lo, hi)), 0), shape))
	}
	hidden := Scalar(s.Graph(), dtypes.Float32, -1e9)
	key := Iota(s.Graph(), shapes.Make(dtypes.Int32, shape.Dimensions...), 3)
	if r.Lengths != nil {
		lengths := BroadcastToShape(Reshape(r.Lengths, shape.Dimensions[0], 1, 1, 1), key.Shape())
		s = Where(LessThan(key, lengths), s, hidden)
	}
	if r.Causal {
		query := AddScalar(Iota(s.Graph(), key.Shape(), 2), lo)
		s = Where(LessOrEqual(key, query), s, hidden)
	}
	return s
}

// RowAttention is softmax(q·kᵀ + bias)·v inside each row. q is [B, H, T, C], k
// and v [B, H, S, C]; it returns o [B, H, T, C] in the type of q and the
// log-sum-exp of each query's scores [B, H, T] in f32. A row of no keys
// attends to all of them alike.
func RowAttention(r Rows, q, k, v *Node) (o, lse *Node) {
	t := q.Shape().Dimensions[2]
	var os, ls []*Node
	for lo := 0; lo < t; lo += r.Block {
		sc := r.scores(q, k, lo, min(lo+r.Block, t))
		top := ReduceAndKeep(sc, ReduceMax, -1)
		p := Exp(Sub(sc, BroadcastToShape(top, sc.Shape())))
		sum := ReduceAndKeep(p, ReduceSum, -1)
		ob := cast(dot(cast(r.drop(lo, p), q.DType()), v, []int{3}, []int{0, 1}, []int{2}, []int{0, 1}), dtypes.Float32)
		os = append(os, cast(Div(ob, BroadcastToShape(sum, ob.Shape())), q.DType()))
		ls = append(ls, Squeeze(Add(Log(sum), top), -1))
	}
	return concat(os, 2), concat(ls, 2)
}

// RowAttentionVJP returns the cotangents of q, k, v and, where there is one,
// the bias, for dO [B, H, T, C]. It recomputes the probabilities block by
// block from the kept log-sum-exp (arXiv 2205.14135).
func RowAttentionVJP(r Rows, q, k, v, o, lse, dO *Node) (dq, dk, dv, dBias *Node) {
	t := q.Shape().Dimensions[2]
	plus := func(sum, d *Node) *Node {
		if sum == nil {
			return d
		}
		return Add(sum, d)
	}
	delta := ReduceSum(Mul(cast(o, dtypes.Float32), cast(dO, dtypes.Float32)), -1) // [B, H, T]
	var dqs, biases []*Node
	for lo := 0; lo < t; lo += r.Block {
		hi := min(lo+r.Block, t)
		rows := func(x *Node) *Node { return SliceAxis(x, 2, AxisRange(lo, hi)) }
		sc := r.scores(q, k, lo, hi)
		wide := func(x *Node) *Node { return BroadcastToShape(InsertAxes(rows(x), -1), sc.Shape()) }
		p := Exp(Sub(sc, wide(lse)))
		dv = plus(dv, dot(cast(r.drop(lo, p), q.DType()), rows(dO), []int{2}, []int{0, 1}, []int{2}, []int{0, 1}))
		dp := cast(dot(rows(dO), v, []int{3}, []int{0, 1}, []int{3}, []int{0, 1}), dtypes.Float32)
		ds := Mul(p, Sub(r.drop(lo, dp), wide(delta)))
		if r.Bias != nil {
			biases = append(biases, ReduceSum(ds, 0))
		}
		ds = cast(ds, q.DType())
		dqs = append(dqs, dot(ds, k, []int{3}, []int{0, 1}, []int{2}, []int{0, 1}))
		dk = plus(dk, dot(ds, rows(q), []int{2}, []int{0, 1}, []int{2}, []int{0, 1}))
	}
	if r.Bias != nil {
		dBias = concat(biases, 1)
	}
	return concat(dqs, 2), dk, dv, dBias
}

func concat(parts []*Node, axis int) *Node {
	if len(parts) == 1 {
		return parts[0]
	}
	return Concatenate(parts, axis)
}
