package evaluate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gorqa/internal/golden"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/retrieve"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fixed is a retriever with a ranking for each question.
type fixed struct {
	docs []dataset.Document
	hits map[string][]int
}

func (f fixed) Documents() retrieve.Documents { return retrieve.List(f.docs) }

func (f fixed) TopK(_ context.Context, queries []string, k int) ([][]retrieve.Hit, error) {
	out := make([][]retrieve.Hit, len(queries))
	for i, q := range queries {
		for rank, d := range f.hits[q][:k] {
			out[i] = append(out[i], retrieve.Hit{Index: d, Score: 1 / float32(rank+1)})
		}
	}
	return out, nil
}

// generator answers by a function of the query.
type generator func(evaluate.Query) string

func (g generator) Generate(_ context.Context, queries []evaluate.Query) ([]evaluate.Answer, error) {
	answers := make([]evaluate.Answer, len(queries))
	for i, q := range queries {
		answers[i].Text = g(q)
	}
	return answers, nil
}

// first answers with the first passage's content, and without one with "no".
func first(q evaluate.Query) string {
	if len(q.Passages) == 0 {
		return "no"
	}
	return q.Passages[0].Content
}

func doc(content string) dataset.Document {
	return dataset.Document{Content: content, Metadata: map[string]any{"source": "s"}}
}

func TestRunScoresEveryKindOfContext(t *testing.T) {
	docs := []dataset.Document{
		doc("one two three four five six seven eight nine ten"), // 0
		doc("one two three four five six seven eight"),          // 1: likely 0
		doc("cats and dogs"), // 2
		doc("birds"),         // 3
		doc("fish"),          // 4
	}
	examples := []dataset.Example{
		{Question: "first", GoldDocs: docs[0:1], GoldAnswer: "one two three four five six seven eight"},
		{Question: "both", GoldDocs: []dataset.Document{docs[2], docs[3], docs[2]}, GoldAnswer: "dogs"},
		{Question: "nowhere", GoldAnswer: "fish"},
	}
	r := fixed{docs, map[string][]int{"first": {1, 0, 2, 3}, "both": {2, 4, 3, 0}, "nowhere": {4, 3, 2, 1}}}

	opt := evaluate.DefaultOptions()
	opt.Contexts = []evaluate.Context{evaluate.Retrieved, evaluate.Gold, evaluate.None}
	opt.ChunkRows = 2
	var steps []string
	opt.Progress = func(done, total int) { steps = append(steps, fmt.Sprintf("%d/%d", done, total)) }
	report, err := evaluate.Run(context.Background(), examples, r, generator(first), opt)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(evaluate.Keys("eval", opt.Contexts), slices.Sorted(maps.Keys(report.Metrics.ByName()))); diff != "" {
		t.Errorf("keys known beforehand (-) and metrics (+):\n%s", diff)
	}
	log3 := 1 / math.Log2(3)
	want := map[string]float64{
		// rows 0 and 1: row 2 has no gold passages
		"eval_retr/document_accuracy/accuracy":          (0.25 + 0.5) / 2,
		"eval_retr/document_accuracy/likely_accuracy":   (0.5 + 0.5) / 2,
		"eval_retr/document_recall/recall1":             0,
		"eval_retr/document_recall/recall4":             1,
		"eval_retr/document_recall/likely_recall1":      0.5, // all of the gold passages: not in row 1
		"eval_retr/document_recall/likely_recall4":      1,
		"eval_retr/document_recall/likely_recall":       1.5,
		"eval_retr/document_ndcg/ndcg":                  (log3 + 1.5/(1+log3)) / 2,
		"eval_retr/document_mrr/mrr":                    0.75,
		"eval_gen/f1/avg_f1_ans":                        (1 + 0.5 + 1) / 3,
		"eval_gen/precision/avg_precision_ans":          (1 + 1./3 + 1) / 3,
		"eval_gen/exact_match/avg_exact_match_ans":      2. / 3,
		"eval_gen/rouge/avg_rouge1_ans":                 (1 + 0.5 + 1) / 3,
		"eval_gen/rouge/avg_rouge2_ans":                 1. / 3,
		"eval_gen/rouge/avg_rougeL_ans":                 (1 + 0.5 + 1) / 3,
		"eval_gen/bleu/avg_bleu_ans":                    1. / 3,
		"eval_gen/bleu/avg_brevity_pen_ans":             1,
		"eval_gen/f1/avg_f1_retr_doc":                   1,
		"eval_gen/precision/avg_precision_retr_doc":     1,
		"eval_gen/rouge/avg_rouge1_retr_doc":            1,
		"eval_gen/rouge/avg_rouge2_retr_doc":            2. / 3,
		"eval_gen/rouge/avg_rougeL_retr_doc":            1,
		"eval_gen/bleu/avg_bleu_retr_doc":               1. / 3,
		"eval_gen/answer_stats/avg_num_words":           4,
		"eval_gen/answer_stats/total_num_words":         12,
		"eval_gen_gold/f1/avg_f1_ans":                   (16./18 + 0.5 + 0) / 3,
		"eval_gen_gold/f1/avg_f1_retr_doc":              1, // over the two rows with passages
		"eval_gen_none/f1/avg_f1_ans":                   0,
		"eval_gen_none/answer_stats/avg_num_words":      1,
		"eval_gen_none/answer_stats/total_num_words":    3,
		"eval_gen_gold/answer_stats/total_num_words":    14,
		"eval_gen_gold/exact_match/avg_exact_match_ans": 0,
	}
	got := map[string]float64{}
	for k := range want {
		v, ok := report.Metrics.ByName()[k]
		if !ok {
			t.Errorf("no metric %s", k)
		}
		got[k] = v
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	for _, k := range []string{"eval_retr/latency/avg_latency", "eval_gen/latency/total_latency", "eval_gen_none/latency/avg_latency", "eval_e2e/latency/avg_latency"} {
		if v, ok := report.Metrics.ByName()[k]; !ok || v < 0 {
			t.Errorf("%s is %v, %v", k, v, ok)
		}
	}
	if _, ok := report.Metrics.ByName()["eval_gen_none/f1/avg_f1_retr_doc"]; ok {
		t.Error("the context none has scores against passages")
	}
	if want := "0/9 2/9 3/9 5/9 6/9 8/9 9/9"; strings.Join(steps, " ") != want {
		t.Errorf("progress was %v, want %s", steps, want)
	}

	table := report.Table()
	if diff := cmp.Diff([]string{"metric", "retrieved", "gold", "none"}, table[0]); diff != "" {
		t.Errorf("table header (-want +got):\n%s", diff)
	}
	for _, want := range [][]string{
		{"retr/document_recall/recall4", "1.0000", "", ""},
		{"gen/f1/avg_f1_ans", "0.8333", "0.4630", "0.0000"},
		{"gen/answer_stats/avg_num_words", "4.0", "4.7", "1.0"},
	} {
		found := false
		for _, line := range table {
			found = found || cmp.Equal(line, want)
		}
		if !found {
			t.Errorf("the table lacks %q:\n%q", want, table)
		}
	}

	dir := t.TempDir()
	path := filepath.Join(dir, "predictions.jsonl")
	if err := report.WritePredictions(path); err != nil {
		t.Fatal(err)
	}
	again, err := evaluate.ReadPredictions(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report.Predictions, again, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("predictions read back (-want +got):\n%s", diff)
	}
	if p := again[0]; p.RetrievedDocs[1].ID != docs[0].Key() || *p.RetrievedDocs[1].Index != 0 || *p.RetrievedDocs[1].Score != 0.5 {
		t.Errorf("the second passage of row 0 is %+v", p.RetrievedDocs[1])
	}
	if err := report.WriteMetrics(filepath.Join(dir, "score.json")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "score.json"))
	if err != nil {
		t.Fatal(err)
	}
	var scores map[string]float64
	if err := json.Unmarshal(data, &scores); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report.Metrics.ByName(), scores); diff != "" {
		t.Errorf("score.json (-want +got):\n%s", diff)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("the folder holds %v, %v; want the two files", left, err)
	}
}

// Ranks, copies and shares of words at the borders of what the metrics count.
func TestRankingsAtTheBordersOfWhatMetricsCount(t *testing.T) {
	gold := doc("one two three four five six seven eight nine ten")
	docs := []dataset.Document{
		gold,
		gold,                                     // 1: a second copy
		doc("one two three four five six seven"), // 2: 0.7 of its words, no more
		doc("one two three four five six seven eight"), // 3: more
		doc("cats"), doc("dogs"), doc("birds"), // 4, 5, 6
	}
	log := func(rank float64) float64 { return 1 / math.Log2(rank+1) }
	for _, test := range []struct {
		name, why string
		hits      []int
		want      map[string]float64
	}{
		{"copies", "the second copy is no further gain", []int{4, 0, 1, 5, 6}, map[string]float64{"document_ndcg/ndcg": log(2), "document_accuracy/accuracy": 0.4, "document_mrr/mrr": 0.5}},
		{"0.7", "more than that is likely", []int{2, 4, 5, 6}, map[string]float64{"document_recall/likely_recall4": 0, "document_accuracy/likely_accuracy": 0}},
		{"likely fourth", "the fourth counts", []int{4, 5, 6, 3, 2}, map[string]float64{"document_recall/likely_recall4": 1, "document_recall/likely_recall1": 0, "document_recall/recall4": 0}},
		{"likely fifth", "the fifth does not", []int{4, 5, 6, 2, 3}, map[string]float64{"document_recall/likely_recall4": 0, "document_accuracy/likely_accuracy": 0.2}},
		{"fourth", "the fourth counts", []int{4, 5, 6, 0, 2}, map[string]float64{"document_recall/recall4": 1, "document_recall/recall1": 0, "document_mrr/mrr": 0.25, "document_ndcg/ndcg": log(4)}},
		{"fifth", "the fifth does not, but gains", []int{4, 5, 6, 2, 0}, map[string]float64{"document_recall/recall4": 0, "document_mrr/mrr": 0.2, "document_ndcg/ndcg": log(5)}},
	} {
		opt := evaluate.DefaultOptions()
		opt.TopK = len(test.hits)
		report, err := evaluate.Run(t.Context(), []dataset.Example{{Question: "q", GoldDocs: docs[:1], GoldAnswer: "a"}}, fixed{docs, map[string][]int{"q": test.hits}}, nil, opt)
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range test.want {
			if got := report.Metrics.ByName()["eval_retr/"+key]; math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: %s is %v; want %v (%s)", test.name, key, got, want, test.why)
			}
		}
	}
}

// A latency is of each row, and in all; wording the searches is in the end-to-end one.
func TestRunLatency(t *testing.T) {
	const wait = 5 * time.Millisecond
	examples := []dataset.Example{{Question: "a", GoldAnswer: "a"}, {Question: "b", GoldAnswer: "b"}, {Question: "c", GoldAnswer: "c"}}
	docs := []dataset.Document{doc("a")}
	opt := evaluate.DefaultOptions()
	opt.TopK = 1
	opt.Searches = func(_ context.Context, queries []evaluate.Query) ([]string, error) {
		time.Sleep(wait)
		return []string{"a", "b", "c"}, nil
	}
	report, err := evaluate.Run(t.Context(), examples, fixed{docs, map[string][]int{"a": {0}, "b": {0}, "c": {0}}}, generator(first), opt)
	if err != nil {
		t.Fatal(err)
	}
	total := func(group string) float64 { return report.Metrics.ByName()["eval_"+group+"/latency/total_latency"] }
	for _, group := range []string{"retr", "gen", "e2e"} {
		if avg := report.Metrics.ByName()["eval_"+group+"/latency/avg_latency"]; math.Abs(3*avg-total(group)) > 1e-12 {
			t.Errorf("%s: %v s of each of 3 rows, %v s in all", group, avg, total(group))
		}
	}
	if words := total("e2e") - total("retr") - total("gen"); words < wait.Seconds()-1e-9 {
		t.Errorf("%v s of the end-to-end latency are neither searching nor answering; %v expected for wording", words, wait)
	}
}

// Rows that are left out are counted, and the others keep their numbers.
func TestRunLeavesOut(t *testing.T) {
	examples := []dataset.Example{{Question: "a", GoldAnswer: "a"}, {Question: "too long", GoldAnswer: "b"}, {Question: "c", GoldAnswer: "c"}}
	opt := evaluate.DefaultOptions()
	opt.Contexts, opt.LeaveOut = []evaluate.Context{evaluate.None}, []int{1}
	report, err := evaluate.Run(t.Context(), examples, nil, generator(first), opt)
	if err != nil {
		t.Fatal(err)
	}
	if n := report.Metrics.ByName()["eval_rows/left_out"]; n != 1 || len(report.Predictions) != 2 || report.Predictions[1].Row != 2 || report.Predictions[1].Question != "c" {
		t.Errorf("%v left out, %+v", n, report.Predictions)
	}
	for _, out := range [][]int{{3}, {0, 1, 2}} {
		opt.LeaveOut = out
		if _, err := evaluate.Run(t.Context(), examples, nil, generator(first), opt); err == nil {
			t.Errorf("no error with %v left out", out)
		}
	}
}

// The retriever may be asked something else than the generator.
func TestRetrieverMayBeAskedSomethingElse(t *testing.T) {
	docs := []dataset.Document{doc("a"), doc("b")}
	r := fixed{docs, map[string][]int{"bare": {0}, "worded anew": {1}}}
	examples := []dataset.Example{
		{Question: "bare", GoldAnswer: "a"},
		{Question: "it?", GoldAnswer: "b", History: []dataset.Turn{{Speaker: "USER", Message: "b"}}},
	}
	var asked []string
	g := generator(func(q evaluate.Query) string { asked = append(asked, q.Question); return first(q) })
	opt := evaluate.DefaultOptions()
	opt.TopK, opt.ChunkRows = 1, 1
	opt.Searches = func(_ context.Context, queries []evaluate.Query) ([]string, error) {
		if len(queries[0].History) > 0 {
			return []string{"worded anew"}, nil
		}
		return []string{queries[0].Question}, nil
	}
	report, err := evaluate.Run(context.Background(), examples, r, g, opt)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{report.Predictions[0].Search, report.Predictions[0].GeneratedAnswer, report.Predictions[1].Search, report.Predictions[1].GeneratedAnswer}
	if diff := cmp.Diff([]string{"", "a", "worded anew", "b"}, got); diff != "" {
		t.Errorf("searches and answers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"bare", "it?"}, asked); diff != "" {
		t.Errorf("the generator's questions (-want +got):\n%s", diff)
	}
	opt.Searches = func(context.Context, []evaluate.Query) ([]string, error) { return nil, nil }
	if _, err := evaluate.Run(context.Background(), examples, r, g, opt); err == nil || !strings.Contains(err.Error(), "0 texts to search with for 1 questions") {
		t.Errorf("too few texts: %v", err)
	}
}

func TestRunHandsOver(t *testing.T) {
	history := []dataset.Turn{{Speaker: "USER", Message: "m"}}
	gold := []dataset.Document{doc("g")}
	var got []evaluate.Query
	g := generator(func(q evaluate.Query) string { got = append(got, q); return "\xff" })
	opt := evaluate.DefaultOptions()
	opt.Contexts = []evaluate.Context{evaluate.Gold}
	report, err := evaluate.Run(context.Background(), []dataset.Example{{Question: "q", GoldAnswer: "a", GoldDocs: gold, History: history}}, nil, g, opt)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]evaluate.Query{{Question: "q", History: history, Passages: gold, Context: evaluate.Gold}}, got); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
	if a := report.Predictions[0].GeneratedAnswer; a != "\ufffd" {
		t.Errorf("a broken answer became %q", a)
	}
}

// sharing answers with nothing and gives all passages the same share.
type sharing struct{}

func (sharing) Generate(_ context.Context, queries []evaluate.Query) ([]evaluate.Answer, error) {
	answers := make([]evaluate.Answer, len(queries))
	for i, q := range queries {
		for range q.Passages {
			answers[i].Shares = append(answers[i].Shares, 1/float64(len(q.Passages)))
		}
	}
	return answers, nil
}

// The context shuffled gives each row what is another's, and the shares of its
// passages reach the predictions.
func TestShuffledGivesEachRowAnothersPassages(t *testing.T) {
	a, b := []dataset.Document{doc("a")}, []dataset.Document{doc("b"), doc("c")}
	examples := []dataset.Example{{Question: "1", GoldDocs: a}, {Question: "2", GoldDocs: a}, {Question: "3", GoldDocs: b}, {Question: "4"}}
	opt := evaluate.DefaultOptions()
	opt.Contexts = []evaluate.Context{evaluate.Shuffled}
	report, err := evaluate.Run(context.Background(), examples[:3], nil, sharing{}, opt)
	if err != nil {
		t.Fatal(err)
	}
	for row, want := range [][]dataset.Document{b, b, a} {
		p := report.Predictions[row]
		var got []dataset.Document
		for _, d := range p.RetrievedDocs {
			got = append(got, d.Document)
		}
		if diff := cmp.Diff(want, got); diff != "" || len(p.Shares) != len(want) || p.Shares[0] != 1/float64(len(want)) {
			t.Errorf("row %d: shares %v of passages (-want +got):\n%s", row, p.Shares, diff)
		}
	}
	if _, ok := report.Metrics.ByName()["eval_gen_shuffled/f1/avg_f1_ans"]; !ok {
		t.Errorf("no score in %v", report.Metrics)
	}
	if _, err := evaluate.Run(context.Background(), examples[:2], nil, sharing{}, opt); err == nil || !strings.Contains(err.Error(), "no row has other gold passages than row 0") {
		t.Errorf("rows of one passage: %v", err)
	}
}

func TestRunOnlyRetrieval(t *testing.T) {
	r := fixed{[]dataset.Document{doc("g")}, map[string][]int{"q": {0}}}
	opt := evaluate.DefaultOptions()
	opt.TopK = 1
	report, err := evaluate.Run(context.Background(), []dataset.Example{{Question: "q", GoldDocs: r.docs}}, r, nil, opt)
	if err != nil {
		t.Fatal(err)
	}
	if got := report.Metrics.ByName()["eval_retr/document_recall/recall4"]; got != 1 {
		t.Errorf("recall4 is %v, want 1", got)
	}
	for k := range report.Metrics.ByName() {
		if !strings.HasPrefix(k, "eval_retr/") {
			t.Errorf("without a generator there is a metric %s", k)
		}
	}
}

// A question for which a retriever finds nothing, as BM25 where no word is shared,
// counts as one: nothing of it is right.
func TestQuestionsWithNothingFoundCount(t *testing.T) {
	docs := fixed{docs: []dataset.Document{doc("cats and dogs"), doc("fish")}}
	few := brokenRetriever{docs, [][]retrieve.Hit{{{Index: 0, Score: 1}}, nil}, nil}
	examples := []dataset.Example{
		{Question: "which pets", GoldDocs: docs.docs[:1], GoldAnswer: "cats and dogs"},
		{Question: "which others", GoldDocs: docs.docs[1:], GoldAnswer: "fish"},
	}
	report, err := evaluate.Run(t.Context(), examples, few, generator(first), evaluate.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		"eval_retr/document_accuracy/accuracy": 0.5, "eval_retr/document_recall/recall1": 0.5, "eval_retr/document_recall/recall4": 0.5,
		"eval_retr/document_ndcg/ndcg": 0.5, "eval_retr/document_mrr/mrr": 0.5, "eval_gen/f1/avg_f1_ans": 0.5, "eval_gen/f1/avg_f1_retr_doc": 0.5, "eval_gen/rouge/avg_rougeL_retr_doc": 0.5,
	} {
		if got, ok := report.Metrics.ByName()[key]; !ok || !golden.Near(got, want, 1e-12) {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if p := report.Predictions[1]; p.GeneratedAnswer != "no" || len(p.RetrievedDocs) != 0 {
		t.Errorf("%+v", p)
	}
}

func ExampleRun() {
	docs := []dataset.Document{{Content: "Paris is the capital of France."}, {Content: "Rome is the capital of Italy."}}
	examples := []dataset.Example{{Question: "Which city is France's capital?", GoldDocs: docs[:1], GoldAnswer: "Paris"}}
	bm25, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil {
		fmt.Println(err)
		return
	}
	opt := evaluate.DefaultOptions()
	opt.TopK = 1
	report, err := evaluate.Run(context.Background(), examples, bm25, generator(first), opt)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("recall %.0f, F1 %.2f\n", report.Metrics.ByName()["eval_retr/document_recall/recall1"], report.Metrics.ByName()["eval_gen/f1/avg_f1_ans"])
	// Output: recall 1, F1 0.33
}
