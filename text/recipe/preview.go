package recipe

import (
	"slices"

	"gorqa/text/dataset"
	"gorqa/text/tokenizer"
)

// Shown is a text with its tokens, to be looked at.
type Shown struct {
	Prompt string // "" for FiD's answer, which is a text of its own
	Answer string // what follows the prompt; "" for a prompt alone
	Tokens []ShownToken
}

// ShownToken is one token of a text.
type ShownToken struct {
	ID     int32
	Token  string // as the vocabulary spells it
	Text   string // what it stands for; "" for one that the tokenizer or the recipe adds
	Learnt bool
}

// Show gives a row as it is trained.
func (e *Encoder) Show(x dataset.Example, c Context) (Shown, error) {
	answer := e.Template.Answer(c.Target(x))
	l, err := e.fit(Input(x.Question, x.History, c.documents()), answer, c.cuts(), e.MaxTokens)
	if err != nil {
		return Shown{}, err
	}
	if e.LearnAll {
		l.from = 1 // nothing comes before the first token that it could be told from
	}
	return Shown{Prompt: l.text(), Answer: answer, Tokens: e.shown(l, answer)}, nil
}

// ShowPrompt gives a prompt as it is answered, in at most limit tokens.
func (e *Encoder) ShowPrompt(x dataset.Example, c Context, limit int) (Shown, error) {
	l, err := e.fit(Input(x.Question, x.History, c.documents()), "", c.cuts(), limit)
	if err != nil {
		return Shown{}, err
	}
	return Shown{Prompt: l.text(), Tokens: e.shown(l, "")}, nil
}

// shown spells the tokens of a prompt and of the answer that follows it.
func (e *Encoder) shown(l laid, answer string) (out []ShownToken) {
	ends := append(slices.Clone(l.blocks), len(l.ids))
	for i, text := range l.pieces {
		if i == len(l.pieces)-1 {
			text += answer
		}
		special := i == 0 && e.Template.AddSpecialTokens()
		ids, whole := l.ids[len(out):ends[i]], e.Tokenizer.EncodeSpans(text, special)
		spans := whole.Spans
		if before, _ := e.Tokenizer.Around(); special && len(ids) > 0 && len(spans) >= len(ids)+len(before) && twice(whole.IDs, before) {
			spans = spans[len(before):]
		}
		out = append(out, spell(e.Tokenizer, ids, text, spans, l.from-len(out))...)
	}
	return out
}

func spell(t *tokenizer.Tokenizer, ids []int32, text string, spans []tokenizer.Span, from int) []ShownToken {
	out := make([]ShownToken, len(ids))
	for i, id := range ids {
		out[i] = ShownToken{ID: id, Learnt: i >= from}
		out[i].Token, _ = t.Token(id)
		if i < len(spans) {
			out[i].Text = text[spans[i].Lo:spans[i].Hi]
		}
	}
	return out
}

// Show gives a row's passages as the encoder reads them, and its answer as the
// decoder learns it.
func (f *FiD) Show(x dataset.Example, c Context) (passages []Shown, answer Shown, err error) {
	row, err := f.Row(x, c)
	if err != nil {
		return nil, Shown{}, err
	}
	docs := [][]dataset.Document{nil}
	if all := c.documents(); len(all) > 0 {
		docs = docs[:0]
		for _, d := range all {
			docs = append(docs, []dataset.Document{d})
		}
	}
	for i, ids := range row.Passages {
		l, err := f.Encoder.fit(Input(x.Question, x.History, docs[i]), "", passageCuts(len(docs[i])), f.Encoder.MaxTokens-1)
		if err != nil {
			return nil, Shown{}, err
		}
		l.ids, l.from = ids, len(ids)
		passages = append(passages, Shown{Prompt: l.text(), Tokens: f.Encoder.shown(l, "")})
	}
	target := c.Target(x)
	spans := f.Encoder.Tokenizer.EncodeSpans(target, false).Spans
	return passages, Shown{Answer: target, Tokens: spell(f.Encoder.Tokenizer, row.Answer, target, spans, 0)}, nil
}

// passageCuts is how a passage alone loses text.
func passageCuts(n int) cuts {
	var c cuts
	for i := range n {
		c.text = append(c.text, i)
	}
	return c
}
