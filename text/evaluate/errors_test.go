package evaluate_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/retrieve"

	"github.com/google/go-cmp/cmp"
)

type brokenRetriever struct {
	fixed
	hits [][]retrieve.Hit
	err  error
}

func (b brokenRetriever) TopK(context.Context, []string, int) ([][]retrieve.Hit, error) {
	return b.hits, b.err
}

type brokenGenerator struct {
	answers []evaluate.Answer
	err     error
}

func (b brokenGenerator) Generate(context.Context, []evaluate.Query) ([]evaluate.Answer, error) {
	return b.answers, b.err
}

func TestRunErrors(t *testing.T) {
	examples := []dataset.Example{{Question: "q", GoldAnswer: "a"}}
	docs := fixed{docs: []dataset.Document{doc("d")}}
	good := brokenRetriever{docs, [][]retrieve.Hit{{{Index: 0}}}, nil}
	boom := errors.New("boom")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		name, why string
		ctx       context.Context
		examples  []dataset.Example
		r         retrieve.Retriever
		g         evaluate.Generator
		change    func(*evaluate.Options)
		want      string
	}{
		{"settings", "all are named", nil, examples, good, nil, func(o *evaluate.Options) { *o = evaluate.Options{Contexts: []evaluate.Context{"x", "x"}} },
			"no prefix|the context \"x\"; expected|the context \"x\" twice|0 passages|0 rows a call"},
		{"no examples", "nothing to average", nil, nil, good, nil, nil, "no examples"},
		{"no retriever", "the context needs one", nil, examples, nil, generator(first), nil, "no retriever for the context retrieved"},
		{"nothing to score", "neither half", nil, examples, nil, nil, func(o *evaluate.Options) { o.Contexts = []evaluate.Context{evaluate.Gold} }, "neither a generator nor"},
		{"retriever fails", "the cause is kept", nil, examples, brokenRetriever{docs, nil, boom}, nil, nil, "retrieving: boom"},
		{"too few lists", "no row may go without", nil, examples, brokenRetriever{docs, nil, nil}, nil, nil, "0 lists for 1 questions"},
		{"index past the end", "an index of other documents", nil, examples, brokenRetriever{docs, [][]retrieve.Hit{{{Index: 1}}}, nil}, nil, nil, "document 1 of 1"},
		{"generator fails", "the cause is kept", nil, examples, good, brokenGenerator{nil, boom}, nil, "generating: boom"},
		{"too many answers", "rows must not shift", nil, examples, good, brokenGenerator{make([]evaluate.Answer, 2), nil}, nil, "2 answers to 1 questions"},
		{"cancelled", "looked at between calls", cancelled, examples, good, generator(first), nil, "context canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opt := evaluate.DefaultOptions()
			if tt.change != nil {
				tt.change(&opt)
			}
			ctx := tt.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			_, err := evaluate.Run(ctx, tt.examples, tt.r, tt.g, opt)
			if err == nil {
				t.Fatalf("%s: no error", tt.why)
			}
			for want := range strings.SplitSeq(tt.want, "|") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got %v, want %q", tt.why, err, want)
				}
			}
			if strings.Contains(tt.want, "boom") && !errors.Is(err, boom) {
				t.Errorf("%s: the cause is lost", tt.why)
			}
		})
	}
}

func TestParseContexts(t *testing.T) {
	got, err := evaluate.ParseContexts("Gold, none,retrieved")
	if diff := cmp.Diff([]evaluate.Context{evaluate.Gold, evaluate.None, evaluate.Retrieved}, got); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
	if _, err := evaluate.ParseContexts("gold,golden,gold"); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v, want two problems", err)
	}
}

func TestReadPredictionsErrors(t *testing.T) {
	good := `{"question":"q","context":"gold","scores":{}}`
	for _, tt := range []struct{ name, why, data, want string }{
		{"empty", "an aborted run leaves none, not an empty file", "", "no predictions"},
		{"no scores", "a row of another program that has its context by chance", good + "\n" + `{"question":"q","context":"gold","generated_answer":"a"}`, ":2: no context or scores"},
		{"no answers", "LocalRQA's evaluation of a retriever alone", `{"question":"q","gold_docs":[],"retrieved_docs":[]}`, ":1: no question or generated_answer"},
		{"truncated", "a copy that stopped", good + "\n" + good[:20], ":2: unexpected EOF"},
	} {
		path := filepath.Join(t.TempDir(), "p.jsonl")
		if err := os.WriteFile(path, []byte(tt.data), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := evaluate.ReadPredictions(path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %s: got %v, want %q", tt.name, tt.why, err, tt.want)
		}
	}
}

func TestWriteIsWholeOrNot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "score.json")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	bad := &evaluate.Report{Metrics: evaluate.Figures{{Name: evaluate.Loss}: math.NaN()}}
	if err := bad.WriteMetrics(path); err == nil {
		t.Error("NaN was written")
	}
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "old" {
		t.Errorf("the old file became %q, %v", data, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}
