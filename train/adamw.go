package train

import (
	"errors"
	"fmt"
	"math"

	"gorqa/internal/xla"
	"gorqa/tape"

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
}

// DefaultAdam is transformers' default without decay.
func DefaultAdam() Adam {
	return Adam{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, MaxGradNorm: 1, Tables: 1}
}

// Optimiser updates the trained weights, one at a time so that never more than
// one of them is held twice.
type Optimiser struct {
	adam    Adam
	engine  *xla.Engine
	params  *tape.Params
	steps   int // updates done
	moments map[string]*moment
	funcs   map[string]*xla.Func
}

// moment holds the running means of a weight's gradient and its square, f32.
type moment struct{ mean, square *tensors.Tensor }

// NewOptimiser makes an optimiser with empty moments.
func NewOptimiser(a Adam, e *xla.Engine, p *tape.Params) (*Optimiser, error) {
	o := &Optimiser{adam: a, engine: e, params: p, moments: map[string]*moment{}, funcs: map[string]*xla.Func{}}
	for _, q := range p.All() {
		if !q.Trained {
			continue
		}
		n := 1
		for _, d := range q.Dims {
			n *= d
		}
		zero := make([]float32, n)
		mean, err := xla.FromHost(e, zero, q.Dims...)
		if err != nil {
			return nil, err
		}
		square, err := xla.FromHost(e, zero, q.Dims...)
		if err != nil {
			return nil, err
		}
		o.moments[q.Name] = &moment{mean, square}
	}
	return o, nil
}

// Norm is the global norm of the gathered gradients divided by terms.
func (o *Optimiser) Norm(terms int) (float64, error) {
	sumOfSquares, err := o.engine.Shared("sum of squares", func(in []*Node) []*Node {
		return []*Node{ReduceAllSum(Square(in[0]))}
	})
	if err != nil {
		return 0, err
	}
	var sum float64
	for _, q := range o.params.All() {
		if !q.Trained {
			continue
		}
		if q.Grad == nil {
			return 0, fmt.Errorf("weight %s has no gradient", q.Name)
		}
		out, err := sumOfSquares.Call(q.Grad)
		if err != nil {
			return 0, err
		}
		v, err := xla.Scalar(out[0])
		if err != nil {
			return 0, err
		}
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
	matrices, err := o.hyper(rate, scale)
	if err != nil {
		return err
	}
	tables, err := o.hyper(rate*o.adam.Tables, scale)
	if err != nil {
		return err
	}
	for _, q := range o.params.All() {
		if !q.Trained {
			continue
		}
		hyper := matrices
		if q.Table {
			hyper = tables
		}
		if err := o.update(q, hyper); err != nil {
			return fmt.Errorf("updating %s: %w", q.Name, err)
		}
	}
	return xla.Free(matrices, tables)
}

// hyper are the numbers of a step that the update of a weight reads, [4].
func (o *Optimiser) hyper(rate, scale float64) (*tensors.Tensor, error) {
	return xla.FromHost(o.engine, []float32{
		float32(scale),
		float32(rate / (1 - math.Pow(o.adam.Beta1, float64(o.steps)))),
		float32(1 / math.Sqrt(1-math.Pow(o.adam.Beta2, float64(o.steps)))),
		float32(1 - rate*o.adam.WeightDecay),
	}, 4)
}

func (o *Optimiser) update(q *tape.Param, hyper *tensors.Tensor) error {
	halved := o.params.Halved(q)
	f, err := o.function(q.Decay, halved)
	if err != nil {
		return err
	}
	m := o.moments[q.Name]
	out, err := f.Call(q.Master, m.mean, m.square, q.Grad, hyper)
	if err != nil {
		return err
	}
	err = xla.Free(m.mean, m.square, q.Grad)
	q.Grad = nil
	m.mean, m.square = out[1], out[2]
	compute := out[0]
	if halved {
		compute = out[3]
	}
	return errors.Join(err, o.params.Replace(q, out[0], compute))
}

// function is the update of one weight: (w, m, v, g, hyper) -> (w, m, v and,
// for bf16 compute, w again in bf16).
func (o *Optimiser) function(decay, halved bool) (*xla.Func, error) {
	key := fmt.Sprintf("adamw decay=%t halved=%t", decay, halved)
	if f, ok := o.funcs[key]; ok {
		return f, nil
	}
	a := o.adam
	f, err := o.engine.Func(key, func(in []*Node) []*Node {
		w, m, v, grad, hyper := in[0], in[1], in[2], in[3], in[4]
		h := func(i int) *Node {
			return BroadcastToShape(Squeeze(Slice(hyper, AxisElem(i)), 0), w.Shape())
		}
		grad = Mul(grad, h(0))
		m = Add(MulScalar(m, a.Beta1), MulScalar(grad, 1-a.Beta1))
		v = Add(MulScalar(v, a.Beta2), MulScalar(Square(grad), 1-a.Beta2))
		if decay {
			w = Mul(w, h(3))
		}
		w = Sub(w, Mul(h(1), Div(m, AddScalar(Mul(Sqrt(v), h(2)), a.Epsilon))))
		out := []*Node{w, m, v}
		if halved {
			out = append(out, ConvertDType(w, dtypes.BFloat16))
		}
		return out
	})
	if err == nil {
		o.funcs[key] = f
	}
	return f, err
}

// Free releases the moments.
func (o *Optimiser) Free() error {
	var errs []error
	for _, m := range o.moments {
		errs = append(errs, xla.Free(m.mean, m.square))
	}
	return errors.Join(errs...)
}
