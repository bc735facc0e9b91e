package qa

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"gorqa/tensor/embed"
	"gorqa/tensor/tape"
	"gorqa/text/retrieve"
	"gorqa/text/tokenizer"
)

// Reranker is a cross-encoder's folder as a retrieve.Scorer. It is safe for concurrent
// use; calls take turns on the device.
type Reranker struct {
	name      string
	settings  embed.RerankSettings
	tokens    int // that the model has an embedding for
	tokenizer *tokenizer.Tokenizer
	params    *tape.Params
	model     *embed.Model
}

// OpenReranker loads the cross-encoder in folder onto the device. model is its name as
// the user gave it.
func OpenReranker(ctx context.Context, d Device, folder, model string) (_ *Reranker, err error) {
	source, err := OpenModel(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	shape, err := encoderOf(source.Config())
	if err != nil {
		return nil, fmt.Errorf("reranker %s: %w", folder, err)
	}
	x := &Reranker{params: tape.NewParams(d.Engine, d.BF16), tokens: shape.vocabulary}
	if x.settings, err = embed.ReadRerankSettings(folder, source.Config(), shape.width); err != nil {
		return nil, fmt.Errorf("reranker %s: %w", folder, err)
	}
	if x.tokenizer, err = tokenizer.Load(folder); err != nil {
		return nil, err
	}
	if n := x.settings.MaxTokens; n == 0 || n > shape.positions {
		x.settings.MaxTokens = shape.positions
	}
	for _, step := range x.settings.Steps {
		shape.weights = append(shape.weights, step.Weights()...)
	}
	content := sha256.New()
	content.Write(x.tokenizer.JSON())
	if err := loadEncoder(ctx, x.params, source, shape, content); err != nil {
		return nil, errors.Join(fmt.Errorf("reranker %s: %w", folder, err), x.params.Free())
	}
	runner, opt := tape.NewRunner(d.Engine, x.params), embed.DefaultOptions()
	opt.BatchTokens = runner.Device.EmbedTokens
	opt.Pooling, opt.Steps = []embed.Pooling{x.settings.Pooling}, x.settings.Steps
	if x.model, err = embed.New(runner, shape.open(d.BF16), opt); err != nil {
		return nil, errors.Join(fmt.Errorf("reranker %s: %w", folder, err), x.params.Free())
	}
	precision := "f32"
	if d.BF16 {
		precision = "bf16"
	}
	x.name = fmt.Sprintf("%s (%s, %d tokens, content %s)", filepath.Base(filepath.ToSlash(model)), precision, x.settings.MaxTokens, hex.EncodeToString(content.Sum(nil)[:8]))
	return x, nil
}

// Name identifies the weights, the tokenizer and every setting that changes a score.
func (x *Reranker) Name() string { return x.name }

// Score returns how well each passage answers its question, as CrossEncoder.predict does.
func (x *Reranker) Score(ctx context.Context, pairs []retrieve.Pair) ([]float32, error) {
	scores, _, err := x.ScoreCounted(ctx, pairs)
	return scores, err
}

// ScoreCounted is Score, with how many tokens were read.
func (x *Reranker) ScoreCounted(ctx context.Context, pairs []retrieve.Pair) (scores []float32, tokens int, err error) {
	rows, tokens, err := x.rows(pairs)
	if err != nil {
		return nil, 0, err
	}
	vectors, err := x.model.VectorsOf(ctx, rows)
	if err != nil {
		return nil, 0, fmt.Errorf("reranker: %w", err)
	}
	scores = make([]float32, len(pairs))
	for i, v := range vectors {
		scores[i] = v[0]
	}
	return scores, tokens, nil
}

// ScorePart gives those of Score's numbers that are in one of so many parts of the work, and
// nil for the others.
func (x *Reranker) ScorePart(ctx context.Context, pairs []retrieve.Pair, part, of int) ([]*float32, error) {
	rows, _, err := x.rows(pairs)
	if err != nil {
		return nil, err
	}
	rows.Part, rows.Of = part, of
	vectors, err := x.model.VectorsOf(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("reranker: %w", err)
	}
	scores := make([]*float32, len(pairs))
	for i, v := range vectors {
		if v != nil {
			scores[i] = &v[0]
		}
	}
	return scores, nil
}

// rows are the pairs as the model reads them, and how many tokens they have.
func (x *Reranker) rows(pairs []retrieve.Pair) (rows embed.Rows, tokens int, err error) {
	rows.IDs, rows.Kinds = make([][]int32, len(pairs)), make([][]int32, len(pairs))
	for i, p := range pairs {
		if x.settings.LowerCase {
			p.Query, p.Passage = strings.ToLower(p.Query), strings.ToLower(p.Passage)
		}
		if rows.IDs[i], rows.Kinds[i], err = x.tokenizer.EncodePair(p.Query, p.Passage, x.settings.MaxTokens, x.settings.CutBefore); err != nil {
			return rows, 0, fmt.Errorf("reranker: %w", err)
		}
		tokens += len(rows.IDs[i])
	}
	if err := x.tokenizer.Err(); err != nil {
		return rows, 0, fmt.Errorf("reranker: %w", err)
	}
	return rows, tokens, nil
}

// Close frees the device's memory.
func (x *Reranker) Close() error { return x.params.Free() }

// CheckTexts refuses texts of a file with tokens that the model has no embedding for.
func (x *Reranker) CheckTexts(file, what string, n int, text func(i int) string) error {
	if err := CheckTexts(x.tokenizer, x.tokens, what, n, text); err != nil {
		return fmt.Errorf("%s: reranker %s: %w", file, x.name, err)
	}
	return nil
}
