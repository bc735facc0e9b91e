package evaluate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
	"gorqa/text/evaluate"
)

// Precision and recall are those of abstaining on unanswerable questions, and stand in
// the report where some are.
func TestAbstention(t *testing.T) {
	const say = "The documents do not say."
	rows := func(unanswerable ...bool) (all []dataset.Example) {
		for i, u := range unanswerable {
			x := dataset.Example{Question: string(rune('a' + i)), GoldAnswer: "yes", GoldDocs: []dataset.Document{doc("gold")}}
			if u {
				x = dataset.Example{Question: x.Question, GoldAnswer: say, Unanswerable: true, HardNegDocs: []dataset.Document{doc("near")}}
			}
			all = append(all, x)
		}
		return all
	}
	for _, tc := range []struct {
		name, why string
		rows      []dataset.Example
		answers   map[string]string
		want      map[string]float64
	}{
		{
			"all kinds", "one of each", rows(true, true, false, false, false),
			map[string]string{"a": "the documents do NOT say", "b": "It is three.", "c": say + " But it may be.", "d": "yes", "e": "No documents do say."},
			map[string]float64{"precision": 0.5, "recall": 0.5, "avg_abstention_accuracy": 0.6, "unanswerable": 2, "abstained": 2},
		},
		{
			"none abstains", "there is nothing to be precise about", rows(true, false), map[string]string{"a": "three", "b": "yes"},
			map[string]float64{"recall": 0, "avg_abstention_accuracy": 0.5, "unanswerable": 1, "abstained": 0},
		},
		{"nothing to abstain from", "the keys stay what they were", rows(false, false), map[string]string{"a": say, "b": "yes"}, map[string]float64{}},
	} {
		opt := evaluate.DefaultOptions()
		opt.Contexts = []evaluate.Context{evaluate.Gold}
		var asked []string
		report, err := evaluate.Run(t.Context(), tc.rows, nil, generator(func(q evaluate.Query) string {
			asked = append(asked, q.Passages[0].Content)
			return tc.answers[q.Question]
		}), opt)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, name := range []string{"precision", "recall", "avg_abstention_accuracy", "unanswerable", "abstained"} {
			if v, ok := report.Metrics.ByName()["eval_gen_gold/abstention/"+name]; ok {
				got[name] = v
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (%s) (-want +got):\n%s", tc.name, tc.why, diff)
		}
		for i, p := range report.Predictions {
			want := "gold"
			if p.Unanswerable {
				want = "near"
			}
			if p.Unanswerable != tc.rows[i].Unanswerable || asked[i] != want || len(p.RetrievedDocs) != map[bool]int{true: 1}[p.Unanswerable] {
				t.Errorf("%s: row %d was asked with %q: %+v", tc.name, i, asked[i], p)
			}
		}
	}
}
