package qa

import (
	"context"
	"fmt"

	"gorqa/engine/cpu"
	"gorqa/engine/xla"
	"gorqa/files/redact"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/retrieve"
	"gorqa/text/retrieve/postgres"
)

// BuildIndex embeds the documents whose vectors dir does not hold yet; "" keeps
// none. Without documents the index is over those that dir keeps.
func BuildIndex(ctx context.Context, dir string, docs []dataset.Document, embedder retrieve.Embedder, metric retrieve.Metric, show *report.Run) (*retrieve.Index, error) {
	opt := retrieve.DefaultOptions()
	opt.Metric = metric
	if xla.Available() == nil {
		opt.Products = newProducts
	}
	if docs == nil {
		index, err := retrieve.Open(ctx, dir, embedder, opt)
		if err == nil {
			show.Say("Index of %s: %d documents", dir, index.Documents().Len())
		}
		return index, err
	}
	progress := show.Progress()
	opt.Progress = func(done, total int) { progress.Set("Embedding documents", done, total) }
	opt.Waiting = func() { show.Say("Index: another process adds to %s; waiting for it", dir) }
	index, err := retrieve.Build(ctx, dir, docs, embedder, opt)
	progress.End()
	if err != nil {
		return nil, err
	}
	stats := index.Stats()
	if stats.Said != "" {
		show.Say("Index: %s", stats.Said)
	}
	gone := ""
	if stats.Dropped > 0 {
		gone = fmt.Sprintf(", %d of documents that were changed or removed", stats.Dropped)
	}
	show.Say("Index over %d documents: %d texts from the cache, %d embedded%s", len(docs), stats.Cached+stats.Taken, stats.Embedded, gone)
	if x, ok := embedder.(cutter); ok {
		return index, x.WarnOfLong(ctx, docs, show)
	}
	return index, nil
}

// cutter is an embedder that reads the beginning of a text alone where it is long.
type cutter interface {
	WarnOfLong(ctx context.Context, docs []dataset.Document, show *report.Run) error
}

// Dense is an index of vectors, in files or in a database.
type Dense interface {
	retrieve.Retriever
	Width() int
	Stats() retrieve.BuildStats
}

// openDatabase is BuildIndex for a database, which closing gives back.
func openDatabase(ctx context.Context, opt postgres.Options, docs []dataset.Document, embedder retrieve.Embedder, show *report.Run) (*postgres.Index, error) {
	if xla.Available() == nil {
		opt.Index.Products = newProducts
	}
	where := redact.Address(opt.Address)
	progress := show.Progress()
	opt.Index.Progress = func(done, total int) { progress.Set("Embedding documents", done, total) }
	opt.Index.Waiting = func() { show.Say("Index: another process adds to %s; waiting for it", where) }
	index, err := postgres.Open(ctx, docs, embedder, opt)
	progress.End()
	if err != nil {
		return nil, err
	}
	stats := index.Stats()
	show.Say("Index of %s: %d documents; %d texts were there, %d embedded, %d dropped", where, index.Documents().Len(), stats.Cached, stats.Embedded, stats.Dropped)
	if x, ok := embedder.(cutter); ok && docs != nil {
		if err := x.WarnOfLong(ctx, docs, show); err != nil {
			index.Close()
			return nil, err
		}
	}
	return index, nil
}

// products searches by the kernels of the processor.
type products struct {
	codes *cpu.Codes // nil where there are none
}

func newProducts(n, width int) retrieve.Products { return products{cpu.NewCodes(n, width)} }

func kernelRows(r retrieve.Rows) cpu.Rows {
	return cpu.Rows{Values: r.Values, Width: r.Width, Stride: r.Stride, Factors: r.Factors}
}

// Prepare implements retrieve.Products.
func (p products) Prepare(first int, rows retrieve.Rows) error {
	if p.codes == nil {
		return nil
	}
	return p.codes.Set(first, kernelRows(rows))
}

// TopK implements retrieve.Products.
func (p products) TopK(ctx context.Context, queries []float32, rows retrieve.Rows, k int) ([][]retrieve.Hit, error) {
	found, err := cpu.TopK(ctx, queries, kernelRows(rows), p.codes, k)
	hits := make([][]retrieve.Hit, len(found))
	for q, best := range found {
		for _, h := range best {
			hits[q] = append(hits[q], retrieve.Hit{Index: h.Row, Score: h.Score})
		}
	}
	return hits, err
}
