package qa

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorqa/files/weights"
	"gorqa/text/tokenizer"
)

// OpenModel opens a model's files; one of a GGUF file has the tokenizer.json that its
// vocabulary stands for.
func OpenModel(ctx context.Context, path string) (*weights.Model, error) {
	m, err := weights.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	v, ok := m.Vocabulary()
	if !ok {
		return m, nil
	}
	data, err := tokenizer.FromGGUF(tokenizer.GGUFVocab(v))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), m.Close())
	}
	m.SetTokenizer(data)
	return m, nil
}

// LoadTokenizer takes a model folder, a .gguf file, a tokenizer.json or a
// SentencePiece model.
func LoadTokenizer(ctx context.Context, path string) (*tokenizer.Tokenizer, error) {
	if !strings.HasSuffix(strings.ToLower(path), ".gguf") {
		return tokenizer.Load(path)
	}
	m, err := OpenModel(ctx, path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	data, err := m.Tokenizer()
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.ParseNamed(data, m.TokenizerConfig(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}
