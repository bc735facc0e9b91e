package train

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"

	"gorqa/engine/cpu"
	"gorqa/engine/world"
	"gorqa/engine/xla"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graph code reads as formulas
	"github.com/gomlx/gomlx/core/tensors"
)

// Adam are the settings of AdamW (arXiv 1711.05101) as torch.optim.AdamW has
// them, and of clipping as torch.nn.utils.clip_grad_norm_.
type Adam struct {
	Beta1, Beta2, Epsilon float64
	WeightDecay           float64 // on matrices, not on norms and biases
	MaxGradNorm           float64 // 0 clips nothing
	Tables                float64 // what the rate is multiplied with for lookup tables
	EightBit              bool    // moments of weights of cpu.MinMoments8 values and more are cpu.Moments8
}

// DefaultAdam is transformers' default without decay.
func DefaultAdam() Adam {
	return Adam{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, MaxGradNorm: 1, Tables: 1}
}

// check says why moments in 8 bits cannot be had: on a device that does not compute in the
// host's memory, or divided over processes.
func (a Adam) check(native bool, device string, zeroStage int) error {
	switch {
	case a.EightBit && zeroStage > 0:
		return fmt.Errorf("zero_stage %d with moments in 8 bits: their blocks are not divided over processes; --zero_stage 0 or --optim adamw_torch expected", zeroStage)
	case a.EightBit && !native:
		return fmt.Errorf("moments in 8 bits with %s: they are moved in the host's memory only; --optim adamw_torch expected", device)
	}
	return nil
}

// Optimiser updates the trained weights: on the host in place, elsewhere by graphs,
// a few at a time so that never more than those are held twice.
type Optimiser struct {
	adam    Adam
	groups  [][]*tape.Param // each moved by one call; nil where weights are moved in place
	engine  *xla.Engine
	params  *tape.Params
	steps   int // updates done
	moments map[string]*moment
	funcs   []update
	zero    *zero // has moments and gradients where they are divided over processes
}

// moment holds the running means of a weight's gradient and its square: f32, or codes
// with the largest size of each block of them.
type moment struct{ mean, square, meanMax, squareMax *tensors.Tensor }

// newDivided is NewOptimiser over processes.
func newDivided(a Adam, r *tape.Runner, w *world.World, stage int) (*Optimiser, error) {
	if stage == 0 || w.Size() == 1 {
		return NewOptimiser(a, r)
	}
	if err := a.check(true, "", stage); err != nil {
		return nil, err
	}
	z, err := newZero(w, r, stage)
	return &Optimiser{adam: a, engine: r.Engine, params: r.Params, zero: z}, err
}

// NewOptimiser makes an optimiser of a runner's weights with empty moments.
func NewOptimiser(a Adam, r *tape.Runner) (*Optimiser, error) {
	if err := a.check(r.Device.Native, r.Engine.Describe(), 0); err != nil {
		return nil, err
	}
	o := &Optimiser{adam: a, engine: r.Engine, params: r.Params, moments: map[string]*moment{}}
	for _, q := range r.Params.All() {
		if !q.Trained {
			continue
		}
		m, err := newMoment(r.Engine, q, a.EightBit)
		if err != nil {
			return nil, err
		}
		o.moments[q.Name] = m
	}
	if !r.Device.Native {
		o.groups = groups(r.Params.All())
	}
	return o, nil
}

// Norm is the global norm of the gathered gradients divided by terms.
func (o *Optimiser) Norm(terms int) (float64, error) {
	squares, err := o.engine.Shared("sums of squares", func(in []*Node) []*Node {
		sums := make([]*Node, len(in))
		for i, g := range in {
			sums[i] = Reshape(ReduceAllSum(Square(g)), 1)
		}
		return []*Node{Concatenate(sums, 0)}
	})
	if err != nil {
		return 0, err
	}
	var gradients []*tensors.Tensor
	for _, q := range o.params.All() {
		if !q.Trained {
			continue
		}
		if q.Grad == nil {
			return 0, fmt.Errorf("weight %s has no gradient", q.Name)
		}
		gradients = append(gradients, q.Grad)
	}
	out, err := squares.Call(gradients...)
	if err != nil {
		return 0, err
	}
	each, err := xla.ToHost[float32](out[0])
	if err := errors.Join(err, xla.Free(out...)); err != nil {
		return 0, err
	}
	var sum float64
	for _, v := range each {
		sum += float64(v)
	}
	return math.Sqrt(sum) / float64(terms), nil
}

// Update takes the gathered gradients, sums over terms loss terms of global
// norm norm, and moves the weights at the given rate. The gradients are freed.
func (o *Optimiser) Update(rate, norm float64, terms int) error {
	o.steps++
	scale := 1 / float64(terms)
	if o.adam.MaxGradNorm > 0 {
		scale *= min(1, o.adam.MaxGradNorm/(norm+1e-6))
	}
	matrices, tables := o.step(rate, scale), o.step(rate*o.adam.Tables, scale)
	if o.groups != nil {
		return o.updateByGraphs(matrices, tables)
	}
	of := func(q *tape.Param) cpu.AdamWStep {
		step := matrices
		if q.Table {
			step = tables
		}
		if !q.Decay {
			step.Keep = 1
		}
		return step
	}
	if o.zero != nil {
		return o.zero.update(of)
	}
	for _, q := range o.params.All() {
		if !q.Trained {
			continue
		}
		if err := o.updateInPlace(q, of(q)); err != nil {
			return fmt.Errorf("updating %s: %w", q.Name, err)
		}
	}
	return nil
}

// step is the step under way at the given rate, for weights that decay.
func (o *Optimiser) step(rate, scale float64) cpu.AdamWStep {
	return cpu.AdamWStep{
		Scale: float32(scale),
		Rate:  float32(rate / (1 - math.Pow(o.adam.Beta1, float64(o.steps)))),
		Root:  float32(1 / math.Sqrt(1-math.Pow(o.adam.Beta2, float64(o.steps)))),
		Keep:  float32(1 - rate*o.adam.WeightDecay),
		Beta1: o.adam.Beta1, Beta2: o.adam.Beta2, Epsilon: float32(o.adam.Epsilon),
	}
}

// updateInPlace moves a weight in the host's memory.
func (o *Optimiser) updateInPlace(q *tape.Param, step cpu.AdamWStep) error {
	by, err := o.moments[q.Name].kernels(step)
	grad, gradErr := xla.Memory[float32](q.Grad)
	if err := errors.Join(err, gradErr); err != nil {
		return err
	}
	if q.Low != nil {
		err = q.Split(func(w cpu.SplitWeight) error { return by.split(w, grad) })
	} else {
		err = xla.View(q.Compute, func(w []float32) error { return by.whole(w, grad) })
	}
	err = errors.Join(err, xla.Free(q.Grad))
	q.Grad = nil
	return err
}

// updateByGraphs moves all weights, those of a layer by one call.
func (o *Optimiser) updateByGraphs(step, ofTables cpu.AdamWStep) error {
	matrices, err := o.hyper(step)
	if err != nil {
		return err
	}
	tables, err := o.hyper(ofTables)
	if err != nil {
		return err
	}
	for _, group := range o.groups {
		if err := o.update(group, matrices, tables); err != nil {
			return fmt.Errorf("updating %s: %w", group[0].Name, err)
		}
	}
	return xla.Free(matrices, tables)
}

// together is how many values are updated by one call, but for larger weights.
const together = 16 << 20

// groups cuts the trained weights where a new layer begins, so that layers make
// groups alike, for which one graph is compiled.
func groups(params []*tape.Param) (groups [][]*tape.Param) {
	layer, size := "", 0
	for _, q := range params {
		if !q.Trained {
			continue
		}
		if at := layerOf.FindString(q.Name); len(groups) == 0 || at != layer || size+q.Size() > together {
			groups, layer, size = append(groups, nil), at, 0
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], q)
		size += q.Size()
	}
	return groups
}

// layerOf finds the part of a weight's name that says which layer it belongs to.
var layerOf = regexp.MustCompile(`^.*?\.\d+\.`)

// hyper are the numbers of a step that a graph reads, [4].
func (o *Optimiser) hyper(s cpu.AdamWStep) (*tensors.Tensor, error) {
	return xla.FromHost(o.engine, []float32{s.Scale, s.Rate, s.Root, s.Keep}, 4)
}

func (o *Optimiser) update(group []*tape.Param, matrices, tables *tensors.Tensor) error {
	f, err := o.function(group)
	if err != nil {
		return err
	}
	in := []*tensors.Tensor{matrices, tables}
	for _, q := range group {
		m := o.moments[q.Name]
		if in = append(in, q.Compute); q.Low != nil {
			in = append(in, q.Low)
		}
		in = append(in, m.mean, m.square, q.Grad)
	}
	out, err := f.Call(in...)
	if err != nil {
		return err
	}
	next := func() *tensors.Tensor {
		t := out[0]
		out = out[1:]
		return t
	}
	for _, q := range group {
		m := o.moments[q.Name]
		err = errors.Join(err, xla.Free(m.mean, m.square, q.Grad))
		q.Grad = nil
		var low *tensors.Tensor
		compute := next()
		if q.Low != nil {
			low = next()
		}
		m.mean, m.square = next(), next()
		err = errors.Join(err, o.params.Replace(q, compute, low))
	}
	return err
}

// update is the compiled update of groups of weights of these kinds.
type update struct {
	kinds []kind
	*xla.Func
}

// kind is what the update of a weight depends on beside its shape.
type kind struct {
	decay, table bool
	split        bool // a bf16 weight and its residual
}

// function is the update of a group of weights, given the numbers of matrices and
// of tables: (w, m, v, g) of each -> (w, m, v) of each, w being a bf16 and its residual for bf16
// compute.
func (o *Optimiser) function(group []*tape.Param) (*xla.Func, error) {
	kinds := make([]kind, len(group))
	for i, q := range group {
		kinds[i] = kind{decay: q.Decay, table: q.Table, split: q.Low != nil}
	}
	if i := slices.IndexFunc(o.funcs, func(u update) bool { return slices.Equal(u.kinds, kinds) }); i >= 0 {
		return o.funcs[i].Func, nil
	}
	f, err := o.engine.Func("adamw", func(in []*Node) (out []*Node) {
		matrices, tables := in[0], in[1]
		in = in[2:]
		for _, k := range kinds {
			hyper := matrices
			if k.table {
				hyper = tables
			}
			w := in[0]
			if k.split {
				w = join(in[0], in[1])
				in = in[1:]
			}
			w, m, v := o.adam.updated(k.decay, hyper, w, in[1], in[2], in[3])
			in = in[4:]
			if k.split {
				high, low := split(w)
				out = append(out, high, low)
			} else {
				out = append(out, w)
			}
			out = append(out, m, v)
		}
		return out
	})
	if err == nil {
		o.funcs = append(o.funcs, update{kinds, f})
	}
	return f, err
}

// upper is the bits of a bf16 as those of an f32, in i32. XLA takes a conversion to
// bf16 and back for none.
func upper(high *Node) *Node {
	return BitwiseShiftLeftScalar(ConvertDType(Bitcast(high, dtypes.Uint16), dtypes.Int32), int32(16))
}

// join is f32 values of cpu.SplitWeight, high in bf16 and low in i16, and split the
// reverse.
func join(high, low *Node) *Node {
	return Bitcast(Add(upper(high), ConvertDType(low, dtypes.Int32)), dtypes.Float32)
}

func split(w *Node) (high, low *Node) {
	high = ConvertDType(w, dtypes.BFloat16)
	rest := Sub(Bitcast(w, dtypes.Int32), upper(high))
	return high, ConvertDType(MinScalar(rest, math.MaxInt16), dtypes.Int16)
}

// updated is a weight and its moments one step on by the gradient g.
func (a Adam) updated(decay bool, hyper, w, m, v, g *Node) (nextW, nextM, nextV *Node) {
	h := func(i int) *Node {
		return BroadcastToShape(Squeeze(Slice(hyper, AxisElem(i)), 0), w.Shape())
	}
	grad := Mul(g, h(0))
	m = Add(MulScalar(m, a.Beta1), MulScalar(grad, 1-a.Beta1))
	v = Add(MulScalar(v, a.Beta2), MulScalar(Square(grad), 1-a.Beta2))
	if decay {
		w = Mul(w, h(3))
	}
	return Sub(w, Mul(h(1), Div(m, AddScalar(Mul(Sqrt(v), h(2)), a.Epsilon)))), m, v
}

// Free releases the moments.
func (o *Optimiser) Free() error {
	var errs []error
	for _, m := range o.moments {
		errs = append(errs, xla.Free(m.mean, m.square, m.meanMax, m.squareMax))
	}
	return errors.Join(errs...)
}
