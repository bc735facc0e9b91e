package app

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"gorqa/config"
	"gorqa/files/weights"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/tensor/arch/t5"
	"gorqa/text/dataset"
	"gorqa/text/prompt"
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
	p, err := openPreview(ctx, c, show)
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
	c       config.Preview
	text    qa.TextSide
	chosen  qa.Choice
	encoder *recipe.Encoder
	fusion  *recipe.Fusion // nil for a decoder
	ends    []int32
}

// openPreview reads what of a model says how it is asked.
func openPreview(ctx context.Context, c config.Preview, show *report.Run) (_ *preview, err error) {
	p := &preview{c: c, encoder: &recipe.Encoder{LearnAll: c.LossOn == "all"}}
	var was qa.FiDFile
	var saved *prompt.Template
	if c.ConfigName != "" {
		fresh, err := locateFresh(ctx, c.Fresh, c.Hub, show)
		if err != nil {
			return nil, err
		}
		parsed, data, err := fresh.Read()
		if err != nil {
			return nil, err
		}
		folder := fresh.Tokenizer
		files, err := qa.TokenizerFiles(ctx, folder)
		if err != nil {
			return nil, err
		}
		p.text = qa.TextSide{Folder: folder, Config: data, Files: files}
		p.fuse(parsed)
	} else {
		from, err := locateOrigin(ctx, c.Model, c.Hub, show)
		if err != nil {
			return nil, err
		}
		source, err := weights.Open(ctx, from.Base)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, source.Close()) }()
		p.text = qa.TextSide{Folder: from.TokenizerFolder(), Config: source.Config(), Files: source.Files()}
		if from.Adapter != "" {
			adapter, _, err := weights.OpenAdapter(ctx, from.Adapter)
			if err != nil {
				return nil, err
			}
			for name, data := range adapter.Files() {
				p.text.Files[name] = data
			}
			if err := adapter.Close(); err != nil {
				return nil, err
			}
		}
		fuses, err := qa.IsFiD(source.Config(), qa.AnyKind)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", from.Base, err)
		}
		if fuses {
			parsed, err := qa.FiDConfig(source)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", from.Base, err)
			}
			p.fuse(parsed)
			if data := p.text.Files[qa.FiDName]; data != nil {
				if err := was.Read(data); err != nil {
					return nil, fmt.Errorf("%s: %w", qa.FiDName, err)
				}
			}
			saved = was.Template
		} else {
			parsed, err := qa.DecoderConfig(source)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", from.Base, err)
			}
			p.encoder.Embeddings, p.encoder.MaxTokens = parsed.Vocabulary, parsed.Within(c.MaxSeqLength)
			if saved, err = p.text.Saved(); err != nil {
				return nil, err
			}
		}
	}
	if p.text.Tokenizer, err = qa.LoadTokenizer(ctx, p.text.Folder); err != nil {
		return nil, err
	}
	p.encoder.Tokenizer = p.text.Tokenizer
	if p.fusion != nil {
		p.encoder.MaxTokens = cmp.Or(c.MaxEncoderSeqLength, was.MaxTokens, qa.MaxPassageTokens)
		p.fusion.MaxAnswer = cmp.Or(c.MaxDecoderSeqLength, was.MaxAnswer, qa.MaxAnswerTokens)
	}
	if p.chosen, err = p.text.Choose(promptOptions(c.Prompt), saved); err != nil {
		return nil, err
	}
	p.encoder.Template = p.chosen.Template
	p.ends, err = p.text.Ends()
	return p, err
}

func (p *preview) fuse(c t5.Config) {
	p.encoder.Embeddings = c.Vocabulary
	p.fusion = &recipe.Fusion{Encoder: p.encoder, End: int32(c.End)}
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
	_, _, err = qa.CheckSpeakers(p.encoder.Template, file, examples[at:at+1], false)
	return examples[at], err
}

// parts are the texts that the model reads or learns.
func (p *preview) parts(x dataset.Example) ([]recipe.Shown, error) {
	context := recipe.GoldContext(0, x)
	asked := p.c.Asked || p.c.Question != ""
	switch {
	case p.fusion != nil:
		if asked {
			x.GoldAnswer = ""
		}
		passages, answer, err := p.fusion.Show(x, context)
		if asked {
			return passages, err
		}
		return append(passages, answer), err
	case asked:
		shown, err := p.encoder.ShowPrompt(x, context, p.encoder.MaxTokens-p.c.EvalMaxNewTokens)
		return []recipe.Shown{shown}, err
	}
	shown, err := p.encoder.Show(x, context)
	return []recipe.Shown{shown}, err
}

// notes is what is odd about the prompt.
func (p *preview) notes(x dataset.Example) []string {
	notes := append(slices.Clone(p.chosen.Warnings), p.encoder.Notes()...)
	if p.fusion != nil {
		return notes
	}
	if w := p.text.Separator(p.encoder.Template); w != "" {
		notes = append(notes, w)
	}
	if x.GoldAnswer != "" {
		if w, err := p.encoder.Borders([]dataset.Example{x}, []recipe.Context{recipe.GoldContext(0, x)}); err == nil && w != "" {
			notes = append(notes, w)
		}
	}
	return notes
}

// what says how the prompt was chosen and what ends an answer.
func (p *preview) what() string {
	if p.fusion != nil {
		return fmt.Sprintf("%s; an answer ends in %s", p.chosen.What, qa.TokenNamed(p.text.Tokenizer, p.fusion.End))
	}
	return p.text.Describe(p.chosen)
}

func (p *preview) write(out io.Writer, x dataset.Example, parts []recipe.Shown) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "Prompt: %s\n", p.what())
	if x.Line > 0 {
		fmt.Fprintf(w, "Row: %s:%d\n", p.c.File(), x.Line)
	}
	for i, part := range parts {
		learnt := 0
		for _, t := range part.Tokens {
			if t.Learnt {
				learnt++
			}
		}
		name := "Row"
		switch {
		case p.fusion != nil && part.Prompt == "":
			name = "Answer"
		case p.fusion != nil:
			name = fmt.Sprintf("Passage %d", i+1)
		case part.Answer == "":
			name = "Prompt"
		}
		fmt.Fprintf(w, "\n%s: %d tokens, %d of them learnt\n%s%s\n\n", name, len(part.Tokens), learnt, part.Prompt, part.Answer)
		for j, t := range part.Tokens {
			mark := " "
			if t.Learnt {
				mark = "*"
			}
			fmt.Fprintf(w, "%6d %s %8d  %-20q %q\n", j, mark, t.ID, t.Token, t.Text)
		}
	}
	fmt.Fprintf(w, "\nTokens that end an answer:%s\n", tokensNamed(p.text.Tokenizer, p.ends))
	return w.Flush()
}

func tokensNamed(t *tokenizer.Tokenizer, ids []int32) string {
	text := ""
	for _, id := range ids {
		token, _ := t.Token(id)
		text += fmt.Sprintf(" %q (%d)", token, id)
	}
	return text
}

func (p *preview) writeJSON(out io.Writer, x dataset.Example, parts []recipe.Shown) error {
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
	}{File: p.c.File(), Line: x.Line, Template: p.what(), Ends: p.ends, Texts: []text{}}
	for _, part := range parts {
		t := text{Prompt: part.Prompt, Answer: part.Answer, Tokens: []token{}}
		for _, shown := range part.Tokens {
			t.Tokens = append(t.Tokens, token(shown))
		}
		value.Texts = append(value.Texts, t)
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}
