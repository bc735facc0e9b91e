package questions

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// library is documents of passages with words of their own: of each document so many as
// its number says, some with the text of another document's.
func library(sizes ...int) (docs []dataset.Document) {
	for n, size := range sizes {
		for i := range size {
			docs = append(docs, passage(fmt.Sprintf("doc%d", n), i))
		}
	}
	return docs
}

func passage(source string, i int) dataset.Document {
	name := fmt.Sprintf("%s%d", source, i)
	var b strings.Builder
	for w := range 6 {
		fmt.Fprintf(&b, "The %sgauge is read as the %sreading %sx%d. ", name, name, name, w)
	}
	return dataset.Document{Content: strings.TrimSpace(b.String()), Metadata: map[string]any{"source": source, "title": name, "headings": []any{fmt.Sprintf("h%d", i/4), fmt.Sprintf("s%d", i/2)}}}
}

func bm25(t *testing.T, docs []dataset.Document) retrieve.Retriever {
	t.Helper()
	r, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// made is a data set whose questions are made of the passages' own words.
func made(t *testing.T, docs []dataset.Document, o Options) (*Plan, *Set) {
	t.Helper()
	p, err := NewPlan(docs, o)
	if err != nil {
		t.Fatal(err)
	}
	r := bm25(t, p.Documents())
	requests, err := p.Requests(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	replies := make([]Reply, len(requests))
	for i, q := range requests {
		d := q.Passages[len(q.Passages)-1]
		words := strings.Fields(d.Content)
		replies[i].Text = fmt.Sprintf(`{"questions": [{"question": "Which reading is that of the %s?", "answer": %q}]}`, words[1], words[len(words)-1])
	}
	s, err := p.Set(t.Context(), r, replies)
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

// No document, and no text, of one split is known from another: neither as gold passage
// nor as hard negative, nor is what answers unanswerable questions anywhere.
func TestNothingLeaksBetweenSplits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	unanswerable := 0
	for seed := range int64(20) {
		var sizes []int
		for range 5 + random.IntN(30) {
			sizes = append(sizes, 1+random.IntN(12))
		}
		docs := library(sizes...)
		for range len(docs) / 10 { // texts that stand in two documents
			a, b := random.IntN(len(docs)), random.IntN(len(docs))
			docs[a].Content = strings.ToUpper(docs[b].Content)
		}
		o := DefaultOptions()
		o.Seed, o.Shares = seed, map[Kind]float64{Fact: 4, Comparison: 2, Unanswerable: 2}
		p, s := made(t, docs, o)
		splitOf := map[string]Split{}
		claim := func(key string, split Split, what string) {
			if of, there := splitOf[key]; there && of != split {
				t.Fatalf("seed %d: %s of %s stands in %s, too: %.60q", seed, what, split, of, key)
			}
			splitOf[key] = split
		}
		for split, rows := range s.Rows {
			for _, x := range rows {
				for _, d := range slices.Concat(x.GoldDocs, x.HardNegDocs) {
					claim("source "+fmt.Sprint(d.Metadata["source"]), split, "a document")
					claim("text "+folded(d.Content), split, "a text")
				}
				if x.Unanswerable {
					if unanswerable++; len(x.GoldDocs) > 0 || x.GoldAnswer != o.Abstain {
						t.Errorf("an unanswerable question with passages or an answer: %+v", x)
					}
				}
			}
		}
		texts := map[string]bool{}
		for _, d := range p.Documents() {
			texts[folded(d.Content)] = true
		}
		for _, task := range p.tasks {
			if there := texts[folded(task.passages[0].Content)]; there == (task.kind == Unanswerable) {
				t.Errorf("a passage of kind %s is among the documents: %v", task.kind, there)
			}
		}
		if len(s.Rows[Train]) < len(docs)/3 || len(s.Rows[Eval]) == 0 || len(s.Rows[Test]) == 0 {
			t.Errorf("seed %d: %d, %d and %d rows of %d passages", seed, len(s.Rows[Train]), len(s.Rows[Eval]), len(s.Rows[Test]), len(docs))
		}
	}
	if unanswerable < 20 {
		t.Errorf("%d unanswerable questions in all", unanswerable)
	}
}

func TestDivide(t *testing.T) {
	count := func(splits []Split) map[Split]int {
		counts := map[Split]int{}
		for _, s := range splits {
			counts[s]++
		}
		return counts
	}
	sized := func(n, each int) []int { return slices.Repeat([]int{each}, n) }
	for _, tc := range []struct {
		name, why string
		sizes     []int
		sections  bool
		want      map[Split]int
		err       string
	}{
		{"many", "a tenth each", sized(100, 3), false, map[Split]int{Train: 240, Eval: 30, Test: 30}, ""},
		{"few and large", "the smallest, where none fits the share", []int{50, 40, 30, 60}, false, map[Split]int{Train: 110, Test: 30, Eval: 40}, ""},
		{"two", "one is missing", []int{5, 5}, false, nil, "2 documents (sources of passages) found; one at least for each"},
		{"one", "no document can be in two", []int{80}, false, nil, "--split_by section"},
		{"one, by sections", "at its headings, two passages a section", []int{80}, true, map[Split]int{Train: 64, Eval: 8, Test: 8}, ""},
	} {
		o := DefaultOptions()
		o.Sections = tc.sections
		splits, err := divide(library(tc.sizes...), o)
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %v; want %q", tc.name, err, tc.err)
		}
		if err == nil {
			if diff := cmp.Diff(tc.want, count(splits)); diff != "" {
				t.Errorf("%s (%s) (-want +got):\n%s", tc.name, tc.why, diff)
			}
		}
	}
}

// What is asked for has the kinds that are asked for, in all splits, and no more than
// that; the same seed gives the same plan.
func TestPlanKeepsShares(t *testing.T) {
	docs := library(slices.Repeat([]int{4}, 100)...)
	o := DefaultOptions()
	o.PerPassage, o.Most = 2, 200
	p, err := NewPlan(docs, o)
	if err != nil {
		t.Fatal(err)
	}
	counts := p.Count()
	if got, want := counts, (map[Kind]int{Fact: 120, Procedure: 40, Comparison: 20, Unanswerable: 20}); !cmp.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	bySplit := map[Split]int{}
	for _, task := range p.tasks {
		bySplit[task.split]++
	}
	o.Most, o.PerPassage = 8, 1
	if few, err := NewPlan(docs, o); err != nil || len(few.tasks) != 8 {
		t.Errorf("%v: %d requests, want 8", err, len(few.tasks))
	}
	o.Most, o.PerPassage = 200, 2
	if got, want := bySplit, (map[Split]int{Train: 80, Eval: 10, Test: 10}); !cmp.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	again, err := NewPlan(docs, o)
	if err != nil || !cmp.Equal(p.tasks, again.tasks, cmp.AllowUnexported(task{})) {
		t.Errorf("another plan of the same seed: %v", err)
	}
	requests, err := p.Requests(t.Context(), bm25(t, p.Documents()))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range requests {
		if want := map[bool]int{true: 2, false: 1}[p.tasks[i].kind == Comparison]; len(r.Passages) != want || !strings.Contains(r.Task, "up to 2 questions") {
			t.Errorf("%s: %d passages, %q", p.tasks[i].kind, len(r.Passages), r.Task)
		}
	}
}

func TestStatements(t *testing.T) {
	for _, tc := range []struct {
		name, why, content string
		want               []string
	}{
		{"prose", "whole sentences", "A kettle boils its water in about three minutes. Yes. The lid of the kettle must be closed before it boils.", []string{"A kettle boils its water in about three minutes.", "The lid of the kettle must be closed before it boils."}},
		{"pointing", "not understood alone", "This makes the water in the kettle boil in time. However, the kettle has to be full of water.", nil},
		{"headings", "lines that head others are no part of them", "Kettles\nA kettle boils its water in about three minutes.\nThe known heading\nMore kettles boil more water in about three minutes.", []string{"A kettle boils its water in about three minutes.", "More kettles boil more water in about three minutes."}},
		{"code", "signs are no prose", "func (k *Kettle) Boil() { k.t = 100; return k.t == 99 && k.on }.", nil},
		{"long", "no answer", strings.Repeat("The kettle and ", 20) + "the cup.", nil},
	} {
		got := statements(dataset.Document{Content: tc.content, Metadata: map[string]any{"headings": []string{"The known heading"}}})
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (%s) (-want +got):\n%s", tc.name, tc.why, diff)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"no kinds":           func(o *Options) { o.Shares = nil },
		`kind "x"`:           func(o *Options) { o.Shares = map[Kind]float64{"x": 1} },
		"comparisons":        func(o *Options) { o.Lines = true },
		"Among is 0":         func(o *Options) { o.Among = 0 },
		"less than 1":        func(o *Options) { o.EvalShare = 0.95 },
		"no answer to unans": func(o *Options) { o.Abstain = "" },
	} {
		o := DefaultOptions()
		o.Shares = maps.Clone(o.Shares)
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
