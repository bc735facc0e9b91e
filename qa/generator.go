package qa

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"gorqa/engine/xla"
	"gorqa/files/weights"
	"gorqa/report"
	"gorqa/tensor/generate"
	"gorqa/tensor/tape"
	"gorqa/tensor/train"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/recipe"
)

// Drafts counts what drafts of answers brought.
type Drafts = generate.Drafts

// Generator is a model on the device with its text side, as training,
// evaluation and ask know it: a decoder or FiD. What its rows and
// micro-batches are made of stays between its recipe and its architecture.
type Generator interface {
	evaluate.Generator
	Loaded() *Model
	Describe(name string, e *xla.Engine, show *report.Run)
	UsePrompt(c PromptOptions, show *report.Run) error
	UseGeneration(c GenerationOptions) error
	// KeepBlocks keeps what is computed of passages in blocks, for weights that stay as
	// they are from then on.
	KeepBlocks(o BlockOptions) error
	// Drafts counts what was looked up in prompts since the model was opened.
	Drafts() generate.Drafts
	// Stream answers so many questions at a time, as they come.
	Stream(size int) (Stream, error)
	// complete gives the likeliest text of at most so many tokens after each prompt.
	Complete(ctx context.Context, prompts [][]int32, most int) ([]string, error)
	// room names the examples whose prompts leave no room for an answer in a
	// *recipe.Overflow.
	Room(examples []dataset.Example) error
	// encode gives the rows that fit; the others are in the *recipe.Overflow.
	Encode(examples []dataset.Example, contexts []recipe.Context) (Rows, error)
	// borders tells of rows whose answers are trained after other tokens than they
	// are generated after, "" for none.
	Borders(examples []dataset.Example, contexts []recipe.Context) (note string, err error)
	Save(ctx context.Context, dir string) error
}

// GenerationOptions say how answers are made.
type GenerationOptions struct {
	MaxNewTokens      int
	BatchSize         int  // prompts that are answered at a time
	Sample            bool // false: greedily, or by beams
	Temperature, TopP float64
	TopK              int // 0: all
	Seed              int64
	Beams             int // of an encoder-decoder; 1: greedily
	Drafts            int // tokens at most that a decoder looks up in what a row holds
	LogProbs          bool
	TopLogProbs       int // likeliest tokens besides, where LogProbs are asked for
}

// Model is what every generator has.
type Model struct {
	asking

	Origin  Origin
	folder  string            // or GGUF file that the tokenizer came from
	config  []byte            // config.json
	files   map[string][]byte // that lie beside it
	Params  *tape.Params
	Runner  *tape.Runner
	Encoder *recipe.Encoder
	notes   []string // what the user should know of the model's files
	K       int      // passages that a question is asked with, 0 where nothing says
}

func (b *Model) Loaded() *Model { return b }

func (b *Model) textSide() TextSide {
	return TextSide{b.folder, b.config, b.files, b.Encoder.Tokenizer}
}

// UsePrompt sets how the model is asked: as the options say, or, where they say
// nothing, as it was trained.
func (m *Model) UsePrompt(o PromptOptions, show *report.Run) error {
	text := m.textSide()
	chosen, err := m.usePrompt(text, o)
	if err != nil {
		return err
	}
	for _, w := range chosen.Warnings {
		show.Warn("%s", w)
	}
	if chosen.Template.Blocks() {
		if err := m.readsBlocks(); err != nil {
			return err
		}
	}
	show.Say("Prompt: %s", m.line(text, chosen))
	if w := m.separator(text, chosen); w != "" {
		show.Warn("%s", w)
	}
	return nil
}

// readsBlocks says why the model cannot read passages in blocks.
func (m *Model) readsBlocks() error {
	what := ""
	switch {
	case !m.Runner.Device.Native:
		what = "a device that is not the processor"
	case m.Origin.Bits > 0:
		what = fmt.Sprintf("weights in %d bits", m.Origin.Bits)
	default:
		return nil
	}
	return fmt.Errorf("block_attention: passages in blocks found with %s; expected the processor and whole weights, for which alone there are kernels; use --block_attention=false, which reads them with full attention", what)
}

// newModel has no weights yet.
func newModel(ctx context.Context, d Device, from Origin, config []byte, files map[string][]byte) (Model, error) {
	folder := from.TokenizerFolder()
	t, err := LoadTokenizer(ctx, folder)
	if err != nil {
		return Model{}, err
	}
	// Of a tokenizer.model alone transformers makes other ids where model_type is
	// mistral, or tokenizer_config.json does not say LlamaTokenizer.
	if files["tokenizer.json"] == nil && files["tokenizer.model"] != nil {
		files["tokenizer.json"] = t.JSON()
	}
	params := tape.NewParams(d.Engine, d.BF16)
	return Model{
		Origin: from, folder: folder, config: config, files: files, Params: params, Runner: tape.NewRunner(d.Engine, params),
		Encoder: &recipe.Encoder{Tokenizer: t},
	}, nil
}

// load puts the weights ws of a source on the device, and the adapter beside the
// linear layers among them: all trained where there is no adapter, else that.
func (b *Model) load(ctx context.Context, ws, linears []tape.Weight, source tape.Source, trained bool) error {
	if b.Origin.Bits > 0 {
		b.Params.Quantise(linears, b.Origin.Bits)
	}
	if err := b.Params.Load(ctx, ws, source, trained && b.Origin.LoRA == nil, nil); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", b.Origin.Base, err), b.Params.Free())
	}
	files, err := b.Origin.openAdapter(ctx, b.Runner, linears, trained)
	if err != nil {
		return errors.Join(err, b.Params.Free())
	}
	maps.Copy(b.files, files)
	return nil
}

// notes are what the user should know of a model's files, of which the weights ws
// are used.
func notes(source *weights.Model, ws []tape.Weight, trained bool) []string {
	notes := source.Notes()
	unused := source.Unused(func(name string) bool {
		return slices.ContainsFunc(ws, func(w tape.Weight) bool { return w.Name == name })
	})
	if len(unused) > 0 {
		notes = append(notes, unusedNote(unused)+"; what training saves does not have them, convert and merge keep them")
	}
	var c struct {
		Dropout float64 `json:"attention_dropout"`
	}
	if trained && json.Unmarshal(source.Config(), &c) == nil && c.Dropout > 0 {
		notes = append(notes, fmt.Sprintf("config.json has attention_dropout %g, which transformers trains with; here attention drops nothing", c.Dropout))
	}
	return notes
}

// unusedNote names the first few of a folder's tensors that a model has no place
// for.
func unusedNote(names []string) string {
	const shown = 5
	more := ""
	if n := len(names) - shown; n > 0 {
		names, more = names[:shown], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("tensors that are no part of the model as its config.json describes it are not used: %s%s", strings.Join(names, ", "), more)
}

// describeRest says what stands beside the weights, and what is to be known of the
// files.
func (b *Model) describeRest(show *report.Run) {
	for _, note := range b.notes {
		show.Warn("%s", note)
	}
	if b.Origin.LoRA != nil {
		show.Say("%s", b.Origin.describe(b.Params))
	}
}

// Rows are examples as a generator takes them, known by their place.
type Rows struct {
	Index, Tokens, Terms []int                                               // of each: where in the data file, how long in full, label tokens
	Pack                 func(places []int) iter.Seq2[int, train.MicroBatch] // micro-batches, with how many rows each has
	Divide               func(places []int, processes int) [][]int           // places for each, of about as many tokens
	Hash                 string                                              // of all that they hold
}

// Work is what a step of the plan is made of, with the batches of one of so many
// processes.
func (r Rows) Work(plan recipe.Plan, step, rank, processes int) train.Work {
	places, epoch := plan.Step(step)
	w := train.Work{Epoch: epoch}
	for _, b := range r.Pack(r.Divide(places, processes)[rank]) {
		w.Batches = append(w.Batches, b)
	}
	for _, place := range places {
		w.Rows = append(w.Rows, r.Index[place])
		w.Tokens += r.Tokens[place]
		w.Terms += r.Terms[place]
	}
	return w
}

// packing lays rows out as micro-batches, and deals them out to processes.
type packing[R, B any] interface {
	Each(rows []R) iter.Seq[B]
	Divide(rows []R, processes int) [][]int
}

// newRows hides the kinds of rows (R) and micro-batches (B) behind functions.
func newRows[R, B any](all []R, about func(R) (index, tokens, terms int), packing packing[R, B], size func(B) int, loss func(*tape.Tape, B) ([]*tape.Value, error)) Rows {
	out := Rows{Hash: hashOf(all)}
	for _, r := range all {
		index, tokens, terms := about(r)
		out.Index, out.Tokens, out.Terms = append(out.Index, index), append(out.Tokens, tokens), append(out.Terms, terms)
	}
	choose := func(places []int) []R {
		chosen := make([]R, len(places))
		for i, place := range places {
			chosen[i] = all[place]
		}
		return chosen
	}
	out.Divide = func(places []int, processes int) [][]int {
		shares := packing.Divide(choose(places), processes)
		for _, share := range shares {
			for i, at := range share {
				share[i] = places[at]
			}
		}
		return shares
	}
	out.Pack = func(places []int) iter.Seq2[int, train.MicroBatch] {
		chosen := choose(places)
		return func(yield func(int, train.MicroBatch) bool) {
			for b := range packing.Each(chosen) {
				if !yield(size(b), train.MicroBatches(loss, []B{b})[0]) {
					return
				}
			}
		}
	}
	return out
}

// Open loads a model onto the device: every weight trained, or the adapter where
// there is one, or none. It must be of the kind.
func Open(ctx context.Context, d Device, from Origin, kind Kind, trained bool) (_ Generator, err error) {
	source, err := OpenModel(ctx, from.Base)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	a, err := architectureOf(source.Config(), kind)
	var s shape
	if err == nil {
		s, err = a.shapeOf(source)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Base, err)
	}
	if from.LoRA != nil {
		from.LoRA.Wrapped = source.Wrapped()
		if from.Adapter == "" {
			from.LoRA.Task = a.task
		}
	}
	m, err := newModel(ctx, d, from, source.Config(), source.Files())
	if err != nil {
		return nil, err
	}
	m.notes = notes(source, s.Weights(), trained)
	return m.open(ctx, s, source, d.BF16, trained)
}

// OpenFresh is a model of random weights.
func OpenFresh(ctx context.Context, d Device, f Fresh, seed int64) (Generator, error) {
	s, data, err := f.read()
	if err != nil {
		return nil, err
	}
	files, err := tokenizerFiles(ctx, f.Tokenizer)
	if err != nil {
		return nil, err
	}
	m, err := newModel(ctx, d, Origin{Base: f.Tokenizer}, data, files)
	if err != nil {
		return nil, err
	}
	return m.open(ctx, s, s.fresh(seed), d.BF16, true)
}

// open puts the weights of a source on the device.
func (m Model) open(ctx context.Context, s shape, source tape.Source, bf16, trained bool) (Generator, error) {
	m.Encoder.Embeddings = s.vocabulary
	if !trained && m.Runner.Device.Native {
		m.Params.Shorten(s.products)
	}
	if err := m.load(ctx, s.Weights(), s.Linears(), source, trained); err != nil {
		return nil, err
	}
	var err error
	if m.asking, err = s.asking(m.Encoder, m.textSide()); err != nil { // an adapter brought its files
		return nil, errors.Join(err, m.Params.Free())
	}
	return s.open(m, bf16), nil
}

// hashOf is the hash of rows.
func hashOf[R any](all []R) string {
	h := sha256.New()
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	for _, r := range all {
		line.Reset()
		_ = enc.Encode(r) // numbers and lists of them
		h.Write(line.Bytes())
	}
	return hex.EncodeToString(h.Sum(nil))
}
