// Package tape runs a model as a chain of blocks, each compiled once for all
// its layers, and records the chain for the backward pass.
//
// A model of thirty equal layers is then two small graphs (a layer forwards, a
// layer backwards) instead of one of thirty times the size: it compiles in
// about a second per input shape, and only what a block chooses to keep stays
// in memory between the two passes. Package tape knows nothing of what the
// blocks compute; attention on the host, which is no block, is a part of it.
package tape

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"gorqa/engine/xla"
	"gorqa/tensor/device"
	"gorqa/tensor/nn"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Block is a piece of a model.
type Block struct {
	Name    string
	Weights []string // local names; those the model lacks (biases) are left out
	Outputs int      // how many outputs Forward has
	Drops   bool     // its graphs use nn.Dropout

	// Forward builds the outputs, and what Backward wants kept. What it keeps
	// is built only where a gradient flows.
	Forward func(w *nn.Weights, in []*graph.Node) (out, kept []*graph.Node)
	// Backward builds the cotangents of the inputs (nil for integers) from
	// those of the outputs, and gives the weights their gradients.
	Backward func(w *nn.Weights, in, kept, dOut []*graph.Node) (dIn []*graph.Node)
}

// Bound is a block with the full names of its weights.
type Bound struct {
	block *Block
	names []string
}

// At binds a block to the weights under a prefix.
func (b *Block) At(prefix string) Bound {
	names := make([]string, len(b.Weights))
	for i, w := range b.Weights {
		names[i] = prefix + w
	}
	return Bound{b, names}
}

// Named binds a block to weights by full name, in the order of b.Weights.
func (b *Block) Named(names ...string) Bound { return Bound{b, names} }

// Runner compiles blocks and keeps them over many tapes.
type Runner struct {
	Engine  *xla.Engine
	Device  device.Profile // the engine's
	Params  *Params
	Adapter nn.Adapter
	Dropout float64 // part of the values that blocks drop while training

	// Recompute has Checkpoint keep only inputs and outputs between the passes.
	Recompute bool

	funcs map[*Block][]*compiled
}

// NewRunner makes a runner for the weights of one model.
func NewRunner(e *xla.Engine, p *Params) *Runner {
	return &Runner{Engine: e, Device: device.Of(e), Params: p, funcs: map[*Block][]*compiled{}}
}

// Value is an input or a result on a tape.
type Value struct {
	Tensor *tensors.Tensor
	grad   *tensors.Tensor
	flows  bool // a gradient is wanted for it
}

// record is one call on a tape.
type record interface {
	outputs() []*Value
	// back is the call's backward pass, given the cotangents of its outputs, and
	// frees what it kept.
	back(t *Tape, dOut []*tensors.Tensor) error
	free() error // what was kept
	keeps() []*tensors.Tensor
	trained() []*Param // weights that back adds gradients to
}

// call is a record of Call.
type call struct {
	bound   Bound
	weights []binding
	seed    *tensors.Tensor // of what is dropped, nil for nothing
	in, out []*Value
	kept    []*tensors.Tensor
	flows   bool
}

// binding ties a local name to a weight.
type binding struct {
	local string
	param *Param
}

// Tape records one pass through a model. It is not safe for concurrent use.
type Tape struct {
	Seed uint64 // of what is dropped while training

	// Final, where it is not nil, is told by Backward of each trained weight once the tape
	// adds no more to its gradient.
	Final func(*Param) error

	runner  *Runner
	draws   uint64
	records []record
	values  []*Value
	train   bool
	forgets bool           // nothing is kept and recorded; Checkpoint runs it again
	used    []*Param       // trained weights of what is forgotten
	first   map[*Param]int // record, the first one, that each trained weight is in
}

// RunsNative says whether Native may be used.
func (t *Tape) RunsNative() bool { return t.runner.Device.Native }

// FewShapes is the device's.
func (t *Tape) FewShapes() bool { return t.runner.Device.FewShapes }

// FusesCausal says whether nn.Causal is right for heads of that shape, which is tried
// at the first call, and there is no native code for them.
func (t *Tape) FusesCausal(heads, kvHeads, width int) bool {
	return !t.RunsNative() && nn.CheckCausal(t.runner.Engine, heads, kvHeads, width) == nil
}

// New starts a tape; only a training tape has a backward pass.
func (r *Runner) New(train bool) *Tape { return &Tape{runner: r, train: train} }

// KeptBytes are those that the tape holds for its backward pass: its values and what
// its calls keep. The architectures' formulas of memory are held against it.
func (t *Tape) KeptBytes() (n int64) {
	held := map[*tensors.Tensor]bool{}
	for _, v := range t.values {
		held[v.Tensor] = true
	}
	for _, r := range t.records {
		for _, x := range r.keeps() {
			held[x] = true
		}
	}
	for x := range held {
		n += int64(x.Shape().ByteSize())
	}
	return n
}

// Evaluate runs a model forwards and gives the sum of the f32 scalars that it
// returns.
func (r *Runner) Evaluate(loss func(t *Tape) ([]*Value, error)) (sum float64, err error) {
	t := r.New(false)
	defer func() { err = errors.Join(err, t.Free()) }()
	losses, err := loss(t)
	if err != nil {
		return 0, err
	}
	return Sum(losses)
}

// Sum adds up f32 scalars.
func Sum(scalars []*Value) (float64, error) {
	var sum float64
	for _, v := range scalars {
		x, err := xla.ToHost[float32](v.Tensor)
		if err != nil {
			return 0, err
		}
		sum += float64(x[0])
	}
	return sum, nil
}

// Ints puts host integers on the tape.
func (t *Tape) Ints(flat []int32, dims ...int) (*Value, error) { return host(t, flat, dims) }

// Floats puts host f32 values on the tape.
func (t *Tape) Floats(flat []float32, dims ...int) (*Value, error) { return host(t, flat, dims) }

func host[T xla.Number](t *Tape, flat []T, dims []int) (*Value, error) {
	tensor, err := xla.FromHost(t.runner.Engine, flat, dims...)
	if err != nil {
		return nil, err
	}
	return t.value(tensor, false), nil
}

func (t *Tape) value(tensor *tensors.Tensor, flows bool) *Value {
	v := &Value{Tensor: tensor, flows: flows}
	t.values = append(t.values, v)
	return v
}

// bindings finds the weights of a bound block, and the adapters beside them.
func (r *Runner) bindings(b Bound) []binding {
	var found []binding
	for i, local := range b.block.Weights {
		p := r.Params.Get(b.names[i])
		if p == nil {
			continue
		}
		found = append(found, binding{local, p})
		for _, part := range []string{loraA, loraB} {
			full, isWeight := strings.CutSuffix(b.names[i], ".weight")
			if a := r.Params.Get(full + part); isWeight && a != nil {
				found = append(found, binding{strings.TrimSuffix(local, ".weight") + part, a})
			}
		}
	}
	return found
}

// Call runs a block forwards.
func (t *Tape) Call(b Bound, in ...*Value) ([]*Value, error) {
	rec := &call{bound: b, weights: t.runner.bindings(b), in: in}
	for _, w := range rec.weights {
		rec.flows = rec.flows || w.param.Trained
	}
	for _, v := range in {
		rec.flows = rec.flows || v.flows
	}
	rec.flows = rec.flows && t.train
	if err := t.drop(rec); err != nil {
		return nil, err
	}
	keep := rec.flows && !t.forgets
	if t.forgets {
		t.used = append(t.used, rec.trained()...)
	}
	f, err := t.runner.forward(rec, keep)
	if err != nil {
		return nil, err
	}
	args := rec.compute()
	for _, v := range in {
		args = append(args, v.Tensor)
	}
	results, err := f.Call(args...)
	if err != nil {
		return nil, err
	}
	for _, r := range results[:b.block.Outputs] {
		rec.out = append(rec.out, t.value(r, rec.flows))
	}
	rec.kept = results[b.block.Outputs:]
	if keep {
		t.records = append(t.records, rec)
	}
	return rec.out, nil
}

func tensorsOf(vs []*Value) []*tensors.Tensor {
	ts := make([]*tensors.Tensor, len(vs))
	for i, v := range vs {
		ts[i] = v.Tensor
	}
	return ts
}

// drop gives a call that drops values the seed that says which.
func (t *Tape) drop(rec *call) error {
	adapts := func(w binding) bool { return strings.HasSuffix(w.local, loraA) }
	drops := t.runner.Dropout > 0 && rec.bound.block.Drops ||
		t.runner.Adapter.Dropout > 0 && slices.ContainsFunc(rec.weights, adapts)
	if !t.train || !drops {
		return nil
	}
	seed, err := t.Ints([]int32{int32(t.draw() >> 33)})
	if err == nil {
		rec.seed = seed.Tensor
	}
	return err
}

// draw gives a seed of its own to each piece that asks for one.
func (t *Tape) draw() uint64 {
	t.draws++
	return rand.NewPCG(t.Seed, t.draws).Uint64()
}

// compute gives the tensors of the call's weights, and its seed.
func (r *call) compute() []*tensors.Tensor {
	var args []*tensors.Tensor
	for _, w := range r.weights {
		args = append(args, w.param.Compute)
		if w.param.Scale != nil {
			args = append(args, w.param.Scale)
		}
	}
	if r.seed != nil {
		args = append(args, r.seed)
	}
	return args
}

// Backward is the backward pass from the sum of f32 scalars; it adds the
// gradients of the trained weights to Params. A tape has one backward pass.
func (t *Tape) Backward(losses ...*Value) error {
	for _, loss := range losses {
		one, err := xla.FromHost(t.runner.Engine, []float32{1})
		if err != nil {
			return err
		}
		loss.grad = one
	}
	if t.Final == nil {
		return t.backwardPass()
	}
	t.first = map[*Param]int{}
	for i := len(t.records) - 1; i >= 0; i-- {
		for _, q := range t.records[i].trained() {
			t.first[q] = i
		}
	}
	return t.backwardPass()
}

// finish tells Final of the weights that no record before i has.
func (t *Tape) finish(i int, params []*Param) error {
	if t.Final == nil {
		return nil
	}
	for _, q := range params {
		if at, waits := t.first[q]; !waits || at != i {
			continue
		}
		delete(t.first, q) // a call may have it twice
		if err := t.Final(q); err != nil {
			return err
		}
	}
	return nil
}

// backwardPass goes over the records, the last one first, from the cotangents that are set.
func (t *Tape) backwardPass() error {
	for i := len(t.records) - 1; i >= 0; i-- {
		rec := t.records[i]
		t.records = t.records[:i]
		var dOut []*tensors.Tensor
		for _, v := range rec.outputs() {
			if v.grad != nil {
				dOut = append(dOut, v.grad)
			}
		}
		if len(dOut) == 0 {
			if err := errors.Join(rec.free(), t.finish(i, rec.trained())); err != nil {
				return err
			}
			continue
		}
		if len(dOut) != len(rec.outputs()) {
			return errors.Join(errors.New("tape: some outputs of a call have a gradient, others none"), rec.free())
		}
		if err := rec.back(t, dOut); err != nil {
			return errors.Join(err, rec.free())
		}
		if err := t.finish(i, rec.trained()); err != nil {
			return err
		}
		for _, v := range rec.outputs() {
			if err := xla.Free(v.grad); err != nil {
				return err
			}
			v.grad = nil
		}
	}
	return nil
}

func (r *call) outputs() []*Value { return r.out }
func (r *call) free() error       { return xla.Free(r.kept...) }

func (r *call) keeps() []*tensors.Tensor { return r.kept }

func (r *call) trained() (params []*Param) {
	for _, w := range r.weights {
		if w.param.Trained {
			params = append(params, w.param)
		}
	}
	return params
}

// back implements record. Sums so far of the inputs' cotangents go in and come
// out with this call's share added.
func (r *call) back(t *Tape, dOut []*tensors.Tensor) error {
	carried := make([]bool, len(r.in))
	for i, v := range r.in {
		carried[i] = v.flows && v.grad != nil && !slices.Contains(r.in[:i], v)
	}
	summed := t.runner.summed(r)
	f, err := t.runner.backward(r, carried, summed)
	if err != nil {
		return err
	}
	args := append(append(append(r.compute(), tensorsOf(r.in)...), r.kept...), dOut...)
	for i, v := range r.in {
		if carried[i] {
			args = append(args, v.grad)
		}
	}
	for _, w := range summed {
		args = append(args, w.param.Grad)
	}
	results, err := f.Call(args...)
	if err != nil {
		return err
	}
	for i, v := range r.in {
		if !v.flows {
			continue
		}
		if carried[i] {
			err = errors.Join(err, xla.Free(v.grad))
			v.grad = nil
		}
		err = errors.Join(err, t.accumulate(v, results[0]))
		results = results[1:]
	}
	for _, term := range f.terms {
		i := slices.IndexFunc(r.weights, func(w binding) bool { return w.local == term.weight })
		q := r.weights[i].param
		switch {
		case !t.runner.Device.Native:
			err = errors.Join(err, xla.Free(q.Grad))
			q.Grad, results[term.d] = results[term.d], nil
		case term.d >= 0:
			err = errors.Join(err, t.runner.Params.addGradient(q, results[term.d]))
		default:
			err = errors.Join(err, t.runner.Params.addProduct(q, results[term.y], results[term.x]))
		}
	}
	return errors.Join(err, xla.Free(results...), r.free())
}

// accumulate adds d, which it takes over, to the gradient of v.
func (t *Tape) accumulate(v *Value, d *tensors.Tensor) error {
	if v.grad == nil {
		v.grad = d
		return nil
	}
	add, err := t.runner.Engine.Shared("add", func(in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.Add(in[0], in[1])}
	})
	if err != nil {
		return err
	}
	sum, err := add.Call(v.grad, d)
	if err != nil {
		return err
	}
	err = xla.Free(v.grad, d)
	v.grad = sum[0]
	return err
}

// Free releases all that the tape still holds.
func (t *Tape) Free() error {
	var errs []error
	for _, rec := range t.records {
		errs = append(errs, rec.free())
	}
	for _, v := range t.values {
		errs = append(errs, xla.Free(v.Tensor, v.grad))
	}
	t.records, t.values = nil, nil
	return errors.Join(errs...)
}
