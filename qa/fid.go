package qa

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/files/modelfile"
	"gorqa/report"
	"gorqa/tensor/arch/t5"
	"gorqa/tensor/generate"
	"gorqa/tensor/tape"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/prompt"
	"gorqa/text/recipe"
)

// maxSmallFile bounds a model's small files, in bytes.
const maxSmallFile = 256 << 20

// fid is an encoder-decoder that is asked as Fusion-in-Decoder does.
type fid struct {
	Model
	ask       *fidAsking
	model     *t5.Model
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
	if err := modelfile.JSON("", data, f); err != nil {
		return err
	}
	if f.Version != 1 || f.Template == nil {
		return fmt.Errorf("version %d found, prompt %v; version 1 and a prompt expected; read it with the gorqa that wrote it", f.Version, f.Template != nil)
	}
	var problems []error
	for _, n := range []struct {
		name        string
		value, most int
	}{{"k", f.K, MostPassages}, {"max_encoder_seq_length", f.MaxTokens, MostTokens}, {"max_decoder_seq_length", f.MaxAnswer, MostTokens}} {
		if n.value < 0 || n.value > n.most {
			problems = append(problems, fmt.Errorf("%s is %d; expected 0 (not said) to %d", n.name, n.value, n.most))
		}
	}
	return errors.Join(problems...)
}

// Bounds of what fid.json may say, which are those of the settings it is made from.
const (
	MostPassages = 1 << 20
	MostTokens   = 1 << 24
)

func fidShape(config, generation []byte, headless *bool) (shape, error) {
	c, err := t5.ParseConfig(config, generation)
	if headless != nil {
		c.Tied = *headless
	}
	return shape{
		dimensions: c, name: c.Type, vocabulary: c.Vocabulary, width: c.Width, setting: "max_encoder_seq_length",
		asking: func(e *recipe.Encoder, s TextSide) (asking, error) { return newFiDAsking(e, s, int32(c.End)) },
		fresh:  func(seed int64) tape.Source { return t5.Fresh{Config: c, Seed: seed} },
		open: func(m Model, bf16 bool) Generator {
			f := &fid{Model: m, ask: m.asking.(*fidAsking), model: t5.New(c, bf16)}
			f.K = f.ask.was.K
			f.generator = generate.NewSeq2Seq(f.model, f.Runner)
			return f
		},
	}, err
}

// Fresh is where a model of random weights has its files.
type Fresh struct {
	Config    string // a config.json
	Tokenizer string // a folder or GGUF file
}

// read gives the configuration, also as it is written.
func (f Fresh) read() (s shape, data []byte, err error) {
	if data, err = modelfile.Read(f.Config, maxSmallFile); err != nil {
		return s, nil, err
	}
	a, err := architectureOf(data, EncoderDecoder)
	if err == nil {
		s, err = a.read(data, nil, nil)
	}
	if err != nil {
		return s, nil, fmt.Errorf("%s: %w", f.Config, err)
	}
	return s, data, nil
}

// tokenizerFiles are those that a fresh model needs of a folder or GGUF file.
func tokenizerFiles(ctx context.Context, path string) (map[string][]byte, error) {
	files := map[string][]byte{}
	if strings.HasSuffix(strings.ToLower(path), ".gguf") {
		m, err := OpenModel(ctx, path)
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
		data, err := modelfile.Read(filepath.Join(path, name), maxSmallFile)
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

func (f *fid) Describe(name string, e *xla.Engine, show *report.Run) {
	c := f.model.Config
	show.Say("Model %s: %.1f million weights, %d encoder and %d decoder layers, on %s", name, float64(c.Parameters())/1e6, c.Layers, c.DecoderLayers, e.Describe())
	f.describeRest(show)
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
		if rows[i], err = f.ask.text.Passages(q.Question, q.History, q.Passages); err != nil {
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

func (f *fid) Drafts() generate.Drafts { return generate.Drafts{} }

func (f *fid) Room(examples []dataset.Example) error { return f.room(examples, 0) }

func (f *fid) Complete(ctx context.Context, prompts [][]int32, most int) ([]string, error) {
	rows := make([][][]int32, len(prompts))
	for i, ids := range prompts {
		rows[i] = [][]int32{f.ask.text.Ended(ids)}
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
	return texts, f.Encoder.Tokenizer.Err()
}

// say is an answer's text.
func (f *fid) say(a generate.Answer) string {
	return strings.TrimSpace(f.Encoder.Tokenizer.Decode(a.Tokens, true))
}

func (f *fid) Encode(examples []dataset.Example, contexts []recipe.Context) (Rows, error) {
	all, err := f.ask.text.Rows(examples, contexts)
	packing := f.Runner.Device.FiD
	packing.Start = int32(f.model.Config.Start)
	about := func(r batch.FiDRow) (index, tokens, terms int) {
		return r.Index, length(r), len(r.Answer)
	}
	return newRows(all, about, packing, func(b *batch.FiD) int { return len(b.Rows) }, f.model.Loss), err
}

// Save writes a Hugging Face folder, with fid.json beside the model.
func (f *fid) Save(ctx context.Context, dir string) error {
	return f.saveWith(ctx, dir, fidName, fidFile{
		Version: 1, K: f.K, MaxTokens: f.ask.text.Encoder.MaxTokens, MaxAnswer: f.ask.text.MaxAnswer, Template: f.Encoder.Template,
	}, nil)
}
