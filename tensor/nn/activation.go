package nn

import (
	"math"
	"slices"

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
