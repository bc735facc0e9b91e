// Package nn holds graph functions that architectures share: linear layers,
// norms, rotary embedding, blocked attention, losses, each with its
// vector-Jacobian product where autodiff would keep or recompute too much. It
// knows nothing of files, text, data sets or the training loop.
//
// Legend of shapes: S positions, D width, H query heads, N key/value heads,
// G = H/N, C width of a head, V vocabulary, L loss terms, B rows.
package nn

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graph code reads as formulas
)

// Weights are the weights of one block inside a graph, under their local
// names, and, while a backward graph is built, the gradients found for them.
type Weights struct {
	nodes     map[string]*Node
	trainable func(name string) bool
	grads     map[string]*Node
	products  map[string][]Product
	outside   bool
	adapter   Adapter
	dropout   float64
}

// Product is yᵀ·x [out, in], a term of a matrix's gradient, for y [S, out] and
// x [S, in] of one dtype. Y may be i32 [S] instead: the place of the one in each
// row of a y that is 0 elsewhere.
type Product struct{ Y, X *Node }

// Adapter says how low-rank adapters act; Scale 0 means there are none.
type Adapter struct {
	Scale   float64 // alpha/rank, or alpha/sqrt(rank) for rsLoRA
	Dropout float64 // part of the adapters' inputs that is dropped where there is a Seed
}

// NewWeights wraps the nodes of a block's weights. A nil trainable says that
// none is trained; dropout is the part that Dropout drops. With outside, the
// products that gradients are made of are left to the caller.
func NewWeights(nodes map[string]*Node, trainable func(name string) bool, adapter Adapter, dropout float64, outside bool) *Weights {
	return &Weights{
		nodes: nodes, trainable: trainable, grads: map[string]*Node{}, products: map[string][]Product{},
		outside: outside, adapter: adapter, dropout: dropout,
	}
}

// Get returns the weight of that name; it panics when there is none.
func (w *Weights) Get(name string) *Node {
	n, ok := w.nodes[name]
	if !ok {
		panic(fmt.Errorf("nn: no weight %q in this block", name))
	}
	return n
}

// Under are the weights under a prefix, for a block made of several like ones. No
// gradients are collected for them.
func (w *Weights) Under(prefix string) *Weights {
	nodes := map[string]*Node{}
	for name, n := range w.nodes {
		if local, ok := strings.CutPrefix(name, prefix); ok {
			nodes[local] = n
		}
	}
	return NewWeights(nodes, nil, w.adapter, 0, false)
}

// Has says whether the block has a weight of that name (biases, adapters).
func (w *Weights) Has(name string) bool { return w.nodes[name] != nil }

// Trained says whether the block has a weight of that name that is trained.
func (w *Weights) Trained(name string) bool {
	return w.Has(name) && w.trainable != nil && w.trainable(name)
}

// Grad adds a term to the gradient of a weight, if it is trained. The term is
// a function so that nothing is built for frozen weights.
func (w *Weights) Grad(name string, term func() *Node) {
	if !w.Trained(name) {
		return
	}
	d := term()
	if sum, ok := w.grads[name]; ok {
		d = Add(cast(sum, dtypes.Float32), cast(d, dtypes.Float32))
	}
	w.grads[name] = d
}

// GradProduct adds a product to the gradient of a matrix, if it is trained.
func (w *Weights) GradProduct(name string, term func() Product) {
	if w.outside && w.Trained(name) {
		w.products[name] = append(w.products[name], term())
		return
	}
	w.Grad(name, func() *Node {
		p := term()
		if p.Y.DType() == dtypes.Int32 {
			zero := Zeros(p.X.Graph(), shapes.Make(dtypes.Float32, w.Get(name).Shape().Dimensions...))
			return ScatterSum(zero, InsertAxes(p.Y, -1), cast(p.X, dtypes.Float32), false, false)
		}
		return dot(p.Y, p.X, []int{0}, nil, []int{0}, nil)
	})
}

// Gradient returns what Grad collected for a weight, in f32 or, if it is one
// product, in bf16, or nil; and the products that are to be added to it.
func (w *Weights) Gradient(name string) (*Node, []Product) { return w.grads[name], w.products[name] }

// Pullback returns the vector-Jacobian products of outs at ins for the cotangents
// douts, by autodiff. Each pair of out and dout agrees in shape and dtype.
func Pullback(outs, douts, ins []*Node) []*Node {
	var sum *Node
	for i, out := range outs {
		s := ReduceAllSum(Mul(out, StopGradient(douts[i])))
		if s.DType() != dtypes.Float32 {
			s = ConvertDType(s, dtypes.Float32)
		}
		if sum == nil {
			sum = s
		} else {
			sum = Add(sum, s)
		}
	}
	return Gradient(sum, ins...)
}

// dot is DotGeneral that leaves the accumulator to the backend: GoMLX's
// default f32 accumulator makes the gradient of 16-bit types run in f32.
func dot(a, b *Node, contractA, batchA, contractB, batchB []int) *Node {
	return Dot(a, b).WithAccumulatorDType(dtypes.InvalidDType).General(contractA, batchA, contractB, batchB)
}
