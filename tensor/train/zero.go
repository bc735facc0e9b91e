package train

import (
	"errors"
	"fmt"
	"slices"

	"gorqa/engine/cpu"
	"gorqa/engine/world"
	"gorqa/engine/xla"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// zero divides what the optimiser holds over processes, as ZeRO does (arXiv 1910.02054):
// each process has the moments, and what bf16 weights lack of f32, of its part of every
// block of weights, moves that part, and sends it to the others. In stage 2 gradients of
// other parts are let go as soon as the backward pass is done with them.
type zero struct {
	world  *world.World
	engine *xla.Engine
	params *tape.Params
	stage  int
	blocks []block
	parts  []part
	room   []float32 // for a block, kept: garbage of that size would let the heap grow to twice its size
	half   []bfloat16.BFloat16

	more int // sums of a step that this process has no micro-batch for
}

// part is a process's part of a block, values lo to hi.
type part struct {
	lo, hi             int
	mean, square, grad []float32
	low                []int16 // of weights in bf16
	summed             bool    // grad has a sum of this step
	lent               bool    // grad is memory of a weight's own gradient
}

func newZero(w *world.World, r *tape.Runner, stage int) (*zero, error) {
	if !r.Device.Native {
		return nil, fmt.Errorf("zero_stage %d with %s: the optimiser is divided over processes where weights are moved in the host's memory only; --zero_stage 0 expected", stage, r.Engine.Describe())
	}
	z := &zero{world: w, engine: r.Engine, params: r.Params, stage: stage, room: make([]float32, world.BlockValues)}
	if r.Params.BF16() {
		z.half = make([]bfloat16.BFloat16, world.BlockValues)
	}
	z.blocks = blocks(r.Params.All(), r.Params.InBF16)
	for _, b := range z.blocks {
		lo, hi := w.Part(b.n, w.Rank())
		p := part{lo: lo, hi: hi, mean: make([]float32, hi-lo), square: make([]float32, hi-lo)}
		if r.Params.InBF16(b.pieces[0].param) {
			p.low = make([]int16, hi-lo)
		}
		z.parts = append(z.parts, p)
	}
	return z, z.takeLow()
}

// own calls fn with the values of weights that this process has: values lo to hi of a
// weight stand at at of a part.
func (z *zero) own(fn func(p *part, q *tape.Param, lo, hi, at int) error) error {
	for i, b := range z.blocks {
		p := &z.parts[i]
		for _, piece := range b.pieces {
			from, to := max(piece.at, p.lo), min(piece.at+piece.hi-piece.lo, p.hi)
			if from >= to {
				continue
			}
			lo := piece.lo + from - piece.at
			if err := fn(p, piece.param, lo, lo+to-from, from-p.lo); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeLow takes this process's part of what weights lack of f32, and frees the rest.
func (z *zero) takeLow() error {
	if z == nil {
		return nil
	}
	err := z.own(func(p *part, q *tape.Param, lo, hi, at int) error {
		if p.low == nil {
			return nil
		}
		return xla.View(q.Low, func(low []int16) error {
			copy(p.low[at:], low[lo:hi])
			return nil
		})
	})
	return errors.Join(err, z.freeLow())
}

func (z *zero) freeLow() (err error) {
	for _, q := range z.params.All() {
		err = errors.Join(err, xla.Free(q.Low))
		q.Low = nil
	}
	return err
}

// giveLow gives rank 0 what all weights lack of f32, for saving them.
func (z *zero) giveLow() error {
	if z == nil {
		return nil
	}
	for _, q := range z.params.All() {
		if !q.Trained || !z.params.InBF16(q) {
			continue
		}
		values, err := z.gather(q, func(p *part, at int) float32 { return float32(p.low[at]) })
		if err != nil {
			return err
		}
		if z.world.Rank() > 0 {
			continue
		}
		if q.Low, err = xla.Fill(z.engine, func(low []int16) error {
			for i, v := range values {
				low[i] = int16(v)
			}
			return nil
		}, q.Dims...); err != nil {
			return err
		}
	}
	return nil
}

// gather gives every process all values of a weight that parts have.
func (z *zero) gather(of *tape.Param, value func(p *part, at int) float32) ([]float32, error) {
	values := make([]float32, of.Size())
	err := z.own(func(p *part, q *tape.Param, lo, hi, at int) error {
		for i := lo; q == of && i < hi; i++ {
			values[i] = value(p, at+i-lo)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, z.world.AllReduce(values) // each value and zeros: no sum is rounded
}

// overlap sums gradients of blocks into the parts. In stage 2 each micro-batch's are summed
// and let go, and a few blocks at most wait for it.
func (z *zero) overlap() *overlap {
	o := &overlap{blocks: z.blocks}
	if z.stage == 2 {
		o.frees, o.room = true, 4
	}
	o.sum = func(i int, values [][]float32, touch func(func()) error) (err error) {
		o.squares[i], err = z.reduce(i, values, touch)
		return err
	}
	o.values = func(q *tape.Param) ([]float32, error) {
		if q.Grad == nil {
			return nil, nil
		}
		return xla.Memory[float32](q.Grad)
	}
	return o
}

// expect is told of the micro-batches of this process before a step.
func (z *zero) expect(batches int) error {
	if z == nil || z.stage == 1 {
		return nil
	}
	each, err := z.world.Numbers(float64(batches))
	if err == nil {
		z.more = int(slices.Max(each)) - batches
	}
	return err
}

// reduce adds a block's gradients of all processes to this one's part, and gives the sum of
// that part's squares.
func (z *zero) reduce(i int, values [][]float32, touch func(func()) error) (float64, error) {
	b, own := z.blocks[i], &z.parts[i]
	block, err := b.take(values, z.room, touch)
	if err != nil {
		return 0, err
	}
	if err := z.world.ReduceScatter(block); err != nil {
		return 0, err
	}
	sum, found := block[own.lo:own.hi], 0.0
	if err := touch(func() {
		switch {
		case z.stage == 1 && b.inPlace(values):
			own.grad, own.lent = sum, true
		case own.grad == nil:
			own.grad = make([]float32, len(sum))
			fallthrough
		default:
			err = cpu.Accumulate(own.grad, sum, !own.summed)
		}
		found = squares(own.grad) // now, while it is in the cache
	}); err != nil {
		return 0, err
	}
	own.summed = true
	return found, err
}

// squares is the sum of the values' squares, in four sums that need not wait for one another.
func squares(x []float32) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		v := (*[4]float32)(x)
		a += float64(v[0]) * float64(v[0])
		b += float64(v[1]) * float64(v[1])
		c += float64(v[2]) * float64(v[2])
		d += float64(v[3]) * float64(v[3])
	}
	for _, v := range x {
		a += float64(v) * float64(v)
	}
	return a + b + c + d
}

// update moves this process's weights, each by the step that of gives, and takes the
// others'.
func (z *zero) update(of func(*tape.Param) cpu.AdamWStep) error {
	err := z.own(func(p *part, q *tape.Param, lo, hi, at int) error {
		end := at + hi - lo
		mean, square, grad := p.mean[at:end], p.square[at:end], p.grad[at:end]
		if p.low != nil {
			return xla.View(q.Compute, func(high []bfloat16.BFloat16) error {
				return cpu.AdamWSplit(of(q), cpu.SplitWeight{BF16: high[lo:hi], Residual: p.low[at:end]}, mean, square, grad)
			})
		}
		return xla.View(q.Compute, func(w []float32) error { return cpu.AdamW(of(q), w[lo:hi], mean, square, grad) })
	})
	if err != nil {
		return err
	}
	for i, b := range z.blocks {
		p := &z.parts[i]
		if p.lent {
			p.grad = nil
		}
		p.summed, p.lent = false, false
		if p.low != nil {
			err = spread(z.world, b, p, z.half)
		} else {
			err = spread(z.world, b, p, z.room)
		}
		if err != nil {
			return err
		}
	}
	return z.params.ClearGradients()
}

// spread gives every process the weights of a block as those have them whose parts they
// are: where they are, if they are of one weight, else through room.
func spread[T float32 | bfloat16.BFloat16](w *world.World, b block, own *part, room []T) error {
	if len(b.pieces) == 1 {
		p := b.pieces[0]
		weight, err := xla.Memory[T](p.param.Compute)
		if err != nil {
			return err
		}
		if err = world.AllGather(w, weight[p.lo:p.hi]); err != nil {
			p.param.Compute = nil // MPI may still write there: it is not freed
		}
		return err
	}
	values := room[:b.n]
	// each calls move with what lies between two places of the block.
	each := func(from, to int, move func(weight, values []T)) error {
		for _, p := range b.pieces {
			lo, hi := max(from, p.at), min(to, p.at+p.hi-p.lo)
			if lo >= hi {
				continue
			}
			if err := xla.View(p.param.Compute, func(weight []T) error {
				move(weight[lo-p.at:hi-p.at], values[lo:hi])
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := each(own.lo, own.hi, func(weight, values []T) { copy(values, weight) }); err != nil {
		return err
	}
	if err := world.AllGather(w, values); err != nil {
		return err
	}
	others := func(weight, values []T) { copy(weight, values) }
	return errors.Join(each(0, own.lo, others), each(own.hi, b.n, others))
}
