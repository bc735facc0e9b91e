package questions

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
	"gorqa/text/questions/reply"
)

func TestFilters(t *testing.T) {
	docs := []dataset.Document{
		{Content: "The Alpha kettle holds 1.7 litres of water. To descale it, fill it with vinegar, boil it once and rinse it twice with cold water.", Metadata: map[string]any{"source": "alpha"}},
		{Content: "The Beta toaster browns two slices of bread at once, and has a tray for crumbs below its heating wires, which slides out.", Metadata: map[string]any{"source": "beta"}},
		{Content: "Gamma lamps are made of brass. Each Gamma lamp comes with a shade of green glass and a cord of two metres length.", Metadata: map[string]any{"source": "gamma"}},
		{Content: "Gamma lamps, again: another Gamma lamp has a cord of two metres, which the shop shortens where a customer asks for it.", Metadata: map[string]any{"source": "gamma"}},
	}
	task := func(kind Kind) task {
		return task{kind: kind, split: Train, passages: docs[:1], count: 3}
	}
	for _, tc := range []struct {
		name, why, question, answer string
		kind                        Kind
		among                       int
		want                        Reason
	}{
		{"good", "asked, held and found", "How much water does the Alpha kettle hold?", "1.7 litres", Fact, 1, ""},
		{"good, long", "in other words, most of them the passage's", "How is the Alpha kettle descaled?", "One has to fill it with vinegar, boil it once and then rinse it twice with cold water.", Procedure, 1, ""},
		{"short question", "nothing is asked", "How much?", "1.7 litres", Fact, 1, Length},
		{"long question", "models that repeat themselves", strings.Repeat("of the ", 30) + "kettle?", "1.7 litres", Fact, 1, Length},
		{"no answer", "an answer of signs", "How much water does the Alpha kettle hold?", "…", Fact, 1, Length},
		{"long answer", "the passage as its own answer", "How much water does the Alpha kettle hold?", strings.Repeat("the Alpha kettle ", 40), Fact, 1, Length},
		{"the passage", "whoever asks has not seen it", "How much water does the kettle in this passage hold?", "1.7 litres", Fact, 1, Pointing},
		{"the text", "with a word between", "According to the given text, what does the Alpha kettle hold?", "1.7 litres", Fact, 1, Pointing},
		{"given away", "nothing is left to answer", "Does the Alpha kettle hold 1.7 litres of water?", "1.7 Litres", Fact, 1, GivesAway},
		{"invented", "a short answer that is not there", "How much water does the Alpha kettle hold?", "2.5 litres", Fact, 1, NotHeld},
		{"invented, long", "most words are not there", "How is the Alpha kettle descaled?", "Buy special tablets at your local store, dissolve all of them and wait for an hour.", Procedure, 1, NotHeld},
		{"another's", "the question finds another passage", "Which Gamma lamp of brass has a cord of two metres?", "1.7 litres", Fact, 1, NotFound},
		{"among more", "the fourth is enough where four are looked at", "Which Gamma lamp of brass and Beta toaster comes with water?", "1.7 litres", Fact, 4, ""},
		{"unanswerable", "its passage is withheld, and no other holds the answer", "How much water does the Alpha kettle hold?", "1.7 litres", Unanswerable, 1, ""},
		{"answered elsewhere", "so it is answerable", "How long is the cord of the Alpha kettle and the Gamma lamp?", "a cord of two metres", Unanswerable, 4, Elsewhere},
		{"not asked", "a question about nothing of the passage", "What is the capital of France?", "1.7 litres", Unanswerable, 1, NotAsked},
	} {
		o := DefaultOptions()
		o.Among = tc.among
		p := &Plan{opt: o, all: docs, docs: docs, splits: []Split{Train, Train, Train, Train}, tasks: nil}
		one := task(tc.kind)
		if tc.kind == Unanswerable {
			p.docs, p.splits = docs[1:], p.splits[1:]
			one.at = -1
			if tc.want == Elsewhere {
				one.passages = []dataset.Document{{Content: docs[0].Content + " It comes with a cord of two metres."}}
			}
		}
		p.tasks = append(p.tasks, one)
		s, err := p.Set(t.Context(), bm25(t, p.docs), []Reply{{Text: fmt.Sprintf(`{"question": %q, "answer": %q}`, tc.question, tc.answer)}})
		if err != nil {
			t.Fatal(err)
		}
		var got Reason
		if len(s.Dropped) > 0 {
			got = s.Dropped[0].Reason
		}
		if got != tc.want || (got == "") != (len(s.Rows[Train]) == 1) {
			t.Errorf("%s (%s): %q; want %q: %+v", tc.name, tc.why, got, tc.want, s)
		}
	}
}

// Of questions in nearly the same words one stays, that of the smaller split.
func TestRepeatedQuestionsStayOnce(t *testing.T) {
	var all []candidate
	for _, q := range []struct {
		split    Split
		question string
	}{
		{Train, "How much water does the old Alpha kettle hold when it is full?"}, {Test, "How much water does the old Alpha kettle hold when it's full?"},
		{Train, "What is a kettle?"}, {Train, "what is a KETTLE"}, {Train, "What is a lamp?"},
		{Eval, "How much water does the Alpha kettle hold when it's full?"},
	} {
		all = append(all, candidate{task: task{split: q.split}, Pair: reply.Pair{Question: q.question}})
	}
	got, err := repeats(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]string{0: all[1].Question, 3: all[3].Question, 5: all[1].Question}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What cannot be read is told with the reply, and what failed with the failure.
func TestRepliesWithoutQuestions(t *testing.T) {
	docs := library(1, 1, 1, 1)
	o := DefaultOptions()
	o.Shares = map[Kind]float64{Fact: 1}
	p, err := NewPlan(docs, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Set(t.Context(), bm25(t, p.docs), []Reply{{Text: "Sorry."}, {Text: `{"questions": []}`}, {Err: errors.New("429")}, {Text: ""}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range s.Dropped {
		got = append(got, fmt.Sprintf("%s|%s|%s|%s", d.Reason, d.Detail, d.Reply, d.Sources[0]))
	}
	want := []string{
		`the reply cannot be read|neither JSON nor lines with a question and an answer: "Sorry."|Sorry.|doc0`,
		`nothing to ask, says the model||{"questions": []}|doc1`, `the request failed|429||doc2`, `the reply cannot be read|an empty reply||doc3`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
