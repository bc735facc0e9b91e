package retrieve

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"gorqa/text/dataset"
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

// Options are the settings of [Build].
type Options struct {
	Metric Metric
	// ChunkTexts is how many texts the embedder is given at once. The context
	// is looked at and Progress is called between chunks.
	ChunkTexts int
	// Products, if not nil, finds the k rows with the largest dot products for each
	// query, as this package does by itself, only faster. queries and rows are
	// row-major, width wide.
	Products func(ctx context.Context, queries, rows []float32, width, k int) ([][]Hit, error)
	// Progress, if not nil, is called with the number of texts embedded so far
	// and the number that need it, first with 0 done. It is not called where
	// every vector came from the cache.
	Progress func(done, total int)
}

// DefaultOptions returns cosine similarity in chunks of 256 texts.
func DefaultOptions() Options { return Options{Metric: Cosine, ChunkTexts: 256} }

// Validate reports settings that cannot be used.
func (o Options) Validate() error {
	var errs []error
	if o.Metric < Cosine || o.Metric > Manhattan {
		errs = append(errs, fmt.Errorf("retrieve: metric is %d; expected Cosine, Dot, Euclidean or Manhattan", o.Metric))
	}
	if o.ChunkTexts < 1 {
		errs = append(errs, fmt.Errorf("retrieve: ChunkTexts is %d; expected at least 1", o.ChunkTexts))
	}
	return errors.Join(errs...)
}

// Index is an exact dense index: every document's vector in memory, every query
// compared with all of them. It is safe for concurrent use if its embedder is.
type Index struct {
	docs     []dataset.Document
	embedder Embedder
	metric   Metric
	products func(ctx context.Context, queries, rows []float32, width, k int) ([][]Hit, error)
	width    int
	rows     []float32 // len(docs) x width
	stats    BuildStats
}

// BuildStats counts where the vectors of an index came from. Several documents
// of one text count once.
type BuildStats struct {
	Cached   int    // read from the cache file
	Taken    int    // read from what another program left in the folder
	Embedded int    // computed now
	Dropped  int    // cache entries that no document uses any more
	Said     string // what was made of another program's vectors; "" without any
}

// Build returns an index over docs, each embedded by its Text as a [Passage].
//
// dir, if not empty, is a folder that keeps the vectors between runs, one file
// for each embedder name, keyed by the content of the text: only texts that it
// lacks are embedded, and entries of texts that are gone are dropped. The file
// is replaced as a whole, and only when its content changes. A file that is
// damaged, or whose vectors are not as wide as the embedder's, is an error that
// names it. Vectors that LocalRQA or LangChain left in dir are taken over where
// they are this embedder's; see BuildStats.Said. Where embedding stops half-way,
// by an error or by ctx, the vectors that were finished are kept for the next run
// and the error is returned.
func Build(ctx context.Context, dir string, docs []dataset.Document, e Embedder, opt Options) (*Index, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, errors.New("retrieve: there are no documents to index; expected at least one; check the document file")
	}
	x := &Index{docs: docs, embedder: e, metric: opt.Metric, products: opt.Products}
	b := &builder{dir: dir, embedder: e, opt: opt, stats: &x.stats}
	if err := b.readCache(); err != nil {
		return nil, err
	}
	keys := b.sort(docs)
	if err := b.takeOver(ctx, x); err != nil {
		return nil, err
	}
	if err := b.embed(ctx); err != nil {
		return nil, err
	}
	if b.path != "" && (x.stats.Taken > 0 || x.stats.Embedded > 0 || x.stats.Dropped > 0) {
		if err := writeStore(b.path, b.fresh); err != nil {
			return nil, err
		}
	}

	x.width = b.fresh.width
	x.rows = make([]float32, 0, len(docs)*x.width)
	for _, k := range keys {
		x.rows = append(x.rows, b.fresh.vectors[k]...)
	}
	if x.metric == Cosine {
		normalise(x.rows, x.width)
	}
	return x, nil
}

// builder gathers the vectors of one Build.
type builder struct {
	dir, path string // path is the cache's file, "" for none
	embedder  Embedder
	opt       Options
	stats     *BuildStats

	cached  *store  // what the file had
	fresh   *store  // what the index uses
	missing []entry // the texts that neither has, each once
}

func (b *builder) readCache() (err error) {
	name := b.embedder.Name()
	b.cached = &store{name: name, vectors: map[key][]float32{}}
	if b.dir == "" {
		return nil
	}
	b.path = storePath(b.dir, name)
	if b.cached, err = readStore(b.path, name); err != nil {
		return err
	}
	if w := b.embedder.Width(); w != 0 && len(b.cached.vectors) > 0 && w != b.cached.width {
		return widthError(b.path, b.cached.width, w, b.embedder)
	}
	return nil
}

// sort tells what the cache has of the documents' texts from what is missing,
// and gives each document's key.
func (b *builder) sort(docs []dataset.Document) []key {
	keys := make([]key, len(docs))
	b.fresh = &store{name: b.cached.name, width: b.cached.width, vectors: make(map[key][]float32, len(docs))}
	pending := map[key]bool{}
	for i, d := range docs {
		text := d.Text()
		k := sha256.Sum256([]byte(text))
		keys[i] = k
		if v, ok := b.cached.vectors[k]; ok {
			b.fresh.vectors[k] = v
		} else if !pending[k] {
			pending[k] = true
			b.missing = append(b.missing, entry{k, text})
		}
	}
	// Texts of like length go to the embedder together, so that it pads little.
	slices.SortStableFunc(b.missing, func(a, b entry) int { return len(b.text) - len(a.text) })
	b.stats.Cached = len(b.fresh.vectors)
	b.stats.Dropped = len(b.cached.vectors) - b.stats.Cached
	return keys
}

// takeOver takes what another program left in the folder.
func (b *builder) takeOver(ctx context.Context, x *Index) error {
	if b.dir == "" || len(b.missing) == 0 {
		return nil
	}
	found, said, err := x.takeOver(ctx, b.dir, b.missing)
	if err != nil {
		return err
	}
	for k, v := range found {
		b.fresh.vectors[k], b.fresh.width = v, len(v)
	}
	b.missing = slices.DeleteFunc(b.missing, func(m entry) bool { _, ok := found[m.key]; return ok })
	b.stats.Taken, b.stats.Said = len(found), said
	return nil
}

// embed embeds what is missing, and keeps what was finished where it stops.
func (b *builder) embed(ctx context.Context) error {
	b.stats.Embedded = len(b.missing)
	progress := func(done int) {
		if b.opt.Progress != nil && len(b.missing) > 0 {
			b.opt.Progress(done, len(b.missing))
		}
	}
	progress(0)
	done := 0
	for chunk := range slices.Chunk(b.missing, b.opt.ChunkTexts) {
		texts := make([]string, len(chunk))
		for i, m := range chunk {
			texts[i] = m.text
		}
		vectors, err := embed(ctx, b.embedder, texts, Passage)
		if err == nil && b.fresh.width != 0 && len(vectors[0]) != b.fresh.width {
			err = widthError(b.path, b.fresh.width, len(vectors[0]), b.embedder)
		}
		if err != nil {
			if b.path != "" && done > 0 {
				maps.Copy(b.fresh.vectors, b.cached.vectors)
				err = errors.Join(err, writeStore(b.path, b.fresh))
			}
			return err
		}
		b.fresh.width = len(vectors[0])
		for i, v := range vectors {
			b.fresh.vectors[chunk[i].key] = v
		}
		done += len(chunk)
		progress(done)
	}
	return nil
}

// entry is a text and its key.
type entry struct {
	key  key
	text string
}

// Documents returns the documents that hits point into.
func (x *Index) Documents() []dataset.Document { return x.docs }

// Width returns the length of the vectors.
func (x *Index) Width() int { return x.width }

// Stats tells where the vectors came from.
func (x *Index) Stats() BuildStats { return x.stats }

// TopK embeds the queries and returns the k most similar documents of each. The
// score is the cosine, the dot product or the negative distance, as built.
func (x *Index) TopK(ctx context.Context, queries []string, k int) ([][]Hit, error) {
	if err := checkK(k, len(x.docs)); err != nil {
		return nil, err
	}
	if len(queries) == 0 {
		return [][]Hit{}, nil
	}
	vectors, err := embed(ctx, x.embedder, queries, Query)
	if err != nil {
		return nil, err
	}
	flat := make([]float32, 0, len(queries)*x.width)
	for _, v := range vectors {
		if len(v) != x.width {
			return nil, widthError("", x.width, len(v), x.embedder)
		}
		flat = append(flat, v...)
	}
	if x.metric == Cosine {
		normalise(flat, x.width)
	}
	if x.products != nil && (x.metric == Cosine || x.metric == Dot) {
		return x.products(ctx, flat, x.rows, x.width, k)
	}
	return topK(ctx, flat, x.rows, x.width, k, x.metric.score())
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
