package postgres

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// Documents returns the documents that hits point into.
func (x *Index) Documents() retrieve.Documents { return documents{x} }

type documents struct{ x *Index }

// Len implements retrieve.Documents.
func (d documents) Len() int { return d.x.n }

// Read implements retrieve.Documents.
func (d documents) Read(ctx context.Context, places ...int) ([]dataset.Document, error) {
	found := make(map[int]dataset.Document, len(places))
	err := d.x.do(ctx, d.x.opt.Timeout, "reading documents", func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT place, document::text FROM "+d.x.opt.table("_documents")+" WHERE place = ANY($1)", places)
		if err != nil {
			return err
		}
		var place int
		var line []byte
		_, err = pgx.ForEachRow(rows, []any{&place, &line}, func() (err error) {
			found[place], err = retrieve.ParseLine(line)
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	docs := make([]dataset.Document, len(places))
	for i, place := range places {
		doc, ok := found[place]
		if !ok {
			return nil, fmt.Errorf("%s: document %d of %d is there no longer: another process has changed the documents; begin again", d.x.show, place+1, d.x.n)
		}
		docs[i] = doc
	}
	return docs, nil
}

// TopK implements retrieve.Retriever. With HNSW some of the best documents may be missing;
// [Index.Recall] says how many.
func (x *Index) TopK(ctx context.Context, queries []string, k int) ([][]retrieve.Hit, error) {
	return x.topK(ctx, queries, k, x.opt.Kind)
}

func (x *Index) topK(ctx context.Context, queries []string, k int, kind Kind) ([][]retrieve.Hit, error) {
	if k < 1 || k > x.n {
		return nil, fmt.Errorf("retrieve: k is %d but there are %d documents; expected k of 1 to as many", k, x.n)
	}
	hits := make([][]retrieve.Hit, len(queries))
	if len(queries) == 0 {
		return hits, nil
	}
	flat, err := retrieve.QueryVectors(ctx, x.embedder, x.width, x.opt.Index.Metric, queries)
	if err != nil {
		return nil, err
	}
	waiting := make([]int, len(queries))
	for q := range waiting {
		waiting[q] = q
	}
	for limit := k + 16; len(waiting) > 0; limit *= 2 {
		found, err := x.near(ctx, flat, waiting, limit, kind)
		if err != nil {
			return nil, err
		}
		var again []int
		for i, q := range waiting {
			query := flat[q*x.width : (q+1)*x.width]
			if hits[q], err = x.rank(ctx, query, found[i], k); err != nil {
				return nil, err
			}
			if kind == ExactSearch && !x.surely(query, found[i], hits[q], k, limit) {
				again = append(again, q)
			}
		}
		waiting = again
	}
	return hits, nil
}

// candidates are documents that the database finds near, in the order of their places.
type candidates struct {
	places  []int
	vectors [][]float32
	count   int     // of vectors, some of which several documents have
	last    float64 // the largest distance, as the database has it
}

// near asks for the vectors nearest to some of the queries.
func (x *Index) near(ctx context.Context, flat []float32, queries []int, limit int, kind Kind) ([]candidates, error) {
	sign, _ := operator(x.opt.Index.Metric)
	distance := "embedding " + sign + " $1::real[]::vector"
	if kind == ExactSearch && x.opt.Index.Metric == retrieve.Cosine {
		// Vectors of zeros have no cosine in pgvector, and 0 here.
		distance = "CASE WHEN length = 0 THEN 0 ELSE (embedding <#> $1::real[]::vector) / length END"
	}
	sql := fmt.Sprintf(`WITH near AS MATERIALIZED (SELECT hash, embedding, %[1]s AS distance FROM %[2]s ORDER BY %[1]s LIMIT $2)
SELECT coalesce(d.place, -1), n.hash, n.embedding::real[], n.distance::float8 FROM near n LEFT JOIN %[3]s d ON d.hash = n.hash`,
		distance, x.opt.table("_vectors"), x.opt.table("_documents"))
	var found []candidates
	err := x.do(ctx, x.opt.Timeout, "searching", func(ctx context.Context, tx pgx.Tx) error {
		found = make([]candidates, len(queries))
		set := "SET LOCAL enable_indexscan = off"
		if kind == HNSW {
			set = fmt.Sprintf("SET LOCAL hnsw.ef_search = %d", min(max(limit, 100), 1000))
		}
		if _, err := tx.Exec(ctx, set); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for i, q := range queries {
			batch.Queue(sql, flat[q*x.width:(q+1)*x.width], limit).Query(found[i].read)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	return found, err
}

// read reads what the database has found for a query.
func (c *candidates) read(rows pgx.Rows) error {
	type document struct {
		place  int
		vector []float32
	}
	var docs []document
	seen := map[string]bool{}
	for rows.Next() {
		var d document
		var hash []byte
		var distance float64
		if err := rows.Scan(&d.place, &hash, &d.vector, &distance); err != nil {
			return err
		}
		if !seen[string(hash)] {
			seen[string(hash)] = true
			c.count++
		}
		if c.count == 1 || distance > c.last {
			c.last = distance
		}
		if d.place >= 0 { // not of a document that is about to come
			docs = append(docs, d)
		}
	}
	slices.SortFunc(docs, func(a, b document) int { return cmp.Compare(a.place, b.place) })
	for _, d := range docs {
		c.places, c.vectors = append(c.places, d.place), append(c.vectors, d.vector)
	}
	return rows.Err()
}

// rank gives the k best of the candidates by the scores that an index in files gives them.
func (x *Index) rank(ctx context.Context, query []float32, c candidates, k int) ([]retrieve.Hit, error) {
	if len(c.places) == 0 {
		return nil, nil
	}
	rows := retrieve.Rows{Width: x.width, Stride: (x.width + 15) / 16 * 16}
	for _, v := range c.vectors {
		rows.Values = append(append(rows.Values, v...), make([]float32, rows.Stride-rows.Width)...)
	}
	hits, err := retrieve.Exact(ctx, rows, query, min(k, len(c.places)), x.opt.Index)
	if err != nil {
		return nil, err
	}
	for i, h := range hits[0] {
		hits[0][i].Index = c.places[h.Index]
	}
	return hits[0], nil
}

// surely says whether no other document can be among the k best: the database sums in an order of
// its own, so that its distances differ in the last bits.
func (x *Index) surely(query []float32, c candidates, hits []retrieve.Hit, k, limit int) bool {
	if c.count < limit { // all that there are
		return true
	}
	if len(hits) < k {
		return false
	}
	rounding := float64(x.width+16) / (1 << 22)
	switch x.opt.Index.Metric {
	case retrieve.Dot:
		var squares float64
		for _, v := range query {
			squares += float64(v) * float64(v)
		}
		rounding *= math.Sqrt(squares) * x.longest
	case retrieve.Euclidean, retrieve.Manhattan:
		rounding *= c.last
	}
	return float64(hits[k-1].Score) > -c.last+rounding
}

// Approximate says whether the index may miss some of the best documents.
func (x *Index) Approximate() bool { return x.opt.Kind == HNSW }

// Recall is which part of the k best documents of queries the index finds that an exact search
// finds.
func (x *Index) Recall(ctx context.Context, queries []string, k int) (float64, error) {
	found, err := x.topK(ctx, queries, k, x.opt.Kind)
	if err != nil {
		return 0, err
	}
	all, err := x.topK(ctx, queries, k, ExactSearch)
	if err != nil {
		return 0, err
	}
	both := 0
	for q := range all {
		for _, h := range all[q] {
			if slices.ContainsFunc(found[q], func(f retrieve.Hit) bool { return f.Index == h.Index }) {
				both++
			}
		}
	}
	return float64(both) / float64(max(1, len(queries)*k)), nil
}
