package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gorqa/config"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/recipe"
	"gorqa/text/tokenizer"
)

// Prompt shows a row as it is trained, or a prompt as it is answered: the text, its
// tokens, which of them are learnt, and what ends an answer. It opens no engine.
func Prompt(ctx context.Context, c config.Preview, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	p, err := session{hub: c.Hub, show: show}.openPreview(ctx, c)
	if err != nil {
		return err
	}
	x, err := p.row(ctx)
	if err != nil {
		return err
	}
	parts, err := p.parts(x)
	if err != nil {
		return inRow(c.File(), x, err)
	}
	for _, note := range p.notes(x) {
		show.Warn("%s", note)
	}
	if c.JSON {
		return p.writeJSON(s.Out, x, parts)
	}
	return p.write(s.Out, x, parts)
}

// inRow says where a row is.
func inRow(file string, x dataset.Example, err error) error {
	if x.Line == 0 {
		return err
	}
	return fmt.Errorf("%s:%d: %w", file, x.Line, err)
}

// preview is the text side of a run.
type preview struct {
	c      config.Preview
	model  *qa.Outline
	chosen qa.Choice
	ends   []int32
}

// openPreview reads what of a model says how it is asked.
func (s session) openPreview(ctx context.Context, c config.Preview) (_ *preview, err error) {
	p := &preview{c: c}
	if c.ConfigName != "" {
		fresh, err := s.locateFresh(ctx, c.Fresh)
		if err != nil {
			return nil, err
		}
		if p.model, err = qa.LookFresh(ctx, fresh); err != nil {
			return nil, err
		}
	} else {
		from, err := s.locateOrigin(ctx, c.Model)
		if err != nil {
			return nil, err
		}
		if p.model, err = qa.Look(ctx, from, false); err != nil {
			return nil, err
		}
	}
	p.model.Encoder.LearnAll = c.LossOn == "all"
	if p.chosen, err = p.model.UsePrompt(promptOptions(c.Prompt)); err != nil {
		return nil, err
	}
	p.ends, err = p.model.Ends()
	return p, err
}

// row is the row that the settings name.
func (p *preview) row(ctx context.Context) (dataset.Example, error) {
	file := p.c.File()
	if file == "" {
		return dataset.Example{Question: p.c.Question}, nil
	}
	examples, _, err := readExamples(ctx, file, p.c.OnBadRows == "skip")
	if err != nil {
		return dataset.Example{}, err
	}
	at := slices.IndexFunc(examples, func(x dataset.Example) bool { return x.Line == p.c.Line })
	if at < 0 {
		return dataset.Example{}, fmt.Errorf("%s:%d: no row there; a line from %d to %d with one expected; choose another --line", file, p.c.Line, examples[0].Line, examples[len(examples)-1].Line)
	}
	_, _, err = qa.CheckSpeakers(p.model.Encoder.Template, file, examples[at:at+1], false)
	return examples[at], err
}

// parts are the texts that the model reads or learns.
func (p *preview) parts(x dataset.Example) ([]qa.Part, error) {
	return p.model.Parts(x, recipe.GoldContext(0, x), p.c.Asked || p.c.Question != "", p.c.EvalMaxNewTokens)
}

// notes is what is odd about the prompt.
func (p *preview) notes(x dataset.Example) []string {
	notes := append(slices.Clone(p.chosen.Warnings), p.model.Encoder.Notes()...)
	if w := p.model.SeparatorWarning(p.chosen); w != "" {
		notes = append(notes, w)
	}
	if x.GoldAnswer != "" {
		if w, err := p.model.Borders([]dataset.Example{x}, []recipe.Context{recipe.GoldContext(0, x)}); err == nil && w != "" {
			notes = append(notes, w)
		}
	}
	return notes
}

func (p *preview) write(out io.Writer, x dataset.Example, parts []qa.Part) error {
	w := new(strings.Builder)
	fmt.Fprintf(w, "Prompt: %s\n", p.model.PromptLine(p.chosen))
	if x.Line > 0 {
		fmt.Fprintf(w, "Row: %s:%d\n", p.c.File(), x.Line)
	}
	for _, part := range parts {
		learnt := 0
		for _, t := range part.Tokens {
			if t.Learnt {
				learnt++
			}
		}
		fmt.Fprintf(w, "\n%s: %d tokens, %d of them learnt\n%s%s\n\n", part.Name, len(part.Tokens), learnt, part.Prompt, part.Answer)
		for j, t := range part.Tokens {
			mark := " "
			if t.Learnt {
				mark = "*"
			}
			fmt.Fprintf(w, "%6d %s %8d  %-20q %q\n", j, mark, t.ID, t.Token, t.Text)
		}
	}
	fmt.Fprintf(w, "\nTokens that end an answer:%s\n", tokensNamed(p.model.Tokenizer, p.ends))
	_, err := io.WriteString(out, report.Clean(w.String()))
	return err
}

func tokensNamed(t *tokenizer.Tokenizer, ids []int32) string {
	text := ""
	for _, id := range ids {
		token, _ := t.Token(id)
		text += fmt.Sprintf(" %q (%d)", token, id)
	}
	return text
}

func (p *preview) writeJSON(out io.Writer, x dataset.Example, parts []qa.Part) error {
	type token struct {
		ID     int32  `json:"id"`
		Token  string `json:"token"`
		Text   string `json:"text"`
		Learnt bool   `json:"learnt"`
	}
	type text struct {
		Prompt string  `json:"prompt"`
		Answer string  `json:"answer"`
		Tokens []token `json:"tokens"`
	}
	value := struct {
		File     string  `json:"file,omitempty"`
		Line     int     `json:"line,omitempty"`
		Template string  `json:"template"`
		Ends     []int32 `json:"ends"`
		Texts    []text  `json:"texts"`
	}{File: p.c.File(), Line: x.Line, Template: p.model.PromptLine(p.chosen), Ends: p.ends, Texts: []text{}}
	for _, part := range parts {
		t := text{Prompt: part.Prompt, Answer: part.Answer, Tokens: []token{}}
		for _, shown := range part.Tokens {
			t.Tokens = append(t.Tokens, token(shown))
		}
		value.Texts = append(value.Texts, t)
	}
	enc := json.NewEncoder(&report.CleanJSON{Out: out})
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}
