package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"gorqa/arch/llama"
	"gorqa/batch"
	"gorqa/config"
	"gorqa/evaluate"
	"gorqa/generate"
	"gorqa/internal/xla"
	"gorqa/prompt"
	"gorqa/recipe"
	"gorqa/tape"
	"gorqa/weights"
)

// decoder is a generator model on the device, with all that its text side
// needs.
type decoder struct {
	folder    string            // or GGUF file it came from
	config    []byte            // config.json
	files     map[string][]byte // that lie beside it
	params    *tape.Params
	runner    *tape.Runner
	model     *llama.Model
	encoder   *recipe.Encoder
	generator *generate.Generator
	generate  generate.Options
}

// openDecoder loads the model in a folder or GGUF file, in bf16 (half) or f32,
// every weight trained or none.
func openDecoder(ctx context.Context, e *xla.Engine, path string, half, trained bool) (_ *decoder, err error) {
	source, err := weights.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	c, err := llama.ParseConfig(source.Config())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d := &decoder{folder: path, config: source.Config(), files: source.Files(), params: tape.NewParams(e, half)}
	if err := d.params.Load(ctx, c.Weights(), source, trained, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), d.params.Free())
	}
	d.model, d.runner = llama.New(c, half), tape.NewRunner(e, d.params)
	d.generator = generate.New(d.model, d.runner)
	d.encoder = &recipe.Encoder{}
	if d.encoder.Tokenizer, err = loadTokenizer(ctx, path); err != nil {
		return nil, errors.Join(err, d.params.Free())
	}
	return d, nil
}

// usePrompt sets how prompts are rendered: as the flags say, or, where they say
// nothing, as the model was trained.
func (d *decoder) usePrompt(c config.Prompt) error {
	d.encoder.MaxTokens = c.MaxSeqLength
	if n := d.model.Config.MaxLength; n > 0 {
		d.encoder.MaxTokens = min(c.MaxSeqLength, n)
	}
	asked, saved := c, &prompt.Template{}
	asked.MaxSeqLength = config.DefaultPrompt().MaxSeqLength
	data, trainedHere := d.files[prompt.FileName]
	if trainedHere {
		if err := json.Unmarshal(data, saved); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(d.folder, prompt.FileName), err)
		}
	}
	if trainedHere && asked == config.DefaultPrompt() {
		d.encoder.Template = saved
		return nil
	}
	template, err := d.template(c)
	if err != nil {
		return err
	}
	// No flag says how prompts are cut: that stays as the model was trained.
	d.encoder.Template = template.DroppingPassages(saved.DropsPassages())
	return nil
}

// template makes the template that the flags ask for.
func (d *decoder) template(c config.Prompt) (*prompt.Template, error) {
	f := promptFormat(c)
	if err := f.Validate(); err != nil {
		return nil, err
	}
	switch c.PromptTemplate {
	case "default":
		return prompt.Default(f), nil
	case "chat":
		source, special, err := d.chatTemplate()
		if err != nil {
			return nil, err
		}
		return prompt.Chat(prompt.ChatOptions{Source: source, SpecialTokens: special}, f)
	}
	text, err := os.ReadFile(c.PromptTemplate)
	if err != nil {
		return nil, fmt.Errorf("prompt_template: %w; expected default, chat or a file", err)
	}
	t, err := prompt.Parse(string(text), f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.PromptTemplate, err)
	}
	return t, nil
}

func promptFormat(c config.Prompt) prompt.Format {
	return prompt.Format{UserPrefix: c.UserPrefix, AssistantPrefix: c.AssistantPrefix, SepUser: c.SepUser, SepSys: c.SepSys}
}

// chatTemplate finds the model's own chat template and its special tokens.
func (d *decoder) chatTemplate() (source string, special map[string]string, err error) {
	var conf struct {
		Template string `json:"chat_template"`
	}
	if data := d.files["tokenizer_config.json"]; data != nil {
		if err := json.Unmarshal(data, &conf); err != nil {
			return "", nil, fmt.Errorf("%s: tokenizer_config.json: %w", d.folder, err)
		}
	}
	source = conf.Template
	if own := d.files["chat_template.jinja"]; own != nil {
		source = string(own)
	}
	if source == "" {
		return "", nil, fmt.Errorf("%s has no chat template; use --prompt_template default or a file", d.folder)
	}
	special = map[string]string{}
	s := d.encoder.Tokenizer.Special()
	for name, id := range map[string]int32{"bos_token": s.BOS, "eos_token": s.EOS, "pad_token": s.PAD, "unk_token": s.UNK} {
		if token, ok := d.encoder.Tokenizer.Token(id); ok {
			special[name] = token
		}
	}
	return source, special, nil
}

// useGeneration sets how answers are decoded. They end at the end token, at
// those of generation_config.json, and at the prompt's separator.
func (d *decoder) useGeneration(c config.Generation, rows int, seed int64) error {
	o := generate.DefaultOptions()
	o.MaxNewTokens, o.BatchSize = c.EvalMaxNewTokens, rows
	if c.DoSample {
		o.Sample = &generate.Sampling{Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK, Seed: uint64(seed)}
	}
	ends, err := d.endTokens()
	if err != nil {
		return err
	}
	for _, id := range ends {
		o.Stops = append(o.Stops, []int32{id})
	}
	for _, stop := range d.encoder.Template.Stops() {
		if ids := d.encoder.Tokenizer.Encode(stop, false); len(ids) > 0 {
			o.Stops = append(o.Stops, ids)
		}
	}
	d.generate = o
	return o.Validate()
}

// endTokens are the ids that end a text: the tokenizer's and those of
// generation_config.json.
func (d *decoder) endTokens() ([]int32, error) {
	ids := map[int32]bool{}
	if id := d.encoder.Tokenizer.Special().EOS; id >= 0 {
		ids[id] = true
	}
	if data := d.files["generation_config.json"]; data != nil {
		var g struct {
			EOS json.RawMessage `json:"eos_token_id"`
		}
		if err := json.Unmarshal(data, &g); err != nil {
			return nil, fmt.Errorf("%s: generation_config.json: %w", d.folder, err)
		}
		var one int32
		var many []int32
		if json.Unmarshal(g.EOS, &one) == nil {
			many = []int32{one}
		} else {
			_ = json.Unmarshal(g.EOS, &many) // null, or absent: none
		}
		for _, id := range many {
			ids[id] = true
		}
	}
	return slices.Sorted(maps.Keys(ids)), nil
}

// Generate implements evaluate.Generator.
func (d *decoder) Generate(ctx context.Context, queries []evaluate.Query) ([]string, error) {
	prompts := make([][]int32, len(queries))
	for i, q := range queries {
		ids, err := d.encoder.Prompt(recipe.Input(q.Question, q.History, q.Passages), q.Context == evaluate.Gold, d.encoder.MaxTokens-d.generate.MaxNewTokens)
		if err != nil {
			return nil, fmt.Errorf("question %q: %w", q.Question, err)
		}
		prompts[i] = ids
	}
	answers, err := d.generator.Generate(ctx, prompts, d.generate)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(answers))
	for i, ids := range answers {
		texts[i] = d.text(ids)
	}
	return texts, nil
}

// text is what generated tokens say.
func (d *decoder) text(ids []int32) string {
	return recipe.Trim(d.encoder.Tokenizer.Decode(ids, true), d.encoder.Template.Stops())
}

// loss is the mean negative log-likelihood per label token of rows.
func (d *decoder) loss(ctx context.Context, packs []*batch.Decoder, progress func(done int)) (float64, error) {
	var sum float64
	terms := 0
	for i, b := range packs {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		loss, err := d.runner.Evaluate(func(t *tape.Tape) ([]*tape.Value, error) { return d.model.Loss(t, b) })
		if err != nil {
			return 0, err
		}
		sum += loss
		terms += b.Terms
		progress(i + 1)
	}
	return sum / float64(terms), nil
}

// save writes a Hugging Face folder with the prompt's template beside the
// model.
func (d *decoder) save(ctx context.Context, dir string) error {
	files := maps.Clone(d.files)
	template, err := json.MarshalIndent(d.encoder.Template, "", "  ")
	if err != nil {
		return err
	}
	files[prompt.FileName] = append(template, '\n')
	s := weights.Saved{Config: d.config, DType: weights.F32, Files: files}
	for _, q := range d.params.All() {
		s.Tensors = append(s.Tensors, weights.Tensor{
			Name: q.Name, DType: weights.F32, Shape: q.Dims,
			Data: func() (any, error) { return d.params.Host(q) },
		})
	}
	return weights.Save(ctx, dir, s)
}
