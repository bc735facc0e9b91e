package llama

import (
	"context"
	"errors"
	"io"

	"gorqa/batch"
	"gorqa/engine/cpu"
	"gorqa/engine/xla"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
)

// KVBlock are the keys and values [T, N, C] of a block's tokens in every layer, in the type
// that the model computes in; keys as at the positions that they were computed at.
type KVBlock struct {
	Tokens int
	f32    []keysAndValues[float32] // of each layer; one of the two is nil
	bf16   []keysAndValues[bfloat16.BFloat16]
}

type keysAndValues[T cpu.Number] [2][]T

// layersOf are a block's layers, of values in T.
func layersOf[T cpu.Number](b *KVBlock) []keysAndValues[T] {
	if layers, ok := any(b.f32).([]keysAndValues[T]); ok {
		return layers
	}
	return any(b.bf16).([]keysAndValues[T])
}

// NewKVBlock makes one of so many tokens, whose values are yet to be set.
func (m *Model) NewKVBlock(tokens int) *KVBlock {
	b, size := &KVBlock{Tokens: tokens}, tokens*m.Config.keyWidth()
	if m.dtype == dtypes.BFloat16 {
		b.bf16 = madeLayers[bfloat16.BFloat16](m.Config.Layers, size)
	} else {
		b.f32 = madeLayers[float32](m.Config.Layers, size)
	}
	return b
}

func madeLayers[T cpu.Number](layers, size int) []keysAndValues[T] {
	made := make([]keysAndValues[T], layers)
	for i := range made {
		made[i] = keysAndValues[T]{make([]T, size), make([]T, size)}
	}
	return made
}

// Bytes is what its values take.
func (b *KVBlock) Bytes() (n int64) {
	_ = b.each(func(values []byte) error { n += int64(len(values)); return nil }) // fn never fails
	return n
}

// Set takes a layer's keys and values from the given places of Prefill's k and v [S, N, C].
func (b *KVBlock) Set(layer int, k, v *tape.Value, places []int32) error {
	if b.bf16 != nil {
		return setKV(b.bf16[layer], k, v, places)
	}
	return setKV(b.f32[layer], k, v, places)
}

func setKV[T cpu.Number](to keysAndValues[T], k, v *tape.Value, places []int32) error {
	wide := len(to[0]) / max(1, len(places))
	for i, from := range []*tape.Value{k, v} {
		err := xla.View(from.Tensor, func(all []T) error {
			for j, p := range places {
				copy(to[i][j*wide:(j+1)*wide], all[int(p)*wide:])
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Write writes all values, as they lie in memory, layer by layer, keys before values.
func (b *KVBlock) Write(w io.Writer) error {
	return b.each(func(values []byte) error {
		_, err := w.Write(values)
		return err
	})
}

// Read sets all values to what Write wrote.
func (b *KVBlock) Read(r io.Reader) error {
	return b.each(func(values []byte) error {
		_, err := io.ReadFull(r, values)
		return err
	})
}

// each gives fn the memory of each layer's keys, then of its values, until it fails.
func (b *KVBlock) each(fn func([]byte) error) error {
	if b.bf16 != nil {
		return eachOf(b.bf16, fn)
	}
	return eachOf(b.f32, fn)
}

func eachOf[T cpu.Number](layers []keysAndValues[T], fn func([]byte) error) error {
	for _, l := range layers {
		for _, values := range l {
			if err := fn(dtypes.UnsafeByteSlice(values)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Placed is a block in a row: behind At tokens, which is By further than it was computed.
type Placed struct {
	*KVBlock
	At, By int
}

// Behind is a row whose last tokens are computed behind blocks, which fill it up to there.
type Behind struct {
	Blocks        []Placed
	First, Tokens int      // those tokens' positions in the micro-batch
	Caches        KVCaches // empty; all but the last token is added to them
}

// PrefillBehind runs tokens of rows behind blocks: a micro-batch whose Positions go on
// where the blocks end, and of which no row's tokens see another's. The tokens see all of
// their row's blocks. Keys and values of both are added to the rows' caches.
func (m *Model) PrefillBehind(ctx context.Context, r *tape.Runner, b *batch.Decoder, rows []Behind) error {
	if m.dtype == dtypes.BFloat16 {
		return prefillBehind[bfloat16.BFloat16](ctx, m, r, b, rows)
	}
	return prefillBehind[float32](ctx, m, r, b, rows)
}

func prefillBehind[T cpu.Number](ctx context.Context, m *Model, r *tape.Runner, b *batch.Decoder, rows []Behind) (err error) {
	t := r.New(false)
	defer func() { err = errors.Join(err, t.Free()) }()
	o := outer[T]{model: m, rows: rows, own: len(b.Tokens) * m.Config.keyWidth()}
	o.makeRoom()
	x, err := m.Embed(t, b.Tokens)
	if err != nil {
		return err
	}
	shared, err := o.share(t, b)
	if err != nil {
		return err
	}
	for layer := range m.Config.Layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := o.place(layer); err != nil {
			return err
		}
		y, k, v, err := m.Prefill(t, layer, x, shared)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := row.Caches.Add(layer, k, v, counted(row.First, row.Tokens-1)); err != nil {
				return err
			}
		}
		if err := xla.Free(x.Tensor, k.Tensor, v.Tensor); err != nil {
			return err
		}
		x = y
	}
	return nil
}

// outer is what rows see of blocks from outside a micro-batch, in one layer at a time.
type outer[T cpu.Number] struct {
	model *Model
	rows  []Behind
	own   int // values of the micro-batch's own keys, which stand before those of blocks
	k, v  []T
}

func (o *outer[T]) makeRoom() {
	n := o.own
	for _, row := range o.rows {
		for _, x := range row.Blocks {
			n += x.Tokens * o.model.Config.keyWidth()
		}
	}
	o.k, o.v = make([]T, n), make([]T, n)
}

// place sets the keys and values of a layer, and adds them to the rows' caches.
func (o *outer[T]) place(layer int) error {
	m := o.model
	rope, heads := m.Config.ropeKinds()[m.Config.ropeKind(layer)], cpu.Heads{Count: m.Config.KVHeads, Width: m.Config.HeadWidth}
	at := o.own
	for _, row := range o.rows {
		first := at
		for _, x := range row.Blocks {
			kv := layersOf[T](x.KVBlock)[layer]
			k := o.k[at:][:copy(o.k[at:], kv[0])]
			at += copy(o.v[at:], kv[1])
			if rope.Theta != 0 && x.By != 0 {
				cos, sin := rope.Turn(x.By)
				cpu.Turn(k, heads, cos, sin)
			}
		}
		places := counted(0, (at-first)/m.Config.keyWidth())
		if err := cpu.AppendKV(row.Caches[layer], o.k[first:at], o.v[first:at], places); err != nil {
			return err
		}
	}
	return nil
}

// share is Model.Share for tokens behind blocks.
func (o *outer[T]) share(t *tape.Tape, b *batch.Decoder) (Shared, error) {
	m := o.model
	var shared Shared
	positions, err := t.Ints(b.Positions, len(b.Positions))
	if err != nil {
		return shared, err
	}
	if shared.angles, err = m.turns(t, positions); err != nil {
		return shared, err
	}
	shared.attend = m.attending(func(a attends) tape.Part {
		s := m.seen(b, a)
		s.Queries, s.Start = len(b.Reach), counted(0, len(b.Reach))
		for _, row := range o.rows {
			for _, x := range row.Blocks {
				for j := range x.Tokens {
					s.Depth = append(s.Depth, int32(x.At+j))
					s.Start, s.Reach = append(s.Start, int32(row.First)), append(s.Reach, int32(row.First+row.Tokens-1))
				}
			}
		}
		return tape.AttentionBehind(s, o.k, o.v)
	})
	return shared, nil
}
