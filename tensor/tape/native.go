package tape

import (
	"errors"

	"gorqa/engine/xla"

	"github.com/gomlx/gomlx/core/tensors"
)

// Native is a piece of a model that is no graph: it works on values in the host's
// memory, where the engine computes OnHost, f32 or bf16 as the model's activations are.
type Native[T xla.Number] struct {
	Outputs, Kept [][]int // dimensions of the outputs, and of what Backward wants kept in f32
	Forward       func(in, out [][]T, kept [][]float32) error
	// Backward sets the cotangents of all inputs.
	Backward func(in, out [][]T, kept [][]float32, dOut, dIn [][]T) error
}

// Run runs a native piece forwards.
func (n Native[T]) Run(t *Tape, in ...*Value) ([]*Value, error) {
	rec := &native[T]{native: n, in: in}
	flows := false
	for _, v := range in {
		flows = flows || v.flows
	}
	out, err := made[T](t, n.Outputs)
	if err != nil {
		return nil, err
	}
	for _, x := range out {
		rec.out = append(rec.out, t.value(x, flows && t.train))
	}
	if rec.kept, err = made[float32](t, n.Kept); err != nil {
		return nil, err
	}
	memory, kept, err := rec.memories(tensorsOf(in), out)
	if err == nil {
		err = n.Forward(memory[0], memory[1], kept)
	}
	if err != nil {
		return nil, errors.Join(err, rec.free())
	}
	if !flows || !t.train || t.forgets {
		return rec.out, rec.free()
	}
	t.records = append(t.records, rec)
	return rec.out, nil
}

// made makes tensors of these dimensions, whose values are yet to be set.
func made[T xla.Number](t *Tape, dims [][]int) (ts []*tensors.Tensor, err error) {
	for _, d := range dims {
		x, err := xla.New[T](t.runner.Engine, d...)
		if err != nil {
			return nil, errors.Join(err, xla.Free(ts...))
		}
		ts = append(ts, x)
	}
	return ts, nil
}

// native is a record of Native.
type native[T xla.Number] struct {
	native  Native[T]
	in, out []*Value
	kept    []*tensors.Tensor
}

func (n *native[T]) outputs() []*Value { return n.out }
func (n *native[T]) free() error       { return xla.Free(n.kept...) }

func (n *native[T]) keeps() []*tensors.Tensor { return n.kept }
func (n *native[T]) trained() []*Param        { return nil }

func (n *native[T]) back(t *Tape, dOut []*tensors.Tensor) error {
	var dims [][]int
	for _, v := range n.in {
		dims = append(dims, v.Tensor.Shape().Dimensions)
	}
	dIn, err := made[T](t, dims)
	if err != nil {
		return err
	}
	memory, kept, err := n.memories(tensorsOf(n.in), tensorsOf(n.out), dOut, dIn)
	if err == nil {
		err = n.native.Backward(memory[0], memory[1], kept, memory[2], memory[3])
	}
	if err != nil {
		return errors.Join(err, xla.Free(dIn...))
	}
	for i, v := range n.in {
		if v.flows {
			err = errors.Join(err, t.accumulate(v, dIn[i]))
		} else {
			err = errors.Join(err, xla.Free(dIn[i]))
		}
	}
	return errors.Join(err, n.free())
}

// memories gives the host's view of lists of tensors and of what is kept.
func (n *native[T]) memories(lists ...[]*tensors.Tensor) (out [][][]T, kept [][]float32, err error) {
	for _, list := range lists {
		flat, err := memory[T](list)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, flat)
	}
	kept, err = memory[float32](n.kept)
	return out, kept, err
}

func memory[T xla.Number](ts []*tensors.Tensor) (out [][]T, err error) {
	for _, x := range ts {
		flat, err := xla.Memory[T](x)
		if err != nil {
			return nil, err
		}
		out = append(out, flat)
	}
	return out, nil
}
