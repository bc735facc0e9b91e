package qa

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"gorqa/files/weights"
	"gorqa/tensor/embed"
	"gorqa/text/tokenizer"
)

// embedderText is the text side of an embedding model: how a text becomes tokens,
// and how many of them it reads.
type embedderText struct {
	settings  embed.Settings
	maxTokens int
	before    int // special tokens that stand before a text
	after     int // and behind it
	tokens    int // that the model has an embedding for
	tokenizer *tokenizer.Tokenizer
}

// open reads a model's folder, and gives its encoder, which the caller closes.
func (x *embedderText) open(ctx context.Context, folder, model string) (_ *weights.Model, shape encoderShape, err error) {
	if x.settings, err = embed.ReadSettings(folder, model); err != nil {
		return nil, shape, fmt.Errorf("embedding model: %w", err)
	}
	at := filepath.Join(folder, x.settings.Encoder)
	source, err := OpenModel(ctx, at)
	if err != nil {
		return nil, shape, err
	}
	if shape, err = encoderOf(source.Config()); err != nil {
		err = fmt.Errorf("embedding model %s: %w", folder, err)
	} else if shape.needsModules && x.settings.Plain {
		err = fmt.Errorf("embedding model %s: a decoder without modules.json; expected it to say how the states of tokens become a vector; choose an embedding model, or save it with sentence-transformers", folder)
	} else {
		err = x.load(folder, at, shape)
	}
	if err != nil {
		return nil, shape, errors.Join(err, source.Close())
	}
	return source, shape, nil
}

// load reads the tokenizer at a path, of a model whose encoder has that shape.
func (x *embedderText) load(folder, at string, shape encoderShape) (err error) {
	if x.tokenizer, err = tokenizer.Load(at); err != nil {
		return err
	}
	x.maxTokens, x.tokens = shape.positions, shape.vocabulary
	if n := x.settings.MaxTokens; n > 0 {
		x.maxTokens = min(n, x.maxTokens)
	}
	before, after := x.tokenizer.Around()
	if x.before, x.after = len(before), len(after); x.before+x.after >= x.maxTokens {
		return fmt.Errorf("embedding model %s: its tokenizer puts %d special tokens around a text, and it reads %d tokens; expected room for a word; is max_seq_length right?", folder, x.before+x.after, x.maxTokens)
	}
	return nil
}

// encode gives the ids of a text behind its prompt, however many.
func (x *embedderText) encode(text string) []int32 {
	if x.settings.LowerCase {
		text = strings.ToLower(text)
	}
	return x.tokenizer.Encode(text, true)
}

// PassageTokens counts the tokens of passages as an embedding model reads them. It
// needs no engine.
type PassageTokens struct{ text embedderText }

// OpenPassageTokens reads the text side of the embedding model in folder. model is
// its name as the user gave it.
func OpenPassageTokens(ctx context.Context, folder, model string) (*PassageTokens, error) {
	var p PassageTokens
	source, _, err := p.text.open(ctx, folder, model)
	if err != nil {
		return nil, err
	}
	return &p, source.Close()
}

// Count is how many tokens a passage has behind the model's prompt, special tokens
// included.
func (p *PassageTokens) Count(text string) int {
	return len(p.text.encode(p.text.settings.PassagePrompt + text))
}

// Most is how many of them the model reads.
func (p *PassageTokens) Most() int { return p.text.maxTokens }

// Err is what kept a text from being counted whole, or nil.
func (p *PassageTokens) Err() error { return p.text.tokenizer.Err() }
