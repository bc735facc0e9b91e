package nn

import (
	"hash/fnv"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Seed is the name among a block's weights of an i32 scalar, not negative, that
// says which values are dropped. Forward and Backward are given the same.
const Seed = "dropout seed"

// Dropout zeroes random values of x and scales the others up (arXiv 1207.0580),
// always the same for one seed and name; applied to the cotangent, it is its own
// vector-Jacobian product. Without a Seed, or a part to drop, it gives x.
func Dropout(w *Weights, name string, x *Node) *Node { return drop(w, name, w.dropout, x) }

func drop(w *Weights, name string, rate float64, x *Node) *Node {
	if rate == 0 || !w.Has(Seed) {
		return x
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	seed := mix(BitwiseXor(ConvertDType(w.Get(Seed), dtypes.Uint32), Const(x.Graph(), h.Sum32())))
	counts := IotaFull(x.Graph(), shapes.Make(dtypes.Uint32, x.Shape().Dimensions...))
	random := mix(Add(mix(counts), BroadcastToShape(seed, counts.Shape())))
	kept := GreaterOrEqual(random, BroadcastToShape(Const(x.Graph(), uint32(rate*(1<<32))), counts.Shape()))
	return Where(kept, MulScalar(x, 1/(1-rate)), ZerosLike(x))
}

// mix is a hash of 32-bit integers (lowbias32 of Chris Wellons' hash-prospector):
// a generator of our own gives the same values on every device and engine.
func mix(x *Node) *Node {
	shift := func(x *Node, n uint32) *Node {
		return BitwiseXor(x, BitwiseShiftRightLogical(x, BroadcastToShape(Const(x.Graph(), n), x.Shape())))
	}
	times := func(x *Node, n uint32) *Node { return Mul(x, BroadcastToShape(Const(x.Graph(), n), x.Shape())) }
	return shift(times(shift(times(shift(x, 16), 0x7feb352d), 15), 0x846ca68b), 16)
}
