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

// aloneValues is how many values of one weight are a block by themselves: those are summed
// where they are, without a copy.
const aloneValues = 1 << 17

// blocks lay out the trained weights, in the order in which the backward pass is done with
// them, about: from the last layer to the first. Large weights are cut into blocks of their
// own, and small ones come together in blocks that stand where they are full. Weights that
// in keeps apart are in other blocks.
func blocks(params []*tape.Param, in func(*tape.Param) bool) (list []block) {
	for _, kind := range []bool{true, false} {
		var small block
		for i := len(params) - 1; i >= 0; i-- {
			q := params[i]
			if !q.Trained || in(q) != kind {
				continue
			}
			if q.Size() >= aloneValues {
				for lo := 0; lo < q.Size(); lo += world.BlockValues {
					hi := min(lo+world.BlockValues, q.Size())
					list = append(list, block{hi - lo, []piece{{q, lo, hi, 0}}})
				}
				continue
			}
			if small.n+q.Size() > world.BlockValues {
				list, small = append(list, small), block{}
			}
			small.pieces = append(small.pieces, piece{q, 0, q.Size(), small.n})
			small.n += q.Size()
		}
		if small.n > 0 {
			list = append(list, small)
		}
	}
	return list
}

// inPlace says whether the values of a block lie side by side: they are of one weight, and
// there.
func (b block) inPlace(values [][]float32) bool { return len(b.pieces) == 1 && values[0] != nil }

// take gives the values of a block side by side: where they are, if they are of one weight,
// else copied into room. nil stands for zeros.
func (b block) take(values [][]float32, room []float32, touch func(func()) error) ([]float32, error) {
	if b.inPlace(values) {
		return values[0], nil
	}
	room = room[:b.n]
	return room, touch(func() {
		for j, p := range b.pieces {
			if at := room[p.at:][:p.hi-p.lo]; values[j] != nil {
				copy(at, values[j])
			} else {
				clear(at)
			}
		}
	})
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
		block, err := b.take(values, room, touch)
		if err != nil {
			return err
		}
		if err := l.World.ReduceScatter(block); err != nil {
			return err
		}
		lo, hi := l.World.Part(b.n, l.World.Rank())
		if err := touch(func() { o.squares[i] = squares(block[lo:hi]) }); err != nil { // now, while it is in the cache
			return err
		}
		if err := world.AllGather(l.World, block); err != nil || b.inPlace(values) {
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
