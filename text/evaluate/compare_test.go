package evaluate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gorqa/internal/golden"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func scored(c evaluate.Context, f1 ...float64) []evaluate.Prediction {
	ps := make([]evaluate.Prediction, len(f1))
	for i, v := range f1 {
		ps[i] = evaluate.Prediction{Row: i, Context: c, Question: fmt.Sprint("q", i), Scores: evaluate.Scores{"f1_ans": v}}
	}
	return ps
}

// compare pairs and compares.
func compare(a, b []evaluate.Prediction, metric evaluate.Metric, opt evaluate.CompareOptions) ([]evaluate.Comparison, error) {
	pairs, _, _ := evaluate.Match(a, b)
	return evaluate.Compare(pairs, metric, opt)
}

func TestCompare(t *testing.T) {
	a := append(scored(evaluate.Retrieved, 0, 0.5, 1, 0.25), scored(evaluate.Gold, 1)...)
	b := scored(evaluate.Retrieved, 0.25, 0.5, 0.25) // the last row is missing
	got, err := compare(a, b, "f1_ans", evaluate.DefaultCompareOptions())
	if err != nil {
		t.Fatal(err)
	}
	want := []evaluate.Comparison{{
		Metric: "f1_ans", Context: evaluate.Retrieved, Rows: 3,
		A: 0.5, B: 1. / 3, Delta: -0.5 / 3,
		Low: -0.75, High: 0.25, // three rows can be drawn alike
		Changed: []evaluate.Pair{{A: a[2], B: b[2]}, {A: a[0], B: b[0]}},
	}}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := compare(a, b, "f1_ans", evaluate.DefaultCompareOptions())
	if err != nil || !cmp.Equal(got, again) {
		t.Errorf("the same seed gave another interval: %v, %v", again, err)
	}
}

// Rows are paired by what was asked, wherever they stand in the files.
func TestRowsArePairedByWhatWasAsked(t *testing.T) {
	row := func(n int, question string, history ...string) evaluate.Prediction {
		p := evaluate.Prediction{Row: n, Context: evaluate.Gold, Question: question, Scores: evaluate.Scores{"f1_ans": 1, evaluate.Metric(fmt.Sprint("own", n)): 1, "a": 1, "likely_recall4": 1, "likely_recall": 2}}
		for _, m := range history {
			p.History = append(p.History, dataset.Turn{Speaker: "USER", Message: m})
		}
		return p
	}
	a := []evaluate.Prediction{row(0, "q"), row(1, "q", "before"), row(2, "twice"), row(3, "gone")}
	b := []evaluate.Prediction{row(10, "twice"), row(11, "q", "before"), row(12, "twice"), row(13, "q"), row(14, "q", "before", "more"), row(15, "twice")}
	pairs, onlyA, onlyB := evaluate.Match(a, b)
	got := map[string]string{}
	for _, p := range pairs {
		got["pairs"] += fmt.Sprintf(" %d-%d", p.A.Row, p.B.Row)
	}
	for _, p := range onlyA {
		got["a"] += fmt.Sprint(" ", p.Row)
	}
	for _, p := range onlyB {
		got["b"] += fmt.Sprint(" ", p.Row)
	}
	if diff := cmp.Diff(map[string]string{"pairs": " 0-13 1-11 2-10", "a": " 3", "b": " 12 14 15"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]evaluate.Metric{"likely_recall4", "f1_ans", "a"}, evaluate.Metrics(pairs)); diff != "" {
		t.Errorf("metrics of both (-want +got):\n%s", diff)
	}
}

// Several evaluations of the same rows become one, with the mean of a row's scores.
func TestAverageIsTheMeanOfARowsScores(t *testing.T) {
	row := func(question string, scores evaluate.Scores) evaluate.Prediction {
		return evaluate.Prediction{Context: evaluate.Gold, Question: question, GeneratedAnswer: question, Scores: scores}
	}
	first := []evaluate.Prediction{row("a", evaluate.Scores{"f1_ans": 0.5, "judge": 1}), row("b", evaluate.Scores{"f1_ans": 0})}
	second := []evaluate.Prediction{row("b", evaluate.Scores{"f1_ans": 1, "more": 3}), row("a", evaluate.Scores{"f1_ans": 0.25})}
	got, err := evaluate.Average([][]evaluate.Prediction{first, second})
	if err != nil {
		t.Fatal(err)
	}
	want := []evaluate.Prediction{row("a", evaluate.Scores{"f1_ans": 0.375}), row("b", evaluate.Scores{"f1_ans": 0.5})}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if first[0].Scores["f1_ans"] != 0.5 {
		t.Error("the first evaluation itself was changed")
	}
	for _, runs := range [][][]evaluate.Prediction{{first, second[:1]}, {first[:1], second}} {
		if _, err := evaluate.Average(runs); err == nil || !strings.Contains(err.Error(), "is not in each of the evaluations") {
			t.Errorf("other rows: %v", err)
		}
	}
}

// TestCompareInterval holds the bootstrap against the normal interval, which
// it comes to for many rows.
func TestCompareInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n = 400
	x, y := make([]float64, n), make([]float64, n)
	sum, squares := 0.0, 0.0
	for i := range n {
		x[i] = rng.Float64()
		y[i] = x[i] + 0.1*rng.NormFloat64() + 0.02
		d := y[i] - x[i]
		sum += d
		squares += d * d
	}
	mean := sum / n
	half := 1.96 * math.Sqrt((squares/n-mean*mean)/n)
	got, err := compare(scored(evaluate.Gold, x...), scored(evaluate.Gold, y...), "f1_ans", evaluate.DefaultCompareOptions())
	if err != nil {
		t.Fatal(err)
	}
	if c := got[0]; !golden.Near(c.Low, mean-half, 0.05*half) || !golden.Near(c.High, mean+half, 0.05*half) {
		t.Errorf("got %.5f to %.5f, want about %.5f to %.5f", c.Low, c.High, mean-half, mean+half)
	}
}

func TestCompareErrors(t *testing.T) {
	a := scored(evaluate.Gold, 1)
	other := scored(evaluate.Gold, 1)
	other[0].Question = "another"
	bad := evaluate.CompareOptions{}
	good := evaluate.DefaultCompareOptions()
	for _, tt := range []struct {
		name, why string
		b         []evaluate.Prediction
		metric    evaluate.Metric
		opt       evaluate.CompareOptions
		want      string
	}{
		{"settings", "all are named", a, "f1_ans", bad, "0 samples; expected 100 at least; raise the number\ncomparison: a level of 0"},
		{"metric", "the known ones are named", a, "f1", good, "no metric \"f1\" in both; expected one of their common ones (f1_ans)"},
		{"other file", "rows must be the same questions", other, "f1_ans", good, "no row that both answered in the same context"},
		{"other context", "nothing to pair", scored(evaluate.None, 1), "f1_ans", good, "no row that both answered in the same context"},
	} {
		if _, err := compare(a, tt.b, tt.metric, tt.opt); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %s: got %v, want %q", tt.name, tt.why, err, tt.want)
		}
	}
}

func ExampleCompare() {
	before := scored(evaluate.Retrieved, 0.1, 0.2, 0.3, 0.2)
	after := scored(evaluate.Retrieved, 0.4, 0.5, 0.6, 0.5)
	pairs, _, _ := evaluate.Match(before, after)
	comparisons, err := evaluate.Compare(pairs, "f1_ans", evaluate.DefaultCompareOptions())
	if err != nil {
		fmt.Println(err)
		return
	}
	c := comparisons[0]
	fmt.Printf("%s: %+.2f [%.2f, %.2f], %d of %d rows changed\n", c.Context, c.Delta, c.Low, c.High, len(c.Changed), c.Rows)
	// Output: retrieved: +0.30 [0.30, 0.30], 4 of 4 rows changed
}
