package human

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/golden"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
)

// Alpha is that of the package krippendorff, with raters who left items out.
func TestAlphaIsKrippendorffs(t *testing.T) {
	var file golden.Header
	golden.ReadJSON(t, "testdata/agreement.json", &file)
	var cases []struct {
		Ratings          [][]*float64
		Nominal, Ordinal float64
	}
	if err := json.Unmarshal(file.Values, &cases); err != nil || len(cases) < 6 {
		t.Fatal(len(cases), err)
	}
	for i, c := range cases {
		units := make([][]float64, len(c.Ratings[0]))
		for _, of := range c.Ratings {
			for item, v := range of {
				if v != nil {
					units[item] = append(units[item], *v)
				}
			}
		}
		for level, want := range map[Level]float64{Nominal: c.Nominal, Ordinal: c.Ordinal} {
			if got, ok := Alpha(units, level); !ok || !golden.Near(got, want, file.Tolerance["alpha"].Absolute) {
				t.Errorf("case %d, level %d: %v %v; %v expected", i, level, got, ok, want)
			}
		}
	}
}

func TestAlphaThatIsNotDefined(t *testing.T) {
	for _, c := range []struct {
		name, why string
		units     [][]float64
	}{
		{"nothing", "there is no value", nil},
		{"one rater", "nobody to agree with", [][]float64{{1}, {2}, {3}}},
		{"one value", "agreement by chance is certain", [][]float64{{2, 2}, {2, 2}, {1}}},
	} {
		if alpha, ok := Alpha(c.units, Ordinal); ok {
			t.Errorf("%s: %v; expected none, since %s", c.name, alpha, c.why)
		}
	}
}

// Wilson's interval has the bounds that statsmodels' proportion_confint gives (0.15).
func TestWilson(t *testing.T) {
	for _, c := range []struct{ share, n, low, high float64 }{
		{0.5, 10, 0.236593, 0.763407}, {0.8, 10, 0.490162, 0.943318}, {1, 10, 0.722467, 1}, {0, 3, 0, 0.561497},
	} {
		low, high := wilson(c.share, c.n, 0.95)
		if !golden.Near(low, c.low, 1e-6) || !golden.Near(high, c.high, 1e-6) {
			t.Errorf("%v of %v: %v to %v; %v to %v expected", c.share, c.n, low, high, c.low, c.high)
		}
	}
}

// A tie counts half, an item that several judged is their mean, and the interval is over
// items.
func TestWinRate(t *testing.T) {
	opt := evaluate.DefaultCompareOptions()
	w, ok := WinRate([][]float64{{1}, {1, 0}, {0}, {-1, -1}, {}, {1}, {1}, {1}}, opt)
	if !ok || w.Items != 7 || w.Values != 9 || w.First != 2 || w.Ties != 2 || w.Second != 5 {
		t.Errorf("%+v", w)
	}
	if want := (1 + .75 + .5 + 0 + 1 + 1 + 1) / 7; w.Rate < want-1e-12 || w.Rate > want+1e-12 || !(w.RateLow < w.Rate && w.Rate < w.RateHigh && w.RateLow > 0.3 && w.RateHigh < 1) {
		t.Errorf("%v (%v to %v); %v within expected", w.Rate, w.RateLow, w.RateHigh, want)
	}
	if _, ok := WinRate([][]float64{{}, {}}, opt); ok {
		t.Error("a win rate of nothing")
	}
}

func prediction(row int, question, answer string) evaluate.Prediction {
	return evaluate.Prediction{
		Row: row, Context: evaluate.Gold, Question: question, GeneratedAnswer: answer, GoldAnswer: "gold", Scores: evaluate.Scores{"f1_ans": 0.5},
		History: []dataset.Turn{{Speaker: "user", Message: "before"}, {Speaker: "assistant", Message: "yes?"}},
	}
}

// What is added is read again, the fields are LocalRQA's, the last word on an item
// counts, and annotations of answers that have changed are told apart.
func TestAnnotationsAreReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "annotations.jsonl")
	if all, err := Read(path); all != nil || err != nil {
		t.Fatalf("%v, %v of a file that is not there", all, err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	one, two := []evaluate.Prediction{prediction(0, "a?", "A"), prediction(1, "b?", "B")}, []evaluate.Prediction{prediction(5, "b?", "BB")}
	items, err := Items([]Source{{"one.jsonl", one}})
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := Items([]Source{{"one.jsonl", one}, {"two.jsonl", two}})
	if err != nil || len(pairs) != 1 {
		t.Fatal(pairs, err)
	}
	for _, a := range []Annotation{
		items[1].Annotation("ann", map[string]any{"Correctness": 2}, ""), items[1].Annotation("ann", map[string]any{"Correctness": 5, "Helpfulness": 1}, "good <b>"),
		items[1].Annotation("bob", map[string]any{"Correctness": 4}, ""), pairs[0].Annotation("ann", map[string]any{Preference: Second}, ""),
	} {
		if err := f.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var line struct {
		Session struct {
			Dialogue struct {
				History []struct{ Speaker, Message string }
			} `json:"_session"`
			Data struct {
				Gold string `json:"gold_answer"`
			} `json:"_tmp_data"`
		}
		Annotation map[string]int
		Metadata   struct{ File, Comment string }
	}
	if err := json.Unmarshal([]byte(strings.Split(string(text), "\n")[1]), &line); err != nil {
		t.Fatal(err)
	}
	if h := line.Session.Dialogue.History; len(h) != 4 || h[2].Message != "b?" || h[3].Message != "B" || h[3].Speaker != "assistant" || line.Session.Data.Gold != "gold" || line.Metadata.File != "one.jsonl" || line.Metadata.Comment != "good <b>" || line.Annotation["Correctness"] != 5 {
		t.Errorf("%+v", line)
	}
	// A kill cuts the last line off, which the next opening clears away.
	if err := os.WriteFile(path, append(text, `{"session":`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := Read(path); len(all) != 4 || err != nil {
		t.Fatalf("%d annotations, %v; 4 expected", len(all), err)
	}
	if f, err = Open(path); err != nil {
		t.Fatal(err)
	}
	if err := f.Add(items[0].Annotation("ann", map[string]any{"Correctness": 1}, "")); err != nil {
		t.Fatal(err)
	}
	all, err := Read(path)
	if len(all) != 5 || err != nil {
		t.Fatalf("%d annotations, %v; 5 expected", len(all), err)
	}
	said, others := Match(items, all)
	if diff := cmp.Diff([][]float64{{1}, {5, 4}}, said.Values(2, "Correctness")); diff != "" || others != 0 {
		t.Errorf("%d others (-want +got):\n%s", others, diff)
	}
	said, others = Match(pairs, all)
	if diff := cmp.Diff([][]float64{{1}}, said.Values(1, Preference)); diff != "" || others != 0 {
		t.Errorf("%d others (-want +got):\n%s", others, diff)
	}
	one[0].GeneratedAnswer = "another"
	if items, err = Items([]Source{{"one.jsonl", one}}); err != nil {
		t.Fatal(err)
	}
	if _, others = Match(items, all); others != 1 {
		t.Errorf("%d annotations of other answers; that of the answer which changed expected", others)
	}
	scored := Score(one, all)
	if diff := cmp.Diff([]evaluate.Scores{{"f1_ans": 0.5}, {"f1_ans": 0.5, "human_Correctness": 4.5, "human_Helpfulness": 1}}, []evaluate.Scores{scored[0].Scores, scored[1].Scores}); diff != "" {
		t.Errorf("scores (-want +got):\n%s", diff)
	}
	if len(one[1].Scores) != 1 {
		t.Error("the scores of the predictions that were given changed")
	}
}

func TestScalesOfAFile(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"right", "scales:\n- {name: Tone, question: \"Is it kind?\", labels: [rude, kind]}\n", ""},
		{"empty", "", "no scales found"},
		{"one label", "scales:\n- {name: Tone, labels: [rude]}\n", "scale 1 (Tone): 1 labels found; 2 to 5"},
		{"six labels", "scales:\n- {name: Tone, labels: [a, b, c, d, e, f]}\n", "6 labels found"},
		{"twice", "scales:\n- {name: Tone, labels: [a, b]}\n- {name: Tone, labels: [a, b]}\n", "its name twice found"},
		{"the name of pairs", "scales:\n- {name: Preference, labels: [a, b]}\n", `the name "Preference" found`},
		{"another field", "scales:\n- {name: Tone, labels: [a, b], weight: 3}\n", `scales.yaml:2: "weight" found; no such name is known; a list scales of name`},
		{"labels as a text", "scales:\n- name: Tone\n  labels: kind\n", `scales.yaml:3: "kind" found; a list expected`},
	} {
		path := filepath.Join(t.TempDir(), "scales.yaml")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		scales, err := ReadScales(path)
		if c.want == "" {
			if diff := cmp.Diff([]Scale{{"Tone", "Is it kind?", []string{"rude", "kind"}}}, scales); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; %s expected", c.name, err, c.want)
		}
	}
}

// Whatever a file holds, reading it gives annotations or an error.
func FuzzAnnotations(f *testing.F) {
	f.Add([]byte(`{"session":{"_session":{"history":[{"speaker":"user","message":"q"},{"speaker":"assistant","message":"a"}]},"_tmp_data":{}},"annotation":{"Correctness":4},"metadata":{"context":"gold","rater":"ann"}}` + "\n"))
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"annotation":{"Preference":"first"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parse("x", text)
		if err != nil {
			return
		}
		said, _ := Match(nil, all)
		for _, a := range all {
			a.Value("Correctness")
		}
		if len(said) != 0 {
			t.Error("something was said of nothing")
		}
	})
}
