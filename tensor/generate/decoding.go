package generate

import (
	"context"
	"errors"
	"slices"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// recent is R, the places of the cache's recent part: after so many steps it
// is moved into the old part. More would cost every step, fewer would move the
// old part more often.
const recent = 32

// graphs is the memory of a device that decodes by graphs.
type graphs struct {
	*Generator
	size   int // most rows at once
	batch  int // B, rows of the cache
	length int // P, places of its old part
	place  int // steps since the cache was rebuilt
	layers []cache
}

// cache is one layer's keys and values (see nn.Cache): old [N, B, P, C],
// recent [N, B, R, C].
type cache struct{ oldK, oldV, recentK, recentV *tensors.Tensor }

func (d *graphs) free() error {
	var errs []error
	for _, c := range d.layers {
		errs = append(errs, xla.Free(c.oldK, c.oldV, c.recentK, c.recentV))
	}
	return errors.Join(errs...)
}

// full says that the recent part is.
func (d *graphs) full() bool { return d.place == recent }

func (d *graphs) evict(*row) {}

// batchFor is B for n rows: a power of two, at most the batch size, or, for fewer
// shapes, always that.
func (d *graphs) batchFor(n int) int {
	if d.device.FewShapes {
		return d.size
	}
	return min(batch.PowerOfTwo(n), d.size)
}

// lengthFor is P for n tokens: n rounded up to a multiple of CacheRound, beyond eight
// times that to an eighth of a power of two.
func (d *graphs) lengthFor(n int) int {
	return batch.RoundUp(max(n, 1), max(d.device.CacheRound, batch.PowerOfTwo(n)/8))
}

// admit moves what the cache holds for the rows under way to a cache that fits
// them and those admitted, and prefills these.
func (d *graphs) admit(ctx context.Context, under, admitted []*row) error {
	if slices.ContainsFunc(admitted, func(r *row) bool { return len(r.Blocks) > 0 }) {
		return errors.New("generate: a prompt in blocks (Block-Attention) found where decoding is a graph: on a GPU, or with weights in 4 or 8 bits; expected the processor and whole weights; use --block_attention=false, which reads it with full attention")
	}
	packs := d.prefills(admitted)
	longest := 0
	for _, r := range under {
		longest = max(longest, r.cached())
	}
	for _, r := range admitted {
		longest = max(longest, r.cached())
	}
	rows := len(under) + len(admitted)
	b, p := d.batchFor(rows), d.lengthFor(longest)

	// places tells, for each place of the new old part, where it comes from in
	// the row of sources: old part, recent part, packs. Places before a row's
	// first are never attended to.
	places := make([]int32, b*p)
	at := 0
	if len(under) > 0 {
		for slot, r := range under {
			n := r.cached()
			to := places[slot*p+p-n : (slot+1)*p]
			for j := range to {
				if j < r.old {
					to[j] = int32(r.slot*d.length + d.length - r.old + j)
				} else {
					to[j] = int32(d.batch*d.length + r.slot*recent + j - r.old)
				}
			}
			r.slot = slot
		}
		at = d.batch * (d.length + recent)
	}
	moved := len(under)
	for _, pack := range packs {
		for i, index := range pack.Rows {
			r := admitted[index]
			r.slot = moved + index
			n := r.cached()
			for j, from := range pack.Paths[i][:n] {
				places[r.slot*p+p-n+j] = int32(at) + from
			}
		}
		at += len(pack.Tokens)
	}
	if err := d.fill(ctx, packs, places, len(under) > 0, b, p); err != nil {
		return err
	}
	for _, r := range slices.Concat(under, admitted) {
		r.old = r.cached()
	}
	d.batch, d.length, d.place = b, p, 0
	return nil
}

// fill runs the packs through the layers and builds each layer's new cache of
// B x P places, of the old one too if it moves.
func (d *graphs) fill(ctx context.Context, packs []*batch.Decoder, places []int32, moves bool, b, p int) (err error) {
	t := d.runner.New(false)
	defer func() { err = errors.Join(err, t.Free()) }()
	index, err := t.Ints(places, b, p)
	if err != nil {
		return err
	}
	blank, err := t.Ints(make([]int32, b*recent), b, recent)
	if err != nil {
		return err
	}
	xs, shared := make([]*tape.Value, len(packs)), make([]llama.Shared, len(packs))
	for i, pack := range packs {
		if xs[i], err = d.model.Embed(t, pack.Tokens); err != nil {
			return err
		}
		if shared[i], err = d.model.Share(t, pack); err != nil {
			return err
		}
	}
	gather, err := d.runner.Engine.Shared("generate: gather", gatherPlaces)
	if err != nil {
		return err
	}
	for l := range d.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := &d.layers[l]
		var ks, vs, spent []*tensors.Tensor
		if moves {
			ks, vs = append(ks, c.oldK, c.recentK), append(vs, c.oldV, c.recentV)
		}
		for i := range packs {
			x, k, v, err := d.model.Prefill(t, l, xs[i], shared[i])
			if err == nil {
				k, v, err = d.model.Cached(t, k, v)
			}
			if err != nil {
				return err
			}
			ks, vs = append(ks, k.Tensor), append(vs, v.Tensor)
			spent = append(spent, xs[i].Tensor, k.Tensor, v.Tensor)
			xs[i] = x
		}
		c.oldK, c.oldV, spent = nil, nil, append(spent, c.oldK, c.oldV)
		if b != d.batch {
			spent = append(spent, c.recentK, c.recentV)
			c.recentK, c.recentV = nil, nil
		}
		err := c.gather(gather, index, blank, ks, vs)
		if err := errors.Join(err, xla.Free(spent...)); err != nil {
			return err
		}
	}
	return nil
}

// gather makes the parts of the cache that are missing, the old one of the places in
// index and the recent one blank. A recent part that fits is there: what it holds is
// overwritten before it is read.
func (c *cache) gather(f *xla.Func, index, blank *tape.Value, ks, vs []*tensors.Tensor) error {
	for _, part := range []struct {
		to      **tensors.Tensor
		index   *tape.Value
		sources []*tensors.Tensor
	}{{&c.oldK, index, ks}, {&c.oldV, index, vs}, {&c.recentK, blank, ks}, {&c.recentV, blank, vs}} {
		if *part.to != nil {
			continue
		}
		out, err := f.Call(append([]*tensors.Tensor{part.index.Tensor}, part.sources...)...)
		if err != nil {
			return err
		}
		*part.to = out[0]
	}
	return nil
}

// gatherPlaces takes an index [B, P] into a row of sources and the sources,
// keys or values [N, S, C] or [N, B', P', C], to a cache [N, B, P, C].
func gatherPlaces(in []*Node) []*Node {
	index, sources := in[0], in[1:]
	n, c := sources[0].Shape().Dimensions[0], sources[0].Shape().Dim(-1)
	flat := make([]*Node, len(sources))
	m := 0
	for i, s := range sources {
		flat[i] = Reshape(s, n, s.Shape().Size()/(n*c), c)
		m += flat[i].Shape().Dimensions[1]
	}
	all := flat[0]
	if len(flat) > 1 {
		all = Concatenate(flat, 1)
	}
	b, p := index.Shape().Dimensions[0], index.Shape().Dimensions[1]
	head := MulScalar(Iota(index.Graph(), shapes.Make(dtypes.Int32, n, b, p), 0), m)
	where := Add(head, BroadcastToDims(InsertAxes(index, 0), n, b, p))
	return []*Node{Gather(Reshape(all, n*m, c), InsertAxes(where, -1))}
}

func (d *graphs) steps(rows []*row) (next [][]int32, err error) {
	t := d.runner.New(false)
	defer func() { err = errors.Join(err, t.Free()) }()
	tokens, positions, first := make([]int32, d.batch), make([]int32, d.batch), slices.Repeat([]int32{int32(d.length)}, d.batch)
	for _, r := range rows {
		tokens[r.slot], positions[r.slot] = r.tokens[len(r.tokens)-1], int32(r.cached())
		first[r.slot] = int32(d.length - r.old)
	}
	var s state
	for _, in := range []struct {
		to   **tape.Value
		flat []int32
		dims []int
	}{{&s.tokens, tokens, []int{d.batch}}, {&s.positions, positions, []int{d.batch}}, {&s.first, first, []int{d.batch}}, {&s.place, []int32{int32(d.place)}, nil}} {
		if *in.to, err = t.Ints(in.flat, in.dims...); err != nil {
			return nil, err
		}
	}
	next = make([][]int32, len(rows))
	if slices.ContainsFunc(rows, func(r *row) bool { return r.Sample != nil || r.Logits != nil }) {
		x, err := d.step(t, s)
		if err != nil {
			return nil, err
		}
		drawn, err := d.draw(t, rows, x)
		for i, id := range drawn {
			next[i] = []int32{id}
		}
		return next, err
	}
	var taken []*tape.Value
	for range min(d.device.StepsAhead, recent-d.place) {
		x, err := d.step(t, s)
		if err != nil {
			return nil, err
		}
		if s.tokens, s.positions, s.place, err = d.model.Likeliest(t, x, s.positions, s.place); err != nil {
			return nil, err
		}
		taken = append(taken, s.tokens)
	}
	for _, ids := range taken {
		all, err := xla.ToHost[int32](ids.Tensor)
		if err != nil {
			return nil, err
		}
		for i, r := range rows {
			next[i] = append(next[i], all[r.slot])
		}
	}
	return next, nil
}

// state is what a step reads beside the caches: each row's last token, its
// position, the first place of the cache that is the row's own [B], and the place
// of the step, a scalar.
type state struct{ tokens, positions, first, place *tape.Value }

// step runs one token of each row through the layers, to [B, D].
func (d *graphs) step(t *tape.Tape, s state) (*tape.Value, error) {
	x, err := d.model.EmbedIDs(t, s.tokens)
	if err != nil {
		return nil, err
	}
	for from := 0; from < len(d.layers); from += d.device.LayersPerGraph {
		to := min(from+d.device.LayersPerGraph, len(d.layers))
		in := []*tape.Value{x, s.positions, s.first, s.place}
		for _, c := range d.layers[from:to] {
			in = append(in, held(c.oldK), held(c.oldV), held(c.recentK), held(c.recentV))
		}
		out, err := t.Call(d.model.Step(from, to), in...)
		if err != nil {
			return nil, err
		}
		for i := range d.layers[from:to] {
			c := &d.layers[from+i]
			err = errors.Join(err, xla.Free(c.recentK, c.recentV))
			c.recentK, c.recentV = take(out[1+2*i]), take(out[2+2*i])
		}
		if err != nil {
			return nil, err
		}
		x = out[0]
	}
	d.place++
	return x, nil
}

// held is a value for a tape to read, which stays the caller's.
func held(x *tensors.Tensor) *tape.Value { return &tape.Value{Tensor: x} }

// take takes a value out of its tape, which then leaves it alone.
func take(v *tape.Value) *tensors.Tensor {
	x := v.Tensor
	v.Tensor = nil
	return x
}

// draw gives each row's next token by the last layer's output x [B, D].
func (d *graphs) draw(t *tape.Tape, rows []*row, x *tape.Value) ([]int32, error) {
	every := make([]int32, d.batch)
	for i := range every {
		every[i] = int32(i)
	}
	logits, err := d.model.Head(t, x, every)
	if err != nil {
		return nil, err
	}
	next := make([]int32, len(rows))
	return next, xla.View(logits.Tensor, func(all []float32) error {
		v := len(all) / d.batch
		for i, r := range rows {
			of := all[r.slot*v : (r.slot+1)*v]
			if next[i] = r.choose(of); r.Logits != nil && next[i] != noNumber {
				r.Logits(next[i], of)
			}
		}
		return nil
	})
}
