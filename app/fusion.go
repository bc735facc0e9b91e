package app

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

// fusion is an encoder-decoder that is asked as Fusion-in-Decoder does.
type fusion struct {
	base
	model     *t5.Model
	text      *recipe.Fusion
	was       fidFile // what the model's folder says
	generator *generate.Seq2Seq
	beams     generate.Beams
}

// fidFile is fid.json: what a trained model must be asked with, so that eval and
// ask need no flags.
type fidFile struct {
	Version   int              `json:"version"`
	K         int              `json:"k"` // passages
	MaxTokens int              `json:"max_encoder_seq_length"`
	MaxAnswer int              `json:"max_decoder_seq_length"`
	Template  *prompt.Template `json:"prompt"`
}

const fidName = "fid.json"

func (f *fidFile) read(data []byte) error {
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
const maxEncoderTokens, maxDecoderTokens = 512, 256

func openFusion(ctx context.Context, e *xla.Engine, source *weights.Model, from origin, half, trained bool) (*fusion, error) {
	c, err := fusionConfig(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.base, err)
	}
	b, err := newBase(ctx, e, from, source.Config(), source.Files(), half)
	if err != nil {
		return nil, err
	}
	b.notes = notes(source, c.Weights(), trained)
	return newFusion(ctx, b, c, source, half, trained)
}

// fusionConfig is decoderConfig for an encoder-decoder.
func fusionConfig(source *weights.Model) (t5.Config, error) {
	c, err := t5.ParseConfig(source.Config(), source.GenerationConfig())
	_, own := source.Shape("lm_head.weight")
	c.Tied = !own
	return c, err
}

// freshFusion is a model of random weights.
func freshFusion(ctx context.Context, e *xla.Engine, f Fresh, half bool, seed int64) (generator, error) {
	parsed, data, err := f.read()
	if err != nil {
		return nil, err
	}
	files, err := tokenizerFiles(ctx, f.Tokenizer)
	if err != nil {
		return nil, err
	}
	b, err := newBase(ctx, e, origin{base: f.Tokenizer}, data, files, half)
	if err != nil {
		return nil, err
	}
	return newFusion(ctx, b, parsed, t5.Fresh{Config: parsed, Seed: seed}, half, true)
}

// Fresh is where a model of random weights has its files.
type Fresh struct {
	Config    string // a config.json
	Tokenizer string // a folder or GGUF file
}

// read gives the configuration, also as it is written.
func (f Fresh) read() (c t5.Config, data []byte, err error) {
	if data, err = os.ReadFile(f.Config); err != nil {
		return c, nil, err
	}
	if _, err = isFusion(data, EncoderDecoder); err == nil {
		c, err = t5.ParseConfig(data, nil)
	}
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w", f.Config, err)
	}
	return c, data, nil
}

// tokenizerFiles are those that a fresh model needs of a folder or GGUF file.
func tokenizerFiles(ctx context.Context, path string) (map[string][]byte, error) {
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

// newFusion puts the weights of a source on the device.
func newFusion(ctx context.Context, b base, c t5.Config, source tape.Source, half, trained bool) (*fusion, error) {
	f := &fusion{base: b, model: t5.New(c, half), text: &recipe.Fusion{Encoder: b.encoder, End: int32(c.End)}}
	b.encoder.Embeddings = c.Vocabulary
	if err := f.load(ctx, c.Weights(), c.Linears(), source, trained); err != nil {
		return nil, err
	}
	if data := f.files[fidName]; data != nil {
		if err := f.was.read(data); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Join(f.folder, fidName), err), f.params.Free())
		}
		f.k = f.was.K
	}
	f.generator = generate.NewSeq2Seq(f.model, f.runner)
	return f, nil
}

func (f *fusion) describe(name string, e *xla.Engine, show *report.Run) {
	c := f.model.Config
	show.Say("Model %s: %.1f million weights, %d encoder and %d decoder layers, on %s", name, float64(c.Parameters())/1e6, c.Layers, c.DecoderLayers, e.Describe())
	f.describeRest(show)
}

// usePrompt sets template and lengths: as the flags say, or, where they say
// nothing, as the model was trained.
func (f *fusion) usePrompt(c PromptOptions, show *report.Run) error {
	f.text.Encoder.MaxTokens = cmp.Or(c.MaxPassageTokens, f.was.MaxTokens, maxEncoderTokens)
	f.text.MaxAnswer = cmp.Or(c.MaxAnswerTokens, f.was.MaxAnswer, maxDecoderTokens)
	chosen, err := f.textSide().choose(c, f.was.Template)
	if err != nil {
		return err
	}
	f.encoder.Template = chosen.template
	for _, w := range chosen.warnings {
		show.Warn("%s", w)
	}
	show.Say("Prompt: %s; an answer ends in %s", chosen.what, tokenNamed(f.encoder.Tokenizer, f.text.End))
	return nil
}

// useGeneration sets how answers are searched for: greedily or by beams, until
// an end token. The separator ends none: FiD's answers are learnt without it.
func (f *fusion) useGeneration(c GenerationOptions) error {
	if c.Sample {
		return errors.New("do_sample: true found with an encoder-decoder, which answers greedily or by beams; false expected; use --num_beams")
	}
	f.beams = generate.DefaultBeams()
	f.beams.MaxNewTokens, f.beams.BatchSize, f.beams.Beams, f.beams.Shares = c.MaxNewTokens, c.BatchSize, c.Beams, true
	var err error
	if f.beams.Ends, err = f.textSide().ends(); err != nil {
		return err
	}
	return f.beams.Validate()
}

// Generate implements evaluate.Generator.
func (f *fusion) Generate(ctx context.Context, queries []evaluate.Query) ([]evaluate.Answer, error) {
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

func (f *fusion) room(examples []dataset.Example) error {
	return recipe.Fitting(len(examples), func(i int) error {
		_, err := f.text.Passages(examples[i].Question, examples[i].History, nil)
		return err
	})
}

func (f *fusion) complete(ctx context.Context, prompts [][]int32, most int) ([]string, error) {
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
func (f *fusion) say(a generate.Answer) string {
	return strings.TrimSpace(f.encoder.Tokenizer.Decode(a.Tokens, true))
}

func (f *fusion) encode(examples []dataset.Example, contexts []recipe.Context) (rows, error) {
	all, err := f.text.Rows(examples, contexts)
	packing := batch.FusionPackingFor(f.runner.Engine.OnHost())
	packing.Start = int32(f.model.Config.Start)
	about := func(r batch.FusionRow) (index, tokens, terms int) {
		return r.Index, len(slices.Concat(r.Passages...)) + len(r.Answer), len(r.Answer)
	}
	return newRows(all, about, packing.Each, func(b *batch.Fusion) int { return len(b.Rows) }, f.model.Loss), err
}

// borders has none: answers stand apart from prompts.
func (f *fusion) borders([]dataset.Example, []recipe.Context) (note string, err error) { return "", nil }

// save writes a Hugging Face folder, with fid.json beside the model.
func (f *fusion) save(ctx context.Context, dir string) error {
	return f.saveWith(ctx, dir, fidName, fidFile{
		Version: 1, K: f.k, MaxTokens: f.text.Encoder.MaxTokens, MaxAnswer: f.text.MaxAnswer, Template: f.encoder.Template,
	}, nil)
}
