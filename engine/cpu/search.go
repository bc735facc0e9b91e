package cpu

/*
#include "search.h"
*/
import "C"

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// searchRows is how many rows a worker takes before the context is looked at: 3 MiB of 384 values.
const searchRows = 2048

// TopK gives the k rows (all, where there are fewer) with the largest dot products for
// each query, best first, of equal ones the earlier row. queries [nq, width] and rows
// [n, width] are row-major. A score depends on its query and its row alone: products are
// summed in the order of the components.
func TopK(ctx context.Context, queries, rows []float32, width, k int) ([][]Hit, error) {
	if width < 1 || k < 1 || len(queries)%width != 0 || len(rows)%width != 0 {
		return nil, fmt.Errorf("search: %d values of queries and %d of rows, %d wide, for the best %d", len(queries), len(rows), width, k)
	}
	nq, n := len(queries)/width, len(rows)/width
	k = min(k, n)
	best := make([][]Hit, nq)
	if nq == 0 || n == 0 {
		return best, nil
	}
	workers := max(1, min(runtime.GOMAXPROCS(0), n/searchRows))
	parts := make([]part, workers)
	group, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		from, to := n*w/workers, n*(w+1)/workers
		group.Go(func() (err error) {
			parts[w], err = searchPart(ctx, queries, rows, width, k, from, to)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for q := range best {
		for _, p := range parts { // of rising rows, so that a stable sort keeps the earlier one first
			for i := range int(p.found[q]) {
				best[q] = append(best[q], Hit{int(p.index[q*k+i]), p.scores[q*k+i]})
			}
		}
		slices.SortStableFunc(best[q], func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
		best[q] = best[q][:k:k]
	}
	return best, nil
}

// part is what one worker has found, as in search.h.
type part struct {
	scores       []float32
	index, found []int32
}

func searchPart(ctx context.Context, queries, rows []float32, width, k, from, to int) (part, error) {
	nq := len(queries) / width
	p := part{make([]float32, nq*k), make([]int32, nq*k), make([]int32, nq)}
	for ; from < to; from += searchRows {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		n := min(searchRows, to-from)
		status := C.search_rows(C.search{
			queries: floats(queries), rows: floats(rows[from*width:]), nq: C.long(nq), n: C.long(n), width: C.long(width),
			first: C.long(from), k: C.long(k), scores: floats(p.scores), index: ints(p.index), found: ints(p.found),
		})
		if status != 0 {
			return p, fmt.Errorf("search: %w", errMemory)
		}
	}
	return p, nil
}
