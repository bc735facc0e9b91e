package audit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

func example(line int, question, answer string, gold ...string) dataset.Example {
	x := dataset.Example{Line: line, Question: question, GoldAnswer: answer}
	for _, g := range gold {
		x.GoldDocs = append(x.GoldDocs, dataset.Document{Content: g})
	}
	return x
}

func TestAudit(t *testing.T) {
	docs := []dataset.Document{{Content: "The kettle boils in three minutes."}, {Content: "the kettle boils in three minutes"}, {Content: "Tea is a drink of leaves and water."}, {Content: "…"}, {Content: strings.Repeat("long ", 50)}}
	train := Split{"train", []dataset.Example{
		example(1, "How long does the old kettle boil?", "Three minutes.", "The kettle boils in three minutes."),
		example(2, "how long does the old kettle boil", "three minutes", "The kettle boils in three minutes."),
		example(3, "How long does the old kettle boil?", "An hour.", "Tea is a drink of leaves and water."),
		example(4, "What is tea made of, in your opinion?", "leaves", "Not a document: leaves."),
		example(5, "Who?", "me"),
		example(6, "Say it at length?", "So the old kettle that boils does it in three short minutes.", "The kettle boils in three minutes.", "It does so, old that."),
	}}
	test := Split{"test", []dataset.Example{
		example(1, "HOW long does the old kettle boil", "An hour.", "other"),
		example(2, "What is green tea made of, in your opinion?", "leaves", "the kettle boils in three MINUTES"),
		example(3, "Who was it?", "me"),
	}}
	bm25, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Audit(t.Context(), []Split{train, test}, "docs", docs, Options{
		Unit: "words", Tokens: func(text string) int { return len(retrieve.Words(text)) }, MaxTokens: 40,
		Retrievers: map[string]retrieve.Retriever{"bm25": bm25}, Ks: []int{1, 5},
	})
	if err != nil {
		t.Fatal(err)
	}
	counts := func(list []Finding) map[string]int {
		m := map[string]int{}
		for _, f := range list {
			m[f.What] = f.Count
			if len(f.Examples) == 0 || len(f.Examples) > mostExamples {
				t.Errorf("%s: %d examples", f.What, len(f.Examples))
			}
		}
		return m
	}
	tests := []struct {
		name string
		got  []Finding
		want map[string]int
	}{
		{"documents", r.Documents.Findings, map[string]int{"passages with the text of another": 1, "passages longer than the 40 tokens that the embedding model reads": 1, "passages without words": 1}},
		{"train", r.Splits[0].Findings, map[string]int{
			"questions that stand in the file before, with the same answer": 1, "questions that stand in the file before, with another answer": 1,
			"answers that are not in their gold passages: short ones word for word, long ones by most of their words": 1, "gold passages that are not among the documents": 2,
		}},
		{"between", r.Between, map[string]int{
			"questions of test that stand in train, too, with the same answer":     1,
			"questions of test that stand in train, too, in nearly the same words": 1,
			"rows of test with the text of a gold passage of train":                1,
		}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, counts(tt.got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if s := r.Splits[0]; s.Rows != 6 || s.WithoutGold != 1 || s.Questions.Max != 8 || s.Found["bm25"]["5"] != 0.4 {
		t.Errorf("%+v", s)
	}
}

func TestLengths(t *testing.T) {
	var counts []int
	for i := range 100 {
		counts = append(counts, 100-i)
	}
	if got := lengths(counts); got != (Lengths{51, 96, 100}) {
		t.Errorf("%+v", got)
	}
	if got := lengths(nil); got != (Lengths{}) {
		t.Errorf("%+v", got)
	}
}
