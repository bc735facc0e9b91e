package bert

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"

	"gorqa/batch"
	"gorqa/engine/cpu"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// Model is an encoder as blocks over a runner's weights. It only runs forwards.
//
// Legend: P packed positions, B rows of at most S tokens, D width, H heads, C their width.
type Model struct {
	Config Config
	dtype  dtypes.DType // of the activations

	embed, bias, final tape.Bound
	before, after      []tape.Bound        // of each layer
	angles             []tape.Bound        // of each layer, by the rotation; nil for none
	attention          map[int]*tape.Block // by the window
}

// New makes the blocks of an encoder that computes in bf16 or f32. The
// weights that the runner must hold are those of Weights.
func New(c Config, bf16 bool) *Model {
	m := &Model{Config: c, dtype: dtypes.Float32, attention: map[int]*tape.Block{}}
	if bf16 {
		m.dtype = dtypes.BFloat16
	}
	m.embed = bound(m.embedBlock(), embedStems, c.embedName)
	m.bias = bound(m.biasBlock(), []string{"bias"}, c.embedName)
	m.final = bound(m.finalBlock(), []string{"final"}, c.embedName)
	before, after := m.beforeBlock(), m.afterBlock()
	for i := range c.Layers {
		name := func(stem string) string { return c.layerName(i, stem) }
		m.before, m.after = append(m.before, bound(before, beforeStems, name)), append(m.after, bound(after, afterStems, name))
	}
	turns := map[nn.Rope]tape.Bound{}
	for _, r := range c.Ropes {
		if _, ok := turns[r]; !ok {
			turns[r] = anglesBlock(r).Named()
		}
		m.angles = append(m.angles, turns[r])
	}
	for _, window := range append([]int{0}, c.Windows...) {
		if m.attention[window] == nil {
			m.attention[window] = m.attentionBlock(window)
		}
	}
	return m
}

// locals are the names of a block's weights under their stems.
func locals(stems []string) []string {
	var list []string
	for _, stem := range stems {
		list = append(list, stem+".weight", stem+".bias")
	}
	return list
}

// bound binds a block to the weights that a family has under stems.
func bound(b *tape.Block, stems []string, name func(stem string) string) tape.Bound {
	var full []string
	for _, stem := range stems {
		full = append(full, name(stem)+".weight", name(stem)+".bias")
	}
	return b.Named(full...)
}

// Width and Positions are those of the configuration.
func (m *Model) Width() int     { return m.Config.Width }
func (m *Model) Positions() int { return m.Config.Positions }

// shared is what all layers share over a pack.
type shared struct {
	pack     batch.Pack
	places   *tape.Value // of tokens in their rows [P], where layers turn
	at       *tape.Value // where attention is a graph: see batch.Pack.Lines
	lengths  *tape.Value // [B]
	back     *tape.Value // [P]
	bias     *tape.Value // [H, S, S] of relative positions, nil for none
	natively bool        // attention works in the host's memory
}

// Hidden runs a pack through all layers to the states [P, D]. No row sees another.
func (m *Model) Hidden(t *tape.Tape, p batch.Pack) (*tape.Value, error) {
	if err := m.check(p); err != nil {
		return nil, err
	}
	sh, err := m.share(t, p)
	if err != nil {
		return nil, err
	}
	lists := [][]int32{p.Flat(p.Rows), p.Flat(m.places(p.Rows))}
	if p.Kinds != nil && m.Config.Types > 0 {
		lists = append(lists, p.Flat(p.Kinds))
	}
	in := make([]*tape.Value, len(lists))
	for i, list := range lists {
		if in[i], err = t.Ints(list, p.Size); err != nil {
			return nil, err
		}
	}
	x, err := t.Call(m.embed, in...)
	for i := 0; i < m.Config.Layers && err == nil; i++ {
		x, err = m.layer(t, i, x[0], sh)
	}
	if err == nil && m.Config.Before {
		x, err = t.Call(m.final, x[0])
	}
	if err != nil {
		return nil, err
	}
	return x[0], nil
}

// places are those of tokens in the table of positions: tokens in their order from
// First on, but of padding tokens, which a text can hold, that before it.
func (m *Model) places(rows [][]int32) [][]int32 {
	out := make([][]int32, len(rows))
	for i, row := range rows {
		out[i] = make([]int32, len(row))
		next := int32(m.Config.First)
		for j, id := range row {
			if m.Config.First > 0 && id == int32(m.Config.Pad) {
				out[i][j] = int32(m.Config.First) - 1
				continue
			}
			out[i][j] = next
			next++
		}
	}
	return out
}

// share puts what all layers share on the tape.
func (m *Model) share(t *tape.Tape, p batch.Pack) (sh shared, err error) {
	sh = shared{pack: p, natively: t.RunsNative() && m.Config.Buckets == 0}
	if len(m.angles) > 0 {
		if sh.places, err = t.Ints(p.Flat(p.Places()), p.Size); err != nil {
			return sh, err
		}
	}
	if !sh.natively {
		at, back := p.Lines()
		for _, v := range []struct {
			to   **tape.Value
			list []int32
			dims []int
		}{{&sh.at, at, []int{p.Tall, p.Wide}}, {&sh.back, back, []int{p.Size}}, {&sh.lengths, p.Lengths(), []int{p.Tall}}} {
			if *v.to, err = t.Ints(v.list, v.dims...); err != nil {
				return sh, err
			}
		}
	}
	if m.Config.Buckets > 0 {
		bias, err := t.Call(m.bias, sh.at)
		if err != nil {
			return sh, err
		}
		sh.bias = bias[0]
	}
	return sh, nil
}

// check reports what Hidden cannot run.
func (m *Model) check(p batch.Pack) error {
	if err := p.Check(m.Config.Positions, m.Config.Vocabulary); err != nil {
		return fmt.Errorf("%s: %w", m.Config.Type, err)
	}
	for i, row := range p.Kinds {
		for _, kind := range row {
			if len(row) != len(p.Rows[i]) || kind < 0 || m.Config.Types > 0 && int(kind) >= m.Config.Types {
				return fmt.Errorf("%s: row %d has %d token types, one of them %d; expected one below %d for each of %d tokens", m.Config.Type, i, len(row), kind, m.Config.Types, len(p.Rows[i]))
			}
		}
	}
	return nil
}

// layer takes x [P, D] through one layer.
func (m *Model) layer(t *tape.Tape, i int, x *tape.Value, sh shared) ([]*tape.Value, error) {
	in := []*tape.Value{x}
	window := 0
	if m.Config.Windows != nil {
		window = m.Config.Windows[i]
	}
	if m.angles != nil {
		angles, err := t.Call(m.angles[i], sh.places)
		if err != nil {
			return nil, err
		}
		in = append(in, angles...)
	}
	qkv, err := t.Call(m.before[i], in...)
	if err != nil {
		return nil, err
	}
	o, err := m.attend(window, sh)(t, qkv)
	if err != nil {
		return nil, err
	}
	return t.Call(m.after[i], x, o[0])
}

// attend is attention within the rows of a pack, of so many positions on both sides,
// 0 for all.
func (m *Model) attend(window int, sh shared) tape.Part {
	if sh.natively {
		start, reach := sh.pack.Seen(window)
		return tape.Attention(cpu.AttentionShape{
			Heads: m.Config.Heads, KVHeads: m.Config.Heads, Width: m.Config.HeadWidth,
			Depth: make([]int32, sh.pack.Size), Start: start, Reach: reach,
		}, nil, m.dtype == dtypes.BFloat16)
	}
	return func(t *tape.Tape, in []*tape.Value) ([]*tape.Value, error) {
		in = append(in, sh.at, sh.lengths, sh.back)
		if sh.bias != nil {
			in = append(in, sh.bias)
		}
		return t.Call(m.attention[window].Named(), in...)
	}
}
