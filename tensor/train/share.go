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

// newOverlap is what sums the gradients of a run over its processes, nil for one process.
func (l *Loop) newOverlap() *overlap {
	var o *overlap
	switch {
	case l.World.Size() == 1, l.GPUs != nil:
		return nil
	case l.optimiser.zero != nil:
		o = l.optimiser.zero.overlap()
	default:
		o = l.sums()
	}
	o.open()
	return o
}

// sums adds up whole gradients, in place on the host. Those of a device are copied there,
// into l.host.
func (l *Loop) sums() *overlap {
	o := &overlap{blocks: blocks(l.Runner.Params.All(), func(*tape.Param) bool { return true })}
	o.values = func(q *tape.Param) ([]float32, error) {
		if values, there := l.host[q]; there {
			return values, nil
		}
		values, err := l.gradientOf(q)
		if err == nil && !l.Runner.Device.Native {
			l.host[q] = values
		}
		return values, err
	}
	room := make([]float32, world.BlockValues)
	o.sum = func(i int, values [][]float32, touch func(func()) error) error {
		b := o.blocks[i]
		block := room[:b.n]
		if err := touch(func() {
			for j, p := range b.pieces {
				copy(block[p.at:], values[j])
			}
		}); err != nil {
			return err
		}
		if err := l.World.AllReduce(block); err != nil {
			return err
		}
		return touch(func() {
			for j, p := range b.pieces {
				copy(values[j], block[p.at:])
			}
		})
	}
	return o
}

// sumGradients ends the sums of a step. Each process has all gradients then, or with ZeRO
// its part. One without rows, or in stage 2, where each micro-batch has its own sums, one
// with fewer than another, takes part in those of the others.
func (l *Loop) sumGradients() error {
	if l.GPUs != nil {
		return l.sumOnGPUs()
	}
	o := l.overlap
	if o == nil {
		return nil
	}
	z := l.optimiser.zero
	l.host = map[*tape.Param][]float32{}
	passes := 1
	if z != nil && z.stage == 2 {
		passes = z.more
	}
	for range passes {
		if err := o.rest(); err != nil {
			return err
		}
	}
	if err := o.join(); err != nil {
		return err
	}
	for _, q := range l.Runner.Params.All() {
		values, copied := l.host[q]
		if !copied {
			continue // the slices were the gradients' memory
		}
		if err := replace(&q.Grad, func() (*tensors.Tensor, error) { return xla.FromHost(l.Runner.Engine, values, q.Dims...) }); err != nil {
			return err
		}
	}
	l.host = nil
	return nil
}

// sumOnGPUs sums up gradients where they are, those of a layer by one call.
func (l *Loop) sumOnGPUs() error {
	if err := l.World.Barrier(); err != nil { // NCCL would wait for ever for who does not come
		return err
	}
	for _, group := range groups(l.Runner.Params.All()) {
		each := make([]*tensors.Tensor, len(group))
		for i, q := range group {
			if err := l.zeros(q); err != nil {
				return err
			}
			each[i] = q.Grad
		}
		sums, err := l.GPUs.AllReduce(each...)
		if err != nil {
			return err
		}
		for i, q := range group {
			q.Grad = sums[i]
		}
		if err := xla.Free(each...); err != nil {
			return err
		}
	}
	return nil
}

// zeros sets a gradient that there is none of yet.
func (l *Loop) zeros(q *tape.Param) (err error) {
	if q.Grad == nil {
		q.Grad, err = xla.Fill(l.Runner.Engine, func([]float32) error { return nil }, q.Dims...)
	}
	return err
}

// gradientOf is a weight's gradient on the host: its memory there, or a copy of what a
// device holds; zeros where there is none yet.
func (l *Loop) gradientOf(q *tape.Param) (values []float32, err error) {
	if err := l.zeros(q); err != nil {
		return nil, err
	}
	if l.Runner.Device.Native {
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
