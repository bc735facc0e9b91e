package retrieve

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// blockRows is how many document vectors are scored against all queries before
// the next ones are read: 64 rows of 384 float32 are 96 KiB, within a core's
// second-level cache.
const blockRows = 64

// topK scores every query against every row, by dot product where distance is nil,
// and returns the k best rows of each query. queries and rows are row-major with the given width.
// Each product is summed in the order of the components, so a score does not
// depend on blocks or on the number of cores.
func topK(ctx context.Context, queries, rows []float32, width, k int, distance func(a, b []float32) float32) ([][]Hit, error) {
	nq, n := len(queries)/width, len(rows)/width
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
				end := min(start+blockRows, last)
				if distance == nil {
					scoreBlock(queries, rows, width, start, end, part)
					continue
				}
				for q := range part {
					for i := start; i < end; i++ {
						part[q].offer(Hit{Index: i, Score: distance(queries[q*width:(q+1)*width], rows[i*width:(i+1)*width])})
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

// scoreBlock offers rows [first, last) to the ranking of every query, two
// queries by four rows at a time so that each number read is used more than once.
func scoreBlock(queries, rows []float32, width, first, last int, best []ranking) {
	row := func(i int) []float32 { return rows[i*width : (i+1)*width] }
	query := func(i int) []float32 { return queries[i*width : (i+1)*width] }
	q := 0
	for ; q+2 <= len(best); q += 2 {
		a, b := query(q), query(q+1)
		i := first
		for ; i+4 <= last; i += 4 {
			sa, sb := dots2x4(a, b, row(i), row(i+1), row(i+2), row(i+3))
			for j := range 4 {
				best[q].offer(Hit{Index: i + j, Score: sa[j]})
				best[q+1].offer(Hit{Index: i + j, Score: sb[j]})
			}
		}
		for ; i < last; i++ {
			best[q].offer(Hit{Index: i, Score: dot(a, row(i))})
			best[q+1].offer(Hit{Index: i, Score: dot(b, row(i))})
		}
	}
	for ; q < len(best); q++ {
		a := query(q)
		for i := first; i < last; i++ {
			best[q].offer(Hit{Index: i, Score: dot(a, row(i))})
		}
	}
}

// dots2x4 returns the products of a and of b with each of four rows.
func dots2x4(a, b, r0, r1, r2, r3 []float32) (sa, sb [4]float32) {
	n := len(a)
	b, r0, r1, r2, r3 = b[:n], r0[:n], r1[:n], r2[:n], r3[:n]
	var a0, a1, a2, a3, b0, b1, b2, b3 float32
	for i, x := range a {
		y := b[i]
		v := r0[i]
		a0 += float32(x * v)
		b0 += float32(y * v)
		v = r1[i]
		a1 += float32(x * v)
		b1 += float32(y * v)
		v = r2[i]
		a2 += float32(x * v)
		b2 += float32(y * v)
		v = r3[i]
		a3 += float32(x * v)
		b3 += float32(y * v)
	}
	return [4]float32{a0, a1, a2, a3}, [4]float32{b0, b1, b2, b3}
}

// dot returns the product of a and b. The conversion keeps the multiplication
// and the addition apart on every processor, as in dots2x4.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s float32
	for i, x := range a {
		s += float32(x * b[i])
	}
	return s
}
