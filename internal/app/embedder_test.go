package app

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"gorqa/fetch"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/retrieve"
	"gorqa/rqa"
)

// openMiniLM opens all-MiniLM-L6-v2, fetching it where it is not there yet.
func openMiniLM(t testing.TB, half bool) *Embedder {
	t.Helper()
	folder, err := fetch.Model(t.Context(), "all-MiniLM-L6-v2", fetch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := OpenEmbedder(t.Context(), enginetest.Open(t), folder, "all-MiniLM-L6-v2", half)
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
	golden.ReadJSON(t, "../../generate/testdata/minilm.json", &g)
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, r := range g.Values.Rows {
		texts = append(texts, r.Text)
	}
	for _, test := range []struct {
		name string
		half bool
	}{
		{"f32", false},
		{"bf16", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := openMiniLM(t, test.half).Embed(t.Context(), texts, retrieve.Passage)
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
				if !test.half {
					golden.Compare(t, r.Text, got[i], r.Vector, g.Tolerance["vector"])
				}
			}
			t.Logf("%d texts; the worst cosine is 1 - %.2g", len(texts), worst)
		})
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
		{"decoder", "not an encoder", "../../arch/llama/testdata/llama", `model_type is "llama"`},
		{"no tokenizer", "texts cannot be read", "../../arch/bert/testdata/bert", "tokenizer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := OpenEmbedder(t.Context(), e, test.folder, test.folder, false)
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

func faireDocuments(b *testing.B) []rqa.Document {
	b.Helper()
	f, err := os.Open("../../../shared/data/faire/documents.jsonl")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var docs []rqa.Document
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var d rqa.Document
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
