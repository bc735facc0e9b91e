package retrieve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorqa/internal/golden"
	"gorqa/text/dataset"
	"gorqa/text/retrieve"

	"github.com/google/go-cmp/cmp"
)

type bm25Golden struct {
	Tolerance float64 `json:"tolerance"`
	MadeUp    struct {
		Documents []string    `json:"documents"`
		Queries   []string    `json:"queries"`
		Scores    [][]float64 `json:"scores"`
	} `json:"made_up"`
	Faire struct {
		Top10 [][][2]float64 `json:"top10"`
	} `json:"faire"`
	Unspaced struct {
		Documents []string    `json:"documents"`
		Queries   []string    `json:"queries"`
		Words     [][]string  `json:"words"`
		Scores    [][]float64 `json:"scores"`
	} `json:"unspaced"`
}

func readGolden(t *testing.T) bm25Golden {
	t.Helper()
	var g bm25Golden
	golden.ReadJSON(t, "testdata/bm25.json", &g)
	return g
}

func TestBM25MadeUp(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	x, err := retrieve.NewBM25(documents(g.MadeUp.Documents...), retrieve.DefaultBM25Options())
	if err != nil {
		t.Fatal(err)
	}
	hits, err := x.TopK(t.Context(), g.MadeUp.Queries, len(g.MadeUp.Documents))
	if err != nil {
		t.Fatal(err)
	}
	for q, want := range g.MadeUp.Scores {
		if found := len(hits[q]); found != 0 && g.MadeUp.Queries[q] == "unseen" || found == 0 && q < 12 {
			t.Errorf("query %d: %d documents found", q, found)
		}
		for i, score := range want {
			if score != 0 && !slices.ContainsFunc(hits[q], func(h retrieve.Hit) bool { return h.Index == i }) {
				t.Errorf("query %d: document %d is not found; rank_bm25 gives it %v", q, i, score)
			}
		}
		for _, h := range hits[q] {
			if !golden.Near(float64(h.Score), want[h.Index], g.Tolerance*max(1, want[h.Index])) {
				t.Errorf("query %d, document %d: score %v; rank_bm25 has %v", q, h.Index, h.Score, want[h.Index])
			}
		}
	}
}

func TestBM25Unspaced(t *testing.T) {
	t.Parallel()
	g := readGolden(t).Unspaced
	bodies := make([]dataset.Document, len(g.Documents))
	for i, d := range g.Documents {
		bodies[i] = dataset.Document{Content: d, Formatted: d}
		if diff := cmp.Diff(g.Words[i], retrieve.Words(d)); diff != "" {
			t.Errorf("document %d (-want +got)\n%s", i, diff)
		}
	}
	x, err := retrieve.NewBM25(bodies, retrieve.DefaultBM25Options())
	if err != nil {
		t.Fatal(err)
	}
	hits, err := x.TopK(t.Context(), g.Queries, len(bodies))
	if err != nil {
		t.Fatal(err)
	}
	first := []int{0, 2, 2, 3, 4, 5, 6, 7, -1, -1} // the document that answers; -1: nothing is found
	for q, want := range g.Scores {
		best := -1
		if len(hits[q]) > 0 {
			best = hits[q][0].Index
		}
		if best != first[q] {
			t.Errorf("%s: document %d is the best; %d expected", g.Queries[q], best, first[q])
		}
		for _, h := range hits[q] {
			if !golden.Near(float64(h.Score), want[h.Index], 1e-6*max(1, want[h.Index])) {
				t.Errorf("%s, document %d: score %v; rank_bm25 has %v", g.Queries[q], h.Index, h.Score, want[h.Index])
			}
		}
	}
}

func TestWordsOfManyScripts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, why, text string
		want            []string
	}{
		{"spaced", "runs of letters, lower-case", "Free Returns, 30_days!", []string{"free", "returns", "30_days"}},
		{"accents", "marks stay with their letters", "naïve cafe\u0301", []string{"naïve", "cafe\u0301"}},
		{"korean", "is written with spaces", "환불은 무료입니다", []string{"환불은", "무료입니다"}},
		{"pairs", "Chinese has no spaces", "退货免费", []string{"退货", "货免", "免费"}},
		{"alone", "one character is a word", "猫", []string{"猫"}},
		{"mixed", "letters and digits beside them stay whole", "第12章Go编程", []string{"第", "12", "章", "go", "编程"}},
		{"long vowel", "belongs to the katakana", "コーヒー", []string{"コー", "ーヒ", "ヒー"}},
		{"widths", "a full-width word is the usual one, half-width katakana too", "ＧＯ　ﾃｽﾄ", []string{"go", "テス", "スト"}},
		{"thai", "vowel signs and tones stay with their letter", "กี่วัน", []string{"กี่วั", "วัน"}},
		{"mark first", "nothing to stand on", "\u0301中文", []string{"\u0301", "中文"}},
	} {
		if diff := cmp.Diff(test.want, retrieve.Words(test.text)); diff != "" {
			t.Errorf("%s: %s (-want +got)\n%s", test.name, test.why, diff)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("退货 Go第3章 กี่วัน\u0301")
	f.Fuzz(func(t *testing.T, text string) {
		for _, w := range retrieve.Words(text) {
			if w == "" || strings.ContainsAny(w, " \t\n.,") {
				t.Fatalf("the word %q of %q", w, text)
			}
		}
	})
}

func TestBM25Faire(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	docs, questions := faire(t)
	x, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil {
		t.Fatal(err)
	}
	hits, err := x.TopK(t.Context(), questions, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(hits) != len(g.Faire.Top10) {
		t.Fatalf("%d questions; the golden has %d", len(hits), len(g.Faire.Top10))
	}
	for q, want := range g.Faire.Top10 {
		for place, w := range want {
			h := hits[q][place]
			if h.Index != int(w[0]) || !golden.Near(float64(h.Score), w[1], g.Tolerance*max(1, w[1])) {
				t.Errorf("question %d, place %d: document %d with %v; rank_bm25 has %v with %v", q, place, h.Index, h.Score, w[0], w[1])
			}
		}
	}
}

func faire(t *testing.T) ([]dataset.Document, []string) {
	t.Helper()
	var docs []dataset.Document
	var questions []string
	read := func(name string, line func([]byte) error) {
		f, err := os.Open(filepath.Join("../../../shared/data/faire", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			if err := line(lines.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	read("documents.jsonl", func(line []byte) error {
		var d struct {
			Content   string `json:"page_content"`
			Formatted string `json:"fmt_content"`
		}
		err := json.Unmarshal(line, &d)
		docs = append(docs, dataset.Document{Content: d.Content, Formatted: d.Formatted})
		return err
	})
	read("test_w_qa.jsonl", func(line []byte) error {
		var r struct {
			Question string `json:"question"`
		}
		err := json.Unmarshal(line, &r)
		questions = append(questions, r.Question)
		return err
	})
	return docs, questions
}

func TestBM25Errors(t *testing.T) {
	t.Parallel()
	_, err := retrieve.NewBM25(numbered(1), retrieve.BM25Options{K1: math.NaN(), B: 2, Epsilon: -1})
	wantError(t, "all problems together", err, []string{"k1", "b is 2", "epsilon"})
	_, err = retrieve.NewBM25(nil, retrieve.DefaultBM25Options())
	wantError(t, "an empty pool", err, []string{"no documents"})
	x, err := retrieve.NewBM25(documents("?!", "..."), retrieve.DefaultBM25Options())
	if err != nil {
		t.Fatal(err)
	}
	got, err := x.TopK(t.Context(), []string{"word", ""}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]retrieve.Hit{nil, nil}, got); diff != "" {
		t.Errorf("documents without a word are not found by their place in the file (-want +got)\n%s", diff)
	}
	_, err = x.TopK(t.Context(), []string{"word"}, 3)
	wantError(t, "fewer documents than k", err, []string{"k is 3"})
}

func ExampleNewBM25() {
	docs := documents("Returns are free.", "Shipping takes two days.", "We ship to Norway.")
	bm25, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil {
		fmt.Println(err)
		return
	}
	hits, err := bm25.TopK(context.Background(), []string{"free returns"}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(docs[hits[0][0].Index].Content)
	// Output: Returns are free.
}
