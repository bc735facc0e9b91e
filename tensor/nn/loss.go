package nn

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// CrossEntropySum is the weighted sum of negative log-likelihoods, f32 scalar,
// of targets [L] i32 under logits [L, V] f32, with weights [L] f32, and its
// gradient at the logits [L, V] f32 (softmax minus one-hot, times weight).
func CrossEntropySum(logits, targets, weights *Node) (loss, dLogits *Node) {
	shape := logits.Shape()
	top := ReduceAndKeep(logits, ReduceMax, -1)
	e := Exp(Sub(logits, BroadcastToShape(top, shape)))
	sum := ReduceAndKeep(e, ReduceSum, -1)
	lse := Add(Log(sum), top) // [L, 1]
	wide := BroadcastToDims(InsertAxes(targets, -1), shape.Dimensions...)
	hit := Equal(IotaLike(wide, 1), wide)
	zero := Scalar(logits.Graph(), dtypes.Float32, 0)
	picked := ReduceSum(Where(hit, logits, zero), -1)
	loss = ReduceAllSum(Mul(weights, Sub(Squeeze(lse, -1), picked)))
	p := Div(e, BroadcastToShape(sum, shape))
	p = Sub(p, Where(hit, Scalar(logits.Graph(), dtypes.Float32, 1), zero))
	return loss, Mul(p, BroadcastToShape(InsertAxes(weights, -1), shape))
}

// KeepHead is what HeadVJP wants kept of a head's forward pass, in which the
// gradients have been made already: the cotangents of the rows [L, D] and of the
// logits [L, V], and what the matrix "head" was multiplied with [L, D].
func KeepHead(w *Weights, dRows, dLogits, read *Node) []*Node {
	kept := []*Node{dRows}
	if w.Trained("norm") {
		d, _ := w.Gradient("norm")
		kept = append(kept, d)
	}
	if w.Trained("head.weight") {
		kept = append(kept, dLogits, read)
	}
	return kept
}

// HeadVJP returns the cotangent of a head's rows [L, D] for that of its loss, an
// f32 scalar, and collects the gradients of "norm" and "head".
func HeadVJP(w *Weights, kept []*Node, dLoss *Node) *Node {
	take := func() *Node {
		x := kept[0]
		kept = kept[1:]
		return x
	}
	scaled := func(x *Node) *Node { return Mul(x, cast(dLoss, x.DType())) }
	dRows := scaled(take())
	w.Grad("norm", func() *Node { return scaled(take()) })
	w.GradProduct("head.weight", func() Product { return Product{scaled(take()), take()} })
	return dRows
}
