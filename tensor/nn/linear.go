package nn

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Linear maps x [S, in] to x·Wᵀ + b [S, out]. The weight is name+".weight"
// [out, in], the optional bias name+".bias" [out]. Where the block holds
// name+".lora_A.weight" [r, in] and name+".lora_B.weight" [out, r], it adds
// (scale·x·Aᵀ)·Bᵀ (LoRA, arXiv 2106.09685).
func Linear(w *Weights, name string, x *Node) *Node {
	y := unbiased(w, name, x)
	if b := name + ".bias"; w.Has(b) {
		y = biased(y, w.Get(b))
	}
	return y
}

// biased adds bias [D] to x [..., D].
func biased(x, bias *Node) *Node {
	return Add(x, BroadcastToShape(ExpandLeftToRank(cast(bias, x.DType()), x.Rank()), x.Shape()))
}

// LinearActivated is an activation of Linear.
func LinearActivated(w *Weights, name, activation string, x *Node) *Node {
	if b := name + ".bias"; w.Has(b) {
		return Activated(activation, unbiased(w, name, x), w.Get(b))
	}
	return Activation(activation)(Linear(w, name, x))
}

// unbiased is Linear without its bias.
func unbiased(w *Weights, name string, x *Node) *Node {
	y := dot(x, cast(w.Get(name+".weight"), x.DType()), []int{1}, nil, []int{1}, nil)
	if a := name + ".lora_A.weight"; w.Has(a) {
		y = Add(y, dot(low(w, name, drop(w, name, w.adapter.Dropout, x)), cast(w.Get(name+".lora_B.weight"), x.DType()), []int{1}, nil, []int{1}, nil))
	}
	return y
}

// low is scale·x·Aᵀ [S, r]: the scale is where values are fewest.
func low(w *Weights, name string, x *Node) *Node {
	return MulScalar(dot(x, cast(w.Get(name+".lora_A.weight"), x.DType()), []int{1}, nil, []int{1}, nil), w.adapter.Scale)
}

// LinearVJP returns the cotangent of Linear's x [S, in] for dy [S, out] and
// collects the gradients of its trained weights.
func LinearVJP(w *Weights, name string, x, dy *Node) *Node {
	dx := dot(dy, cast(w.Get(name+".weight"), dy.DType()), []int{1}, nil, []int{0}, nil)
	w.GradProduct(name+".weight", func() Product { return Product{dy, x} })
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
	dLow := MulScalar(dot(dy, b, []int{1}, nil, []int{0}, nil), w.adapter.Scale)
	x = drop(w, name, w.adapter.Dropout, x)
	w.GradProduct(name+".lora_B.weight", func() Product { return Product{dy, low(w, name, x)} })
	w.GradProduct(name+".lora_A.weight", func() Product { return Product{dLow, x} })
	return drop(w, name, w.adapter.Dropout, dot(dLow, a, []int{1}, nil, []int{0}, nil))
}

// cast converts unless the type is right already.
func cast(x *Node, dtype dtypes.DType) *Node {
	if x.DType() == dtype {
		return x
	}
	return ConvertDType(x, dtype)
}
