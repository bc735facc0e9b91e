package qa

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"gorqa/batch"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/device"
	"gorqa/tensor/tape"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/recipe"
)

// asking is how models of a kind are asked and what of a row they learn.
type asking interface {
	// usePrompt sets template and lengths: as the options say, or, where they say
	// nothing, as the model was trained.
	usePrompt(s TextSide, o PromptOptions) (Choice, error)
	// line says in a line what was chosen and what ends an answer.
	line(s TextSide, c Choice) string
	// separator warns of what ends an answer, "" where that is as it should be.
	separator(s TextSide, c Choice) string

	// Borders tells of rows whose answers are trained after other tokens than they are
	// generated after, "" for none.
	Borders(examples []dataset.Example, contexts []recipe.Context) (note string, err error)
	// fits names the examples that are too long to be learnt in a *recipe.Overflow.
	fits(examples []dataset.Example, contexts []recipe.Context) error
	// room names those whose prompts leave no room for an answer of so many tokens.
	room(examples []dataset.Example, answer int) error
	// parts are the texts of a row as it is learnt, or, asked, as it is answered with
	// room for so many tokens.
	parts(x dataset.Example, c recipe.Context, asked bool, answer int) ([]Part, error)

	// sizes gives the positions of the longest row and of a full micro-batch, and those
	// that are kept of a row that is answered.
	sizes(o PromptOptions, d device.Profile, passages, answer int) (row, batch, kept int)
}

// Part is one of the texts that a model reads or learns of a row.
type Part struct {
	Name string
	recipe.Shown
}

// decoderAsking is a decoder's: a row is one text.
type decoderAsking struct {
	encoder *recipe.Encoder
	config  llama.Config
}

func (d decoderAsking) usePrompt(s TextSide, o PromptOptions) (Choice, error) {
	d.encoder.MaxTokens = d.config.Within(o.MaxTokens)
	saved, err := s.saved()
	if err != nil {
		return Choice{}, err
	}
	chosen, err := s.choose(o, saved)
	d.encoder.Template = chosen.Template
	return chosen, err
}

func (d decoderAsking) line(s TextSide, c Choice) string { return s.describe(c) }

func (d decoderAsking) separator(s TextSide, c Choice) string { return s.separator(c.Template) }

func (d decoderAsking) Borders(examples []dataset.Example, contexts []recipe.Context) (string, error) {
	return d.encoder.Borders(examples, contexts)
}

func (d decoderAsking) fits(examples []dataset.Example, contexts []recipe.Context) error {
	_, err := d.encoder.Rows(examples, contexts)
	return err
}

func (d decoderAsking) room(examples []dataset.Example, answer int) error {
	if answer >= d.encoder.MaxTokens {
		return fmt.Errorf("eval_max_new_tokens: %d found, and %d tokens for prompt and answer together (max_seq_length, and the model's max_position_embeddings where that is less); expected fewer, so that there is room for a prompt", answer, d.encoder.MaxTokens)
	}
	return recipe.Fitting(len(examples), func(i int) error {
		_, err := d.prompt(evaluate.Query{Question: examples[i].Question, History: examples[i].History}, answer)
		return err
	})
}

// roomForAnswer is what gives a decoder's prompt more room.
const roomForAnswer = "max_seq_length, or lower eval_max_new_tokens"

// prompt is what a question is asked by, with room for an answer of so many tokens
// behind it.
func (d decoderAsking) prompt(q evaluate.Query, answer int) (batch.Row, error) {
	row, err := d.encoder.Prompt(recipe.Input(q.Question, q.History, q.Passages), q.Context == evaluate.Gold, d.encoder.MaxTokens-answer)
	var long *recipe.TooLong
	if errors.As(err, &long) {
		long.Setting = roomForAnswer
	}
	return row, err
}

func (d decoderAsking) parts(x dataset.Example, c recipe.Context, asked bool, answer int) ([]Part, error) {
	if asked {
		shown, err := d.encoder.ShowPrompt(x, c, d.encoder.MaxTokens-answer)
		return []Part{{"Prompt", shown}}, err
	}
	shown, err := d.encoder.Show(x, c)
	return []Part{{"Row", shown}}, err
}

func (a decoderAsking) sizes(o PromptOptions, d device.Profile, _, answer int) (row, full, kept int) {
	row = a.config.Within(o.MaxTokens)
	packing := d.Decoder
	if o.inBlocks() {
		packing = packing.InBlocks()
	}
	return row, packing.Capacity, row + answer
}

// fidAsking is an encoder-decoder's: a row is a text for each passage, and an answer.
type fidAsking struct {
	text recipe.FiD
	was  fidFile // what the model's folder says
}

func newFiDAsking(e *recipe.Encoder, s TextSide, end int32) (*fidAsking, error) {
	f := &fidAsking{text: recipe.FiD{Encoder: e, End: end}}
	if data := s.Files[fidName]; data != nil {
		if err := f.was.read(data); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(s.Folder, fidName), err)
		}
	}
	return f, nil
}

// LocalRQA's lengths.
const maxPassageTokens, maxAnswerTokens = 512, 256

func (f *fidAsking) usePrompt(s TextSide, o PromptOptions) (Choice, error) {
	f.text.Encoder.MaxTokens = cmp.Or(o.MaxPassageTokens, f.was.MaxTokens, maxPassageTokens)
	f.text.MaxAnswer = cmp.Or(o.MaxAnswerTokens, f.was.MaxAnswer, maxAnswerTokens)
	if o.inBlocks() {
		return Choice{}, errors.New("block_attention: true found with an encoder-decoder, whose encoder reads each passage alone already; expected a decoder; leave it out")
	}
	chosen, err := s.choose(o, f.was.Template)
	f.text.Encoder.Template = chosen.Template
	return chosen, err
}

func (f *fidAsking) line(s TextSide, c Choice) string {
	return fmt.Sprintf("%s; an answer ends in %s", c.What, tokenNamed(s.Tokenizer, f.text.End))
}

// separator ends nothing: answers are learnt without it.
func (f *fidAsking) separator(TextSide, Choice) string { return "" }

// Borders has none: answers stand apart from prompts.
func (f *fidAsking) Borders([]dataset.Example, []recipe.Context) (string, error) { return "", nil }

func (f *fidAsking) fits(examples []dataset.Example, contexts []recipe.Context) error {
	_, err := f.text.Rows(examples, contexts)
	return err
}

func (f *fidAsking) room(examples []dataset.Example, _ int) error { return f.text.Fits(examples) }

func (f *fidAsking) parts(x dataset.Example, c recipe.Context, asked bool, _ int) ([]Part, error) {
	if asked {
		x.GoldAnswer = ""
	}
	passages, answer, err := f.text.Show(x, c)
	var parts []Part
	for i, p := range passages {
		parts = append(parts, Part{fmt.Sprintf("Passage %d", i+1), p})
	}
	if !asked {
		parts = append(parts, Part{"Answer", answer})
	}
	return parts, err
}

func (f *fidAsking) sizes(o PromptOptions, d device.Profile, passages, _ int) (row, full, kept int) {
	row = int(tape.Bytes(passages, cmp.Or(o.MaxPassageTokens, f.was.MaxTokens, maxPassageTokens)))
	return row, d.FiD.Capacity, row
}

// length is a row's in full.
func length(r batch.FiDRow) int { return len(slices.Concat(r.Passages...)) + len(r.Answer) }
