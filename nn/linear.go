package nn

import (
	"hash/fnv"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Linear maps x [S, in] to x·Wᵀ + b [S, out]. The weight is name+".weight"
// [out, in], the optional bias name+".bias" [out]. Where the block holds
// name+".lora_A.weight" [r, in] and name+".lora_B.weight" [out, r], it adds
// scale·(x·Aᵀ)·Bᵀ (LoRA, arXiv 2106.09685).
func Linear(w *Weights, name string, x *Node) *Node {
	y := dot(x, cast(w.Get(name+".weight"), x.DType()), []int{1}, nil, []int{1}, nil)
	if a := name + ".lora_A.weight"; w.Has(a) {
		low := dot(dropout(w, name, x), cast(w.Get(a), x.DType()), []int{1}, nil, []int{1}, nil)
		up := dot(low, cast(w.Get(name+".lora_B.weight"), x.DType()), []int{1}, nil, []int{1}, nil)
		y = Add(y, MulScalar(up, w.adapter.Scale))
	}
	if b := name + ".bias"; w.Has(b) {
		y = Add(y, BroadcastToShape(ExpandLeftToRank(cast(w.Get(b), x.DType()), 2), y.Shape()))
	}
	return y
}

// LinearVJP returns the cotangent of Linear's x [S, in] for dy [S, out] and
// collects the gradients of its trained weights.
func LinearVJP(w *Weights, name string, x, dy *Node) *Node {
	dx := dot(dy, cast(w.Get(name+".weight"), dy.DType()), []int{1}, nil, []int{0}, nil)
	w.Grad(name+".weight", func() *Node { return dot(dy, x, []int{0}, nil, []int{0}, nil) })
	w.Grad(name+".bias", func() *Node { return ReduceSum(cast(dy, dtypes.Float32), 0) })
	if name := name + ".lora_A.weight"; w.Has(name) {
		dx = Add(dx, adapterVJP(w, name[:len(name)-len(".lora_A.weight")], x, dy))
	}
	return dx
}

// adapterVJP is the part of LinearVJP that goes through A and B.
func adapterVJP(w *Weights, name string, x, dy *Node) *Node {
	a := cast(w.Get(name+".lora_A.weight"), x.DType())
	b := cast(w.Get(name+".lora_B.weight"), x.DType())
	dUp := MulScalar(dy, w.adapter.Scale)
	dLow := dot(dUp, b, []int{1}, nil, []int{0}, nil)
	x = dropout(w, name, x)
	w.Grad(name+".lora_B.weight", func() *Node {
		low := dot(x, a, []int{1}, nil, []int{1}, nil)
		return dot(dUp, low, []int{0}, nil, []int{0}, nil)
	})
	w.Grad(name+".lora_A.weight", func() *Node { return dot(dLow, x, []int{0}, nil, []int{0}, nil) })
	return dropout(w, name, dot(dLow, a, []int{1}, nil, []int{0}, nil))
}

// dropout zeroes random values of an adapter's input x [S, in] and scales the
// others up, always the same for one seed and name; applied to the cotangent,
// it is its own vector-Jacobian product.
func dropout(w *Weights, name string, x *Node) *Node {
	rate := w.adapter.Dropout
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

// cast converts unless the type is right already.
func cast(x *Node, dtype dtypes.DType) *Node {
	if x.DType() == dtype {
		return x
	}
	return ConvertDType(x, dtype)
}
