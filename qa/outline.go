package qa

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gorqa/engine/cpu"
	"gorqa/files/weights"
	"gorqa/tensor/device"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
	"gorqa/text/dataset"
	"gorqa/text/recipe"
)

// Outline is a generator without its weights, as its files describe it: for a look
// at it that needs no engine.
type Outline struct {
	TextSide
	Encoder *recipe.Encoder
	Notes   []string // what the user should know of the model's files
	Damage  error    // what is missing among its weights, or of other dimensions

	asking asking
	shape  shape
	from   Origin
}

// Look reads the files of a model and of the adapter on it. trained says what for.
func Look(ctx context.Context, from Origin, trained bool) (_ *Outline, err error) {
	source, err := OpenModel(ctx, from.Base)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	files := source.Files()
	if from.Adapter != "" {
		adapter, _, err := weights.OpenAdapter(ctx, from.Adapter)
		if err != nil {
			return nil, err
		}
		maps.Copy(files, adapter.Files())
		if err := adapter.Close(); err != nil {
			return nil, err
		}
	}
	a, err := architectureOf(source.Config(), AnyKind)
	var s shape
	if err == nil {
		s, err = a.shapeOf(source)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Base, err)
	}
	o, err := newOutline(ctx, s, from, source.Config(), files)
	if err != nil {
		return nil, err
	}
	o.Notes = notes(source, s.Weights(), trained)
	for _, w := range s.Weights() {
		if o.Damage != nil {
			break
		}
		shape, ok := source.Shape(w.Name)
		switch {
		case !ok:
			o.Damage = fmt.Errorf("%s: no weight %s; expected one of dimensions %v; is this the folder of a whole model?", from.Base, w.Name, w.Dims)
		case !slices.Equal(shape, w.Dims):
			o.Damage = fmt.Errorf("%s: weight %s has dimensions %v; expected %v, as config.json says", from.Base, w.Name, shape, w.Dims)
		}
	}
	return o, nil
}

// LookFresh is Look for a model of random weights.
func LookFresh(ctx context.Context, f Fresh) (*Outline, error) {
	s, data, err := f.read()
	if err != nil {
		return nil, err
	}
	files, err := tokenizerFiles(ctx, f.Tokenizer)
	if err != nil {
		return nil, err
	}
	return newOutline(ctx, s, Origin{Base: f.Tokenizer}, data, files)
}

func newOutline(ctx context.Context, s shape, from Origin, config []byte, files map[string][]byte) (*Outline, error) {
	t, err := LoadTokenizer(ctx, from.TokenizerFolder())
	if err != nil {
		return nil, err
	}
	o := &Outline{TextSide: TextSide{from.TokenizerFolder(), config, files, t}, Encoder: &recipe.Encoder{Tokenizer: t, Embeddings: s.vocabulary}, shape: s, from: from}
	o.asking, err = s.asking(o.Encoder, o.TextSide)
	return o, err
}

// UsePrompt sets how the model is asked: as the options say, or, where they say
// nothing, as it was trained.
func (o *Outline) UsePrompt(p PromptOptions) (Choice, error) {
	return o.asking.usePrompt(o.TextSide, p)
}

// PromptLine says in a line what was chosen and what ends an answer.
func (o *Outline) PromptLine(c Choice) string { return o.asking.line(o.TextSide, c) }

// SeparatorWarning tells what is wrong with what ends an answer, "" for nothing.
func (o *Outline) SeparatorWarning(c Choice) string { return o.asking.separator(o.TextSide, c) }

// Borders tells of rows whose answers are trained after other tokens than they are
// generated after, "" for none.
func (o *Outline) Borders(examples []dataset.Example, contexts []recipe.Context) (string, error) {
	return o.asking.Borders(examples, contexts)
}

// Fits names the examples that are too long to be learnt in a *recipe.Overflow.
func (o *Outline) Fits(examples []dataset.Example, contexts []recipe.Context) error {
	return o.asking.fits(examples, contexts)
}

// Room names the examples whose prompts leave no room for an answer of so many
// tokens in a *recipe.Overflow.
func (o *Outline) Room(examples []dataset.Example, answer int) error {
	return o.asking.room(examples, answer)
}

// Parts are the texts of a row as it is learnt, or, asked, as it is answered with
// room for so many tokens.
func (o *Outline) Parts(x dataset.Example, c recipe.Context, asked bool, answer int) ([]Part, error) {
	return o.asking.parts(x, c, asked, answer)
}

// Causal says whether the model has causal attention over a row.
func (o *Outline) Causal() bool { return o.shape.heads > 0 }

// PassageBytes is what the keys and values of a passage of so many tokens take.
func (o *Outline) PassageBytes(tokens int, bf16 bool) int64 {
	return o.shape.CacheBytes(1, tokens, tape.Holding{BF16: bf16}.Width())
}

// CheckCausal says what keeps a GPU from attending over a row by its own kernel.
func (o *Outline) CheckCausal(d Device) error {
	return nn.CheckCausal(d.Engine, o.shape.heads, o.shape.kvHeads, o.shape.headWidth)
}

// MemoryOptions are what a model's memory depends on beside the model.
type MemoryOptions struct {
	BF16, OnHost bool
	Trained      bool
	EightBit     bool // moments of AdamW in 8 bits, which ZeRO does not divide
	Prompt       PromptOptions
	Encoders     int64 // bytes of the embedding model and the reranker
	Passages     int   // of a row
	TrainRows    int   // of a micro-batch
	EvalRows     int   // of a batch that is answered
	MaxNewTokens int
	Blocks       int64 // bytes of passages in blocks, where passages are
}

// Memory is what a model is predicted to need, in bytes.
type Memory struct {
	Type                 string // of the model
	Weights              int64  // how many there are
	Training, Evaluation int64
	Setting              string // what lowers it

	shared int64 // values that are trained, of which ZeRO divides what the optimiser holds
	split  bool  // in bf16
}

// Each is the training's memory of each of so many processes at a stage of ZeRO: the
// formula of docs/scaling.md.
func (m Memory) Each(processes, stage int) int64 {
	divided := int64(8) // the moments
	if m.split {
		divided += 2
	}
	switch {
	case processes == 1 || stage == 0:
		return m.Training
	case stage == 2:
		divided += 4 // the gradients
	}
	n := int64(processes)
	return m.Training - m.shared*divided*(n-1)/n
}

// program is the engine, compiled code and the tokenizer.
const program = 450 << 20

// Memory predicts from the shapes: the weights with what training holds beside
// them, what the layers keep for the longest micro-batch, and the logits of one
// call of the head; for evaluation the weights as training holds them, and what is
// kept of a batch that is answered, with a second copy of the weights where they do not change.
func (o *Outline) Memory(m MemoryOptions) (Memory, error) {
	s := o.shape
	h := tape.Holding{BF16: m.BF16, Frozen: !m.Trained, Bits: o.from.Bits}
	linears := s.Linears()
	if h.Bits > 0 {
		for _, w := range linears {
			h.Quantised += w.Size()
		}
	}
	matrices, err := o.from.matrices(linears)
	if err != nil {
		return Memory{}, err
	}
	for _, w := range matrices {
		h.Adapter += w.Size()
	}
	profile := device.GPU()
	if m.OnHost {
		profile = device.Host()
	}
	if m.EightBit && m.Trained {
		h.EightBit = inEightBits(matrices, s.Parameters())
	}
	saved, err := o.saved()
	if err != nil {
		return Memory{}, err
	}
	blocks := m.Prompt.blocksAs(saved)
	m.Prompt.Blocks = &blocks
	held, head := h.Bytes(s.Parameters(), s.vocabulary, s.width, profile.TermsPerCall)
	row, full, kept := o.asking.sizes(m.Prompt, profile, m.Passages, m.MaxNewTokens)
	positions := max(row, min(full, int(tape.Bytes(row, m.TrainRows))))
	answering := s.CacheBytes(m.EvalRows, kept, h.Width())
	if m.Prompt.inBlocks() { // those of the rows under way beside those that are kept
		answering += answering + m.Blocks
	}
	if h.Frozen && m.OnHost && h.Bits == 0 {
		for _, w := range s.products {
			answering += int64(tape.ShortBytes(m.BF16) * float64(w.Size()))
		}
	}
	trained := s.Parameters()
	if h.Adapter > 0 {
		trained = h.Adapter
	}
	return Memory{
		shared: int64(trained), split: m.BF16,
		Type: s.name, Weights: int64(s.Parameters()), Setting: s.setting,
		Training:   held + s.KeptBytes(positions, h.Width()) + head + m.Encoders + program,
		Evaluation: held + answering + m.Encoders + program,
	}, nil
}

// inEightBits is how many weights have moments in 8 bits where those may be: of an
// adapter's matrices, or of all n weights, nearly all of which stand in large matrices.
func inEightBits(matrices []tape.Weight, n int) (sum int) {
	if len(matrices) == 0 {
		return n
	}
	for _, w := range matrices {
		if w.Size() >= cpu.MinMoments8 {
			sum += w.Size()
		}
	}
	return sum
}
