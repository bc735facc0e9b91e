package dataset_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"gorqa/text/dataset"

	"github.com/google/go-cmp/cmp"
)

func TestTextNamesSourceAndTitle(t *testing.T) {
	for _, tt := range []struct {
		name, why string
		doc       dataset.Document
		want      string
	}{
		{"given", "a formatted text is taken as it is", dataset.Document{Content: "c", Formatted: " f "}, " f "},
		{"whole", "source, title, content", dataset.Document{Content: "c", Metadata: map[string]any{"source": "s", "title": "t", "x": 1}}, "Source: s\nTitle: t\nContent:\nc"},
		{"bare", "what is absent leaves no line", dataset.Document{Content: "c"}, "Content:\nc"},
		{"trimmed", "white space goes at the ends, as Python strips it", dataset.Document{Content: " c \x1f\u00a0\n", Metadata: map[string]any{"title": nil}}, "Content:\n c"},
		{"number", "metadata need not be text", dataset.Document{Content: "c", Metadata: map[string]any{"source": json.Number("7"), "title": []any{"a"}}}, "Source: 7\nTitle: [\"a\"]\nContent:\nc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.doc.Text()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.why, diff)
			}
		})
	}
}

func TestKeyIsSourceAndContent(t *testing.T) {
	base := dataset.Document{Content: "c", Metadata: map[string]any{"source": "s"}}
	for _, tt := range []struct {
		name, why string
		doc       dataset.Document
		same      bool
	}{
		{"other title", "only source and content count", dataset.Document{Content: "c", Formatted: "f", Metadata: map[string]any{"source": "s", "title": "t"}}, true},
		{"other content", "another passage", dataset.Document{Content: "d", Metadata: map[string]any{"source": "s"}}, false},
		{"no source", "another passage", dataset.Document{Content: "c"}, false},
		{"moved border", "source and content do not run together", dataset.Document{Content: "sc"}, false},
	} {
		if got := tt.doc.Key() == base.Key(); got != tt.same {
			t.Errorf("%s: %s: same is %v", tt.name, tt.why, got)
		}
	}
}

func TestOverlapIgnoresCaseAndSpace(t *testing.T) {
	a := []dataset.Example{{Question: "One?", GoldAnswer: "1"}, {Question: "Two?", GoldAnswer: "2"}, {Question: "one?", GoldAnswer: "3"}}
	b := []dataset.Example{{Question: "Three?"}, {Question: " one? ", GoldAnswer: "x"}, {Question: "TWO?", GoldAnswer: "2"}, {Question: "Two?"}}
	want := []dataset.Shared{{A: 0, B: 1, Question: "One?"}, {A: 1, B: 2, Question: "Two?", SameAnswer: true}}
	if diff := cmp.Diff(want, dataset.Overlap(a, b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func ExampleReadExamples() {
	dir, err := os.MkdirTemp("", "rqa")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "train.jsonl")
	data := `{"question": "What is DBFS?", "gold_docs": [{"page_content": "DBFS is a file system."}], "gold_answer": "A file system."}
{"question": "", "gold_docs": [], "gold_answer": "?"}`
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		fmt.Println(err)
		return
	}

	rows, err := dataset.ReadExamples(context.Background(), path)
	if bad, ok := errors.AsType[*dataset.BadData](err); ok {
		for _, p := range bad.Problems {
			fmt.Printf("line %d: %s\n", p.Line, p.Found)
		}
	}
	for _, r := range rows {
		fmt.Println(r.Question, r.GoldDocs[0].Text())
	}
	// Output:
	// line 2: an empty question
	// What is DBFS? Content:
	// DBFS is a file system.
}
