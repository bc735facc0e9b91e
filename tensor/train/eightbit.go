package train

import (
	"errors"
	"fmt"
	"slices"

	"gorqa/engine/cpu"
	"gorqa/engine/xla"
	"gorqa/files/weights"
	"gorqa/tensor/tape"

	"github.com/gomlx/gomlx/core/tensors"
)

// newMoment makes the empty moments of a weight.
func newMoment(e *xla.Engine, q *tape.Param, eightBit bool) (*moment, error) {
	m := &moment{}
	if !eightBit || q.Size() < cpu.MinMoments8 {
		return m, errors.Join(zeros[float32](e, &m.mean, q.Dims...), zeros[float32](e, &m.square, q.Dims...))
	}
	blocks := cpu.MomentBlocks(q.Size())
	return m, errors.Join(
		zeros[uint8](e, &m.mean, q.Dims...), zeros[uint8](e, &m.square, q.Dims...),
		zeros[float32](e, &m.meanMax, blocks), zeros[float32](e, &m.squareMax, blocks),
	)
}

func zeros[T xla.Number](e *xla.Engine, t **tensors.Tensor, dims ...int) (err error) {
	*t, err = xla.Fill(e, func([]T) error { return nil }, dims...)
	return err
}

// kernels move a weight in the host's memory by its gradient, one held whole or split.
type kernels struct {
	whole func(w, grad []float32) error
	split func(w cpu.SplitWeight, grad []float32) error
}

// kernels are those of the moments' format, for a step.
func (m *moment) kernels(step cpu.AdamWStep) (kernels, error) {
	if m.meanMax == nil {
		mean, err := xla.Memory[float32](m.mean)
		square, err2 := xla.Memory[float32](m.square)
		return kernels{
			func(w, grad []float32) error { return cpu.AdamW(step, w, mean, square, grad) },
			func(w cpu.SplitWeight, grad []float32) error { return cpu.AdamWSplit(step, w, mean, square, grad) },
		}, errors.Join(err, err2)
	}
	var c cpu.Moments8
	var errs [4]error
	c.Mean, errs[0] = xla.Memory[uint8](m.mean)
	c.Square, errs[1] = xla.Memory[uint8](m.square)
	c.MeanMax, errs[2] = xla.Memory[float32](m.meanMax)
	c.SquareMax, errs[3] = xla.Memory[float32](m.squareMax)
	return kernels{
		func(w, grad []float32) error { return cpu.AdamW8(step, w, c, grad) },
		func(w cpu.SplitWeight, grad []float32) error { return cpu.AdamW8Split(step, w, c, grad) },
	}, errors.Join(errs[:]...)
}

// momentPart is one tensor of a weight's moments, under its name in a checkpoint: those in 8 bits
// are named as bitsandbytes names them.
type momentPart struct {
	name  string
	coded bool
	t     **tensors.Tensor
}

func (m *moment) parts(weight string) []momentPart {
	if m.meanMax == nil {
		return []momentPart{{"exp_avg." + weight, false, &m.mean}, {"exp_avg_sq." + weight, false, &m.square}}
	}
	return []momentPart{
		{"state1." + weight, true, &m.mean}, {"absmax1." + weight, false, &m.meanMax},
		{"state2." + weight, true, &m.square}, {"absmax2." + weight, false, &m.squareMax},
	}
}

// saved are a weight's moments as a checkpoint has them.
func (m *moment) saved(weight string) (out []weights.Tensor) {
	for _, p := range m.parts(weight) {
		t := weights.Tensor{Name: p.name, DType: weights.F32, Shape: (*p.t).Shape().Dimensions}
		t.Data = func() (any, error) { return xla.ToHost[float32](*p.t) }
		if p.coded {
			t.DType, t.Data = weights.U8, func() (any, error) { return xla.ToHost[uint8](*p.t) }
		}
		out = append(out, t)
	}
	return out
}

// load takes a weight's moments from a checkpoint.
func (m *moment) load(e *xla.Engine, f *weights.File, q *tape.Param) error {
	if err := checkBits(f, q.Name, m.meanMax != nil); err != nil {
		return err
	}
	for _, p := range m.parts(q.Name) {
		loaded, err := p.read(e, f)
		if err != nil {
			return err
		}
		err = xla.Free(*p.t)
		*p.t = loaded
		if err != nil {
			return err
		}
	}
	return nil
}

// checkBits refuses moments of the other --optim.
func checkBits(f *weights.File, weight string, eightBit bool) error {
	_, full := f.Info("exp_avg." + weight)
	_, coded := f.Info("state1." + weight)
	switch {
	case eightBit && full && !coded:
		return fmt.Errorf("the moments of %s are in 32 bits, and this run has --optim adamw_8bit; go on with --optim adamw_torch, as the first run had it", weight)
	case !eightBit && coded && !full:
		return fmt.Errorf("the moments of %s are in 8 bits; go on with --optim adamw_8bit and --zero_stage 0, as the first run had it", weight)
	}
	return nil
}

func (p momentPart) read(e *xla.Engine, f *weights.File) (*tensors.Tensor, error) {
	dims := (*p.t).Shape().Dimensions
	if !p.coded {
		values, err := readMoment(f, p.name, dims)
		if err != nil {
			return nil, err
		}
		return xla.FromHost(e, values, dims...)
	}
	info, ok := f.Info(p.name)
	if !ok || info.DType != weights.U8 || !slices.Equal(info.Shape, dims) {
		return nil, fmt.Errorf("%s: %s of shape %v found; U8 of %v expected; take another checkpoint", p.name, info.DType, info.Shape, dims)
	}
	codes, err := f.Bytes(p.name)
	if err != nil {
		return nil, err
	}
	return xla.FromHost(e, codes, dims...)
}
