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
	var task *report.Task
	at := 0
	opt.Progress = func(done, total int) {
		if task == nil {
			task = show.Task("Embedding documents", total)
		}
		task.Advance(done - at)
		at = done
	}
	index, err := retrieve.Build(ctx, dir, docs, embedder, opt)
	if task != nil {
		task.Done()
	}
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
