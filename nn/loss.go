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
