package evaluate

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"gorqa/internal/golden"
)

// TestTextMetricsAreThePythonScorers compares the text metrics with SQuAD's scorer, rouge_score and
// Hugging Face evaluate's BLEU on 500 pairs (parity/make_metrics.py).
func TestTextMetricsAreThePythonScorers(t *testing.T) {
	var file struct {
		golden.Header
		Values []struct {
			Prediction, Reference  string
			F1                     float64
			ExactMatch             float64 `json:"exact_match"`
			ROUGE1, ROUGE2, ROUGEL float64
			BLEU                   *float64 // null where the library fails on an empty text
			BrevityPenalty         *float64 `json:"brevity_penalty"`
		} `json:"values"`
	}
	golden.ReadJSON(t, "testdata/metrics.json", &file)
	if err := file.Check(); err != nil {
		t.Fatal(err)
	}
	if len(file.Values) != 500 {
		t.Fatalf("got %d pairs, want 500", len(file.Values))
	}
	tolerance := file.Tolerance[""].Absolute
	worst := 0.0
	for i, v := range file.Values {
		r := Rouge(v.Prediction, v.Reference)
		b, bp := BLEU(v.Prediction, v.Reference)
		checks := []struct {
			name      string
			got, want float64
		}{
			{"F1", F1(v.Prediction, v.Reference), v.F1},
			{"exact match", ExactMatch(v.Prediction, v.Reference), v.ExactMatch},
			{"ROUGE-1", r.R1, v.ROUGE1},
			{"ROUGE-2", r.R2, v.ROUGE2},
			{"ROUGE-L", r.RL, v.ROUGEL},
			{"BLEU", b, 0},
			{"brevity penalty", bp, 0},
		}
		if v.BLEU != nil {
			checks[5].want, checks[6].want = *v.BLEU, *v.BrevityPenalty
		}
		for _, c := range checks {
			worst = max(worst, math.Abs(c.got-c.want))
			if !golden.Near(c.got, c.want, tolerance) {
				t.Errorf("pair %d: %s is %v, want %v\nprediction %q\nreference  %q", i, c.name, c.got, c.want, v.Prediction, v.Reference)
			}
		}
	}
	t.Logf("worst difference %.1e of %.0e allowed", worst, tolerance)
}

func TestPrecision(t *testing.T) {
	for _, tt := range []struct {
		name, why             string
		prediction, reference string
		want                  float64
	}{
		{"half", "one of two words is there", "red car", "a blue car", 0.5},
		{"bag", "a word counts as often as the reference has it", "car car car car", "car, car", 0.5},
		{"empty prediction", "nothing was right", "the", "car", 0},
		{"empty reference", "nothing can be right", "car", "...", 0},
	} {
		if got := Precision(tt.prediction, tt.reference); got != tt.want {
			t.Errorf("%s: %s: got %v, want %v", tt.name, tt.why, got, tt.want)
		}
	}
}

func FuzzTextMetrics(f *testing.F) {
	f.Add("the cat, an 'at", "The cat – a mat.")
	f.Add("İ ΟΔΟΣ &amp;lt; 3-4 .5", "-\n<skipped>")
	f.Add("\xff\x00", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 1<<12 {
			return // the longest common subsequence takes time by the square
		}
		bleu, penalty := BLEU(a, b)
		r := Rouge(a, b)
		for name, v := range map[string]float64{
			"F1": F1(a, b), "precision": Precision(a, b), "exact match": ExactMatch(a, b),
			"ROUGE-1": r.R1, "ROUGE-2": r.R2, "ROUGE-L": r.RL, "BLEU": bleu, "brevity penalty": penalty,
		} {
			if !(v >= 0 && v <= 1+1e-12) {
				t.Errorf("%s of %q and %q is %v", name, a, b, v)
			}
		}
		if utf8.ValidString(a) && len(normalize(a)) > 0 && F1(a, a) != 1 {
			t.Errorf("F1 of %q with itself is %v", a, F1(a, a))
		}
	})
}

func BenchmarkRow(b *testing.B) {
	answer := strings.Repeat("some words of an answer that is a few lines long, ", 10)
	passage := strings.Repeat("other words of the passage that was found for it. ", 30)
	for b.Loop() {
		F1(answer, passage)
		Rouge(answer, passage)
		BLEU(answer, passage)
	}
}

func ExampleF1() {
	fmt.Printf("%.2f\n", F1("The blue car", "a red car"))
	// Output: 0.50
}
