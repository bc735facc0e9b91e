// Package recipe turns examples into rows of tokens: which passages a row
// holds (its [Context]: in SFT the gold ones, in SwR retrieved ones beside
// them), how it is rendered and cut to length (an [Encoder]'s rows are one text,
// those of [FiD] a text for every passage), which tokens are learnt, and in
// which order rows come. Training, evaluation and ask share the encoder, so what
// was trained is what is run. It knows nothing of tensors, models or the
// training loop.
package recipe

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorqa/batch"
	"gorqa/text/dataset"
	"gorqa/text/prompt"
	"gorqa/text/tokenizer"
)

// Encoder renders prompts and answers and turns them into tokens.
type Encoder struct {
	Tokenizer *tokenizer.Tokenizer
	Template  *prompt.Template
	MaxTokens int  // of a row, prompt and answer together
	LearnAll  bool // the loss is on the whole row, not on the answer alone

	// Embeddings is how many tokens the model has an embedding for, 0 where that
	// is not known. Rows and prompts with a token beyond them are an error.
	Embeddings int
}

// TooLong says that a row does not fit, although its passages were cut away.
type TooLong struct {
	Tokens, Limit int
	Of, Setting   string // whose tokens, and what bounds them
}

func (e *TooLong) Error() string {
	return fmt.Sprintf("%d tokens %s; expected at most %d; raise %s", e.Tokens, e.Of, e.Limit, e.Setting)
}

// Prompt gives the tokens of a prompt of at most limit tokens. Where it is
// longer, the passages, best first, lose text from the end, the last passage
// first; where the template drops passages (SwR's rows), all but the first go
// as a whole before, unless they are gold. History and question are never cut.
func (e *Encoder) Prompt(in prompt.Input, gold bool, limit int) (batch.Row, error) {
	var c cuts
	for i := range slices.Backward(in.Passages) {
		if i > 0 && !gold && e.Template.DropsPassages() {
			c.whole = append(c.whole, i)
		} else {
			c.text = append(c.text, i)
		}
	}
	laid, err := e.fit(in, "", c, limit)
	return batch.Row{Tokens: laid.ids, From: laid.from, Blocks: laid.blocks}, err
}

// cuts are the passages, by their index, in the order in which they lose.
type cuts struct {
	whole []int // go at once, and before any other loses text
	text  []int // lose text from the end until nothing is left
}

// laid is a prompt with what follows it, in tokens.
type laid struct {
	pieces []string // of the prompt, each tokenised apart: one, or the blocks; the last one together with what follows
	ids    []int32
	from   int   // of ids, the first that belongs to what follows
	blocks []int // as batch.Row has them
}

// text is the prompt.
func (l laid) text() string { return strings.Join(l.pieces, "") }

// fit renders a prompt and takes from its passages, as the cuts say, until it
// has at most limit tokens together with what follows it.
func (e *Encoder) fit(in prompt.Input, answer string, c cuts, limit int) (laid, error) {
	texts := slices.Clone(in.Passages)
	gone := make([]bool, len(texts))
	for {
		in.Passages = nil
		for i, t := range texts {
			if !gone[i] {
				in.Passages = append(in.Passages, t)
			}
		}
		l, err := e.lay(in, answer)
		if err != nil {
			return laid{}, err
		}
		if len(l.ids) <= limit {
			return l, e.check(l.ids)
		}
		switch {
		case len(c.whole) > 0:
			gone[c.whole[0]] = true
			c.whole = c.whole[1:]
		case len(c.text) > 0:
			i := c.text[0]
			if cut := e.shorten(texts[i], len(l.ids)-limit); cut != "" && len(cut) < len(texts[i]) {
				texts[i] = cut
			} else {
				gone[i] = true
				c.text = c.text[1:]
			}
		default:
			return laid{}, &TooLong{Tokens: len(l.ids), Limit: limit, Of: "without any passage text", Setting: "max_seq_length"}
		}
	}
}

// lay renders a prompt and gives its tokens and those of what follows it. In blocks,
// tokens do not reach from one into the next, so that a passage has the same ones wherever
// it stands.
func (e *Encoder) lay(in prompt.Input, answer string) (laid, error) {
	special := e.Template.AddSpecialTokens()
	if !e.Template.Blocks() || len(in.Passages) == 0 {
		text, err := e.Template.Render(in)
		if err != nil {
			return laid{}, err
		}
		ids, from := e.encode(text, answer, special)
		return laid{pieces: []string{text}, ids: ids, from: from}, nil
	}
	before, passages, after, err := e.Template.Parts(in)
	if err != nil {
		return laid{}, err
	}
	l := laid{pieces: slices.Concat([]string{before}, passages, []string{after})}
	l.ids, _ = e.encode(before, "", special)
	l.blocks = []int{len(l.ids)}
	for _, p := range passages {
		l.ids = append(l.ids, e.Tokenizer.Encode(p, false)...)
		l.blocks = append(l.blocks, len(l.ids))
	}
	last, from := e.encode(after, answer, false)
	if from == 0 {
		return laid{}, errors.New("the prompt ends in its passages; expected the question behind them with block_attention, since passages are read without it; use another --prompt_template")
	}
	l.from = len(l.ids) + from
	l.ids = append(l.ids, last...)
	return l, nil
}

// check refuses tokens that the model has no embedding for, and those of a text
// that the tokenizer could not divide.
func (e *Encoder) check(ids []int32) error {
	if err := e.Tokenizer.Err(); err != nil {
		return err
	}
	if e.Embeddings == 0 {
		return nil
	}
	for _, id := range ids {
		if int(id) >= e.Embeddings {
			token, _ := e.Tokenizer.Token(id)
			return &NoEmbedding{Token: token, ID: id, Embeddings: e.Embeddings}
		}
	}
	return nil
}

// CheckText refuses a text with such a token.
func (e *Encoder) CheckText(text string) error { return e.check(e.Tokenizer.Encode(text, true)) }

// NoEmbedding says that a text holds a token that the model has no embedding for.
type NoEmbedding struct {
	Token      string
	ID         int32
	Embeddings int // that the model has
}

func (e *NoEmbedding) Error() string {
	return fmt.Sprintf("token %q (%d) found, and the model has %d embeddings; a token below that expected; take the tokenizer that belongs to the model, or resize the model's embeddings (resize_token_embeddings in transformers)", e.Token, e.ID, e.Embeddings)
}

// Unembedded names the rows that hold tokens that the model has no embedding for.
type Unembedded struct {
	Tokens []NoEmbedding // each once, as the rows have them
	Rows   [][]int       // of each token, counted from 0
}

func (e *Unembedded) Error() string {
	var b strings.Builder
	for i := range e.Tokens {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%v; it is in %d rows (%s, counted from 0)", &e.Tokens[i], len(e.Rows[i]), Listed(e.Rows[i]))
	}
	return b.String()
}

// add notes a row.
func (e *Unembedded) add(found *NoEmbedding, row int) {
	i := slices.Index(e.Tokens, *found)
	if i < 0 {
		i = len(e.Tokens)
		e.Tokens, e.Rows = append(e.Tokens, *found), append(e.Rows, nil)
	}
	e.Rows[i] = append(e.Rows[i], row)
}

// Listed names numbers, the first ten of them.
func Listed(numbers []int) string {
	var b strings.Builder
	for i, n := range numbers[:min(10, len(numbers))] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, n)
	}
	if len(numbers) > 10 {
		b.WriteString(" and more")
	}
	return b.String()
}

// shorten drops about n tokens from the end of a text, at least one.
func (e *Encoder) shorten(text string, n int) string {
	ids := e.Tokenizer.Encode(text, false)
	if n >= len(ids) {
		return ""
	}
	kept := e.Tokenizer.Decode(ids[:len(ids)-n], false)
	// The tokens may stand for a text that reads back with other spaces, or
	// end inside a character; what is kept must be the passage's own text.
	kept = strings.TrimRight(kept, "\uFFFD")
	if strings.HasPrefix(text, kept) {
		return kept
	}
	share := len(text) * (len(ids) - n) / len(ids)
	return strings.ToValidUTF8(text[:share], "")
}

// encode gives the tokens of a rendered prompt and of the answer that follows it,
// as one text: from is the first token of the answer, which is the one across the
// border where there is one. An answer that is empty is none. What the tokenizer
// adds at a text's end is left out, since an answer follows or has its own end; and
// what it adds at the beginning stands there once, where the text begins with it. Both only where
// its special tokens are asked for.
func (e *Encoder) encode(text, answer string, special bool) (ids []int32, from int) {
	var spans []tokenizer.Span
	if answer == "" {
		ids = e.Tokenizer.Encode(text, special)
	} else {
		both := e.Tokenizer.EncodeSpans(text+answer, special)
		ids, spans = both.IDs, both.Spans
	}
	if special {
		before, after := e.Tokenizer.Around()
		ids = ids[:len(ids)-len(after)]
		if n := len(before); twice(ids, before) {
			ids = ids[n:]
			spans = spans[min(n, len(spans)):]
		}
	}
	for from = range ids {
		if spans != nil && spans[from].Hi > len(text) {
			return ids, from
		}
	}
	return ids, len(ids)
}

// twice says whether ids begin with the same ones twice.
func twice(ids, before []int32) bool {
	n := len(before)
	return n > 0 && len(ids) >= 2*n && slices.Equal(ids[:n], before) && slices.Equal(ids[n:2*n], before)
}

// Standalone gives the tokens of the prompt that has a follow-up question worded
// anew, at most limit. Where it is longer, the earliest turns are left out.
func (e *Encoder) Standalone(history []dataset.Turn, question string, limit int) ([]int32, error) {
	for {
		text, err := e.Template.Standalone(history, question)
		if err != nil {
			return nil, err
		}
		ids, _ := e.encode(text, "", e.Template.AddSpecialTokens())
		switch {
		case len(ids) <= limit:
			return ids, e.check(ids)
		case len(history) == 0:
			return nil, &TooLong{Tokens: len(ids), Limit: limit, Of: "without any passage text", Setting: "max_seq_length"}
		}
		history = history[1:]
	}
}

// Row gives the tokens of an example in its context: those of prompt and answer as
// one text. A row that is too long loses passages, and text of those that stay; the
// answer is never cut.
func (e *Encoder) Row(x dataset.Example, c Context) (batch.Row, error) {
	l, err := e.fit(Input(x.Question, x.History, c.documents()), e.Template.Answer(c.Target(x)), c.cuts(), e.MaxTokens)
	if err != nil {
		return batch.Row{}, err
	}
	if e.LearnAll {
		l.from = 0
	}
	return batch.Row{Tokens: l.ids, From: l.from, Index: c.Row, Blocks: l.blocks}, nil
}

// Input is a question with the texts of its passages.
func Input(question string, history []dataset.Turn, passages []dataset.Document) prompt.Input {
	in := prompt.Input{Question: question, History: history}
	for _, p := range passages {
		in.Passages = append(in.Passages, p.Text())
	}
	return in
}

// Overflow names rows that do not fit.
type Overflow struct {
	Rows  []int
	First error
}

func (e *Overflow) Error() string {
	shown := e.Rows
	more := ""
	if len(shown) > 10 {
		shown, more = shown[:10], " and more"
	}
	return fmt.Sprintf("%d rows do not fit (rows %v%s, counted from 0): %v, or leave them out with --on_overflow skip", len(e.Rows), shown, more, e.First)
}

// Rows encodes examples, each in the context of the same index. Rows that do not
// fit are left out and named in an *Overflow beside the others.
func (e *Encoder) Rows(examples []dataset.Example, contexts []Context) ([]batch.Row, error) {
	return rows(examples, contexts, e.Row)
}

// Fitting tries rows, by their number, and names those that are too long in an
// *Overflow; or, where there are any, those with tokens that the model has no
// embedding for in an *Unembedded.
func Fitting(n int, try func(row int) error) error {
	over, none := &Overflow{}, &Unembedded{}
	for i := range n {
		err := try(i)
		var long *TooLong
		var lacks *NoEmbedding
		switch {
		case errors.As(err, &lacks):
			none.add(lacks, i)
		case errors.As(err, &long):
			over.Rows = append(over.Rows, i)
			if over.First == nil {
				over.First = err
			}
		case err != nil:
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	switch {
	case len(none.Tokens) > 0:
		return none
	case len(over.Rows) > 0:
		return over
	}
	return nil
}

func rows[R any](examples []dataset.Example, contexts []Context, encodeRow func(dataset.Example, Context) (R, error)) ([]R, error) {
	if len(contexts) != len(examples) {
		return nil, fmt.Errorf("%d contexts found for %d rows; one for each expected", len(contexts), len(examples))
	}
	var encoded []R
	err := Fitting(len(examples), func(i int) error {
		row, err := encodeRow(examples[i], contexts[i])
		if err == nil {
			encoded = append(encoded, row)
		}
		return err
	})
	var over *Overflow
	if err != nil && !errors.As(err, &over) {
		return nil, err
	}
	return encoded, err
}

// Trim cuts a generated text at the first of the texts that end an answer and
// drops the white space around it.
func Trim(text string, stops []string) string {
	for _, s := range stops {
		text, _, _ = strings.Cut(text, s)
	}
	return strings.TrimSpace(text)
}
