package tape

import (
	"fmt"
	"slices"
	"strings"

	"gorqa/engine/xla"
	"gorqa/tensor/nn"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// variant is what a compiled form of a block depends on, beside the shapes of what
// goes in.
type variant struct {
	pass     pass
	drops    bool    // values, by a seed
	inGraphs bool    // of a backward pass: gradients are added up in it
	weights  []slot  // that the model has, in their order
	inputs   []input // of a backward pass
}

type pass int

const (
	forwards pass = iota
	keeping       // forwards, for a backward pass
	backwards
)

// slot is a weight of a variant.
type slot struct {
	local   string       // its name in the block
	held    dtypes.DType // of a quantised weight, else 0
	trained bool
	summed  bool // its gradient so far goes in
}

// input is one of the values that a block reads.
type input struct {
	wanted  bool // its cotangent is
	carried bool // the sum of its cotangents so far goes in
}

func (v variant) equal(o variant) bool {
	return v.pass == o.pass && v.drops == o.drops && v.inGraphs == o.inGraphs && slices.Equal(v.weights, o.weights) && slices.Equal(v.inputs, o.inputs)
}

// trained says whether a weight is, by its local name.
func (v variant) trained(name string) bool {
	return slices.ContainsFunc(v.weights, func(s slot) bool { return s.local == name && s.trained })
}

// compiled is a variant as a function. terms are what the results after the
// cotangents of a backward function are for.
type compiled struct {
	variant
	*xla.Func
	terms []term
}

// term is a term of a gradient: a result, or the product of the matrices of two.
type term struct {
	weight string // its local name
	d      int    // or -1
	y, x   int
}

// variant is the call's in a pass.
func (r *call) variant(p pass, trained func(*Param) bool) variant {
	v := variant{pass: p, drops: r.seed != nil, weights: make([]slot, len(r.weights))}
	for i, w := range r.weights {
		v.weights[i] = slot{local: w.local, trained: trained(w.param)}
		if w.param.Scale != nil {
			v.weights[i].held = w.param.Compute.DType()
		}
	}
	return v
}

// forward finds or makes the forward function of a record's variant.
func (r *Runner) forward(rec *call, keep bool) (*compiled, error) {
	p := forwards
	if keep {
		p = keeping
	}
	v := rec.variant(p, func(p *Param) bool { return rec.flows && p.Trained })
	block, names := rec.bound.block, rec.locals()
	return r.compiled(block, v, func(in []*graph.Node, _ *compiled) []*graph.Node {
		w := nn.NewWeights(r.named(names, in), v.trained, r.Adapter, r.Dropout, r.Device.Native)
		out, kept := block.Forward(w, in[len(names):])
		if len(out) != block.Outputs {
			panic(fmt.Errorf("block %s: %d outputs, expected %d", block.Name, len(out), block.Outputs))
		}
		if !keep {
			return out
		}
		return append(out, kept...)
	})
}

// backward finds or makes the backward function of a record's variant. Its
// inputs are the weights, the block's inputs, what it kept, the cotangents of
// its outputs and the sums so far of those of carried inputs and of the weights'
// gradients; its outputs are the cotangents of the inputs that want one and what
// the terms of the weights' gradients are made of, or their sums.
func (r *Runner) backward(rec *call, carried []bool, summed []binding) (*compiled, error) {
	v := rec.variant(backwards, func(p *Param) bool { return p.Trained })
	v.inGraphs = !r.Device.Native
	for i, w := range rec.weights {
		v.weights[i].summed = slices.Contains(summed, w)
	}
	for i, x := range rec.in {
		v.inputs = append(v.inputs, input{wanted: x.flows, carried: carried[i]})
	}
	block, names := rec.bound.block, rec.locals()
	nKept, nOut := len(rec.kept), len(rec.out)
	return r.compiled(block, v, func(args []*graph.Node, c *compiled) []*graph.Node {
		take := func(n int) []*graph.Node {
			part := args[:n]
			args = args[n:]
			return part
		}
		w := nn.NewWeights(r.named(names, take(len(names))), v.trained, r.Adapter, r.Dropout, r.Device.Native)
		in, kept, dOut := take(len(v.inputs)), take(nKept), take(nOut)
		dIn := block.Backward(w, in, kept, dOut)
		var results []*graph.Node
		for i, x := range v.inputs {
			if !x.wanted {
				continue
			}
			if x.carried {
				dIn[i] = graph.Add(take(1)[0], dIn[i])
			}
			results = append(results, dIn[i])
		}
		parts, terms := v.gradients(block, w, args)
		c.terms = terms
		return append(results, parts...)
	})
}

// gradients gives what the weights' gradients are made of, each part once, and which
// parts are whose. sums are the gradients so far of the slots that are summed.
func (v variant) gradients(block *Block, w *nn.Weights, sums []*graph.Node) (parts []*graph.Node, terms []term) {
	part := func(x *graph.Node) int {
		if i := slices.Index(parts, x); i >= 0 {
			return i
		}
		parts = append(parts, x)
		return len(parts) - 1
	}
	for _, s := range v.weights {
		if !s.trained {
			continue
		}
		d, products := w.Gradient(s.local)
		if d == nil && len(products) == 0 {
			panic(fmt.Errorf("block %s: no gradient for %s", block.Name, s.local))
		}
		switch {
		case v.inGraphs:
			sum := graph.ConvertDType(d, dtypes.Float32)
			if s.summed {
				sum = graph.Add(sums[0], sum)
				sums = sums[1:]
			}
			parts = append(parts, sum)
			terms = append(terms, term{weight: s.local, d: len(parts) - 1})
		case d != nil:
			terms = append(terms, term{weight: s.local, d: part(d)})
		}
		for _, p := range products {
			terms = append(terms, term{weight: s.local, d: -1, y: part(p.Y), x: part(p.X)})
		}
	}
	return parts, terms
}

// compiled finds or makes the function of a block's variant.
func (r *Runner) compiled(block *Block, v variant, build func(in []*graph.Node, c *compiled) []*graph.Node) (*compiled, error) {
	for _, c := range r.funcs[block] {
		if c.equal(v) {
			return c, nil
		}
	}
	c := &compiled{variant: v}
	f, err := r.Engine.Func(block.Name, func(in []*graph.Node) []*graph.Node { return build(in, c) })
	if err != nil {
		return nil, err
	}
	c.Func = f
	r.funcs[block] = append(r.funcs[block], c)
	return c, nil
}

// locals gives the names of what compute gives.
func (r *call) locals() []string {
	var names []string
	for _, w := range r.weights {
		names = append(names, w.local)
		if w.param.Scale != nil {
			names = append(names, w.local+scaleOf)
		}
	}
	if r.seed != nil {
		names = append(names, nn.Seed)
	}
	return names
}

// scaleOf ends the local name of what a quantised weight is scaled by.
const scaleOf = " scale"

// named gives the nodes of a block's weights by their local names.
func (r *Runner) named(names []string, in []*graph.Node) map[string]*graph.Node {
	m := make(map[string]*graph.Node, len(names))
	for i, n := range names {
		if weight, ok := strings.CutSuffix(n, scaleOf); ok {
			m[weight] = nn.Dequantise(m[weight], in[i], r.Params.dtype())
		} else {
			m[n] = in[i]
		}
	}
	return m
}

// summed are the weights whose gradients so far a record's backward function
// adds to.
func (r *Runner) summed(rec *call) (summed []binding) {
	for _, w := range rec.weights {
		if !r.Device.Native && w.param.Trained && w.param.Grad != nil {
			summed = append(summed, w)
		}
	}
	return summed
}
