package app

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/arch/bert"
	"gorqa/embed"
	"gorqa/engine/xla"
	"gorqa/retrieve"
	"gorqa/tape"
	"gorqa/tokenizer"
	"gorqa/weights"
)

// Embedder is a sentence-transformers folder, or a plain encoder's, as a
// retrieve.Embedder. It is safe for concurrent use; calls take turns on the
// device.
type Embedder struct {
	name      string
	settings  embed.Settings
	maxTokens int
	tokenizer *tokenizer.Tokenizer
	params    *tape.Params
	model     *embed.Model
}

// OpenEmbedder loads the encoder in folder onto the device, in bf16 (half) or
// f32. model is its name as the user gave it, which tells an e5 model.
func OpenEmbedder(ctx context.Context, e *xla.Engine, folder, model string, half bool) (_ *Embedder, err error) {
	source, err := weights.Open(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	config, err := bert.ParseConfig(source.Config())
	if err != nil {
		return nil, fmt.Errorf("embedding model %s: %w", folder, err)
	}
	x := &Embedder{params: tape.NewParams(e, half)}
	if x.settings, err = embed.ReadSettings(folder, model); err != nil {
		return nil, fmt.Errorf("embedding model: %w", err)
	}
	if x.tokenizer, err = tokenizer.Load(folder); err != nil {
		return nil, err
	}
	if special := x.tokenizer.Encode("", true); len(special) != 2 {
		return nil, fmt.Errorf("embedding model %s: its tokenizer puts %d special tokens around a text; expected one before and one behind, as BERT's", folder, len(special))
	}
	x.maxTokens = config.Positions
	if n := x.settings.MaxTokens; n > 0 {
		x.maxTokens = min(n, x.maxTokens)
	}

	content := sha256.New()
	content.Write(x.tokenizer.JSON())
	if err := loadEncoder(ctx, x.params, source, config, content); err != nil {
		return nil, errors.Join(fmt.Errorf("embedding model %s: %w", folder, err), x.params.Free())
	}
	opt := embed.OptionsFor(e.OnHost())
	opt.Pooling, opt.Normalise = x.settings.Pooling, x.settings.Normalise
	if x.model, err = embed.New(tape.NewRunner(e, x.params), config, opt); err != nil {
		return nil, errors.Join(err, x.params.Free())
	}
	precision := "f32"
	if half {
		precision = "bf16"
	}
	x.name = fmt.Sprintf("%s (%s, %s, %d tokens, passage prompt %q, lower case %t, content %s)",
		filepath.Base(filepath.ToSlash(model)), precision, opt, x.maxTokens, x.settings.PassagePrompt, x.settings.LowerCase,
		hex.EncodeToString(content.Sum(nil)[:8]))
	return x, nil
}

// loadEncoder puts the encoder's weights on the device and into the hash.
func loadEncoder(ctx context.Context, p *tape.Params, source *weights.Model, config bert.Config, content hash.Hash) error {
	stored := renamed{source, map[string]string{}}
	for _, name := range source.Names() {
		stored.names[bert.Name(name)] = name
	}
	var raw []byte
	return p.Load(ctx, config.Weights(), stored, false, func(values []float32) {
		raw = slices.Grow(raw[:0], 4*len(values))
		for _, v := range values {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		content.Write(raw)
	})
}

// renamed is a stored model whose weights go by other names.
type renamed struct {
	*weights.Model
	names map[string]string
}

func (r renamed) Shape(name string) ([]int, bool) { return r.Model.Shape(r.names[name]) }

func (r renamed) Float32(name string) ([]float32, error) { return r.Model.Float32(r.names[name]) }

// Name identifies the weights, the tokenizer and every setting that changes the
// vector of a passage.
func (x *Embedder) Name() string { return x.name }

// Width returns the length of the vectors.
func (x *Embedder) Width() int { return x.model.Width() }

// Embed returns the vectors of texts, each behind its prompt and cut to the
// model's length as sentence-transformers does.
func (x *Embedder) Embed(ctx context.Context, texts []string, kind retrieve.Kind) ([][]float32, error) {
	prompt := x.settings.PassagePrompt
	if kind == retrieve.Query {
		prompt = x.settings.QueryPrompt
	}
	ids := make([][]int32, len(texts))
	for i, text := range texts {
		text = prompt + text
		if x.settings.LowerCase {
			text = strings.ToLower(text)
		}
		row := x.tokenizer.Encode(text, true)
		if n := len(row); n > x.maxTokens {
			row[x.maxTokens-1] = row[n-1] // the closing special token stays
			row = row[:x.maxTokens]
		}
		ids[i] = row
	}
	return x.model.Vectors(ctx, ids)
}

// Close frees the device's memory.
func (x *Embedder) Close() error { return x.params.Free() }
