package qa

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"gorqa/report"
	"gorqa/tensor/embed"
	"gorqa/tensor/tape"
	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// Embedder is a sentence-transformers folder, or a plain encoder's, as a
// retrieve.Embedder. It is safe for concurrent use; calls take turns on the
// device.
type Embedder struct {
	embedderText
	name   string
	params *tape.Params
	model  *embed.Model
	unused []string // tensors of the folder
}

// OpenEmbedder loads the encoder in folder onto the device. model is its name as the
// user gave it, which tells an e5 model.
func OpenEmbedder(ctx context.Context, d Device, folder, model string) (_ *Embedder, err error) {
	x := &Embedder{params: tape.NewParams(d.Engine, d.BF16)}
	source, shape, err := x.embedderText.open(ctx, folder, model)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()

	content := sha256.New()
	content.Write(x.tokenizer.JSON())
	err = loadEncoder(ctx, x.params, source, shape, content)
	if err == nil {
		err = loadSteps(ctx, x.params, folder, x.settings.Steps, content)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedding model %s: %w", folder, err), x.params.Free())
	}
	x.unused = shape.unused(source)
	runner, opt := tape.NewRunner(d.Engine, x.params), embed.DefaultOptions()
	opt.BatchTokens = runner.Device.EmbedTokens
	opt.Pooling, opt.Steps, opt.Truncate = x.settings.Pooling, x.settings.Steps, x.settings.Truncate
	if x.model, err = embed.New(runner, shape.open(d.BF16), opt); err != nil {
		return nil, errors.Join(fmt.Errorf("embedding model %s: %w", folder, err), x.params.Free())
	}
	precision := "f32"
	if d.BF16 {
		precision = "bf16"
	}
	side := "" // not said where it is the usual one, so that older indexes keep their name
	if x.settings.CutBefore {
		side = " from the end"
	}
	if x.settings.WithoutPrompt && x.settings.PassagePrompt != "" {
		side += " behind the prompt"
	}
	x.name = fmt.Sprintf("%s (%s, %s, %d tokens%s, passage prompt %q, lower case %t, content %s)",
		filepath.Base(filepath.ToSlash(model)), precision, opt, x.maxTokens, side, x.settings.PassagePrompt, x.settings.LowerCase,
		hex.EncodeToString(content.Sum(nil)[:8]))
	return x, nil
}

// Name identifies the weights, the tokenizer and every setting that changes the
// vector of a passage.
func (x *Embedder) Name() string { return x.name }

// Width returns the length of the vectors.
func (x *Embedder) Width() int { return x.model.Width() }

// Embed returns the vectors of texts, each behind its prompt and cut to the
// model's length as sentence-transformers does.
func (x *Embedder) Embed(ctx context.Context, texts []string, kind retrieve.Kind) ([][]float32, error) {
	return x.EmbedPart(ctx, texts, kind, 0, 1)
}

// EmbedPart gives those of Embed's vectors that are in one of so many parts of the work,
// and nil for the others.
func (x *Embedder) EmbedPart(ctx context.Context, texts []string, kind retrieve.Kind, part, of int) ([][]float32, error) {
	ids := x.rows(texts, kind)
	if err := x.tokenizer.Err(); err != nil {
		return nil, fmt.Errorf("embedding model: %w", err)
	}
	return x.model.VectorsOf(ctx, embed.Rows{IDs: ids, Skip: x.skipped(kind), Part: part, Of: of})
}

// Tokens counts what Embed reads of texts.
func (x *Embedder) Tokens(texts []string, kind retrieve.Kind) (n int) {
	for _, row := range x.rows(texts, kind) {
		n += len(row)
	}
	return n
}

// prompt is what stands before texts of a kind.
func (x *Embedder) prompt(kind retrieve.Kind) string {
	if kind == retrieve.Query {
		return x.settings.QueryPrompt
	}
	return x.settings.PassagePrompt
}

// skipped is how many tokens of each row are left out of the pooling: as many as the
// prompt has alone, without the token that closes it.
func (x *Embedder) skipped(kind retrieve.Kind) int {
	prompt := x.prompt(kind)
	if !x.settings.WithoutPrompt || prompt == "" {
		return 0
	}
	ids := x.encode(prompt)
	return min(len(ids), x.maxTokens) - min(x.after, 1)
}

// rows are the tokens of texts as the model reads them.
func (x *Embedder) rows(texts []string, kind retrieve.Kind) [][]int32 {
	prompt := x.prompt(kind)
	ids := make([][]int32, len(texts))
	for i, text := range texts {
		ids[i] = cutRow(x.encode(prompt+text), x.before, x.after, x.maxTokens, x.settings.CutBefore)
	}
	return ids
}

// cutRow takes tokens out of a row that has more than most, from its end or its beginning;
// the special tokens around it stay.
func cutRow(row []int32, before, after, most int, first bool) []int32 {
	n := len(row)
	switch {
	case n <= most:
		return row
	case first:
		return slices.Delete(row, before, before+n-most)
	}
	return slices.Delete(row, most-after, n-after)
}

// WarnOfLong tells of passages of which the embedder reads only the beginning.
func (x *Embedder) WarnOfLong(ctx context.Context, docs []dataset.Document, show *report.Run) error {
	lengths := make([]int, len(docs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	const share = 256 // documents
	for from := 0; from < len(docs); from += share {
		group.Go(func() error {
			for i := from; i < min(from+share, len(docs)) && ctx.Err() == nil; i++ {
				// No token stands for less than a byte.
				if text := x.settings.PassagePrompt + docs[i].Text(); len(text) > x.maxTokens-x.before-x.after {
					lengths[i] = len(x.encode(text))
				}
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	long, longest := 0, 0
	for _, n := range lengths {
		if n > x.maxTokens {
			long, longest = long+1, max(longest, n)
		}
	}
	if long > 0 {
		show.Warn("%d of %d passages are longer than the %d tokens that the embedding model reads, the longest has %d: they are found by their beginning alone; cut the documents into shorter passages, or take an embedding model that reads more", long, len(docs), x.maxTokens, longest)
	}
	return nil
}

// Metric is what vectors are compared by: as asked, or with "" as the folder says. It
// tells what is to be known of the folder.
func (x *Embedder) Metric(asked string, show *report.Run) (retrieve.Metric, error) {
	if len(x.unused) > 0 {
		show.Warn("embedding model: %s", unusedNote(x.unused))
	}
	if asked == "" {
		asked = string(x.settings.Similarity)
		if x.settings.LikeLocalRQA {
			show.Say("The embedding model is a retriever that LocalRQA trained: passages are found by Euclidean distance, as there (--similarity cosine for the angle)")
		}
	}
	return metricOf(asked)
}

// metricOf is the metric of that name, cosine where nothing says ("").
func metricOf(name string) (retrieve.Metric, error) {
	if name == "" {
		return retrieve.Cosine, nil
	}
	for m := retrieve.Cosine; m <= retrieve.Manhattan; m++ {
		if m.String() == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("similarity: %q found; one of cosine, dot, euclidean, manhattan expected", name)
}

// Close frees the device's memory.
func (x *Embedder) Close() error { return x.params.Free() }

// CheckTexts refuses texts of a file with tokens that the model has no embedding for.
func (x *Embedder) CheckTexts(file, what string, n int, text func(i int) string) error {
	if err := CheckTexts(x.tokenizer, x.tokens, what, n, text); err != nil {
		return fmt.Errorf("%s: embedding model %s: %w", file, x.name, err)
	}
	return nil
}
