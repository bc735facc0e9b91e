package nn

import (
	"maps"
	"math"
	"slices"
	"strings"

	"gorqa/engine/xla"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// activation is a function, and what package cpu's pieces call it, "" where it has none.
type activation struct {
	of    func(x *Node) *Node
	piece string
}

// activations lists activation functions under the names that config.json has for
// them in Hugging Face's models.
func activations() map[string]activation {
	return map[string]activation{
		"gelu":              {GELU, "gelu"},
		"gelu_python":       {GELU, "gelu"},
		"gelu_new":          {GELUTanh, "gelu_tanh"},
		"gelu_fast":         {GELUTanh, "gelu_tanh"},
		"gelu_pytorch_tanh": {GELUTanh, "gelu_tanh"},
		"identity":          {of: func(x *Node) *Node { return x }},
		"relu":              {of: func(x *Node) *Node { return Where(GreaterThan(x, ZerosLike(x)), x, ZerosLike(x)) }},
		"sigmoid":           {of: Sigmoid},
		"silu":              {SiLU, "silu"},
		"swish":             {SiLU, "silu"},
		"tanh":              {of: Tanh},
	}
}

// Activation gives the function of that name, nil where it is not known.
func Activation(name string) func(x *Node) *Node { return activations()[name].of }

// Activations lists the names.
func Activations() []string { return slices.Sorted(maps.Keys(activations())) }

// GELU is x·Φ(x) with the exact error function (arXiv 1606.08415).
func GELU(x *Node) *Node {
	return MulScalar(Mul(x, AddScalar(Erf(MulScalar(x, math.Sqrt2/2)), 1)), 0.5)
}

// GELUTanh is GELU's approximation by a hyperbolic tangent.
func GELUTanh(x *Node) *Node {
	cube := Mul(x, Square(x))
	inner := MulScalar(Add(x, MulScalar(cube, 0.044715)), math.Sqrt(2/math.Pi))
	return Mul(MulScalar(x, 0.5), AddScalar(Tanh(inner), 1))
}

// SiLU is x·σ(x).
func SiLU(x *Node) *Node { return Mul(x, Sigmoid(x)) }

// Activated is act(x + bias) of that name, x [..., D] and bias [D].
func Activated(name string, x, bias *Node) *Node {
	build := func() []*Node { return []*Node{Activation(name)(biased(x, bias))} }
	return pieceOf(name, "", build, like(x), x, bias)[0]
}

// Gated is act(gate)·up (SwiGLU and its kin, arXiv 2002.05202), of two nodes of one shape and
// an activation of that name.
func Gated(name string, gate, up *Node) *Node {
	build := func() []*Node { return []*Node{gated(name, gate, up)} }
	return pieceOf(name, "_gate", build, like(up), gate, up)[0]
}

// GatedVJP are the cotangents of Gated's gate and up.
func GatedVJP(name string, gate, up, dy *Node) (dGate, dUp *Node) {
	build := func() []*Node {
		return Pullback([]*Node{gated(name, gate, up)}, []*Node{dy}, []*Node{gate, up})
	}
	d := pieceOf(name, "_gate_vjp", build, like(gate, up), gate, up, dy)
	return d[0], d[1]
}

func gated(name string, gate, up *Node) *Node {
	if strings.HasPrefix(name, "gelu") {
		return Mul(cast(Activation(name)(cast(gate, dtypes.Float32)), up.DType()), up)
	}
	return Mul(Activation(name)(gate), up)
}

// pieceOf is package cpu's piece of an activation that it has, else what build gives.
func pieceOf(name, kind string, build func() []*Node, out []shapes.Shape, in ...*Node) []*Node {
	if piece := activations()[name].piece; piece != "" {
		return xla.Piece(piece+kind, build, out, in...)
	}
	return build()
}
