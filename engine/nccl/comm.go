package nccl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"gorqa/engine/world"
	"gorqa/engine/xla"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Comm is the GPUs of a world. Its calls are collective, as world.World's are: every process
// makes the same ones in the same order, on tensors of the same shapes, in f32 or bf16. They
// return before they are done; what they give is read when it is there. Inputs stay as they
// are. nil is that of processes that exchange nothing so.
//
// NCCL waits for ever for a process that does not come: who calls sees to it that all are
// there, by a call of the world's.
type Comm struct {
	// Version is the library's, as 22809 for 2.28.9.
	Version int

	world  *world.World
	engine *xla.Engine
	calls  map[call]*xla.Func
	sent   int64
	failed atomic.Pointer[error]
	watch  sync.Once
}

// call is what a foreign call does.
type call int

const (
	allReduce call = iota
	reduceScatter
	allGather
	broadcast
)

func (c call) String() string {
	return [...]string{"nccl_all_reduce", "nccl_reduce_scatter", "nccl_all_gather", "nccl_broadcast"}[c]
}

// Library is the NCCL that `gorqa fetch engine cuda13` puts beside a plugin, or where there is
// none the system's.
func Library(plugin string) string {
	path := filepath.Join(filepath.Dir(filepath.Dir(plugin)), "nvidia", "nccl", "lib", "libnccl.so.2")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	return filepath.Base(path)
}

// patience is how long processes wait for one another to join.
const patience = 2 * time.Minute

// Open joins the GPUs of all processes, each the first that CUDA shows to its process, over a
// library (see Library), and tries every call. Where that fails in one process, all get an
// error that names it and says why.
func Open(w *world.World, e *xla.Engine, library string) (*Comm, error) {
	c := &Comm{world: w, engine: e}
	here := greeting{Settings: settings()}
	if err := c.prepare(&here, library); err != nil {
		here.Problem = err.Error()
	}
	id, err := meet(w, here)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		err := join(id, w.Size(), w.Rank())
		if err == nil {
			err = c.try()
		}
		done <- err
	}()
	if err := together(w, done, patience); err != nil {
		c.failed.Store(&err)
		end()
		return nil, err
	}
	c.sent = 0
	return c, nil
}

// prepare does what needs no other process.
func (c *Comm) prepare(here *greeting, library string) (err error) {
	if err := choose(); err != nil {
		return err
	}
	if c.Version, err = load(library); err != nil {
		return err
	}
	here.Settings = append(here.Settings, fmt.Sprintf("NCCL %d", c.Version))
	if c.world.Rank() == 0 {
		if here.ID, err = newID(); err != nil {
			return err
		}
	}
	return c.offer()
}

// offer has the engine know the calls.
func (c *Comm) offer() (err error) {
	size := c.world.Size()
	shapes := map[call]func(x *graph.Node) *graph.Node{
		allReduce: func(x *graph.Node) *graph.Node { return x },
		broadcast: func(x *graph.Node) *graph.Node { return x },
		reduceScatter: func(x *graph.Node) *graph.Node {
			return graph.Slice(x, graph.AxisRange(0, x.Shape().Dimensions[0]/size))
		},
		allGather: func(x *graph.Node) *graph.Node {
			all := make([]*graph.Node, size)
			for i := range all {
				all[i] = x
			}
			return graph.Concatenate(all, 0)
		},
	}
	c.calls = map[call]*xla.Func{}
	for what, shape := range shapes {
		if err := c.engine.Offer(what.String(), handler(what)); err != nil {
			return err
		}
		if c.calls[what], err = c.engine.Foreign(what.String(), func(in []*graph.Node) []*graph.Node {
			out := make([]*graph.Node, len(in))
			for i, x := range in {
				out[i] = shape(x)
			}
			return out
		}); err != nil {
			return err
		}
	}
	return nil
}

// exchange makes a call, with which this process sends so many times the bytes of its inputs,
// as a ring does.
func (c *Comm) exchange(what call, times float64, in ...*tensors.Tensor) ([]*tensors.Tensor, error) {
	c.watch.Do(func() { go c.look() })
	if err := c.Err(); err != nil {
		return nil, err
	}
	for _, x := range in {
		c.sent += int64(times * float64(x.Shape().ByteSize()))
	}
	return c.calls[what].Call(in...)
}

// others is the part of the processes that are not this one.
func (c *Comm) others() float64 { return float64(c.world.Size()-1) / float64(c.world.Size()) }

// AllReduce gives the sums of each tensor over all processes.
func (c *Comm) AllReduce(in ...*tensors.Tensor) ([]*tensors.Tensor, error) {
	return c.exchange(allReduce, 2*c.others(), in...)
}

// ReduceScatter gives this process's part of the sums of a tensor [N*n] over all N processes:
// [n], values rank*n and on.
func (c *Comm) ReduceScatter(x *tensors.Tensor) (*tensors.Tensor, error) {
	return only(c.exchange(reduceScatter, c.others(), x))
}

// AllGather gives [N*n], the tensors [n] of all N processes in the order of ranks.
func (c *Comm) AllGather(x *tensors.Tensor) (*tensors.Tensor, error) {
	return only(c.exchange(allGather, float64(c.world.Size()-1), x))
}

// Broadcast gives the tensor of rank 0.
func (c *Comm) Broadcast(x *tensors.Tensor) (*tensors.Tensor, error) {
	return only(c.exchange(broadcast, 1, x))
}

func only(out []*tensors.Tensor, err error) (*tensors.Tensor, error) {
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// Sent is how many bytes this process has sent, by the volume of rings.
func (c *Comm) Sent() int64 {
	if c == nil {
		return 0
	}
	return c.sent
}

// Err is what has failed since the calls returned. It is asked for before what they gave is
// relied on.
func (c *Comm) Err() error {
	if c == nil {
		return nil
	}
	if err := c.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// look looks every second, for ever, whether something on its way has failed, and ends what
// waits for it then.
func (c *Comm) look() {
	for {
		time.Sleep(time.Second)
		if err := state(); err != nil {
			c.failed.Store(&err) // first: who waits on the device goes on then
			end()
			return
		}
	}
}

// try holds every call against what it should give.
func (c *Comm) try() (err error) {
	size, rank := c.world.Size(), c.world.Rank()
	whole, part := make([]float32, 16*size), make([]float32, 16)
	for i := range whole {
		whole[i] = float32((rank + 1) * (i + 1))
	}
	for i := range part {
		part[i] = float32(16*rank + i)
	}
	all := float32(size*(size+1)) / 2
	sum := func(i int) float32 { return all * float32(i+1) }
	for _, check := range []struct {
		what string
		in   []float32
		call func(*tensors.Tensor) (*tensors.Tensor, error)
		want func(i int) float32
	}{
		{"sum", whole, func(x *tensors.Tensor) (*tensors.Tensor, error) { return only(c.AllReduce(x)) }, sum},
		{"part of a sum", whole, c.ReduceScatter, func(i int) float32 { return sum(16*rank + i) }},
		{"gathering", part, c.AllGather, func(i int) float32 { return float32(i) }},
		{"broadcast", part, c.Broadcast, func(i int) float32 { return float32(i) }},
	} {
		if err := c.holds(check.in, check.call, check.want); err != nil {
			return fmt.Errorf("trying a %s: %w", check.what, err)
		}
	}
	return nil
}

func (c *Comm) holds(values []float32, call func(*tensors.Tensor) (*tensors.Tensor, error), want func(int) float32) error {
	x, err := xla.FromHost(c.engine, values, len(values))
	if err != nil {
		return err
	}
	y, err := call(x)
	if err != nil {
		return errors.Join(err, xla.Free(x))
	}
	got, err := xla.ToHost[float32](y)
	if err := errors.Join(err, xla.Free(x, y)); err != nil {
		return err
	}
	for i, v := range got {
		if v != want(i) {
			return fmt.Errorf("value %d is %v; %v expected", i, v, want(i))
		}
	}
	return nil
}
