package evaluate_test

import (
	"context"
	"strings"
	"testing"

	"gorqa/text/dataset"
	"gorqa/text/evaluate"

	"github.com/google/go-cmp/cmp"
)

// judge gives verdicts by the answer, and keeps what it was shown.
type judge struct{ seen []evaluate.Answered }

func (j *judge) Judge(_ context.Context, answers []evaluate.Answered) ([]evaluate.Verdict, error) {
	verdicts := make([]evaluate.Verdict, len(answers))
	for i, a := range answers {
		j.seen = append(j.seen, a)
		verdicts[i].Verdict = map[string]string{"g": evaluate.Correct, "r": evaluate.Incorrect, "no": evaluate.Failed}[a.Answer]
	}
	return verdicts, nil
}

func TestRunJudges(t *testing.T) {
	docs := []dataset.Document{doc("r"), doc("s"), doc("g")}
	r := fixed{docs, map[string][]int{"q": {0, 1}, "p": {2, 0}}}
	examples := []dataset.Example{
		{Question: "q", GoldAnswer: "a", GoldDocs: docs[2:]},
		{Question: "p", GoldAnswer: "b", GoldDocs: docs[2:]},
	}
	j := &judge{}
	opt := evaluate.DefaultOptions()
	opt.TopK, opt.Judge, opt.Contexts = 2, j, []evaluate.Context{evaluate.Retrieved, evaluate.None}
	report, err := evaluate.Run(context.Background(), examples, r, generator(first), opt)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for k, v := range report.Metrics.ByName() {
		if strings.Contains(k, "gpt4eval") {
			got[k] = v
		}
	}
	want := map[string]float64{
		"eval_gen/gpt4eval/gpt4eval_acc": 0.5, "eval_gen/gpt4eval/judged": 2, "eval_gen/gpt4eval/failed": 0,
		"eval_gen_none/gpt4eval/judged": 0, "eval_gen_none/gpt4eval/failed": 2, // no accuracy: nothing is known
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	seen := evaluate.Answered{Question: "p", Gold: "b", Passages: []dataset.Document{docs[2], docs[0]}, Answer: "g"}
	if diff := cmp.Diff(seen, j.seen[1]); diff != "" {
		t.Errorf("what the judge sees (-want +got):\n%s", diff)
	}
	if len(j.seen[2].Passages) != 1 {
		t.Errorf("without retrieval the judge sees %v; the gold passage alone expected", j.seen[2].Passages)
	}
	if p := report.Predictions[2]; p.Judged.Verdict != evaluate.Failed || len(p.Scores) == 0 {
		t.Errorf("prediction %+v", p)
	}
	if _, scored := report.Predictions[2].Scores["gpt4eval_acc"]; scored {
		t.Error("a failure of the judge is scored")
	}
}
