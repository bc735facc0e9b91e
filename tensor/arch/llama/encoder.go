package llama

import (
	"fmt"

	"gorqa/batch"
	"gorqa/engine/cpu"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Encoder is a decoder whose last states, normed, are what is asked for, as sentence
// embedders have it: no row sees another.
type Encoder struct {
	model *Model
	norm  tape.Bound
	rows  map[int]*tape.Block // attention both ways, by sliding window
}

// NewEncoder makes the blocks of an encoder, whose configuration is ParseEncoder's, that
// computes in bf16 or f32.
func NewEncoder(c Config, bf16 bool) *Encoder {
	m := New(c, bf16)
	norm := &tape.Block{
		Name: "last norm", Weights: []string{"norm"}, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			return []*Node{m.norm.Of(w, "norm", in[0])}, nil
		},
	}
	e := &Encoder{model: m, norm: norm.Named("model.norm.weight"), rows: map[int]*tape.Block{}}
	for _, slide := range c.Slide {
		if e.rows[slide] == nil {
			e.rows[slide] = rowsBlock(c.Scores, slide)
		}
	}
	return e
}

// Width is D, and Positions how long a row may be.
func (e *Encoder) Width() int     { return e.model.Config.Width }
func (e *Encoder) Positions() int { return e.model.Config.MaxLength }

// Hidden runs a pack to the states [P, D] of its positions.
func (e *Encoder) Hidden(t *tape.Tape, p batch.Pack) (*tape.Value, error) {
	if err := p.Check(e.Positions(), e.model.Config.Vocabulary); err != nil {
		return nil, fmt.Errorf("%s: %w", e.model.Config.Type, err)
	}
	x, err := e.model.Embed(t, p.Flat(p.Rows))
	if err != nil {
		return nil, err
	}
	var shared Shared
	if e.model.Config.BothWays {
		shared, err = e.share(t, p)
	} else {
		shared, err = e.model.Share(t, chains(p))
	}
	if err != nil {
		return nil, err
	}
	if x, _, err = e.model.run(t, x, shared, nil); err != nil {
		return nil, err
	}
	out, err := t.Call(e.norm, x)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// chains are the rows of a pack as trees without branches.
func chains(p batch.Pack) *batch.Decoder {
	b := &batch.Decoder{Positions: p.Flat(p.Places()), Reach: make([]int32, p.Size), Window: p.Wide}
	for i := range b.Reach {
		b.Reach[i] = int32(i)
	}
	end := 0
	for _, row := range p.Rows {
		from := end
		end += len(row)
		for i := from; i < end; i++ {
			b.Reach[i] = int32(end - 1)
		}
	}
	return b
}

// share is Model.Share for rows whose tokens see both ways.
func (e *Encoder) share(t *tape.Tape, p batch.Pack) (Shared, error) {
	var shared Shared
	positions, err := t.Ints(p.Flat(p.Places()), p.Size)
	if err != nil {
		return shared, err
	}
	if shared.angles, err = e.model.turns(t, positions); err != nil {
		return shared, err
	}
	if t.RunsNative() {
		shared.attend = e.model.attending(func(a attends) tape.Part { return e.native(p, a.slide) })
		return shared, nil
	}
	at, back := p.Lines()
	lines, err := t.Ints(at, p.Tall, p.Wide)
	if err != nil {
		return shared, err
	}
	lengths, err := t.Ints(p.Lengths(), p.Tall)
	if err != nil {
		return shared, err
	}
	places, err := t.Ints(back, p.Size)
	if err != nil {
		return shared, err
	}
	shared.attend = e.model.attending(func(a attends) tape.Part {
		return func(t *tape.Tape, in []*tape.Value) ([]*tape.Value, error) {
			return t.Call(e.rows[a.slide].Named(), in[0], in[1], in[2], lines, lengths, places)
		}
	})
	return shared, nil
}

// native is attention both ways in the host's memory.
func (e *Encoder) native(p batch.Pack, slide int) tape.Part {
	c := e.model.Config
	start, reach := p.Seen(max(slide-1, 0))
	return tape.Attention(cpu.AttentionShape{
		Heads: c.Heads, KVHeads: c.KVHeads, Width: c.HeadWidth, Scores: c.Scores,
		Depth: make([]int32, p.Size), Start: start, Reach: reach,
	}, nil, e.model.dtype == dtypes.BFloat16)
}

// rowsBlock is the same as a graph: q [P, H, C], k and v [P, N, C], and what nn.Packed
// knows of rows, to [P, H, C].
func rowsBlock(scores cpu.Scores, slide int) *tape.Block {
	return &tape.Block{
		Name: fmt.Sprintf("attention both ways %d", slide), Outputs: 1,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			r := nn.Packed{At: in[3], Lengths: in[4], Back: in[5], Window: max(slide-1, 0), Scores: scores}
			return []*Node{r.Attention(in[0], in[1], in[2])}, nil
		},
	}
}
