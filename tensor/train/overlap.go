package train

import (
	"errors"
	"sync"
	"time"

	"gorqa/engine/xla"
	"gorqa/tensor/tape"

	"github.com/gomlx/gomlx/core/tensors"
)

// overlap sums gradients over processes on a goroutine of its own while the backward pass
// goes on. Blocks go in the order in which they stand, which follows from the model alone,
// so that all processes make the same calls: a block goes once all its weights'
// gradients, and all blocks before it, are whole.
type overlap struct {
	blocks []block
	last   map[*tape.Param]int // block with the end of each weight
	// values is the memory of a weight's gradient, nil for zeros.
	values func(*tape.Param) ([]float32, error)
	// sum sums up a block over the processes; it is called by the other goroutine. It may have
	// the processes exchange what it was given where that lies; all else that it reads or
	// writes of it, it does inside touch.
	sum func(i int, values [][]float32, touch func(func()) error) error
	// squares are the sums of squares of this process's part of each block, as sum leaves them.
	squares []float64
	// frees has gradients freed once they are summed.
	frees bool
	// room is how many blocks may be on their way before the backward pass waits, 0 for any.
	room int

	next int   // block to hand over next
	left []int // weights of each block that the backward pass is not done with
	jobs chan job
	over chan done
	sent int // blocks on their way
	// failed is set where a sum failed, whose call MPI may not be done with.
	failed bool
	wait   time.Duration
	busy   time.Duration // of sum

	mu      sync.Mutex // held while memory of gradients is read or written
	stopped bool
}

// job is a block on its way.
type job struct {
	block  int
	values [][]float32
	frees  []*tensors.Tensor
}

type done struct {
	job
	took time.Duration
	err  error
}

// begin is called before the gradients of a backward pass are summed.
func (o *overlap) begin() {
	o.next, o.left = 0, make([]int, len(o.blocks))
	for i, b := range o.blocks {
		o.left[i] = len(b.pieces)
	}
}

// open starts the other goroutine.
func (o *overlap) open() {
	o.last = map[*tape.Param]int{}
	for i, b := range o.blocks {
		for _, p := range b.pieces {
			o.last[p.param] = i
		}
	}
	most := len(o.blocks)
	if o.room > 0 {
		most = min(most, o.room)
	}
	o.squares = make([]float64, len(o.blocks))
	o.jobs, o.over = make(chan job, most), make(chan done, most)
	o.begin()
	go func() {
		var failed error
		for j := range o.jobs {
			start := time.Now()
			if failed == nil {
				failed = o.sum(j.block, j.values, o.touch)
			}
			o.over <- done{j, time.Since(start), failed}
		}
	}()
}

// close ends the other goroutine; one in a call ends with it, and touches no gradient then.
// Where blocks are on their way still, as where another process has failed, MPI may read and
// write their gradients to the end of this process: none is freed.
func (o *overlap) close() {
	if o == nil {
		return
	}
	o.mu.Lock()
	o.stopped = true
	o.mu.Unlock()
	close(o.jobs)
	if o.sent == 0 && !o.failed {
		return
	}
	for _, b := range o.blocks {
		for _, p := range b.pieces {
			p.param.Grad = nil
		}
	}
}

// touch calls fn, which reads or writes gradients, unless these may be gone.
func (o *overlap) touch(fn func()) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return errors.New("the training has ended while gradients were summed over processes")
	}
	fn()
	return nil
}

// final is told by the backward pass of a weight whose gradient is whole.
func (o *overlap) final(q *tape.Param) error {
	for i := o.next; i < len(o.blocks) && i <= o.last[q]; i++ {
		for _, p := range o.blocks[i].pieces {
			if p.param == q {
				o.left[i]--
			}
		}
	}
	for o.next < len(o.blocks) && o.left[o.next] == 0 {
		if err := o.hand(); err != nil {
			return err
		}
	}
	return nil
}

// rest hands over the blocks that are left of a backward pass.
func (o *overlap) rest() error {
	for o.next < len(o.blocks) {
		if err := o.hand(); err != nil {
			return err
		}
	}
	o.begin()
	return nil
}

// hand hands the next block over. Gradients that are freed are let go with the last block
// that has something of them: the next micro-batch begins anew.
func (o *overlap) hand() error {
	j := job{block: o.next}
	o.next++
	for _, p := range o.blocks[j.block].pieces {
		values, err := o.values(p.param)
		if err != nil {
			return err
		}
		if values != nil {
			values = values[p.lo:p.hi]
		}
		j.values = append(j.values, values)
		if o.frees && o.last[p.param] == j.block && p.param.Grad != nil {
			j.frees = append(j.frees, p.param.Grad)
			p.param.Grad = nil
		}
	}
	for o.sent == cap(o.jobs) {
		if err := o.take(); err != nil {
			return err
		}
	}
	o.jobs <- j
	o.sent++
	return nil
}

// take takes back a block, and waits for it.
func (o *overlap) take() error {
	start := time.Now()
	d := <-o.over
	o.wait += time.Since(start)
	o.busy += d.took
	o.sent--
	if d.err != nil {
		o.failed = true
		return d.err
	}
	return xla.Free(d.frees...)
}

// join waits for all blocks on their way.
func (o *overlap) join() error {
	for o.sent > 0 {
		if err := o.take(); err != nil {
			return err
		}
	}
	return nil
}

// times gives, and forgets, how long this goroutine waited for sums, and how long sums took
// in all, with what they waited for processes that came later.
func (o *overlap) times() (wait, busy time.Duration) {
	if o == nil {
		return 0, 0
	}
	wait, busy = o.wait, o.busy
	o.wait, o.busy = 0, 0
	return wait, busy
}
