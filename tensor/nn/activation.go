package nn

import (
	"math"
	"slices"

	"gorqa/engine/xla"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// activations lists activation functions under the names that config.json has for
// them in Hugging Face's models.
func activations() map[string]func(x *Node) *Node {
	return map[string]func(x *Node) *Node{
		"gelu":              GELU,
		"gelu_python":       GELU,
		"gelu_new":          GELUTanh,
		"gelu_fast":         GELUTanh,
		"gelu_pytorch_tanh": GELUTanh,
		"identity":          func(x *Node) *Node { return x },
		"relu":              func(x *Node) *Node { return Where(GreaterThan(x, ZerosLike(x)), x, ZerosLike(x)) },
		"sigmoid":           Sigmoid,
		"silu":              SiLU,
		"swish":             SiLU,
		"tanh":              Tanh,
	}
}

// Activation gives the function of that name, nil where it is not known.
func Activation(name string) func(x *Node) *Node { return activations()[name] }

// Activations lists the names.
func Activations() []string {
	var list []string
	for name := range activations() {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

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

// Gated is SwiGLU's silu(gate)·up (arXiv 2002.05202), or with gelu GELUTanh in silu's place,
// of two nodes of one shape.
func Gated(gate, up *Node, gelu bool) *Node {
	return xla.Native(gateName(gelu), func() []*Node { return []*Node{gated(gate, up, gelu)} }, like(up), gate, up)[0]
}

// GatedVJP are the cotangents of Gated's gate and up.
func GatedVJP(gate, up, dy *Node, gelu bool) (dGate, dUp *Node) {
	d := xla.Native(gateName(gelu)+"_vjp", func() []*Node {
		return Pullback([]*Node{gated(gate, up, gelu)}, []*Node{dy}, []*Node{gate, up})
	}, like(gate, up), gate, up, dy)
	return d[0], d[1]
}

// gateName is package cpu's name of a gate.
func gateName(gelu bool) string {
	if gelu {
		return "gelu_gate"
	}
	return "silu_gate"
}

func gated(gate, up *Node, gelu bool) *Node {
	if gelu {
		return Mul(cast(GELUTanh(cast(gate, dtypes.Float32)), up.DType()), up)
	}
	return Mul(SiLU(gate), up)
}
