package nn

import (
	"gorqa/engine/cpu"

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
	Scores    cpu.Scores
}

// bands is how a tree's positions are cut: all blocks of queries at once look at
// a window of keys each, and at the global keys, so that the number of operations
// does not grow with S.
type bands struct {
	Tree
	s, blocks int // positions, and blocks of Block queries that hold them
	behind    int // blocks before its own that a query's window holds
	global    int // keys that every query looks at beside its window
}

func (t Tree) bands() bands {
	b := bands{Tree: t, s: t.Reach.Shape().Dimensions[0]}
	b.blocks = (b.s + t.Block - 1) / t.Block
	b.behind = min((t.Window+t.Block-2)/t.Block, b.blocks-1)
	if b.behind < b.blocks-1 {
		b.global = min(t.Global, b.s)
	}
	return b
}

// pad adds places to one axis of x, with zeros.
func pad(x *Node, axis, before, after int) *Node {
	axes := make([]PadAxis, x.Rank())
	axes[axis] = PadAxis{Start: before, End: after}
	return Pad(x, ScalarZero(x.Graph(), x.DType()), axes...)
}

// cut makes blocks of one axis of x, that of the S positions: [.., S, ..] to [.., blocks, Block, ..].
func (b bands) cut(x *Node, axis int) *Node {
	dims := x.Shape().Dimensions
	x = pad(x, axis, 0, b.blocks*b.Block-b.s)
	return Reshape(x, append(append(append([]int{}, dims[:axis]...), b.blocks, b.Block), dims[axis+1:]...)...)
}

// join is the inverse of cut.
func (b bands) join(x *Node, axis int) *Node {
	dims := x.Shape().Dimensions
	x = Reshape(x, append(append(append([]int{}, dims[:axis]...), b.blocks*b.Block), dims[axis+2:]...)...)
	return SliceAxis(x, axis, AxisRange(0, b.s))
}

// windows gives each block its window of keys: [N, S, C] to [N, blocks, (behind+1)·Block, C].
func (b bands) windows(x *Node) *Node {
	n, c, length := x.Shape().Dimensions[0], x.Shape().Dimensions[2], b.blocks*b.Block
	x = pad(x, 1, b.behind*b.Block, length-b.s)
	var parts []*Node
	for i := range b.behind + 1 {
		part := SliceAxis(x, 1, AxisRange(i*b.Block, i*b.Block+length))
		parts = append(parts, Reshape(part, n, b.blocks, b.Block, c))
	}
	return Concatenate(parts, 2)
}

// unwindow adds up over the windows, in f32: the transposed of windows.
func (b bands) unwindow(x *Node) *Node {
	n, c, length := x.Shape().Dimensions[0], x.Shape().Dimensions[3], b.blocks*b.Block
	x = cast(x, dtypes.Float32)
	var sum *Node
	for i := range b.behind + 1 {
		part := Reshape(SliceAxis(x, 2, AxisRange(i*b.Block, (i+1)*b.Block)), n, length, c)
		part = pad(part, 1, i*b.Block, (b.behind-i)*b.Block)
		if sum == nil {
			sum = part
		} else {
			sum = Add(sum, part)
		}
	}
	return SliceAxis(sum, 1, AxisRange(b.behind*b.Block, b.behind*b.Block+b.s))
}

// line is a vector [S] i32 as keys see it: [blocks, M] for windows, or [1, global].
func (b bands) line(x *Node, global bool) *Node {
	if global {
		return InsertAxes(SliceAxis(x, 0, AxisRange(0, b.global)), 0)
	}
	return Squeeze(b.windows(Reshape(x, 1, b.s, 1)), 0, 3)
}

// mask is true [blocks, Block, M] where a query may see a key.
func (b bands) mask(global bool) *Node {
	g := b.Reach.Graph()
	reach := b.line(b.Reach, global)
	dims := []int{b.blocks, b.Block, reach.Shape().Dimensions[1]}
	key := func(x *Node) *Node { return BroadcastToDims(InsertAxes(x, 1), dims...) }
	query := func(x *Node) *Node { return BroadcastToDims(InsertAxes(b.cut(x, 0), -1), dims...) }
	number := func(n int) *Node { return BroadcastToDims(Reshape(Scalar(g, dtypes.Int32, n), 1, 1, 1), dims...) }
	index := Iota(g, shapes.Make(dtypes.Int32, dims...), 2)
	if !global {
		block := Iota(g, shapes.Make(dtypes.Int32, dims...), 0)
		index = Add(index, MulScalar(AddScalar(block, -b.behind), b.Block))
	}
	q := query(Iota(g, shapes.Make(dtypes.Int32, b.s), 0))
	ok := And(LessOrEqual(index, q), LessOrEqual(q, key(reach)))
	if !global { // windows begin before the first position, and hold global keys too
		ok = And(ok, GreaterOrEqual(index, number(b.global)))
	}
	if b.Slide > 0 {
		ok = And(ok, LessThan(Sub(query(b.Positions), key(b.line(b.Positions, global))), number(b.Slide)))
	}
	return ok
}

// scores gives the masked, scaled scores [N, blocks, G, Block, M] in f32 of
// queries [N, blocks, G, Block, C] and keys [N, blocks, M, C] or, global, [N, M, C].
func (b bands) scores(q, k *Node, global bool) *Node {
	s := scored(b.Scores, meet(q, k, global), q.Shape().Dim(-1))
	m := s.Shape().Dimensions[4]
	seen := BroadcastToDims(Reshape(b.mask(global), 1, b.blocks, 1, b.Block, m), s.Shape().Dimensions...)
	return Where(seen, s, Scalar(s.Graph(), dtypes.Float32, -1e9))
}

// scored makes scores in f32 of products of heads C wide.
func scored(s cpu.Scores, products *Node, width int) *Node {
	return SoftCap(MulScalar(products, s.ScaleFor(width)), s.Cap)
}

// SoftCap is most·tanh(x/most), or with most 0 x itself.
func SoftCap(x *Node, most float64) *Node {
	if most == 0 {
		return x
	}
	return MulScalar(Tanh(DivScalar(x, most)), most)
}

// SoftCapVJP is the cotangent of SoftCap's x for that of its outcome.
func SoftCapVJP(outcome, d *Node, most float64) *Node {
	if most == 0 {
		return d
	}
	return Mul(d, OneMinus(Square(DivScalar(outcome, most))))
}

// queries is [N, G, S, C] as [N, blocks, G, Block, C]; back is its inverse.
func (b bands) queries(x *Node) *Node { return TransposeAllAxes(b.cut(x, 2), 0, 2, 1, 3, 4) }

func (b bands) back(x *Node) *Node { return b.join(TransposeAllAxes(x, 0, 2, 1, 3, 4), 2) }

// parts are what queries look at: windows, and the global keys if there are any.
func (b bands) parts() []bool {
	if b.global == 0 {
		return []bool{false}
	}
	return []bool{false, true}
}

// keys are a part's of x [N, S, C].
func (b bands) keys(x *Node, global bool) *Node {
	if global {
		return SliceAxis(x, 1, AxisRange(0, b.global))
	}
	return b.windows(x)
}

// meet multiplies x [N, blocks, G, Block, C] with each of a part's keys to
// [N, blocks, G, Block, M] in f32.
func meet(x, keys *Node, global bool) *Node {
	if global {
		return cast(dot(x, keys, []int{4}, []int{0}, []int{2}, []int{0}), dtypes.Float32)
	}
	return cast(dot(x, keys, []int{4}, []int{0, 1}, []int{3}, []int{0, 1}), dtypes.Float32)
}

// weigh multiplies p [N, blocks, G, Block, M] with a part's keys to [N, blocks, G, Block, C].
func weigh(p, keys *Node, global bool) *Node {
	if global {
		return dot(p, keys, []int{4}, []int{0}, []int{1}, []int{0})
	}
	return dot(p, keys, []int{4}, []int{0, 1}, []int{2}, []int{0, 1})
}

// gather is the sum over all queries of p [N, blocks, G, Block, M] times
// x [N, blocks, G, Block, C], at the places of the part's keys: [N, S, C] in f32.
func (b bands) gather(p, x *Node, global bool) *Node {
	if global {
		sum := dot(p, x, []int{1, 2, 3}, []int{0}, []int{1, 2, 3}, []int{0}) // [N, M, C]
		return pad(cast(sum, dtypes.Float32), 1, 0, b.s-b.global)
	}
	return b.unwindow(dot(p, x, []int{2, 3}, []int{0, 1}, []int{2, 3}, []int{0, 1}))
}

// Grouped is x [S, H, C] by the N key/value heads, [N, G, S, C].
func Grouped(x *Node, kvHeads int) *Node {
	d := x.Shape().Dimensions
	return TransposeAllAxes(Reshape(x, d[0], kvHeads, d[1]/kvHeads, d[2]), 1, 2, 0, 3)
}

// Attention is softmax(scores)·v over the tree, in blocks along the diagonal.
// q is [N, G, S, C], k and v [N, S, C]; it returns o [N, G, S, C] in the type of
// q and the log-sum-exp of each row of scores [N, G, S] in f32.
func Attention(t Tree, q, k, v *Node) (o, lse *Node) {
	b := t.bands()
	q = b.queries(q)
	var scores []*Node
	var top *Node
	for _, global := range b.parts() {
		s := b.scores(q, b.keys(k, global), global)
		scores = append(scores, s)
		if highest := ReduceAndKeep(s, ReduceMax, -1); top == nil {
			top = highest
		} else {
			top = Max(top, highest)
		}
	}
	var sum *Node
	for i, global := range b.parts() {
		p := Exp(Sub(scores[i], BroadcastToShape(top, scores[i].Shape())))
		part, total := cast(weigh(cast(p, q.DType()), b.keys(v, global), global), dtypes.Float32), ReduceAndKeep(p, ReduceSum, -1)
		if sum == nil {
			o, sum = part, total
		} else {
			o, sum = Add(o, part), Add(sum, total)
		}
	}
	o = Div(o, BroadcastToShape(sum, o.Shape()))
	return b.back(cast(o, q.DType())), Squeeze(b.back(Add(Log(sum), top)), -1)
}

// AttentionVJP returns the cotangents of q, k and v for dO [N, G, S, C]. The
// probabilities are recomputed from the kept log-sum-exp (FlashAttention, arXiv
// 2205.14135), so no scores are kept.
func AttentionVJP(t Tree, q, k, v, o, lse, dO *Node) (dq, dk, dv *Node) {
	b := t.bands()
	scale := t.Scores.ScaleFor(q.Shape().Dim(-1))
	delta := ReduceSum(Mul(cast(o, dtypes.Float32), cast(dO, dtypes.Float32)), -1) // [N, G, S]
	column := func(x *Node) *Node { return b.queries(InsertAxes(x, -1)) }
	kind := q.DType()
	q, dO, lse, delta = b.queries(q), b.queries(dO), column(lse), column(delta)
	add := func(sum **Node, x *Node) {
		if *sum == nil {
			*sum = x
		} else {
			*sum = Add(*sum, x)
		}
	}
	for _, global := range b.parts() {
		keys := b.keys(k, global)
		s := b.scores(q, keys, global)
		p := Exp(Sub(s, BroadcastToShape(lse, s.Shape())))
		dp := meet(dO, b.keys(v, global), global)
		ds := MulScalar(SoftCapVJP(s, Mul(p, Sub(dp, BroadcastToShape(delta, s.Shape()))), t.Scores.Cap), scale)
		add(&dv, b.gather(cast(p, kind), dO, global))
		add(&dk, b.gather(cast(ds, kind), q, global))
		add(&dq, cast(weigh(cast(ds, kind), keys, global), dtypes.Float32))
	}
	return cast(b.back(dq), kind), cast(dk, kind), cast(dv, kind)
}
