package qa

import (
	"context"
	"encoding/json"
	"fmt"

	"gorqa/batch"
	"gorqa/engine/xla"
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
	ask       decoderAsking
	model     *llama.Model
	generator *generate.Generator
	generate  generate.Options
}

func decoderShape(config, _ []byte, headless *bool) (shape, error) {
	c, err := llama.ParseConfig(config)
	if headless != nil {
		c.Tied = *headless
	}
	return shape{
		dimensions: c, name: c.Type, vocabulary: c.Vocabulary, width: c.Width, setting: "max_seq_length",
		heads: c.Heads, kvHeads: c.KVHeads, headWidth: c.HeadWidth, products: c.Products(),
		asking: func(e *recipe.Encoder, _ TextSide) (asking, error) { return decoderAsking{e, c}, nil },
		open: func(m Model, bf16 bool) Generator {
			d := &decoder{Model: m, ask: m.asking.(decoderAsking), model: llama.New(c, bf16)}
			d.generator = generate.New(d.model, d.Runner)
			return d
		},
	}, err
}

func (d *decoder) Describe(name string, e *xla.Engine, show *report.Run) {
	show.Say("Model %s: %.1f million weights, %d layers, on %s", name, float64(d.model.Config.Parameters())/1e6, d.model.Config.Layers, e.Describe())
	d.describeRest(show)
}

// UseGeneration sets how answers are decoded.
func (d *decoder) UseGeneration(c GenerationOptions) (err error) {
	d.generate, err = d.options(c)
	return err
}

// options say how answers are decoded. They end at the model's end tokens and at what
// ends an answer in the prompt: where that is one token at it, else at its text.
func (d *decoder) options(c GenerationOptions) (generate.Options, error) {
	o := generate.DefaultOptions()
	if c.Beams > 1 {
		return o, fmt.Errorf("num_beams: %d found with a decoder, which answers greedily or by drawing; 1 expected; use --do_sample, or an encoder-decoder", c.Beams)
	}
	o.MaxNewTokens, o.BatchSize, o.Drafts = c.MaxNewTokens, c.BatchSize, c.Drafts
	if c.Sample {
		o.Sample = &generate.Sampling{Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK, Seed: uint64(c.Seed)}
	}
	text := d.textSide()
	ends, err := text.Ends()
	if err != nil {
		return o, err
	}
	if id, ok := text.stopToken(d.Encoder.Template); ok {
		ends = append(ends, id)
	} else if stops := d.Encoder.Template.Stops(); len(stops) > 0 {
		o.Ended = spells(d.Encoder.Tokenizer, stops[0])
	}
	for _, id := range ends {
		o.Stops = append(o.Stops, []int32{id})
	}
	return o, o.Validate()
}

// Generate implements evaluate.Generator.
func (d *decoder) Generate(ctx context.Context, queries []evaluate.Query) ([]evaluate.Answer, error) {
	prompts := make([]batch.Row, len(queries))
	for i, q := range queries {
		var err error
		if prompts[i], err = d.ask.prompt(q, d.generate.MaxNewTokens); err != nil {
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

func (d *decoder) Drafts() generate.Drafts { return d.generator.Drafts() }

func (d *decoder) Room(examples []dataset.Example) error {
	return d.room(examples, d.generate.MaxNewTokens)
}

func (d *decoder) Complete(ctx context.Context, prompts [][]int32, most int) ([]string, error) {
	opt := d.generate
	opt.Sample, opt.MaxNewTokens = nil, most
	return d.texts(ctx, generate.Plain(prompts), opt)
}

// texts is what the model says after each prompt.
func (d *decoder) texts(ctx context.Context, prompts []batch.Row, opt generate.Options) ([]string, error) {
	found, err := d.generator.Generate(ctx, prompts, opt)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(found))
	for i, ids := range found {
		texts[i] = d.spoken(ids, opt)
	}
	return texts, d.Encoder.Tokenizer.Err()
}

// spoken is an answer's text: up to what ends it, also where it was cut within that.
func (d *decoder) spoken(answer []int32, opt generate.Options) string {
	text := recipe.Trim(d.Encoder.Tokenizer.Decode(answer, true), d.Encoder.Template.Stops())
	if opt.Ended != nil && len(answer) == opt.MaxNewTokens {
		text = WithoutPart(text, d.Encoder.Template.Stops()[0])
	}
	return text
}

func (d *decoder) Encode(examples []dataset.Example, contexts []recipe.Context) (Rows, error) {
	all, err := d.Encoder.Rows(examples, contexts)
	about := func(r batch.Row) (index, tokens, terms int) { return r.Index, len(r.Tokens), r.Terms() }
	return newRows(all, about, d.Runner.Device.Decoder, func(b *batch.Decoder) int { return len(b.Rows) }, d.model.Loss), err
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
