package retrieve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// Metric says how two vectors are compared.
type Metric int

const (
	Cosine    Metric = iota // the angle between them; vectors are normalised first
	Dot                     // their product as the embedder gave them
	Euclidean               // their distance, the root of the sum of squares; its negative is the score
	Manhattan               // the sum of the distances of their numbers; its negative is the score
)

// String is sentence-transformers' name of the metric.
func (m Metric) String() string {
	names := []string{"cosine", "dot", "euclidean", "manhattan"}
	if m < 0 || int(m) >= len(names) {
		return fmt.Sprintf("Metric(%d)", int(m))
	}
	return names[m]
}

// score says how alike two vectors are: their product, or their negative distance.
func (m Metric) score() func(a, b []float32) float32 {
	switch m {
	case Euclidean:
		return func(a, b []float32) float32 {
			var sum float64
			for i, x := range a {
				d := float64(x) - float64(b[i])
				sum += d * d
			}
			return -float32(math.Sqrt(sum))
		}
	case Manhattan:
		return func(a, b []float32) float32 {
			var sum float64
			for i, x := range a {
				sum += math.Abs(float64(x) - float64(b[i]))
			}
			return -float32(sum)
		}
	}
	return func(a, b []float32) float32 {
		var sum float32
		for i, x := range a {
			sum += float32(x * b[i]) // not fused, so that every processor has the same score
		}
		return sum
	}
}

// Rows are vectors as they lie in memory: Width numbers each, Stride behind the one before.
type Rows struct {
	Values        []float32
	Width, Stride int
	Factors       []float32 // what the products of each row are multiplied by; nil for nothing
}

func (r Rows) count() int { return len(r.Values) / max(1, r.Stride) }

// between are the rows from one up to another.
func (r Rows) between(from, to int) Rows {
	r.Values = r.Values[from*r.Stride : to*r.Stride]
	if r.Factors != nil {
		r.Factors = r.Factors[from:to]
	}
	return r
}

// Products finds rows by dot products, as this package does by itself, only faster.
type Products interface {
	// Prepare is handed all rows before the first search, some at a time, from first on, a
	// multiple of 4096. Calls may overlap.
	Prepare(first int, rows Rows) error
	// TopK gives the k rows with the largest products for each query, best first, of equal ones
	// the earlier row. queries are row-major, as wide as rows.
	TopK(ctx context.Context, queries []float32, rows Rows, k int) ([][]Hit, error)
}

// Options are the settings of [Build] and [Open].
type Options struct {
	Metric Metric
	// ChunkTexts is how many texts the embedder is given at once, and ChunkBytes how long they
	// are together, but for one that is longer alone. A chunk is kept once it is embedded, the
	// context is looked at and Progress is called between chunks.
	ChunkTexts, ChunkBytes int
	// Products, if not nil, makes what searches n rows, each so wide.
	Products func(n, width int) Products
	// Progress, if not nil, is called with the number of texts embedded so far
	// and the number that need it, first with 0 done. It is not called where
	// every vector came from the cache.
	Progress func(done, total int)
	// Waiting, if not nil, is called once while another process adds to the index.
	Waiting func()
}

// DefaultOptions returns cosine similarity in chunks of 256 texts and 64 KiB, about 16,000 tokens.
func DefaultOptions() Options {
	return Options{Metric: Cosine, ChunkTexts: 256, ChunkBytes: 64 << 10}
}

// Validate reports settings that cannot be used.
func (o Options) Validate() error {
	var errs []error
	if o.Metric < Cosine || o.Metric > Manhattan {
		errs = append(errs, fmt.Errorf("retrieve: metric is %d; expected Cosine, Dot, Euclidean or Manhattan", o.Metric))
	}
	if o.ChunkTexts < 1 || o.ChunkTexts > maxChunk {
		errs = append(errs, fmt.Errorf("retrieve: ChunkTexts is %d; expected 1 to %d", o.ChunkTexts, maxChunk))
	}
	if o.ChunkBytes < 1 {
		errs = append(errs, fmt.Errorf("retrieve: ChunkBytes is %d; expected at least 1", o.ChunkBytes))
	}
	return errors.Join(errs...)
}

// Index is an exact dense index: every query is compared with every document's vector. The
// vectors are in memory, or mapped from the file that keeps them. It is safe for concurrent use if
// its embedder is.
type Index struct {
	docs     Documents
	embedder Embedder
	opt      Options
	stats    BuildStats

	rows   Rows
	file   *vectorFile // that rows are mapped from; nil for none
	rowOf  []int32     // of each document
	places places      // of each row

	preparing sync.Mutex
	prepared  bool
	products  Products // nil for none
}

// BuildStats counts where the vectors of an index came from. Several documents
// of one text count once.
type BuildStats struct {
	Cached   int    // kept by the folder
	Taken    int    // read from what another program left in the folder
	Embedded int    // computed now
	Dropped  int    // of texts that no document has any more: it was changed, or removed
	Said     string // what was made of another program's vectors; "" without any
}

// say adds to what is said.
func (s *BuildStats) say(text string) {
	if s.Said != "" && text != "" {
		text = "\n" + text
	}
	s.Said += text
}

// entry is a text and its key.
type entry struct {
	key  key
	text string
}

// Documents returns the documents that hits point into.
func (x *Index) Documents() Documents { return x.docs }

// Width returns the length of the vectors.
func (x *Index) Width() int { return x.rows.Width }

// Stats tells where the vectors came from.
func (x *Index) Stats() BuildStats { return x.stats }

// TopK embeds the queries and returns the k most similar documents of each. The
// score is the cosine, the dot product or the negative distance, as built.
func (x *Index) TopK(ctx context.Context, queries []string, k int) ([][]Hit, error) {
	if err := checkK(k, x.docs.Len()); err != nil {
		return nil, err
	}
	if len(queries) == 0 {
		return [][]Hit{}, nil
	}
	flat, err := QueryVectors(ctx, x.embedder, x.rows.Width, x.opt.Metric, queries)
	if err != nil {
		return nil, err
	}
	if err := x.prepare(ctx); err != nil {
		return nil, err
	}
	defer x.release()
	if x.places.same() {
		return x.search(ctx, flat, k)
	}
	// A row may stand for several documents or for none, and rows of one score are not in the
	// documents' order: so many are asked for that those that matter are there.
	n := x.rows.count()
	for most := k + 8; ; most *= 2 {
		found, err := x.search(ctx, flat, min(most, n))
		if err != nil {
			return nil, err
		}
		if hits, enough := x.places.hits(found, k, most >= n); enough {
			return hits, nil
		}
	}
}

// release gives back the memory of what a search has read of the file.
func (x *Index) release() {
	if x.file != nil {
		x.file.release(0, x.file.n)
	}
	runtime.KeepAlive(x)
}

// QueryVectors embeds queries for an index of some width, one behind another: of unit length
// where the metric is Cosine.
func QueryVectors(ctx context.Context, e Embedder, width int, metric Metric, queries []string) ([]float32, error) {
	vectors, err := embed(ctx, e, queries, Query)
	if err != nil {
		return nil, err
	}
	flat := make([]float32, 0, len(queries)*width)
	for _, v := range vectors {
		if len(v) != width {
			return nil, widthError("", width, len(v), e)
		}
		flat = append(flat, v...)
	}
	if metric == Cosine {
		normalise(flat, width)
	}
	return flat, nil
}

// Exact ranks rows for queries, as an index over them would.
func Exact(ctx context.Context, rows Rows, queries []float32, k int, opt Options) ([][]Hit, error) {
	x := &Index{opt: opt, rows: rows}
	if err := x.prepare(ctx); err != nil {
		return nil, err
	}
	return x.search(ctx, queries, k)
}

// search finds rows.
func (x *Index) search(ctx context.Context, queries []float32, k int) ([][]Hit, error) {
	if x.products != nil {
		return x.products.TopK(ctx, queries, x.rows, k)
	}
	return topK(ctx, queries, x.rows, k, x.opt.Metric.score())
}

// prepare reads the vectors once, before the first search.
func (x *Index) prepare(ctx context.Context) error {
	x.preparing.Lock()
	defer x.preparing.Unlock()
	if x.prepared {
		return nil
	}
	n := x.rows.count()
	if x.opt.Metric == Cosine {
		x.rows.Factors = make([]float32, n)
	}
	if x.opt.Products != nil && (x.opt.Metric == Cosine || x.opt.Metric == Dot) {
		x.products = x.opt.Products(n, x.rows.Width)
	}
	each := func(first, last int) error {
		for i := first; i < last && x.rows.Factors != nil; i++ {
			x.rows.Factors[i] = 0
			if length := x.length(i); length > 0 {
				x.rows.Factors[i] = float32(1 / float64(length))
			}
		}
		if x.products == nil {
			return nil
		}
		return x.products.Prepare(first, x.rows.between(first, last))
	}
	if x.file != nil {
		if err := x.file.prepare(ctx, each); err != nil {
			return err
		}
	} else if err := each(0, n); err != nil {
		return err
	}
	if x.docs != nil {
		x.places = placesOf(x.rowOf, n)
	}
	x.prepared = true
	return nil
}

// length is the length of a row.
func (x *Index) length(i int) float32 {
	if x.file != nil {
		return x.file.length(i)
	}
	var squares float64
	for _, v := range x.rows.Values[i*x.rows.Stride:][:x.rows.Width] {
		squares += float64(v) * float64(v)
	}
	return float32(math.Sqrt(squares))
}

// places are the documents of each row.
type places struct {
	starts, docs []int32 // nil where row and document are one
}

func placesOf(rowOf []int32, n int) places {
	same := n == len(rowOf)
	for i := 0; same && i < n; i++ {
		same = rowOf[i] == int32(i)
	}
	if same {
		return places{}
	}
	p := places{starts: make([]int32, n+1), docs: make([]int32, len(rowOf))}
	for _, row := range rowOf {
		p.starts[row+1]++
	}
	for i := range n {
		p.starts[i+1] += p.starts[i]
	}
	next := slices.Clone(p.starts)
	for doc, row := range rowOf {
		p.docs[next[row]] = int32(doc)
		next[row]++
	}
	return p
}

func (p places) same() bool { return p.starts == nil }

// hits are the k best documents of rows, if these are enough to say so: where they are not all,
// what is not among them may have the score of the last one.
func (p places) hits(rows [][]Hit, k int, all bool) (hits [][]Hit, enough bool) {
	hits = make([][]Hit, len(rows))
	for q := range rows {
		best, surely := ranking{k: k}, 0
		for _, row := range rows[q] {
			docs := p.docs[p.starts[row.Index]:p.starts[row.Index+1]]
			if row.Score > rows[q][len(rows[q])-1].Score {
				surely += len(docs)
			}
			for _, doc := range docs {
				best.offer(Hit{Index: int(doc), Score: row.Score})
			}
		}
		if surely < k && !all {
			return nil, false
		}
		hits[q] = best.sorted()
	}
	return hits, true
}

// embed calls the embedder and checks what it returns: one finite vector for
// each text, all of one width.
func embed(ctx context.Context, e Embedder, texts []string, kind Kind) ([][]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	vectors, err := e.Embed(ctx, texts, kind)
	if err != nil {
		return nil, err
	}
	if len(vectors) != len(texts) {
		return nil, fmt.Errorf("retrieve: embedder %q returned %d vectors for %d texts; expected one for each", e.Name(), len(vectors), len(texts))
	}
	for i, v := range vectors {
		if len(v) == 0 || len(v) != len(vectors[0]) {
			return nil, fmt.Errorf("retrieve: embedder %q returned vectors of %d and %d numbers; expected one width above 0", e.Name(), len(vectors[0]), len(v))
		}
		for _, f := range v {
			if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
				return nil, fmt.Errorf("retrieve: embedder %q returned %v for the %s %.60q; expected finite numbers; check the model's weights", e.Name(), f, kind, texts[i])
			}
		}
	}
	return vectors, nil
}

func widthError(path string, width, got int, e Embedder) error {
	where, do := "retrieve", "rebuild the index with this embedder"
	if path != "" {
		where, do = path, "delete the file to embed the documents again"
	}
	return fmt.Errorf("%s: the index holds vectors of %d numbers; expected %d, the width of embedder %q; %s", where, width, got, e.Name(), do)
}

// normalise scales each row to length 1; a row of zeros stays as it is.
func normalise(rows []float32, width int) {
	for start := 0; start < len(rows); start += width {
		row := rows[start : start+width]
		var sum float64
		for _, f := range row {
			sum += float64(f) * float64(f)
		}
		if sum == 0 {
			continue
		}
		scale := 1 / math.Sqrt(sum)
		for i, f := range row {
			row[i] = float32(float64(f) * scale)
		}
	}
}
