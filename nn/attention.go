package nn

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Tree describes who attends to whom among S packed positions (see
// batch.Decoder): position q sees k when k <= q <= Reach[k]. Only blocks of
// scores that can hold such a pair are computed: keys in the first Global
// positions and keys less than Window before the query.
type Tree struct {
	Positions *Node // [S] i32, depth of each position in its row
	Reach     *Node // [S] i32
	Window    int   // every attended pair outside Global has q - k < Window
	Global    int   // leading positions that everything may attend to
	Block     int   // queries per block of scores
	Slide     int   // sliding window of the model, in depth; 0 for none
}

// span is a contiguous range of key positions.
type span struct{ lo, hi int }

// spans gives the key ranges that queries lo..hi may reach, in block units so
// that neighbouring blocks meet at the same borders.
func (t Tree) spans(lo, hi int) []span {
	start := max(0, lo-t.Window+1) / t.Block * t.Block
	global := (t.Global + t.Block - 1) / t.Block * t.Block
	if t.Global == 0 || global >= start {
		if t.Global > 0 {
			start = 0
		}
		return []span{{start, hi}}
	}
	return []span{{0, global}, {start, hi}}
}

// mask is true [n, m] where a query of lo..hi may see a key of the spans.
func (t Tree) mask(lo, hi int, keys []span) *Node {
	g := t.Reach.Graph()
	var reach, depth, index []*Node
	for _, s := range keys {
		reach = append(reach, Slice(t.Reach, AxisRange(s.lo, s.hi)))
		depth = append(depth, Slice(t.Positions, AxisRange(s.lo, s.hi)))
		index = append(index, AddScalar(Iota(g, shapes.Make(dtypes.Int32, s.hi-s.lo), 0), s.lo))
	}
	row := func(parts []*Node) *Node { return InsertAxes(concat(parts, 0), 0) } // [1, m]
	n := hi - lo
	m := 0
	for _, s := range keys {
		m += s.hi - s.lo
	}
	full := func(x *Node) *Node { return BroadcastToDims(x, n, m) }
	q := full(InsertAxes(AddScalar(Iota(g, shapes.Make(dtypes.Int32, n), 0), lo), -1))
	ok := And(LessOrEqual(full(row(index)), q), LessOrEqual(q, full(row(reach))))
	if t.Slide > 0 {
		p := full(InsertAxes(Slice(t.Positions, AxisRange(lo, hi)), -1))
		ok = And(ok, LessThan(Sub(p, full(row(depth))), full(Reshape(Scalar(g, dtypes.Int32, t.Slide), 1, 1))))
	}
	return ok
}

func concat(parts []*Node, axis int) *Node {
	if len(parts) == 1 {
		return parts[0]
	}
	return Concatenate(parts, axis)
}

// take gathers the spans of the position axis (the one before last) of x.
func take(x *Node, keys []span) *Node {
	var parts []*Node
	for _, s := range keys {
		parts = append(parts, SliceAxis(x, -2, AxisRange(s.lo, s.hi)))
	}
	return concat(parts, -2)
}

// scores gives the masked, scaled scores [N, G·n, m] in f32 of one block.
func (t Tree) scores(q, k *Node, lo, hi int, keys []span) *Node {
	n, g, c := q.Shape().Dimensions[0], q.Shape().Dimensions[1], q.Shape().Dimensions[3]
	qb := Reshape(SliceAxis(q, 2, AxisRange(lo, hi)), n, g*(hi-lo), c)
	s := dot(qb, take(k, keys), []int{2}, []int{0}, []int{2}, []int{0})
	s = MulScalar(cast(s, dtypes.Float32), 1/math.Sqrt(float64(c)))
	m := s.Shape().Dimensions[2]
	wide := BroadcastToDims(Reshape(t.mask(lo, hi, keys), 1, 1, hi-lo, m), n, g, hi-lo, m)
	return Where(Reshape(wide, n, g*(hi-lo), m), s, Scalar(s.Graph(), dtypes.Float32, -1e9))
}

// Attention is softmax(q·kᵀ/√C)·v over the tree, block by block below the
// diagonal. q is [N, G, S, C], k and v [N, S, C]; it returns o [N, G, S, C]
// in the type of q and the log-sum-exp of each row of scores [N, G, S] in f32.
func Attention(t Tree, q, k, v *Node) (o, lse *Node) {
	n, g, s, c := q.Shape().Dimensions[0], q.Shape().Dimensions[1], q.Shape().Dimensions[2], q.Shape().Dimensions[3]
	var os, ls []*Node
	for lo := 0; lo < s; lo += t.Block {
		hi := min(lo+t.Block, s)
		keys := t.spans(lo, hi)
		sc := t.scores(q, k, lo, hi, keys)
		top := ReduceAndKeep(sc, ReduceMax, -1)
		p := Exp(Sub(sc, BroadcastToShape(top, sc.Shape())))
		sum := ReduceAndKeep(p, ReduceSum, -1)
		ob := cast(dot(cast(p, q.DType()), take(v, keys), []int{2}, []int{0}, []int{1}, []int{0}), dtypes.Float32)
		ob = Div(ob, BroadcastToShape(sum, ob.Shape()))
		os = append(os, Reshape(cast(ob, q.DType()), n, g, hi-lo, c))
		ls = append(ls, Reshape(Add(Log(sum), top), n, g, hi-lo))
	}
	return concat(os, 2), concat(ls, 2)
}

// AttentionVJP returns the cotangents of q, k and v for dO [N, G, S, C]. The
// probabilities are recomputed block by block from the kept log-sum-exp
// (FlashAttention, arXiv 2205.14135), so no score matrix is kept.
func AttentionVJP(t Tree, q, k, v, o, lse, dO *Node) (dq, dk, dv *Node) {
	n, g, s, c := q.Shape().Dimensions[0], q.Shape().Dimensions[1], q.Shape().Dimensions[2], q.Shape().Dimensions[3]
	blocks := (s + t.Block - 1) / t.Block
	dks, dvs := make([]*Node, blocks), make([]*Node, blocks)
	add := func(sums []*Node, d *Node, keys []span) {
		at := 0
		for _, sp := range keys {
			for lo := sp.lo; lo < sp.hi; lo += t.Block {
				size := min(lo+t.Block, sp.hi) - lo
				part := SliceAxis(d, 1, AxisRange(at, at+size))
				if i := lo / t.Block; sums[i] == nil {
					sums[i] = part
				} else {
					sums[i] = Add(sums[i], part)
				}
				at += size
			}
		}
	}
	scale := 1 / math.Sqrt(float64(c))
	delta := ReduceSum(Mul(cast(o, dtypes.Float32), cast(dO, dtypes.Float32)), -1) // [N, G, S]
	var dqs []*Node
	for lo := 0; lo < s; lo += t.Block {
		hi := min(lo+t.Block, s)
		keys := t.spans(lo, hi)
		rows := g * (hi - lo)
		column := func(x *Node) *Node { return Reshape(SliceAxis(x, 2, AxisRange(lo, hi)), n, rows, 1) }
		sc := t.scores(q, k, lo, hi, keys)
		p := Exp(Sub(sc, BroadcastToShape(column(lse), sc.Shape())))
		dOb := Reshape(SliceAxis(dO, 2, AxisRange(lo, hi)), n, rows, c)
		qb := Reshape(SliceAxis(q, 2, AxisRange(lo, hi)), n, rows, c)
		add(dvs, dot(cast(p, q.DType()), dOb, []int{1}, []int{0}, []int{1}, []int{0}), keys)
		dp := cast(dot(dOb, take(v, keys), []int{2}, []int{0}, []int{2}, []int{0}), dtypes.Float32)
		ds := cast(MulScalar(Mul(p, Sub(dp, BroadcastToShape(column(delta), dp.Shape()))), scale), q.DType())
		dqs = append(dqs, Reshape(dot(ds, take(k, keys), []int{2}, []int{0}, []int{1}, []int{0}), n, g, hi-lo, c))
		add(dks, dot(ds, qb, []int{1}, []int{0}, []int{1}, []int{0}), keys)
	}
	return concat(dqs, 2), concat(dks, 1), concat(dvs, 1)
}
