package retrieve_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorqa/internal/golden"
	"gorqa/text/dataset"
	"gorqa/text/retrieve"

	"github.com/google/go-cmp/cmp"
)

// fake embeds a text as a vector drawn from its hash, or as set.
type fake struct {
	name  string
	width int
	set   map[string][]float32
	calls [][]string // the texts of each call for passages
	fail  int        // fail at this call, counted from 1; 0 never
	short bool       // return one vector too few
}

func (f *fake) Name() string { return f.name }

func (f *fake) Width() int { return f.width }

var errFake = errors.New("the device is on fire")

func (f *fake) Embed(_ context.Context, texts []string, kind retrieve.Kind) ([][]float32, error) {
	if kind == retrieve.Passage {
		f.calls = append(f.calls, slices.Clone(texts))
		if len(f.calls) == f.fail {
			return nil, errFake
		}
	}
	var out [][]float32
	for _, t := range texts {
		if v, ok := f.set[t]; ok {
			out = append(out, v)
			continue
		}
		h := fnv.New64a()
		h.Write([]byte(t))
		rng := rand.New(rand.NewPCG(h.Sum64(), 1))
		v := make([]float32, f.width)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		out = append(out, v)
	}
	if f.short {
		out = out[1:]
	}
	return out, nil
}

func (f *fake) texts() int {
	n := 0
	for _, c := range f.calls {
		n += len(c)
	}
	return n
}

func documents(texts ...string) []dataset.Document {
	docs := make([]dataset.Document, len(texts))
	for i, t := range texts {
		docs[i] = dataset.Document{Content: t, Formatted: t}
	}
	return docs
}

func numbered(n int) []dataset.Document {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("document %d", i)
	}
	return documents(texts...)
}

func TestIndexTopK(t *testing.T) {
	t.Parallel()
	set := map[string][]float32{
		"east": {1, 0}, "east again": {1, 0}, "far east": {10, 0}, "north": {0, 2}, "west": {-1, 0}, "nowhere": {0, 0},
		"to the east": {3, 0}, "to the north-east": {1, 1},
	}
	docs := documents("west", "far east", "north", "east", "nowhere", "east again")
	tests := []struct {
		name   string
		why    string
		metric retrieve.Metric
		query  string
		k      int
		want   []retrieve.Hit
	}{
		{"cosine", "length does not matter, equal scores stand in the order of the documents", retrieve.Cosine, "to the east", 4,
			[]retrieve.Hit{{Index: 1, Score: 1}, {Index: 3, Score: 1}, {Index: 5, Score: 1}, {Index: 2, Score: 0}}},
		{"dot", "length matters", retrieve.Dot, "to the north-east", 2,
			[]retrieve.Hit{{Index: 1, Score: 10}, {Index: 2, Score: 2}}},
		{"euclidean", "the nearest point, whatever its length", retrieve.Euclidean, "to the east", 3,
			[]retrieve.Hit{{Index: 3, Score: -2}, {Index: 5, Score: -2}, {Index: 4, Score: -3}}},
		{"manhattan", "the nearest by streets", retrieve.Manhattan, "to the north-east", 4,
			[]retrieve.Hit{{Index: 3, Score: -1}, {Index: 5, Score: -1}, {Index: 2, Score: -2}, {Index: 4, Score: -2}}},
		{"all", "k may be the number of documents; a zero vector scores 0", retrieve.Cosine, "to the east", 6,
			[]retrieve.Hit{{Index: 1, Score: 1}, {Index: 3, Score: 1}, {Index: 5, Score: 1}, {Index: 2, Score: 0}, {Index: 4, Score: 0}, {Index: 0, Score: -1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opt := retrieve.DefaultOptions()
			opt.Metric = tt.metric
			x, err := retrieve.Build(t.Context(), "", docs, &fake{name: "compass", width: 2, set: set}, opt)
			if err != nil {
				t.Fatal(err)
			}
			got, err := x.TopK(t.Context(), []string{tt.query}, tt.k)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]retrieve.Hit{tt.want}, got); diff != "" {
				t.Errorf("%s\n(-want +got)\n%s", tt.why, diff)
			}
		})
	}
}

// TestIndexAgainstSort compares blocks, threads and heaps with a plain sort.
func TestIndexAgainstSort(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ docs, queries, width, k int }{
		{1, 1, 1, 1}, {3, 2, 5, 3}, {64, 3, 7, 10}, {65, 1, 16, 65}, {517, 9, 33, 20},
	} {
		e := &fake{name: "hash", width: size.width}
		docs := numbered(size.docs)
		x, err := retrieve.Build(t.Context(), "", docs, e, retrieve.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		var queries, texts []string
		for i := range size.queries {
			queries = append(queries, fmt.Sprintf("query %d", i))
		}
		for _, d := range docs {
			texts = append(texts, d.Text())
		}
		got, err := x.TopK(t.Context(), queries, size.k)
		if err != nil {
			t.Fatal(err)
		}
		qv, err := e.Embed(t.Context(), queries, retrieve.Query)
		if err != nil {
			t.Fatal(err)
		}
		dv, err := e.Embed(t.Context(), texts, retrieve.Passage)
		if err != nil {
			t.Fatal(err)
		}
		for q := range queries {
			var want []retrieve.Hit
			for i := range dv {
				var ab, aa, bb float64
				for j := range dv[i] {
					a, b := float64(qv[q][j]), float64(dv[i][j])
					ab, aa, bb = ab+a*b, aa+a*a, bb+b*b
				}
				want = append(want, retrieve.Hit{Index: i, Score: float32(ab / math.Sqrt(aa*bb))})
			}
			slices.SortStableFunc(want, func(a, b retrieve.Hit) int {
				if a.Score > b.Score {
					return -1
				}
				return 1
			})
			close := cmp.Comparer(func(a, b float32) bool { return golden.Near(a, b, 1e-5) })
			if diff := cmp.Diff(want[:size.k], got[q], close); diff != "" {
				t.Errorf("%+v, query %d (-want +got)\n%s", size, q, diff)
			}
		}
	}
}

func TestIndexCache(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "index")
	build := func(e *fake, docs []dataset.Document) *retrieve.Index {
		t.Helper()
		x, err := retrieve.Build(t.Context(), dir, docs, e, retrieve.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	steps := []struct {
		name, why string
		embedder  string
		docs      []dataset.Document
		want      retrieve.BuildStats
	}{
		{"first", "a text that stands twice is embedded once", "m1", documents("a", "b", "a", "c"), retrieve.BuildStats{Embedded: 3}},
		{"again", "nothing is embedded twice", "m1", documents("c", "a", "b"), retrieve.BuildStats{Cached: 3}},
		{"grown", "only the new text is embedded", "m1", documents("a", "b", "c", "d"), retrieve.BuildStats{Cached: 3, Embedded: 1}},
		{"shrunk", "what no document uses is dropped", "m1", documents("d", "a"), retrieve.BuildStats{Cached: 2, Dropped: 2}},
		{"dropped", "what was dropped is gone", "m1", documents("a", "b"), retrieve.BuildStats{Cached: 1, Embedded: 1, Dropped: 1}},
		{"other model", "another model's vectors are not used", "m2", documents("a", "b"), retrieve.BuildStats{Embedded: 2}},
		{"first model", "the models do not drop each other's vectors", "m1", documents("a", "b"), retrieve.BuildStats{Cached: 2}},
	}
	for _, s := range steps {
		e := &fake{name: s.embedder, width: 3}
		x := build(e, s.docs)
		if diff := cmp.Diff(s.want, x.Stats()); diff != "" {
			t.Errorf("%s: %s (-want +got)\n%s", s.name, s.why, diff)
		}
		if e.texts() != s.want.Embedded {
			t.Errorf("%s: %d texts were embedded; want %d", s.name, e.texts(), s.want.Embedded)
		}
		plain, err := retrieve.Build(t.Context(), "", s.docs, e, retrieve.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		got, err1 := x.TopK(t.Context(), []string{"q"}, len(s.docs))
		want, err2 := plain.TopK(t.Context(), []string{"q"}, len(s.docs))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: hits with and without the cache (-want +got)\n%s", s.name, diff)
		}
	}
}

func TestIndexProgressAndStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var seen [][2]int
	opt := retrieve.DefaultOptions()
	opt.ChunkTexts = 2
	opt.Progress = func(done, total int) { seen = append(seen, [2]int{done, total}) }
	docs := numbered(7)
	_, err := retrieve.Build(t.Context(), dir, docs, &fake{name: "m", width: 4, fail: 3}, opt)
	if !errors.Is(err, errFake) {
		t.Fatalf("error is %v; want that of the embedder", err)
	}
	x, err := retrieve.Build(t.Context(), dir, docs, &fake{name: "m", width: 4}, opt)
	if err != nil {
		t.Fatal(err)
	}
	if want := (retrieve.BuildStats{Cached: 4, Embedded: 3}); x.Stats() != want {
		t.Errorf("after a failure in the third chunk: %+v; want %+v", x.Stats(), want)
	}
	if diff := cmp.Diff([][2]int{{0, 7}, {2, 7}, {4, 7}, {0, 3}, {2, 3}, {3, 3}}, seen); diff != "" {
		t.Errorf("progress (-want +got)\n%s", diff)
	}

	ctx, cancel := context.WithCancel(t.Context())
	opt.Progress = func(done, _ int) {
		if done == 2 {
			cancel()
		}
	}
	if _, err := retrieve.Build(ctx, t.TempDir(), docs, &fake{name: "m", width: 4}, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("error after cancelling is %v", err)
	}
	if _, err := x.TopK(ctx, []string{"q"}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error of a search after cancelling is %v", err)
	}
}

func TestIndexErrors(t *testing.T) {
	t.Parallel()
	nan := float32(math.NaN())
	tests := []struct {
		name, why string
		docs      []dataset.Document
		e         *fake
		opt       retrieve.Options
		k         int
		want      []string
	}{
		{"k of 0", "no passage is never what is meant", numbered(3), &fake{width: 2}, retrieve.DefaultOptions(), 0, []string{"k is 0"}},
		{"k too large", "fewer passages than asked for would pass unseen", numbered(3), &fake{width: 2}, retrieve.DefaultOptions(), 4, []string{"k is 4", "3 documents"}},
		{"no documents", "an empty pool", nil, &fake{width: 2}, retrieve.DefaultOptions(), 1, []string{"no documents"}},
		{"too few vectors", "they could not be told apart", numbered(3), &fake{name: "m", width: 2, short: true}, retrieve.DefaultOptions(), 1, []string{`"m"`, "2 vectors for 3 texts"}},
		{"ragged", "one width only", documents("a", "b"), &fake{name: "m", width: 2, set: map[string][]float32{"a": {1}}}, retrieve.DefaultOptions(), 1, []string{"vectors of 1 and 2 numbers"}},
		{"not a number", "it would rank anywhere", documents("a"), &fake{width: 1, set: map[string][]float32{"a": {nan}}}, retrieve.DefaultOptions(), 1, []string{"NaN", `passage "a"`}},
		{"query width", "an embedder that changes its width", documents("a"), &fake{width: 2, set: map[string][]float32{"q": {1, 2, 3}}}, retrieve.DefaultOptions(), 1, []string{"2 numbers", "expected 3"}},
		{"options", "all problems together", numbered(1), &fake{width: 1}, retrieve.Options{Metric: 7}, 1, []string{"metric is 7", "ChunkTexts is 0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x, err := retrieve.Build(t.Context(), t.TempDir(), tt.docs, tt.e, tt.opt)
			if err == nil {
				_, err = x.TopK(t.Context(), []string{"q"}, tt.k)
			}
			wantError(t, tt.why, err, tt.want)
		})
	}
}

func wantError(t *testing.T, why string, err error, want []string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error: %s", why)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func TestHybrid(t *testing.T) {
	t.Parallel()
	docs := documents("apple pie", "pear tart", "apple tart", "plum cake", "rye bread", "corn bread")
	// The dense ranking begins with pear tart, plum cake, apple tart, apple pie.
	dense, err := retrieve.Build(t.Context(), "", docs, &fake{name: "m", width: 1, set: map[string][]float32{
		"apple pie": {1}, "pear tart": {4}, "apple tart": {2}, "plum cake": {3}, "rye bread": {0}, "corn bread": {-1}, "apple apple tart": {1},
	}}, retrieve.Options{Metric: retrieve.Dot, ChunkTexts: 8, ChunkBytes: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	// The word ranking is apple tart, apple pie, pear tart: plum cake and the
	// breads share no word.
	words, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil {
		t.Fatal(err)
	}
	h, err := retrieve.NewHybrid(t.Context(), retrieve.DefaultHybridOptions(), dense, words)
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.TopK(t.Context(), []string{"apple apple tart"}, 4)
	if err != nil {
		t.Fatal(err)
	}
	rrf := func(a, b int) float32 { return float32(1/float64(60+a) + 1/float64(60+b)) }
	want := []retrieve.Hit{{Index: 1, Score: rrf(1, 3)}, {Index: 2, Score: rrf(3, 1)}, {Index: 0, Score: rrf(4, 2)}, {Index: 3, Score: float32(1 / float64(60+2))}}
	if diff := cmp.Diff([][]retrieve.Hit{want}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	_, err = h.TopK(t.Context(), []string{"apple"}, 7)
	wantError(t, "fewer documents than k", err, []string{"k is 7"})
	_, err = retrieve.NewHybrid(t.Context(), retrieve.DefaultHybridOptions(), dense)
	wantError(t, "one ranking is not fused", err, []string{"1 retrievers"})
	other, err := retrieve.NewBM25(documents("apple pie", "pear tart", "apple tart", "oat bread", "rye bread", "corn bread"), retrieve.DefaultBM25Options())
	if err != nil {
		t.Fatal(err)
	}
	_, err = retrieve.NewHybrid(t.Context(), retrieve.DefaultHybridOptions(), dense, other)
	wantError(t, "hits would point into different lists", err, []string{"document 4"})
	_, err = retrieve.NewHybrid(t.Context(), retrieve.HybridOptions{RankConstant: -1}, dense, words)
	wantError(t, "all problems together", err, []string{"RankConstant", "Depth"})
}

func ExampleBuild() {
	docs := documents("Returns are free.", "Shipping takes two days.")
	embedder := &fake{name: "toy", width: 2, set: map[string][]float32{
		"Returns are free.": {1, 0}, "Shipping takes two days.": {0, 1}, "How long is shipping?": {0.1, 1},
	}}
	index, err := retrieve.Build(context.Background(), "", docs, embedder, retrieve.DefaultOptions())
	if err != nil {
		fmt.Println(err)
		return
	}
	hits, err := index.TopK(context.Background(), []string{"How long is shipping?"}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(index.Documents().(retrieve.List)[hits[0][0].Index].Content)
	// Output: Shipping takes two days.
}

func BenchmarkIndexTopK(b *testing.B) {
	const docs, queries, width = 20_000, 32, 384
	x, err := retrieve.Build(b.Context(), "", numbered(docs), &fake{name: "m", width: width}, retrieve.DefaultOptions())
	if err != nil {
		b.Fatal(err)
	}
	var qs []string
	for i := range queries {
		qs = append(qs, fmt.Sprint(i))
	}
	b.SetBytes(docs * width * 4)
	for b.Loop() {
		if _, err := x.TopK(b.Context(), qs, 4); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(docs*queries*width)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gmac/s")
}
