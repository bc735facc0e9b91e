package qa

import (
	"context"
	"fmt"
	"strings"

	"gorqa/files/weights"
	"gorqa/text/tokenizer"
)

// LoadTokenizer takes a model folder, a .gguf file, a tokenizer.json or a
// SentencePiece model.
func LoadTokenizer(ctx context.Context, path string) (*tokenizer.Tokenizer, error) {
	if !strings.HasSuffix(strings.ToLower(path), ".gguf") {
		return tokenizer.Load(path)
	}
	m, err := weights.Open(ctx, path)
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
