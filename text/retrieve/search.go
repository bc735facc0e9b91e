package retrieve

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// blockRows is how many document vectors are scored against all queries before
// the next ones are read and the context is looked at: 64 rows of 384 float32
// are 96 KiB, within a core's second-level cache.
const blockRows = 64

// topK scores every query against every row and returns the k best rows of each
// query. queries are row-major and as wide as rows.
func topK(ctx context.Context, queries []float32, rows Rows, k int, score func(a, b []float32) float32) ([][]Hit, error) {
	width := rows.Width
	nq, n := len(queries)/width, rows.count()
	workers := max(1, min(runtime.GOMAXPROCS(0), n/blockRows))
	parts := make([][]ranking, workers)
	group, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		first, last := n*w/workers, n*(w+1)/workers
		group.Go(func() error {
			part := make([]ranking, nq)
			for q := range part {
				part[q].k = k
			}
			parts[w] = part
			for start := first; start < last; start += blockRows {
				if err := ctx.Err(); err != nil {
					return err
				}
				for q := range part {
					for i := start; i < min(start+blockRows, last); i++ {
						s := score(queries[q*width:(q+1)*width], rows.Values[i*rows.Stride:][:width])
						if rows.Factors != nil {
							s *= rows.Factors[i]
						}
						part[q].offer(Hit{Index: i, Score: s})
					}
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	hits := make([][]Hit, nq)
	for q := range hits {
		best := parts[0][q]
		for _, part := range parts[1:] {
			for _, h := range part[q].hits {
				best.offer(h)
			}
		}
		hits[q] = best.sorted()
	}
	return hits, nil
}
