package qa

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/files/weights"
	"gorqa/report"
	"gorqa/tensor/arch/t5"
	"gorqa/tensor/generate"
	"gorqa/tensor/tape"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/prompt"
	"gorqa/text/recipe"
)

// fid is an encoder-decoder that is asked as Fusion-in-Decoder does.
type fid struct {
	Model
	model     *t5.Model
	text      *recipe.Fusion
	was       FiDFile // what the model's folder says
	generator *generate.Seq2Seq
	beams     generate.Beams
}

// FiDFile is fid.json: what a trained model must be asked with, so that eval and
// ask need no flags.
type FiDFile struct {
	Version   int              `json:"version"`
	K         int              `json:"k"` // passages
	MaxTokens int              `json:"max_encoder_seq_length"`
	MaxAnswer int              `json:"max_decoder_seq_length"`
	Template  *prompt.Template `json:"prompt"`
}

const FiDName = "fid.json"

func (f *FiDFile) Read(data []byte) error {
	if err := json.Unmarshal(data, f); err != nil {
		return err
	}
	if f.Version != 1 || f.Template == nil {
		return fmt.Errorf("version %d found, prompt %v; version 1 and a prompt expected; read it with the gorqa that wrote it", f.Version, f.Template != nil)
	}
	var problems []error
	for _, n := range []struct {
		name        string
		value, most int
	}{{"k", f.K, mostPassages}, {"max_encoder_seq_length", f.MaxTokens, mostTokens}, {"max_decoder_seq_length", f.MaxAnswer, mostTokens}} {
		if n.value < 0 || n.value > n.most {
			problems = append(problems, fmt.Errorf("%s is %d; expected 0 (not said) to %d", n.name, n.value, n.most))
		}
	}
	return errors.Join(problems...)
}

// Bounds of what fid.json may say.
const mostPassages, mostTokens = 1 << 20, 1 << 24

// LocalRQA's lengths.
const MaxPassageTokens, MaxAnswerTokens = 512, 256

func openFiD(ctx context.Context, e *xla.Engine, source *weights.Model, from Origin, half, trained bool) (*fid, error) {
	c, err := FiDConfig(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Base, err)
	}
	b, err := newBase(ctx, e, from, source.Config(), source.Files(), half)
	if err != nil {
		return nil, err
	}
	b.notes = Notes(source, c.Weights(), trained)
	return newFiD(ctx, b, c, source, half, trained)
}

// FiDConfig is DecoderConfig for an encoder-decoder.
func FiDConfig(source *weights.Model) (t5.Config, error) {
	c, err := t5.ParseConfig(source.Config(), source.GenerationConfig())
	_, own := source.Shape("lm_head.weight")
	c.Tied = !own
	return c, err
}

// OpenFresh is a model of random weights.
func OpenFresh(ctx context.Context, e *xla.Engine, f Fresh, half bool, seed int64) (Generator, error) {
	parsed, data, err := f.Read()
	if err != nil {
		return nil, err
	}
	files, err := TokenizerFiles(ctx, f.Tokenizer)
	if err != nil {
		return nil, err
	}
	b, err := newBase(ctx, e, Origin{Base: f.Tokenizer}, data, files, half)
	if err != nil {
		return nil, err
	}
	return newFiD(ctx, b, parsed, t5.Fresh{Config: parsed, Seed: seed}, half, true)
}

// Fresh is where a model of random weights has its files.
type Fresh struct {
	Config    string // a config.json
	Tokenizer string // a folder or GGUF file
}

// Read gives the configuration, also as it is written.
func (f Fresh) Read() (c t5.Config, data []byte, err error) {
	if data, err = os.ReadFile(f.Config); err != nil {
		return c, nil, err
	}
	if _, err = IsFiD(data, EncoderDecoder); err == nil {
		c, err = t5.ParseConfig(data, nil)
	}
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w", f.Config, err)
	}
	return c, data, nil
}

// TokenizerFiles are those that a fresh model needs of a folder or GGUF file.
func TokenizerFiles(ctx context.Context, path string) (map[string][]byte, error) {
	files := map[string][]byte{}
	if strings.HasSuffix(strings.ToLower(path), ".gguf") {
		m, err := weights.Open(ctx, path)
		if err != nil {
			return nil, err
		}
		defer m.Close()
		files = m.Files()
	}
	names := []string{"tokenizer.json", "spiece.model", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return !slices.Contains(names, name) })
	if len(files) > 0 {
		return files, nil
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(path, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	return files, nil
}

// newFiD puts the weights of a source on the device.
func newFiD(ctx context.Context, b Model, c t5.Config, source tape.Source, half, trained bool) (*fid, error) {
	f := &fid{Model: b, model: t5.New(c, half), text: &recipe.Fusion{Encoder: b.Encoder, End: int32(c.End)}}
	b.Encoder.Embeddings = c.Vocabulary
	if err := f.load(ctx, c.Weights(), c.Linears(), source, trained); err != nil {
		return nil, err
	}
	if data := f.files[FiDName]; data != nil {
		if err := f.was.Read(data); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Join(f.folder, FiDName), err), f.Params.Free())
		}
		f.K = f.was.K
	}
	f.generator = generate.NewSeq2Seq(f.model, f.Runner)
	return f, nil
}

func (f *fid) Describe(name string, e *xla.Engine, show *report.Run) {
	c := f.model.Config
	show.Say("Model %s: %.1f million weights, %d encoder and %d decoder layers, on %s", name, float64(c.Parameters())/1e6, c.Layers, c.DecoderLayers, e.Describe())
	f.describeRest(show)
}

// UsePrompt sets template and lengths: as the flags say, or, where they say
// nothing, as the model was trained.
func (f *fid) UsePrompt(c PromptOptions, show *report.Run) error {
	f.text.Encoder.MaxTokens = cmp.Or(c.MaxPassageTokens, f.was.MaxTokens, MaxPassageTokens)
	f.text.MaxAnswer = cmp.Or(c.MaxAnswerTokens, f.was.MaxAnswer, MaxAnswerTokens)
	chosen, err := f.textSide().Choose(c, f.was.Template)
	if err != nil {
		return err
	}
	f.Encoder.Template = chosen.Template
	for _, w := range chosen.Warnings {
		show.Warn("%s", w)
	}
	show.Say("Prompt: %s; an answer ends in %s", chosen.What, TokenNamed(f.Encoder.Tokenizer, f.text.End))
	return nil
}

// UseGeneration sets how answers are searched for: greedily or by beams, until
// an end token. The separator ends none: FiD's answers are learnt without it.
func (f *fid) UseGeneration(c GenerationOptions) error {
	if c.Sample {
		return errors.New("do_sample: true found with an encoder-decoder, which answers greedily or by beams; false expected; use --num_beams")
	}
	f.beams = generate.DefaultBeams()
	f.beams.MaxNewTokens, f.beams.BatchSize, f.beams.Beams, f.beams.Shares = c.MaxNewTokens, c.BatchSize, c.Beams, true
	var err error
	if f.beams.Ends, err = f.textSide().Ends(); err != nil {
		return err
	}
	return f.beams.Validate()
}

// Generate implements evaluate.Generator.
func (f *fid) Generate(ctx context.Context, queries []evaluate.Query) ([]evaluate.Answer, error) {
	rows := make([][][]int32, len(queries))
	for i, q := range queries {
		var err error
		if rows[i], err = f.text.Passages(q.Question, q.History, q.Passages); err != nil {
			return nil, fmt.Errorf("question %q: %w", q.Question, err)
		}
	}
	found, err := f.generator.Generate(ctx, rows, f.beams)
	if err != nil {
		return nil, err
	}
	answers := make([]evaluate.Answer, len(found))
	for i, a := range found {
		answers[i].Text = f.say(a)
		if len(queries[i].Passages) > 0 { // else the question alone has it all
			answers[i].Shares = a.Shares
		}
	}
	return answers, nil
}

func (f *fid) Room(examples []dataset.Example) error {
	return f.text.Fits(examples)
}

func (f *fid) Complete(ctx context.Context, prompts [][]int32, most int) ([]string, error) {
	rows := make([][][]int32, len(prompts))
	for i, ids := range prompts {
		rows[i] = [][]int32{f.text.Ended(ids)}
	}
	opt := f.beams
	opt.MaxNewTokens, opt.Shares = most, false
	found, err := f.generator.Generate(ctx, rows, opt)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(found))
	for i, a := range found {
		texts[i] = f.say(a)
	}
	return texts, nil
}

// say is an answer's text.
func (f *fid) say(a generate.Answer) string {
	return strings.TrimSpace(f.Encoder.Tokenizer.Decode(a.Tokens, true))
}

func (f *fid) Encode(examples []dataset.Example, contexts []recipe.Context) (Rows, error) {
	all, err := f.text.Rows(examples, contexts)
	packing := batch.FusionPackingFor(f.Runner.Engine.OnHost())
	packing.Start = int32(f.model.Config.Start)
	about := func(r batch.FusionRow) (index, tokens, terms int) {
		return r.Index, len(slices.Concat(r.Passages...)) + len(r.Answer), len(r.Answer)
	}
	return newRows(all, about, packing.Each, func(b *batch.Fusion) int { return len(b.Rows) }, f.model.Loss), err
}

// Borders has none: answers stand apart from prompts.
func (f *fid) Borders([]dataset.Example, []recipe.Context) (note string, err error) { return "", nil }

// Save writes a Hugging Face folder, with fid.json beside the model.
func (f *fid) Save(ctx context.Context, dir string) error {
	return f.saveWith(ctx, dir, FiDName, FiDFile{
		Version: 1, K: f.K, MaxTokens: f.text.Encoder.MaxTokens, MaxAnswer: f.text.MaxAnswer, Template: f.Encoder.Template,
	}, nil)
}
