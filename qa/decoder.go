package qa

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
	Model
	model     *llama.Model
	generator *generate.Generator
	generate  generate.Options
}

func openDecoder(ctx context.Context, e *xla.Engine, source *weights.Model, from Origin, half, trained bool) (*decoder, error) {
	c, err := DecoderConfig(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Base, err)
	}
	b, err := newBase(ctx, e, from, source.Config(), source.Files(), half)
	if err != nil {
		return nil, err
	}
	b.notes = Notes(source, c.Weights(), trained)
	b.Encoder.Embeddings = c.Vocabulary
	d := &decoder{Model: b, model: llama.New(c, half)}
	if err := d.load(ctx, c.Weights(), c.Linears(), source, trained); err != nil {
		return nil, err
	}
	d.generator = generate.New(d.model, d.Runner)
	return d, nil
}

// DecoderConfig goes by the weights where config.json says something else of the
// head.
func DecoderConfig(source *weights.Model) (llama.Config, error) {
	c, err := llama.ParseConfig(source.Config())
	_, own := source.Shape("lm_head.weight")
	c.Tied = !own
	return c, err
}

func (d *decoder) Describe(name string, e *xla.Engine, show *report.Run) {
	show.Say("Model %s: %.1f million weights, %d layers, on %s", name, float64(d.model.Config.Parameters())/1e6, d.model.Config.Layers, e.Describe())
	d.describeRest(show)
}

// UsePrompt sets how prompts are rendered: as the flags say, or, where they say
// nothing, as the model was trained.
func (d *decoder) UsePrompt(c PromptOptions, show *report.Run) error {
	d.Encoder.MaxTokens = d.model.Config.Within(c.MaxTokens)
	text := d.textSide()
	saved, err := text.Saved()
	if err != nil {
		return err
	}
	chosen, err := text.Choose(c, saved)
	if err != nil {
		return err
	}
	d.Encoder.Template = chosen.Template
	text.show(chosen, show)
	return nil
}

// UseGeneration sets how answers are decoded. They end at the model's end tokens
// and at what ends an answer in the prompt: where that is one token at it, else
// at its text.
func (d *decoder) UseGeneration(c GenerationOptions) error {
	if c.Beams > 1 {
		return fmt.Errorf("num_beams: %d found with a decoder, which answers greedily or by drawing; 1 expected; use --do_sample, or an encoder-decoder", c.Beams)
	}
	o := generate.DefaultOptions()
	o.MaxNewTokens, o.BatchSize = c.MaxNewTokens, c.BatchSize
	if c.Sample {
		o.Sample = &generate.Sampling{Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK, Seed: uint64(c.Seed)}
	}
	text := d.textSide()
	ends, err := text.Ends()
	if err != nil {
		return err
	}
	if id, ok := text.stopToken(d.Encoder.Template); ok {
		ends = append(ends, id)
	} else if stops := d.Encoder.Template.Stops(); len(stops) > 0 {
		o.Ended = spells(d.Encoder.Tokenizer, stops[0])
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
	return promptBefore(d.Encoder, d.generate.MaxNewTokens, q)
}

func promptBefore(e *recipe.Encoder, answer int, q evaluate.Query) ([]int32, error) {
	ids, err := e.Prompt(recipe.Input(q.Question, q.History, q.Passages), q.Context == evaluate.Gold, e.MaxTokens-answer)
	var long *recipe.TooLong
	if errors.As(err, &long) {
		long.Setting = "max_seq_length, or lower eval_max_new_tokens"
	}
	return ids, err
}

func (d *decoder) Room(examples []dataset.Example) error {
	return DecoderRoom(d.Encoder, d.generate.MaxNewTokens, examples)
}

func DecoderRoom(e *recipe.Encoder, answer int, examples []dataset.Example) error {
	if answer >= e.MaxTokens {
		return fmt.Errorf("eval_max_new_tokens: %d found, and %d tokens for prompt and answer together (max_seq_length, and the model's max_position_embeddings where that is less); expected fewer, so that there is room for a prompt", answer, e.MaxTokens)
	}
	return recipe.Fitting(len(examples), func(i int) error {
		_, err := promptBefore(e, answer, evaluate.Query{Question: examples[i].Question, History: examples[i].History})
		return err
	})
}

func (d *decoder) Complete(ctx context.Context, prompts [][]int32, most int) ([]string, error) {
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
		texts[i] = recipe.Trim(d.Encoder.Tokenizer.Decode(ids, true), d.Encoder.Template.Stops())
		if opt.Ended != nil && len(ids) == opt.MaxNewTokens {
			texts[i] = withoutPart(texts[i], d.Encoder.Template.Stops()[0])
		}
	}
	return texts, nil
}

func (d *decoder) Encode(examples []dataset.Example, contexts []recipe.Context) (Rows, error) {
	all, err := d.Encoder.Rows(examples, contexts)
	about := func(r batch.Row) (index, tokens, terms int) { return r.Index, len(r.Tokens), r.Terms() }
	return newRows(all, about, batch.PackingFor(d.Runner.Engine.OnHost()).Each, func(b *batch.Decoder) int { return len(b.Rows) }, d.model.Loss), err
}

func (d *decoder) Borders(examples []dataset.Example, contexts []recipe.Context) (note string, err error) {
	return d.Encoder.Borders(examples, contexts)
}

// Save writes what is trained, with the prompt's template beside it.
func (d *decoder) Save(ctx context.Context, dir string) error {
	return d.saveWith(ctx, dir, prompt.FileName, d.Encoder.Template, d.Encoder.Template)
}

// saveWith writes a Hugging Face folder that is asked by a template (nil for one
// that no other program asks), with one more file, of JSON.
func (b *Model) saveWith(ctx context.Context, dir, name string, content any, t *prompt.Template) error {
	files, err := b.textSide().export(t)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	files[name] = append(data, '\n')
	return b.Origin.save(ctx, dir, b.Params, b.config, files)
}
