package nn

import (
	"gorqa/engine/xla"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// RMSNorm scales the last axis of x by its root mean square and by weight,
// computed in f32 (arXiv 1910.07467). x is [..., D], weight [D].
func RMSNorm(x, weight *Node, epsilon float64) *Node { return Norm{Epsilon: epsilon}.by(weight, x) }

// RMSNormVJP returns the cotangent of RMSNorm's x and collects the gradient
// of the weight of that name.
func RMSNormVJP(w *Weights, name string, x, dy *Node, epsilon float64) *Node {
	return Norm{Epsilon: epsilon}.VJP(w, name, x, dy)
}

// Norm is RMSNorm by a block's weight.
type Norm struct {
	Epsilon float64
	PlusOne bool // the weight is what is added to 1, as in Gemma
}

// Of is the norm of x by the weight of that name.
func (n Norm) Of(w *Weights, name string, x *Node) *Node { return n.by(w.Get(name), x) }

func (n Norm) by(weight, x *Node) *Node {
	return xla.Piece("norm", func() []*Node { return []*Node{n.graph(weight, x)} }, like(x), x, weight, n.epsilon(x), n.offset(x))[0]
}

// graph is the norm in the engine's operations.
func (n Norm) graph(weight, x *Node) *Node {
	if n.PlusOne {
		weight = OnePlus(cast(weight, dtypes.Float32))
	}
	x32 := cast(x, dtypes.Float32)
	ms := ReduceAndKeep(Square(x32), ReduceMean, -1)
	y := Mul(x32, Reciprocal(Sqrt(AddScalar(ms, n.Epsilon)))) // Rsqrt has no gradient in GoMLX
	return cast(Mul(y, onLastAxis(weight, y)), x.DType())
}

func (n Norm) epsilon(x *Node) *Node { return Const(x.Graph(), float32(n.Epsilon)) }

// offset is what is added to the weight.
func (n Norm) offset(x *Node) *Node {
	if n.PlusOne {
		return Const(x.Graph(), float32(1))
	}
	return Const(x.Graph(), float32(0))
}

// VJP returns the cotangent of Of's x and collects the gradient of the weight.
func (n Norm) VJP(w *Weights, name string, x, dy *Node) *Node {
	weight, out := w.Get(name), like(x)
	if w.Trained(name) {
		out = append(out, shapes.Make(dtypes.Float32, weight.Shape().Dimensions...))
	}
	d := xla.Piece("norm_vjp", func() []*Node {
		return Pullback([]*Node{n.graph(weight, x)}, []*Node{dy}, []*Node{x, weight})
	}, out, x, weight, n.epsilon(x), n.offset(x), dy)
	w.Grad(name, func() *Node { return d[1] })
	return d[0]
}

// like are the shapes of nodes.
func like(nodes ...*Node) []shapes.Shape {
	out := make([]shapes.Shape, len(nodes))
	for i, n := range nodes {
		out[i] = n.Shape()
	}
	return out
}

// LayerNorm centres and scales the last axis of x [..., D] by weight and, unless it is
// nil, bias [D], computed in f32.
func LayerNorm(x, weight, bias *Node, epsilon float64) *Node {
	if bias == nil {
		bias = ZerosLike(weight)
	}
	build := func() []*Node {
		x32 := cast(x, dtypes.Float32)
		centred := Sub(x32, ReduceAndKeep(x32, ReduceMean, -1))
		variance := ReduceAndKeep(Square(centred), ReduceMean, -1)
		y := Mul(centred, Reciprocal(Sqrt(AddScalar(variance, epsilon))))
		return []*Node{cast(Add(Mul(y, onLastAxis(weight, y)), onLastAxis(bias, y)), x.DType())}
	}
	return xla.Piece("layer_norm", build, like(x), x, weight, Const(x.Graph(), float32(epsilon)), cast(bias, weight.DType()))[0]
}

// onLastAxis broadcasts v [D] to the shape of like [..., D], as f32.
func onLastAxis(v, like *Node) *Node {
	return BroadcastToShape(ExpandLeftToRank(cast(v, dtypes.Float32), like.Rank()), like.Shape())
}
