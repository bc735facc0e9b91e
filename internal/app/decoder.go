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
	"gorqa/engine/xla"
	"gorqa/evaluate"
	"gorqa/generate"
	"gorqa/prompt"
	"gorqa/recipe"
	"gorqa/report"
	"gorqa/rqa"
	"gorqa/weights"
)

// decoder is a decoder-only generator.
type decoder struct {
	base
	model     *llama.Model
	generator *generate.Generator
	generate  generate.Options
}

func openDecoder(ctx context.Context, e *xla.Engine, source *weights.Model, from origin, half, trained bool) (*decoder, error) {
	c, err := llama.ParseConfig(source.Config())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.base, err)
	}
	b, err := newBase(ctx, e, from, source.Config(), source.Files(), half)
	if err != nil {
		return nil, err
	}
	d := &decoder{base: b, model: llama.New(c, half)}
	if err := d.load(ctx, c.Weights(), c.Linears(), source, trained); err != nil {
		return nil, err
	}
	d.generator = generate.New(d.model, d.runner)
	return d, nil
}

func (d *decoder) describe(name string, e *xla.Engine, show *report.Run) {
	show.Say("Model %s: %.1f million weights, %d layers, on %s", name, float64(d.model.Config.Parameters())/1e6, d.model.Config.Layers, e.Describe())
	d.describeAdapter(show)
}

// usePrompt sets how prompts are rendered: as the flags say, or, where they say
// nothing, as the model was trained.
func (d *decoder) usePrompt(c config.Prompt) error {
	d.encoder.MaxTokens = c.MaxSeqLength
	if n := d.model.Config.MaxLength; n > 0 {
		d.encoder.MaxTokens = min(c.MaxSeqLength, n)
	}
	data, trainedHere := d.files[prompt.FileName]
	if !trainedHere {
		return d.useTemplate(c, nil)
	}
	saved := &prompt.Template{}
	if err := json.Unmarshal(data, saved); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(d.folder, prompt.FileName), err)
	}
	return d.useTemplate(c, saved)
}

// useTemplate sets the template that the flags ask for, or, where they say
// nothing, the one saved beside the model (nil for none).
func (b *base) useTemplate(c config.Prompt, saved *prompt.Template) error {
	asked, none := c, config.DefaultPrompt()
	asked.MaxSeqLength, asked.MaxEncoderSeqLength, asked.MaxDecoderSeqLength = none.MaxSeqLength, none.MaxEncoderSeqLength, none.MaxDecoderSeqLength
	if saved != nil && asked == none {
		b.encoder.Template = saved
		return nil
	}
	template, err := b.template(c)
	if err != nil {
		return err
	}
	// No flag says how prompts are cut: that stays as the model was trained.
	b.encoder.Template = template.DroppingPassages(saved != nil && saved.DropsPassages())
	return nil
}

// template makes the template that the flags ask for.
func (b *base) template(c config.Prompt) (*prompt.Template, error) {
	f := promptFormat(c)
	if err := f.Validate(); err != nil {
		return nil, err
	}
	switch c.PromptTemplate {
	case "default":
		return prompt.Default(f), nil
	case "chat":
		source, special, err := b.chatTemplate()
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
func (b *base) chatTemplate() (source string, special map[string]string, err error) {
	var conf struct {
		Template string `json:"chat_template"`
	}
	if data := b.files["tokenizer_config.json"]; data != nil {
		if err := json.Unmarshal(data, &conf); err != nil {
			return "", nil, fmt.Errorf("%s: tokenizer_config.json: %w", b.folder, err)
		}
	}
	source = conf.Template
	if own := b.files["chat_template.jinja"]; own != nil {
		source = string(own)
	}
	if source == "" {
		return "", nil, fmt.Errorf("%s has no chat template; use --prompt_template default or a file", b.folder)
	}
	special = map[string]string{}
	s := b.encoder.Tokenizer.Special()
	for name, id := range map[string]int32{"bos_token": s.BOS, "eos_token": s.EOS, "pad_token": s.PAD, "unk_token": s.UNK} {
		if token, ok := b.encoder.Tokenizer.Token(id); ok {
			special[name] = token
		}
	}
	return source, special, nil
}

// useGeneration sets how answers are decoded. They end at the end token, at
// those of generation_config.json, and at the prompt's separator.
func (d *decoder) useGeneration(c config.Generation, rows int, seed int64) error {
	if c.NumBeams > 1 {
		return fmt.Errorf("num_beams: %d found with a decoder, which answers greedily or by drawing; 1 expected; use --do_sample, or an encoder-decoder", c.NumBeams)
	}
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
func (d *decoder) Generate(ctx context.Context, queries []evaluate.Query) ([]evaluate.Answer, error) {
	prompts := make([][]int32, len(queries))
	for i, q := range queries {
		var err error
		if prompts[i], err = d.prompt(q); err != nil {
			return nil, fmt.Errorf("question %q: %w", q.Question, err)
		}
	}
	texts, err := d.texts(ctx, prompts, d.generate)
	if err != nil {
		return nil, err
	}
	answers := make([]evaluate.Answer, len(texts))
	for i, text := range texts {
		answers[i].Text = text
	}
	return answers, nil
}

// prompt is what a question is asked by, with room for the answer behind it.
func (d *decoder) prompt(q evaluate.Query) ([]int32, error) {
	ids, err := d.encoder.Prompt(recipe.Input(q.Question, q.History, q.Passages), q.Context == evaluate.Gold, d.encoder.MaxTokens-d.generate.MaxNewTokens)
	var long *recipe.TooLong
	if errors.As(err, &long) {
		long.Setting = "max_seq_length, or lower eval_max_new_tokens"
	}
	return ids, err
}

func (d *decoder) room(examples []rqa.Example) error {
	if most, answer := d.encoder.MaxTokens, d.generate.MaxNewTokens; answer >= most {
		return fmt.Errorf("eval_max_new_tokens: %d found, and %d tokens for prompt and answer together (max_seq_length, and the model's max_position_embeddings where that is less); expected fewer, so that there is room for a prompt", answer, most)
	}
	return recipe.Fitting(len(examples), func(i int) error {
		_, err := d.prompt(evaluate.Query{Question: examples[i].Question, History: examples[i].History})
		return err
	})
}

func (d *decoder) complete(ctx context.Context, prompts [][]int32, most int) ([]string, error) {
	opt := d.generate
	opt.Sample, opt.MaxNewTokens = nil, most
	return d.texts(ctx, prompts, opt)
}

// texts is what the model says after each prompt.
func (d *decoder) texts(ctx context.Context, prompts [][]int32, opt generate.Options) ([]string, error) {
	found, err := d.generator.Generate(ctx, prompts, opt)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(found))
	for i, ids := range found {
		texts[i] = recipe.Trim(d.encoder.Tokenizer.Decode(ids, true), d.encoder.Template.Stops())
	}
	return texts, nil
}

func (d *decoder) encode(examples []rqa.Example, contexts []recipe.Context) (rows, error) {
	all, err := d.encoder.Rows(examples, contexts)
	about := func(r batch.Row) (index, tokens, terms int) { return r.Index, len(r.Tokens), r.Terms() }
	return newRows(all, about, batch.PackingFor(d.runner.Engine.OnHost()).Pack, d.model.Loss), err
}

// onHost says whether the backend computes in the host's memory.
func onHost(c config.Engine) bool {
	return c.Backend == "" || c.Backend == config.DefaultEngine().Backend
}

// save writes what is trained, with the prompt's template beside it.
func (d *decoder) save(ctx context.Context, dir string) error {
	return d.saveWith(ctx, dir, prompt.FileName, d.encoder.Template)
}

// saveWith writes a Hugging Face folder with one more file, of JSON.
func (b *base) saveWith(ctx context.Context, dir, name string, content any) error {
	files := maps.Clone(b.files)
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	files[name] = append(data, '\n')
	return b.from.save(ctx, dir, b.params, b.config, files)
}
