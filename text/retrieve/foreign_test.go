package retrieve_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/golden"
	"gorqa/text/retrieve"
)

// foreignGolden is what parity/make_faiss.py embedded.
type foreignGolden struct {
	Texts   []string
	Vectors [][]float32
}

func readForeignGolden(t *testing.T) foreignGolden {
	t.Helper()
	var g foreignGolden
	golden.ReadJSON(t, "testdata/faiss/about.json", &g)
	return g
}

// Vectors that LangChain's FAISS, or its cache of embeddings as LocalRQA leaves
// it, hold of the same texts by the same model are taken over; else it is said why
// they are not, and the texts are embedded.
func TestForeignVectors(t *testing.T) {
	t.Parallel()
	g := readForeignGolden(t)
	same := map[string][]float32{}
	for i, text := range g.Texts {
		same[text] = g.Vectors[i]
	}
	turned := map[string][]float32{}
	for text, v := range same {
		turned[text] = []float32{v[3], -v[2], v[1], -v[0]}
	}
	wider := map[string][]float32{}
	for text, v := range same {
		wider[text] = append(slices.Clone(v), 1)
	}
	change := func(file string, edit func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, file)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, edit(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name, why, dir  string
		set             map[string][]float32
		texts           []string
		metric          retrieve.Metric
		edit            func(*testing.T, string)
		taken, embedded int // texts
		said            string
	}{
		{"l2", "IndexFlatL2", "l2", same, g.Texts, retrieve.Cosine, nil, 3, 0, "index.faiss: 3 vectors are taken over; 3 of them were made again and are the same"},
		{"inner product", "IndexFlatIP", "ip", same, g.Texts, retrieve.Dot, nil, 3, 0, "index.faiss: 3 vectors are taken over"},
		{"normalised", "the angle is the same", "normalized", same, g.Texts, retrieve.Cosine, nil, 3, 0, "index.faiss: 3 vectors are taken over"},
		{"normalised, by product", "the product is not", "normalized", same, g.Texts, retrieve.Dot, nil, 0, 3, "its vectors are not taken over: of the text"},
		{"cache", "what LocalRQA's index_path is", "cache", same, g.Texts, retrieve.Cosine, nil, 3, 0, "cache: 3 vectors are taken over"},
		{"another text", "the rest is embedded", "l2", same, append(slices.Clone(g.Texts[:2]), "new"), retrieve.Cosine, nil, 2, 1, "2 vectors are taken over; 2 of them"},
		{"no text", "other documents", "l2", same, []string{"new", "newer"}, retrieve.Cosine, nil, 0, 2, "none is of a text of these documents"},
		{"no text of the cache", "other documents", "cache", same, []string{"new", "newer"}, retrieve.Cosine, nil, 0, 2, "none is of a text of these documents"},
		{"another model", "its vectors differ", "cache", turned, g.Texts, retrieve.Cosine, nil, 0, 3, "these were made by another model"},
		{"another width", "so do these", "l2", wider, g.Texts, retrieve.Cosine, nil, 0, 3, "they have 4 numbers, those of m 5"},
		{"another kind", "vectors may be held otherwise", "hnsw", same, g.Texts, retrieve.Cosine, nil, 0, 3, `an index of the kind "IHNf"; a flat one (IndexFlatL2 or IndexFlatIP) expected`},
		{"no texts beside", "a vector without its text", "l2", same, g.Texts, retrieve.Cosine, func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "index.pkl")); err != nil {
				t.Fatal(err)
			}
		}, 0, 3, "index.pkl: no such file"},
		{"cut off", "a copy that stopped", "l2", same, g.Texts, retrieve.Cosine, change("index.faiss", func(b []byte) []byte { return b[:len(b)-4] }), 0, 3, "its header speaks of 3 vectors of 4 numbers, which does not fit its 89 bytes"},
		{"count", "a header that lies", "l2", same, g.Texts, retrieve.Cosine, change("index.faiss", func(b []byte) []byte { b[8] = 0xff; return b }), 0, 3, "its header speaks of 255 vectors"},
		{"not a number", "would rank at random", "l2", same, g.Texts, retrieve.Cosine, change("index.faiss", func(b []byte) []byte { b[47], b[48] = 0xc0, 0x7f; return b }), 0, 3, "it holds the number NaN"},
		{"broken pickle", "is not run, and named", "l2", same, g.Texts, retrieve.Cosine, change("index.pkl", func([]byte) []byte { return []byte("cos\nsystem\n(S'id'\ntR.") }), 0, 3, `the class "system" of module "os"`},
		{"another pickle", "the texts are not in it", "l2", same, g.Texts, retrieve.Cosine, change("index.pkl", func([]byte) []byte { return []byte("]N\x86.") }), 0, 3, "LangChain's pickle of a docstore and its ids expected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), test.dir)
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata/faiss", test.dir))); err != nil {
				t.Fatal(err)
			}
			if test.edit != nil {
				test.edit(t, dir)
			}
			e := &fake{name: "m", width: len(test.set[g.Texts[0]]), set: test.set}
			x, err := retrieve.Build(t.Context(), dir, documents(test.texts...), e, retrieve.Options{Metric: test.metric, ChunkTexts: 8, ChunkBytes: 1 << 10})
			if err != nil {
				t.Fatal(err)
			}
			s := x.Stats()
			if s.Taken != test.taken || s.Embedded != test.embedded || !strings.Contains(s.Said, test.said) {
				t.Errorf("%s: %+v; %d taken over, %d embedded and %q expected", test.why, s, test.taken, test.embedded, test.said)
			}
			// The next run finds all in gorqa's own file, and the same hits.
			again, err := retrieve.Build(t.Context(), dir, documents(test.texts...), &fake{name: "m", width: e.width, set: test.set, fail: 1}, retrieve.Options{Metric: test.metric, ChunkTexts: 8, ChunkBytes: 1 << 10})
			if err != nil || again.Stats().Cached != len(test.texts) || again.Stats().Said != "" {
				t.Errorf("again: %v, %+v", err, again.Stats())
			}
			first, err := x.TopK(t.Context(), test.texts[:1], len(test.texts))
			if err != nil {
				t.Fatal(err)
			}
			second, err := again.TopK(t.Context(), test.texts[:1], len(test.texts))
			if diff := cmp.Diff(first, second); err != nil || diff != "" {
				t.Errorf("again: %v %s", err, diff)
			}
		})
	}
	if _, err := retrieve.Build(t.Context(), filepath.Join(t.TempDir(), "none"), documents("a"), &fake{name: "m", width: 2}, retrieve.DefaultOptions()); err != nil {
		t.Errorf("a folder that is not there yet: %v", err)
	}
}

func FuzzFAISS(f *testing.F) {
	pkl, err := os.ReadFile("testdata/faiss/l2/index.pkl")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"l2", "ip", "hnsw"} {
		data, err := fs.ReadFile(os.DirFS("testdata/faiss"), name+"/index.faiss")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, pkl)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, index, store []byte) {
		for name, data := range map[string][]byte{"index.faiss": index, "index.pkl": store} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		x, err := retrieve.Build(t.Context(), dir, documents("a"), &fake{name: "m", width: 4}, retrieve.DefaultOptions())
		if err != nil || x.Stats().Said == "" && x.Stats().Cached == 0 {
			t.Fatalf("%v: %+v", err, x.Stats())
		}
	})
}
