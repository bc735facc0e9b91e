package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/files/weights"
	"gorqa/report"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/generate"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/prompt"
	"gorqa/text/recipe"
)

// decoder is a decoder-only generator.
type decoder struct {
	base
	model     *llama.Model
	generator *generate.Generator
	generate  generate.Options
}

func openDecoder(ctx context.Context, e *xla.Engine, source *weights.Model, from origin, half, trained bool) (*decoder, error) {
	c, err := decoderConfig(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.base, err)
	}
	b, err := newBase(ctx, e, from, source.Config(), source.Files(), half)
	if err != nil {
		return nil, err
	}
	b.notes = notes(source, c.Weights(), trained)
	b.encoder.Embeddings = c.Vocabulary
	d := &decoder{base: b, model: llama.New(c, half)}
	if err := d.load(ctx, c.Weights(), c.Linears(), source, trained); err != nil {
		return nil, err
	}
	d.generator = generate.New(d.model, d.runner)
	return d, nil
}

// decoderConfig goes by the weights where config.json says something else of the
// head.
func decoderConfig(source *weights.Model) (llama.Config, error) {
	c, err := llama.ParseConfig(source.Config())
	_, own := source.Shape("lm_head.weight")
	c.Tied = !own
	return c, err
}

func (d *decoder) describe(name string, e *xla.Engine, show *report.Run) {
	show.Say("Model %s: %.1f million weights, %d layers, on %s", name, float64(d.model.Config.Parameters())/1e6, d.model.Config.Layers, e.Describe())
	d.describeRest(show)
}

// usePrompt sets how prompts are rendered: as the flags say, or, where they say
// nothing, as the model was trained.
func (d *decoder) usePrompt(c PromptOptions, show *report.Run) error {
	d.encoder.MaxTokens = d.model.Config.Within(c.MaxTokens)
	text := d.textSide()
	saved, err := text.saved()
	if err != nil {
		return err
	}
	chosen, err := text.choose(c, saved)
	if err != nil {
		return err
	}
	d.encoder.Template = chosen.template
	text.show(chosen, show)
	return nil
}

// useGeneration sets how answers are decoded. They end at the model's end tokens
// and at what ends an answer in the prompt: where that is one token at it, else
// at its text.
func (d *decoder) useGeneration(c GenerationOptions) error {
	if c.Beams > 1 {
		return fmt.Errorf("num_beams: %d found with a decoder, which answers greedily or by drawing; 1 expected; use --do_sample, or an encoder-decoder", c.Beams)
	}
	o := generate.DefaultOptions()
	o.MaxNewTokens, o.BatchSize = c.MaxNewTokens, c.BatchSize
	if c.Sample {
		o.Sample = &generate.Sampling{Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK, Seed: uint64(c.Seed)}
	}
	text := d.textSide()
	ends, err := text.ends()
	if err != nil {
		return err
	}
	if id, ok := text.stopToken(d.encoder.Template); ok {
		ends = append(ends, id)
	} else if stops := d.encoder.Template.Stops(); len(stops) > 0 {
		o.Ended = spells(d.encoder.Tokenizer, stops[0])
	}
	for _, id := range ends {
		o.Stops = append(o.Stops, []int32{id})
	}
	d.generate = o
	return o.Validate()
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
	return promptBefore(d.encoder, d.generate.MaxNewTokens, q)
}

func promptBefore(e *recipe.Encoder, answer int, q evaluate.Query) ([]int32, error) {
	ids, err := e.Prompt(recipe.Input(q.Question, q.History, q.Passages), q.Context == evaluate.Gold, e.MaxTokens-answer)
	var long *recipe.TooLong
	if errors.As(err, &long) {
		long.Setting = "max_seq_length, or lower eval_max_new_tokens"
	}
	return ids, err
}

func (d *decoder) room(examples []dataset.Example) error {
	return decoderRoom(d.encoder, d.generate.MaxNewTokens, examples)
}

func decoderRoom(e *recipe.Encoder, answer int, examples []dataset.Example) error {
	if answer >= e.MaxTokens {
		return fmt.Errorf("eval_max_new_tokens: %d found, and %d tokens for prompt and answer together (max_seq_length, and the model's max_position_embeddings where that is less); expected fewer, so that there is room for a prompt", answer, e.MaxTokens)
	}
	return recipe.Fitting(len(examples), func(i int) error {
		_, err := promptBefore(e, answer, evaluate.Query{Question: examples[i].Question, History: examples[i].History})
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
		if opt.Ended != nil && len(ids) == opt.MaxNewTokens {
			texts[i] = withoutPart(texts[i], d.encoder.Template.Stops()[0])
		}
	}
	return texts, nil
}

func (d *decoder) encode(examples []dataset.Example, contexts []recipe.Context) (rows, error) {
	all, err := d.encoder.Rows(examples, contexts)
	about := func(r batch.Row) (index, tokens, terms int) { return r.Index, len(r.Tokens), r.Terms() }
	return newRows(all, about, batch.PackingFor(d.runner.Engine.OnHost()).Each, func(b *batch.Decoder) int { return len(b.Rows) }, d.model.Loss), err
}

func (d *decoder) borders(examples []dataset.Example, contexts []recipe.Context) (note string, err error) {
	return d.encoder.Borders(examples, contexts)
}

// save writes what is trained, with the prompt's template beside it.
func (d *decoder) save(ctx context.Context, dir string) error {
	return d.saveWith(ctx, dir, prompt.FileName, d.encoder.Template, d.encoder.Template)
}

// saveWith writes a Hugging Face folder that is asked by a template (nil for one
// that no other program asks), with one more file, of JSON.
func (b *base) saveWith(ctx context.Context, dir, name string, content any, t *prompt.Template) error {
	files, err := b.textSide().export(t)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	files[name] = append(data, '\n')
	return b.from.save(ctx, dir, b.params, b.config, files)
}
