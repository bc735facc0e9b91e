package qa

import (
	"context"

	"gorqa/engine/cpu"
	"gorqa/engine/xla"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// BuildIndex embeds the documents whose vectors dir does not hold yet; "" keeps
// none.
func BuildIndex(ctx context.Context, dir string, docs []dataset.Document, embedder retrieve.Embedder, metric retrieve.Metric, show *report.Run) (*retrieve.Index, error) {
	opt := retrieve.DefaultOptions()
	opt.Metric = metric
	if xla.Available() == nil {
		opt.Products = products
	}
	progress := show.Progress()
	opt.Progress = func(done, total int) { progress.Set("Embedding documents", done, total) }
	index, err := retrieve.Build(ctx, dir, docs, embedder, opt)
	progress.End()
	if err != nil {
		return nil, err
	}
	stats := index.Stats()
	if stats.Said != "" {
		show.Say("Index: %s", stats.Said)
	}
	show.Say("Index over %d documents: %d texts from the cache, %d embedded", len(docs), stats.Cached+stats.Taken, stats.Embedded)
	if x, ok := embedder.(*Embedder); ok {
		return index, x.WarnOfLong(ctx, docs, show)
	}
	return index, nil
}

// products searches by the kernels of the processor.
func products(ctx context.Context, queries, rows []float32, width, k int) ([][]retrieve.Hit, error) {
	found, err := cpu.TopK(ctx, queries, rows, width, k)
	hits := make([][]retrieve.Hit, len(found))
	for q, best := range found {
		for _, h := range best {
			hits[q] = append(hits[q], retrieve.Hit{Index: h.Row, Score: h.Score})
		}
	}
	return hits, err
}
