package cpu

/*
#include "codes.h"
#include "search.h"
*/
import "C"

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sync/errgroup"
)

// searchRows is how many rows a worker takes before the context is looked at: 3 MiB of 384
// values. It is a multiple of a panel's rows, so that workers begin at panels.
const searchRows = 2048

// Codes are rows once more, in 8 bits a component, by which TopK finds most rows too far away
// without reading them: four times as many components pass in a step, and a quarter of the
// memory. A row's code is its components over their largest, ±127, and beside it stand the
// length of the row and of what the code leaves out. As |q·r - q'·r'| <= |q'||r - r'| + |q - q'||r|,
// these bound the product, and rows whose bound reaches the worst that a query keeps are
// multiplied as without codes: the rows found and their scores are the same.
type Codes struct {
	width, n int
	panels   []byte
}

// NewCodes makes room for the codes of n rows; nil where the processor has no products of bytes.
func NewCodes(n, width int) *Codes {
	if C.codes_there() == 0 || width < 1 || width > 1<<16 { // more would not fit the sums
		return nil
	}
	size := int(C.codes_panel(C.long(width)))
	return &Codes{width: width, n: n, panels: make([]byte, (n+C.CODE_ROWS-1)/C.CODE_ROWS*size)}
}

// CodeRows is what the first row of Set is a multiple of.
const CodeRows = C.CODE_ROWS

// Set makes the codes of rows from first on. Only the last rows may be no multiple of CodeRows.
func (c *Codes) Set(first int, rows Rows) error {
	n := rows.count()
	if first%CodeRows != 0 || first+n > c.n || rows.Width != c.width || n%CodeRows != 0 && first+n < c.n {
		return fmt.Errorf("search: codes of the rows %d to %d of %d", first, first+n, c.n)
	}
	if n > 0 {
		C.codes_set(bytes(c.panels[first/CodeRows*c.panel():]), floats(rows.Values), floats(rows.Factors), C.long(n), C.long(c.width), C.long(rows.Stride))
	}
	return nil
}

func (c *Codes) panel() int { return int(C.codes_panel(C.long(c.width))) }

func bytes(s []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(s)) }

// TopK gives the k rows (all, where there are fewer) with the largest dot products for
// each query, best first, of equal ones the earlier row. queries are [nq, width]. A score
// depends on its query and its row alone: products are summed in the order of the
// components, then multiplied by the row's factor. With codes of the rows, nil for none, it is faster.
func TopK(ctx context.Context, queries []float32, rows Rows, codes *Codes, k int) ([][]Hit, error) {
	n := rows.count()
	if rows.Width < 1 || rows.Stride < rows.Width || k < 1 || len(queries)%rows.Width != 0 || len(rows.Values)%rows.Stride != 0 || rows.Factors != nil && len(rows.Factors) != n || codes != nil && (codes.n != n || codes.width != rows.Width) {
		return nil, fmt.Errorf("search: %d values of queries and %d of rows, %d wide in %d, for the best %d", len(queries), len(rows.Values), rows.Width, rows.Stride, k)
	}
	nq := len(queries) / rows.Width
	k = min(k, n)
	best := make([][]Hit, nq)
	if nq == 0 || n == 0 {
		return best, nil
	}
	workers := max(1, min(runtime.GOMAXPROCS(0), n/searchRows))
	parts := make([]part, workers)
	group, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		from, to := n*w/workers/CodeRows*CodeRows, n*(w+1)/workers/CodeRows*CodeRows
		if w == workers-1 {
			to = n
		}
		p := &parts[w]
		*p = part{scores: make([]float32, nq*k), index: make([]int32, nq*k), found: make([]int32, nq), k: k}
		group.Go(func() error {
			if codes != nil {
				return p.searchCodes(ctx, queries, rows, codes, from, to)
			}
			return p.search(ctx, queries, rows, from, to)
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
	k            int
}

func (p *part) search(ctx context.Context, queries []float32, rows Rows, from, to int) error {
	for ; from < to; from += searchRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		these := rows.between(from, min(from+searchRows, to))
		status := C.search_rows(C.search{
			queries: floats(queries), rows: floats(these.Values), factors: floats(these.Factors), nq: C.long(len(p.found)), n: C.long(these.count()),
			width: C.long(rows.Width), stride: C.long(rows.Stride), first: C.long(from), k: C.long(p.k),
			scores: floats(p.scores), index: ints(p.index), found: ints(p.found),
		})
		if status != 0 {
			return fmt.Errorf("search: %w", errMemory)
		}
	}
	return nil
}

// searchCodes is search by codes.
func (p *part) searchCodes(ctx context.Context, queries []float32, rows Rows, codes *Codes, from, to int) error {
	size := 4 * int(C.codes_steps(C.long(rows.Width)))
	coded, units := make([]C.code_query, len(p.found)), make([]int8, len(p.found)*size)
	C.codes_queries(&coded[0], (*C.int8_t)(&units[0]), floats(queries), C.long(len(coded)), C.long(rows.Width))
	for ; from < to; from += searchRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		these := rows.between(from, min(from+searchRows, to))
		C.codes_search(C.code_search{
			queries: floats(queries), rows: floats(these.Values), factors: floats(these.Factors), codes: bytes(codes.panels[from/CodeRows*codes.panel():]),
			units: (*C.int8_t)(&units[0]), coded: &coded[0], nq: C.long(len(p.found)), n: C.long(these.count()),
			width: C.long(rows.Width), stride: C.long(rows.Stride), first: C.long(from), k: C.long(p.k),
			scores: floats(p.scores), index: ints(p.index), found: ints(p.found),
		})
	}
	return nil
}
