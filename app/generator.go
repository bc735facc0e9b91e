package app

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
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/arch/t5"
	"gorqa/tensor/tape"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/recipe"
)

// generator is a model on the device with its text side, as training,
// evaluation and ask know it: a decoder or a fusion. What its rows and
// micro-batches are made of stays between its recipe and its architecture.
type generator interface {
	evaluate.Generator
	loaded() *base
	describe(name string, e *xla.Engine, show *report.Run)
	usePrompt(c PromptOptions, show *report.Run) error
	useGeneration(c GenerationOptions) error
	// complete gives the likeliest text of at most so many tokens after each prompt.
	complete(ctx context.Context, prompts [][]int32, most int) ([]string, error)
	// room names the examples whose prompts leave no room for an answer in a
	// *recipe.Overflow.
	room(examples []dataset.Example) error
	// encode gives the rows that fit; the others are in the *recipe.Overflow.
	encode(examples []dataset.Example, contexts []recipe.Context) (rows, error)
	// borders tells of rows whose answers are trained after other tokens than they
	// are generated after, "" for none.
	borders(examples []dataset.Example, contexts []recipe.Context) (note string, err error)
	save(ctx context.Context, dir string) error
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
}

// Kind is what a recipe takes of the architectures.
type Kind int

const (
	AnyKind Kind = iota
	DecoderOnly
	EncoderDecoder
)

// base is what every generator has.
type base struct {
	from    origin
	folder  string            // or GGUF file that the tokenizer came from
	config  []byte            // config.json
	files   map[string][]byte // that lie beside it
	params  *tape.Params
	runner  *tape.Runner
	encoder *recipe.Encoder
	notes   []string // what the user should know of the model's files
	k       int      // passages that a question is asked with, 0 where nothing says
}

func (b *base) loaded() *base { return b }

func (b *base) textSide() textSide { return textSide{b.folder, b.config, b.files, b.encoder.Tokenizer} }

// newBase has no weights yet.
func newBase(ctx context.Context, e *xla.Engine, from origin, config []byte, files map[string][]byte, half bool) (base, error) {
	folder := from.folder()
	t, err := loadTokenizer(ctx, folder)
	if err != nil {
		return base{}, err
	}
	// Of a tokenizer.model alone transformers makes other ids where model_type is
	// mistral, or tokenizer_config.json does not say LlamaTokenizer.
	if files["tokenizer.json"] == nil && files["tokenizer.model"] != nil {
		files["tokenizer.json"] = t.JSON()
	}
	params := tape.NewParams(e, half)
	return base{
		from: from, folder: folder, config: config, files: files, params: params, runner: tape.NewRunner(e, params),
		encoder: &recipe.Encoder{Tokenizer: t},
	}, nil
}

// load puts the weights ws of a source on the device, and the adapter beside the
// linear layers among them: all trained where there is no adapter, else that.
func (b *base) load(ctx context.Context, ws, linears []tape.Weight, source tape.Source, trained bool) error {
	if b.from.bits > 0 {
		b.params.Quantise(linears, b.from.bits)
	}
	if err := b.params.Load(ctx, ws, source, trained && b.from.lora == nil, nil); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", b.from.base, err), b.params.Free())
	}
	files, err := b.from.openAdapter(ctx, b.runner, linears, trained)
	if err != nil {
		return errors.Join(err, b.params.Free())
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
func (b *base) describeRest(show *report.Run) {
	for _, note := range b.notes {
		show.Warn("%s", note)
	}
	if b.from.lora != nil {
		show.Say("%s", b.from.describe(b.params))
	}
}

// rows are examples as a generator takes them, known by their place.
type rows struct {
	index, tokens, terms []int                                   // of each: where in the data file, how long in full, label tokens
	pack                 func(places []int) iter.Seq2[int, pass] // micro-batches, with how many rows each has
	hash                 string                                  // of all that they hold
}

// pass gives the losses of one micro-batch.
type pass func(t *tape.Tape) ([]*tape.Value, error)

// newRows hides the kinds of rows (R) and micro-batches (B) behind functions.
func newRows[R, B any](all []R, about func(R) (index, tokens, terms int), pack func([]R) iter.Seq[B], size func(B) int, loss func(*tape.Tape, B) ([]*tape.Value, error)) rows {
	out := rows{hash: hashOf(all)}
	for _, r := range all {
		index, tokens, terms := about(r)
		out.index, out.tokens, out.terms = append(out.index, index), append(out.tokens, tokens), append(out.terms, terms)
	}
	out.pack = func(places []int) iter.Seq2[int, pass] {
		chosen := make([]R, len(places))
		for i, place := range places {
			chosen[i] = all[place]
		}
		return func(yield func(int, pass) bool) {
			for b := range pack(chosen) {
				if !yield(size(b), func(t *tape.Tape) ([]*tape.Value, error) { return loss(t, b) }) {
					return
				}
			}
		}
	}
	return out
}

// loadGenerator loads a model, in bf16 (half) or f32: every weight trained, or
// the adapter where there is one, or none. It must be of the kind.
func loadGenerator(ctx context.Context, e *xla.Engine, from origin, half bool, kind Kind, trained bool) (_ generator, err error) {
	source, err := weights.Open(ctx, from.base)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	fuses, err := isFusion(source.Config(), kind)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.base, err)
	}
	if from.lora != nil && from.adapter == "" {
		if from.lora.Task = weights.CausalLM; fuses {
			from.lora.Task = weights.Seq2SeqLM
		}
	}
	if fuses {
		return openFusion(ctx, e, source, from, half, trained)
	}
	return openDecoder(ctx, e, source, from, half, trained)
}

// isFusion tells encoder-decoders from decoders by their config.json, and
// refuses those that are not of the kind.
func isFusion(configJSON []byte, kind Kind) (bool, error) {
	var c struct {
		Type string `json:"model_type"`
	}
	if err := json.Unmarshal(configJSON, &c); err != nil {
		return false, fmt.Errorf("config.json: %w", err)
	}
	fuses := slices.Contains(t5.Known(), c.Type)
	switch known := slices.Concat(llama.Known(), t5.Known()); {
	case !slices.Contains(known, c.Type):
		return false, fmt.Errorf("config.json: model_type %q; expected one of %s", c.Type, strings.Join(known, ", "))
	case fuses && kind == DecoderOnly:
		return false, fmt.Errorf("config.json: model_type %q, an encoder-decoder; expected a decoder (%s); train this model with gorqa train fid", c.Type, strings.Join(llama.Known(), ", "))
	case !fuses && kind == EncoderDecoder:
		return false, fmt.Errorf("config.json: model_type %q, a decoder; expected an encoder-decoder (%s); train this model with gorqa train sft or gorqa train swr", c.Type, strings.Join(t5.Known(), ", "))
	}
	return fuses, nil
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
