package train

import (
	"errors"

	"gorqa/engine/world"
	"gorqa/engine/xla"
	"gorqa/tensor/tape"

	"github.com/gomlx/gomlx/core/tensors"
)

// piece is values lo to hi of a weight, which stand at at of a block.
type piece struct {
	param      *tape.Param
	lo, hi, at int
}

// block is what is summed over processes at a time, of world.BlockValues at most.
type block struct {
	n      int
	pieces []piece
}

// blocks lay out the trained weights side by side, in the order in which the backward pass
// is done with them, about: from the last layer to the first. Weights that in keeps apart
// are in blocks of their own.
func blocks(params []*tape.Param, in func(*tape.Param) bool) (list []block) {
	for _, kind := range []bool{true, false} {
		open := false
		for i := len(params) - 1; i >= 0; i-- {
			q := params[i]
			if !q.Trained || in(q) != kind {
				continue
			}
			for lo := 0; lo < q.Size(); {
				if !open || list[len(list)-1].n == world.BlockValues {
					list, open = append(list, block{}), true
				}
				b := &list[len(list)-1]
				n := min(q.Size()-lo, world.BlockValues-b.n)
				b.pieces = append(b.pieces, piece{q, lo, lo + n, b.n})
				b.n += n
				lo += n
			}
		}
	}
	return list
}

// sumGradients adds up the gradients of all processes. Each of them has all then,
// or with ZeRO its part. A process without rows adds nothing.
func (l *Loop) sumGradients() error {
	switch z := l.optimiser.zero; {
	case l.World.Size() == 1:
		return nil
	case z != nil:
		return z.sum()
	}
	params, engine := l.Runner.Params.All(), l.Runner.Engine
	host := map[*tape.Param][]float32{}
	for _, q := range params {
		if !q.Trained {
			continue
		}
		values, err := gradientOf(l.Runner, q)
		if err != nil {
			return err
		}
		host[q] = values
	}
	room := make([]float32, 0, world.BlockValues)
	for _, b := range blocks(params, func(*tape.Param) bool { return true }) {
		values := room[:b.n]
		for _, p := range b.pieces {
			copy(values[p.at:], host[p.param][p.lo:p.hi])
		}
		if err := l.World.AllReduce(values); err != nil {
			return err
		}
		for _, p := range b.pieces {
			copy(host[p.param][p.lo:p.hi], values[p.at:])
		}
	}
	if l.Runner.Device.Native {
		return nil // the slices are the gradients' memory
	}
	for _, q := range params {
		if !q.Trained {
			continue
		}
		if err := replace(&q.Grad, func() (*tensors.Tensor, error) { return xla.FromHost(engine, host[q], q.Dims...) }); err != nil {
			return err
		}
	}
	return nil
}

// gradientOf is a weight's gradient on the host: its memory there, or a copy of what a
// device holds; zeros where there is none yet.
func gradientOf(r *tape.Runner, q *tape.Param) (values []float32, err error) {
	if q.Grad == nil {
		if q.Grad, err = xla.Fill(r.Engine, func([]float32) error { return nil }, q.Dims...); err != nil {
			return nil, err
		}
	}
	if r.Device.Native {
		return xla.Memory[float32](q.Grad)
	}
	return xla.ToHost[float32](q.Grad)
}

// replace frees a tensor and puts another in its place.
func replace(t **tensors.Tensor, by func() (*tensors.Tensor, error)) error {
	next, err := by()
	if err != nil {
		return err
	}
	err = errors.Join(err, xla.Free(*t))
	*t = next
	return err
}
