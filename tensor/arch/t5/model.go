package t5

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"

	"gorqa/batch"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// Model is an encoder-decoder as blocks over a runner's weights.
type Model struct {
	Config Config
	dtype  dtypes.DType // of the activations

	embed, first, pick tape.Bound
	encoder, decoder   stack
	head, logitsOfHead tape.Bound
	scored             []tape.Bound // the decoder's layers with scores
	crossed, steps     []tape.Bound // the decoder's layers in parts, see Cross and Step
	stepBias, next     tape.Bound
	blank              tape.Bound
}

// stack is the encoder or the decoder.
type stack struct {
	bias   tape.Bound
	layers []tape.Bound
	norm   tape.Bound // the encoder's; the decoder's is part of the head
}

// New makes the blocks of a model that computes in bf16 or f32.
func New(c Config, bf16 bool) *Model {
	m := &Model{Config: c, dtype: dtypes.Float32}
	if bf16 {
		m.dtype = dtypes.BFloat16
	}
	m.embed = m.embedBlock().Named("shared.weight")
	m.first, m.pick = pickBlock(true).Named(), pickBlock(false).Named()
	bind := func(name string, layers int, layer *tape.Block, r nn.Relative) stack {
		s := stack{bias: biasBlock(r).Named(biasName(name))}
		for i := range layers {
			s.layers = append(s.layers, layer.At(blockName(name, i)))
		}
		return s
	}
	m.encoder = bind("encoder", c.Layers, m.encoderBlock(), c.relative(false))
	m.encoder.norm = m.normBlock().Named("encoder.final_layer_norm.weight")
	m.decoder = bind("decoder", c.DecoderLayers, m.decoderBlock(false), c.relative(true))
	m.head = m.headBlock().Named("decoder.final_layer_norm.weight", c.HeadName())
	m.logitsOfHead = m.logitsBlock().Named("decoder.final_layer_norm.weight", c.HeadName())
	m.scored = bind("decoder", c.DecoderLayers, m.decoderBlock(true), c.relative(true)).layers
	m.crossed = bind("decoder", c.DecoderLayers, m.crossBlock(), c.relative(true)).layers
	m.steps = bind("decoder", c.DecoderLayers, m.stepBlock(), c.relative(true)).layers
	m.stepBias = stepBiasBlock(c.relative(true)).Named(biasName("decoder"))
	m.blank = m.blankBlock().Named()
	m.next = m.nextBlock().Named("decoder.final_layer_norm.weight", c.HeadName())
	return m
}

// idsRound is what the number of embedded ids is rounded up to, for few shapes; on a
// GPU the number becomes a power of two.
const idsRound = 512

// Loss runs the model over a micro-batch. Each returned value is an f32
// scalar, the summed negative log-likelihood of some of the loss terms; the
// loss of the micro-batch is their sum.
func (m *Model) Loss(t *tape.Tape, b *batch.FiD) ([]*tape.Value, error) {
	x, err := m.decoded(t, b)
	if err != nil {
		return nil, err
	}
	return t.Terms(m.head, x, b.Sources, b.Targets, b.Weights)
}

// Logits gives the logits [L, V] in f32 at the given places of b.Tokens; tests
// and scoring use it.
func (m *Model) Logits(t *tape.Tape, b *batch.FiD, at []int32) (*tape.Value, error) {
	x, err := m.decoded(t, b)
	if err != nil {
		return nil, err
	}
	rows, err := t.Ints(at, len(at))
	if err != nil {
		return nil, err
	}
	return call(t, m.logitsOfHead, x, rows)
}

// call runs a block of one output.
func call(t *tape.Tape, b tape.Bound, in ...*tape.Value) (*tape.Value, error) {
	out, err := t.Call(b, in...)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// checkpoint runs a layer, of one output, as a part that may be run again.
func checkpoint(t *tape.Tape, b tape.Bound, in ...*tape.Value) (*tape.Value, error) {
	out, err := t.Checkpoint(func(t *tape.Tape, in []*tape.Value) ([]*tape.Value, error) { return t.Call(b, in...) }, in...)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// decoded runs the whole model and gives the last decoder layer's output
// [R·T, D], before the final norm.
func (m *Model) decoded(t *tape.Tape, b *batch.FiD) (*tape.Value, error) {
	if err := m.check(b); err != nil {
		return nil, err
	}
	words, err := m.words(t, b)
	if err != nil {
		return nil, err
	}
	context, err := m.encode(t, b, words)
	if err != nil {
		return nil, err
	}
	bias, err := m.bias(t, m.decoder, b.Width)
	if err != nil {
		return nil, err
	}
	at := make([]int32, len(b.Tokens))
	for i := range at {
		at[i] = int32(i)
	}
	x, err := pickedBy(t, m.first, words, at, nil)
	if err != nil {
		return nil, err
	}
	for _, layer := range m.decoder.layers {
		if x, err = checkpoint(t, layer, x, bias, context.States, context.Lengths); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// words embeds all ids of a micro-batch at once, so that the table's gradient
// is made once: the decoder's, then those of the passages without padding.
func (m *Model) words(t *tape.Tape, b *batch.FiD) (*tape.Value, error) {
	all := append([]int32(nil), b.Tokens...)
	for _, g := range b.Groups {
		for i, n := range g.Lengths {
			all = append(all, g.Tokens[i*g.Width:i*g.Width+int(n)]...)
		}
	}
	rounded := batch.RoundUp(len(all), idsRound)
	if t.FewShapes() {
		rounded = batch.PowerOfTwo(rounded)
	}
	all = append(all, make([]int32, rounded-len(all))...)
	ids, err := t.Ints(all, len(all))
	if err != nil {
		return nil, err
	}
	return call(t, m.embed, ids)
}

// pickedBy gathers rows of x by a pick block, -1 for zeros, and adds them to sum
// unless it is nil.
func pickedBy(t *tape.Tape, pick tape.Bound, x *tape.Value, at []int32, sum *tape.Value) (*tape.Value, error) {
	index, err := t.Ints(at, len(at))
	if err != nil {
		return nil, err
	}
	if sum == nil {
		return call(t, pick, x, index)
	}
	return call(t, pick, x, index, sum)
}

// bias gives the bias of relative positions in rows of n.
func (m *Model) bias(t *tape.Tape, s stack, n int) (*tape.Value, error) {
	size, err := t.Ints(make([]int32, n), n)
	if err != nil {
		return nil, err
	}
	return call(t, s.bias, size)
}

// Context is what the decoder attends to.
type Context struct {
	States  *tape.Value // [R·K, D], a row's passages one after another, zeros behind them
	Lengths *tape.Value // [R] i32, states of each row
}

// Context runs the encoder over a micro-batch.
func (m *Model) Context(t *tape.Tape, b *batch.FiD) (Context, error) {
	if err := m.check(b); err != nil {
		return Context{}, err
	}
	words, err := m.words(t, b)
	if err != nil {
		return Context{}, err
	}
	return m.encode(t, b, words)
}

// encode runs the encoder over every group of passages and lays the states out
// by rows.
func (m *Model) encode(t *tape.Tape, b *batch.FiD, words *tape.Value) (Context, error) {
	places := spans(b)
	biases := map[int]*tape.Value{}
	next := int32(len(b.Tokens)) // where the next passage stands among the words
	var sum *tape.Value
	for gi, g := range b.Groups {
		in, from := make([]int32, len(g.Tokens)), make([]int32, len(b.Rows)*b.States)
		fill(in)
		fill(from)
		for i, n := range g.Lengths {
			row := int(g.Rows[i])*b.States + places[gi][i].lo
			for j := range int(n) {
				in[i*g.Width+j] = next
				from[row+j] = int32(i*g.Width + j)
				next++
			}
		}
		bias := biases[g.Width]
		if bias == nil {
			var err error
			if bias, err = m.bias(t, m.encoder, g.Width); err != nil {
				return Context{}, err
			}
			biases[g.Width] = bias
		}
		states, err := m.encodeGroup(t, g, words, in, bias)
		if err != nil {
			return Context{}, err
		}
		if sum, err = pickedBy(t, m.pick, states, from, sum); err != nil {
			return Context{}, err
		}
	}
	if sum == nil { // no row has a passage: every state is zero
		from := make([]int32, len(b.Rows)*b.States)
		fill(from)
		var err error
		if sum, err = pickedBy(t, m.pick, words, from, nil); err != nil {
			return Context{}, err
		}
	}
	sizes := make([]int32, len(b.Rows))
	for gi, g := range b.Groups {
		for i, row := range g.Rows {
			sizes[row] = max(sizes[row], int32(places[gi][i].hi))
		}
	}
	lengths, err := t.Ints(sizes, len(sizes))
	return Context{sum, lengths}, err
}

// fill sets every index to -1, for no row.
func fill(at []int32) {
	for i := range at {
		at[i] = -1
	}
}

// encodeGroup runs the encoder over one group and gives its states [B·S, D].
func (m *Model) encodeGroup(t *tape.Tape, g batch.Passages, words *tape.Value, in []int32, bias *tape.Value) (*tape.Value, error) {
	lengths, err := t.Ints(g.Lengths, len(g.Lengths))
	if err != nil {
		return nil, err
	}
	x, err := pickedBy(t, m.first, words, in, nil)
	if err != nil {
		return nil, err
	}
	for _, layer := range m.encoder.layers {
		if x, err = checkpoint(t, layer, x, bias, lengths); err != nil {
			return nil, err
		}
	}
	return call(t, m.encoder.norm, x)
}

// span is where a passage's states stand among its row's.
type span struct{ lo, hi int }

// spans gives the span of every passage of every group.
func spans(b *batch.FiD) [][]span {
	// A passage stands behind those of its row with a lower place.
	type key struct{ row, order int32 }
	sizes, last := map[key]int{}, make([]int32, len(b.Rows))
	for _, g := range b.Groups {
		for i, n := range g.Lengths {
			sizes[key{g.Rows[i], g.Order[i]}] = int(n)
			last[g.Rows[i]] = max(last[g.Rows[i]], g.Order[i])
		}
	}
	starts := map[key]int{}
	for row, end := range last {
		at := 0
		for order := range end + 1 {
			k := key{int32(row), order}
			starts[k] = at
			at += sizes[k]
		}
	}
	out := make([][]span, len(b.Groups))
	for gi, g := range b.Groups {
		for i, n := range g.Lengths {
			lo := starts[key{g.Rows[i], g.Order[i]}]
			out[gi] = append(out[gi], span{lo, lo + int(n)})
		}
	}
	return out
}

// check reports what would read beyond the model's tables.
func (m *Model) check(b *batch.FiD) error {
	id := func(ids []int32) error {
		for _, id := range ids {
			if id < 0 || int(id) >= m.Config.Vocabulary {
				return fmt.Errorf("t5: token id %d; the model has ids 0 to %d; use the model's own tokenizer", id, m.Config.Vocabulary-1)
			}
		}
		return nil
	}
	if len(b.Rows) == 0 || b.Width < 1 || len(b.Tokens) != len(b.Rows)*b.Width {
		return fmt.Errorf("t5: %d decoder ids for %d rows of %d; expected one for each place", len(b.Tokens), len(b.Rows), b.Width)
	}
	for _, g := range b.Groups {
		if err := id(g.Tokens); err != nil {
			return err
		}
	}
	if err := id(b.Targets); err != nil {
		return err
	}
	return id(b.Tokens)
}
