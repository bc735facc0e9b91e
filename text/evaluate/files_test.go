package evaluate_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"gorqa/text/dataset"
	"gorqa/text/evaluate"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write testdata/files")

var seconds = regexp.MustCompile(`(latency": )[^,\n]+`)

// TestFilesOfAnEvaluation holds score.json and the predictions byte for byte against
// those in testdata/files, which others read: keys, their order, numbers. Latencies,
// which differ each time, are 0 there.
func TestFilesOfAnEvaluation(t *testing.T) {
	docs := []dataset.Document{doc("one two three four"), doc("one two <three> five"), doc("r"), doc("g"), doc("cats & dogs")}
	r := fixed{docs, map[string][]int{"q": {0, 1, 2, 3}, "p": {3, 2, 0, 4}, "no gold": {4, 3, 2, 1}, "left out": {0, 1, 2, 3}}}
	examples := []dataset.Example{
		{Question: "q", GoldAnswer: "one two three", GoldDocs: docs[:2]},
		{Question: "left out", GoldAnswer: "one", GoldDocs: docs[:1]},
		{Question: "p", GoldAnswer: "b", GoldDocs: docs[3:4], History: []dataset.Turn{{Speaker: "USER", Message: "m"}}},
		{Question: "no gold", GoldAnswer: "dogs and cats"},
	}
	opt := evaluate.DefaultOptions()
	opt.Prefix, opt.LeaveOut, opt.Judge = "test", []int{1}, &judge{}
	opt.Contexts = []evaluate.Context{evaluate.Retrieved, evaluate.Gold, evaluate.None, evaluate.Shuffled}
	report, err := evaluate.Run(context.Background(), examples, r, generator(first), opt)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, write := range map[string]func(string) error{"score.json": report.WriteMetrics, "predictions.jsonl": report.WritePredictions} {
		if err := write(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got = seconds.ReplaceAll(got, []byte("${1}0"))
		path := filepath.Join("testdata", "files", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestPredictionsOfLocalRQA: of a file that has no more than LocalRQA's five fields a row
// comes what an evaluation by gorqa says of the same answers.
func TestPredictionsOfLocalRQA(t *testing.T) {
	docs := []dataset.Document{doc("one two three four"), doc("one two <three> five"), doc("r"), doc("g")}
	r := fixed{docs, map[string][]int{"q": {0, 1, 2, 3}, "p": {3, 2, 0, 1}, "no gold": {3, 2, 1, 0}}}
	examples := []dataset.Example{
		{Question: "q", GoldAnswer: "one two three", GoldDocs: docs[:2]},
		{Question: "p", GoldAnswer: "g", GoldDocs: docs[3:]},
		{Question: "no gold", GoldAnswer: "dogs and cats"},
	}
	report, err := evaluate.Run(context.Background(), examples, r, generator(first), evaluate.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	var lines []byte
	for _, p := range report.Predictions {
		documents := func(passages []evaluate.Passage) (out []dataset.Document) {
			for _, d := range passages {
				out = append(out, d.Document)
			}
			return out
		}
		line, err := json.Marshal(map[string]any{
			"question": p.Question, "gold_docs": documents(p.GoldDocs), "retrieved_docs": documents(p.RetrievedDocs),
			"gold_answer": p.GoldAnswer, "generated_answer": p.GeneratedAnswer,
		})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, line...), '\n')
	}
	path := filepath.Join(t.TempDir(), "test-predictions.jsonl")
	if err := os.WriteFile(path, lines, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := evaluate.ReadPredictions(path)
	if err != nil {
		t.Fatal(err)
	}
	places := cmpopts.IgnoreFields(evaluate.Passage{}, "Index", "Score") // LocalRQA keeps neither
	if diff := cmp.Diff(report.Predictions, got, places, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-evaluated +read):\n%s", diff)
	}
}
