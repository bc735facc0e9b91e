package recipe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ring ranks its documents for the question "N…" from document N on, around.
type ring struct {
	docs  []dataset.Document
	calls int
	alter func([][]retrieve.Hit) ([][]retrieve.Hit, error)
}

func (r *ring) Documents() retrieve.Documents { return retrieve.List(r.docs) }

func (r *ring) TopK(ctx context.Context, questions []string, k int) ([][]retrieve.Hit, error) {
	r.calls++
	var out [][]retrieve.Hit
	for _, q := range questions {
		var from int
		if _, err := fmt.Sscan(q, &from); err != nil {
			return nil, err
		}
		var hits []retrieve.Hit
		for i := range k {
			hits = append(hits, retrieve.Hit{Index: (from + i) % len(r.docs), Score: 1 / float32(i+1)})
		}
		out = append(out, hits)
	}
	if r.alter != nil {
		return r.alter(out)
	}
	return out, ctx.Err()
}

func doc(name string) dataset.Document {
	return dataset.Document{Content: name, Metadata: map[string]any{"source": "s"}}
}

func docs(names ...string) []dataset.Document {
	var out []dataset.Document
	for _, n := range names {
		out = append(out, doc(n))
	}
	return out
}

// letters are n documents a, b, c and so on, as ring's.
func letters(n int) []dataset.Document {
	var out []dataset.Document
	for i := range n {
		out = append(out, doc(fmt.Sprintf("%c", 'a'+i)))
	}
	return out
}

// show writes a context as "gold:b/2 retrieved:a/1", with places, and "= answer".
func show(c Context) string {
	var parts []string
	for _, p := range c.Passages {
		parts = append(parts, fmt.Sprintf("%s:%s/%d", p.From, p.Document.Content, p.Place))
	}
	if c.Answer != "" {
		parts = append(parts, "= "+c.Answer)
	}
	return strings.Join(parts, " ")
}

func TestBuildContexts(t *testing.T) {
	alike := append(docs("a", "b"), dataset.Document{Content: "b", Formatted: doc("b").Text(), Metadata: map[string]any{"source": "other"}})
	alike = append(alike, docs("a", "c", "d", "e")...)
	row := func(question string, gold, hard []dataset.Document) dataset.Example {
		return dataset.Example{Question: question, GoldAnswer: "answer", GoldDocs: gold, HardNegDocs: hard}
	}
	for _, c := range []struct {
		name, why string
		pool      []dataset.Document
		x         dataset.Example
		opt       func(*ContextOptions)
		want      string
	}{
		{"found first", "the gold passage stands once, with its place, and the next ones fill up", letters(9), row("0", docs("a"), nil), nil,
			"gold:a/1 retrieved:b/2 retrieved:c/3 retrieved:d/4"},
		{"found later", "it goes first all the same", letters(9), row("0", docs("c"), nil), nil,
			"gold:c/3 retrieved:a/1 retrieved:b/2 retrieved:d/4"},
		{"not found", "k passages beside it", letters(9), row("0", docs("i"), nil), nil,
			"gold:i/0 retrieved:a/1 retrieved:b/2 retrieved:c/3"},
		{"not in the pool", "gold passages need not be in the database", letters(9), row("0", docs("z"), nil), nil,
			"gold:z/0 retrieved:a/1 retrieved:b/2 retrieved:c/3"},
		{"several gold", "k + 1 in all", letters(9), row("0", docs("z", "y"), nil), nil,
			"gold:z/0 gold:y/0 retrieved:a/1 retrieved:b/2"},
		{"too many gold", "the original keeps the first k + 1", letters(9), row("0", docs("z", "a", "z", "x", "w", "v"), nil), nil,
			"gold:z/0 gold:a/1 gold:x/0 gold:w/0"},
		{"no gold", "as many passages", letters(9), row("0", nil, nil), nil,
			"retrieved:a/1 retrieved:b/2 retrieved:c/3 retrieved:d/4"},
		{"twice in the pool", "neither by source and content nor by text; the search goes deeper", alike, row("0", docs("a"), nil), nil,
			"gold:a/1 retrieved:b/2 retrieved:c/5 retrieved:d/6"},
		{"pool used up", "fewer than k + 1", letters(3), row("0", docs("a"), nil), nil,
			"gold:a/1 retrieved:b/2 retrieved:c/3"},
		{"k", "as asked", letters(9), row("4", docs("e"), nil), func(o *ContextOptions) { o.K = 1 },
			"gold:e/1 retrieved:f/2"},
		{"dropout", "others take the gold passages' places", letters(9), row("0", docs("b", "z"), nil), func(o *ContextOptions) { o.GoldDropout = 1 },
			"retrieved:a/1 retrieved:c/3 retrieved:d/4 retrieved:e/5"},
		{"abstaining", "the answer goes with the gold passage", letters(9), row("0", docs("b"), nil), func(o *ContextOptions) { o.GoldDropout, o.AbstainAnswer = 1, "I do not know." },
			"retrieved:a/1 retrieved:c/3 retrieved:d/4 retrieved:e/5 = I do not know."},
		{"nothing to drop", "a row without gold passages keeps its answer", letters(9), row("0", nil, nil), func(o *ContextOptions) { o.GoldDropout, o.AbstainAnswer = 1, "I do not know." },
			"retrieved:a/1 retrieved:b/2 retrieved:c/3 retrieved:d/4"},
		{"hard negatives", "take the last places; gold and chosen ones are none", letters(9), row("0", docs("b"), docs("b", "a", "x")), func(o *ContextOptions) { o.Distractors = 1 },
			"gold:b/2 retrieved:a/1 retrieved:c/3 hard_negative:x/0"},
		{"no hard negatives", "distractors come from further down", letters(20), row("0", docs("a"), nil), func(o *ContextOptions) { o.Distractors = 2 },
			"gold:a/1 retrieved:b/2 retrieved:e/5 retrieved:g/7"},
		{"fixed k by drawing", "the bounds are inclusive", letters(9), row("0", docs("a"), nil), func(o *ContextOptions) { o.MinK, o.MaxK = 5, 5 },
			"gold:a/1 retrieved:b/2 retrieved:c/3 retrieved:d/4 retrieved:e/5 retrieved:f/6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			opt := DefaultContextOptions()
			if c.opt != nil {
				c.opt(&opt)
			}
			got, err := BuildContexts(t.Context(), []dataset.Example{c.x}, &ring{docs: c.pool}, opt)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, show(got[0])); diff != "" {
				t.Errorf("%s: %s", c.why, diff)
			}
			for _, p := range got[0].Passages {
				if p.ID != p.Document.Key() {
					t.Errorf("%s has the id of another", p.Document.Content)
				}
			}
		})
	}
}

// A ranking that ends early, as BM25's does where no other document shares a
// word, is not asked for again.
// Distractors are of the fifty places that follow the chosen passages, of all of
// them, and of no others.
func TestDistractorsStandNear(t *testing.T) {
	const rows = 400
	var examples []dataset.Example
	for i := range rows {
		examples = append(examples, dataset.Example{Question: "0 is asked", GoldAnswer: fmt.Sprint(i)})
	}
	contexts, err := BuildContexts(t.Context(), examples, &ring{docs: letters(200)}, ContextOptions{K: 3, Distractors: 2, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	first, last := math.MaxInt, 0
	for _, c := range contexts {
		for _, p := range c.Passages[2:] {
			first, last = min(first, p.Place), max(last, p.Place)
		}
	}
	if first != 3 || last != 52 {
		t.Errorf("distractors from places %d to %d; 3 to 52 expected", first, last)
	}
}

func TestShortRanking(t *testing.T) {
	r := &ring{docs: letters(200), alter: func(lists [][]retrieve.Hit) ([][]retrieve.Hit, error) {
		lists[0], lists[1] = lists[0][:1], nil
		return lists, nil
	}}
	rows := []dataset.Example{{Question: "1", GoldDocs: docs("a")}, {Question: "2", GoldDocs: docs("a")}}
	got, err := BuildContexts(t.Context(), rows, r, DefaultContextOptions())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"gold:a/0 retrieved:b/1", "gold:a/0"}, []string{show(got[0]), show(got[1])}); diff != "" {
		t.Error(diff)
	}
	if r.calls != 1 {
		t.Errorf("%d calls; once expected", r.calls)
	}
}

// manyRows are rows on 20 documents, one gold passage each.
func manyRows(n int) []dataset.Example {
	pool := letters(20)
	var rows []dataset.Example
	for i := range n {
		rows = append(rows, dataset.Example{
			Question: fmt.Sprint(i % 20), GoldAnswer: "answer", GoldDocs: pool[(i+2)%20 : (i+2)%20+1],
			HardNegDocs: docs(fmt.Sprintf("hard %d", i)),
		})
	}
	return rows
}

func TestContextsAreDrawnByRow(t *testing.T) {
	rows := manyRows(600)
	opt := ContextOptions{K: 3, MinK: 1, MaxK: 5, Shuffle: true, GoldDropout: 0.25, Distractors: 2, AbstainAnswer: "no", Seed: 7}
	build := func(rows []dataset.Example, change func(*ContextOptions)) []Context {
		o := opt
		if change != nil {
			change(&o)
		}
		out, err := BuildContexts(t.Context(), rows, &ring{docs: letters(20)}, o)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := build(rows, nil)
	if diff := cmp.Diff(first, build(rows, nil)); diff != "" {
		t.Errorf("the same seed: %s", diff)
	}
	if diff := cmp.Diff(first[:100], build(rows[:100], nil)); diff != "" {
		t.Errorf("a row does not depend on those after it: %s", diff)
	}
	other := slices.Clone(rows)
	other[0].GoldDocs = docs("1", "2", "3", "4", "5", "6", "7", "8")
	if diff := cmp.Diff(first[1:], build(other, nil)[1:]); diff != "" {
		t.Errorf("a row does not depend on how deep another one's search goes: %s", diff)
	}
	if cmp.Equal(first, build(rows, func(o *ContextOptions) { o.Seed = 8 })) {
		t.Error("another seed gives the same contexts")
	}
	sizes, places := map[int]int{}, map[int]int{}
	dropped := 0
	for i, c := range first {
		sizes[len(c.Passages)]++
		at := slices.IndexFunc(c.Passages, func(p Passage) bool { return p.From == Gold })
		if at < 0 {
			dropped++
		} else {
			places[at]++
		}
		if (at < 0) != (c.Answer == "no") {
			t.Errorf("row %d: answer %q with gold passage at %d", i, c.Answer, at)
		}
		names := map[string]bool{}
		for _, p := range c.Passages {
			if names[p.ID] || at < 0 && p.ID == rows[i].GoldDocs[0].Key() {
				t.Errorf("row %d holds %s again, or though it was dropped", i, p.Document.Content)
			}
			names[p.ID] = true
		}
	}
	for size := 2; size <= 6; size++ {
		if n := sizes[size]; n < 80 || n > 160 {
			t.Errorf("%d of 600 rows have %d passages; about 120 expected", n, size)
		}
	}
	if len(sizes) != 5 || dropped < 110 || dropped > 190 {
		t.Errorf("sizes %v, %d rows dropped; 2 to 6 and about 150 expected", sizes, dropped)
	}
	if places[0] > 300 || places[1] < 60 || places[4] < 15 {
		t.Errorf("gold passages stand at %v; shuffled ones expected", places)
	}
	// The same rows lose their gold passages whatever else is drawn.
	alone := build(rows, func(o *ContextOptions) { *o = ContextOptions{K: 3, GoldDropout: 0.25, AbstainAnswer: "no", Seed: 7} })
	for i := range alone {
		if alone[i].Answer != first[i].Answer {
			t.Fatalf("row %d: %q and %q", i, alone[i].Answer, first[i].Answer)
		}
	}
	for _, c := range build(rows, func(o *ContextOptions) { *o = o.Plain() }) {
		if len(c.Passages) != 4 || c.Passages[0].From != Gold || c.Answer != "" || slices.ContainsFunc(c.Passages, func(p Passage) bool { return p.From == HardNegative }) {
			t.Fatalf("%s: something random in plain contexts", show(c))
		}
	}
}

func TestBuildContextsProblems(t *testing.T) {
	down := errors.New("the endpoint is down")
	for _, c := range []struct {
		name, why string
		opt       ContextOptions
		r         *ring
		rows      int
		want      []string
	}{
		{"k of 0", "that is SFT", ContextOptions{}, &ring{docs: letters(5)}, 1, []string{"K is 0; expected at least 1; for gold passages alone train with SFT"}},
		{"everything wrong", "all problems together", ContextOptions{K: -1, MinK: 3, MaxK: 2, GoldDropout: math.NaN(), Distractors: 9}, &ring{docs: letters(5)}, 1,
			[]string{"K is -1", "MinK is 3 and MaxK 2", "GoldDropout is NaN", "Distractors is 9; expected 0 to 2"}},
		{"abstaining for nothing", "a setting without effect is a mistake", ContextOptions{K: 1, AbstainAnswer: "no"}, &ring{docs: letters(5)}, 1, []string{"AbstainAnswer is set and GoldDropout 0"}},
		{"empty pool", "nothing to retrieve", ContextOptions{K: 1}, &ring{}, 1, []string{"there are no documents to retrieve from"}},
		{"small pool", "fewer documents than k", ContextOptions{K: 6}, &ring{docs: letters(5)}, 1, []string{"6 passages a row are asked for but there are only 5 documents"}},
		{"no rows", "nothing to train on", ContextOptions{K: 1}, &ring{docs: letters(5)}, 0, []string{"no rows"}},
		{"retriever fails", "its error comes through", ContextOptions{K: 1}, &ring{docs: letters(5), alter: func([][]retrieve.Hit) ([][]retrieve.Hit, error) { return nil, down }}, 1,
			[]string{"retrieving: the endpoint is down"}},
		{"lists missing", "one for each question", ContextOptions{K: 1}, &ring{docs: letters(5), alter: func(h [][]retrieve.Hit) ([][]retrieve.Hit, error) { return h[1:], nil }}, 2,
			[]string{"1 lists for 2 questions"}},
		{"foreign document", "the index is of other documents", ContextOptions{K: 1}, &ring{docs: letters(5), alter: func(h [][]retrieve.Hit) ([][]retrieve.Hit, error) { h[1][0].Index = 5; return h, nil }}, 2,
			[]string{"row 1: the retriever gave document 5 of 5"}},
		{"score", "JSON has no infinity", ContextOptions{K: 1}, &ring{docs: letters(5), alter: func(h [][]retrieve.Hit) ([][]retrieve.Hit, error) {
			h[0][0].Score = float32(math.Inf(1))
			return h, nil
		}}, 1, []string{"row 0: the retriever gave document 0 the score +Inf"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := BuildContexts(t.Context(), manyRows(c.rows), c.r, c.opt)
			if err == nil {
				t.Fatalf("%s: no error", c.why)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v\nexpected to hold %q", c.why, err, want)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := BuildContexts(ctx, manyRows(3), &ring{docs: letters(5)}, DefaultContextOptions()); !errors.Is(err, context.Canceled) {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

func TestGoldPool(t *testing.T) {
	rows := []dataset.Example{{GoldDocs: docs("b", "a")}, {}, {GoldDocs: docs("a", "c")}}
	if diff := cmp.Diff(docs("b", "a", "c"), GoldPool(rows)); diff != "" {
		t.Error(diff)
	}
}

func TestRowLosesWholePassagesFirst(t *testing.T) {
	long := func(name string) dataset.Document {
		return dataset.Document{Formatted: "Title: " + name + "\n" + strings.Repeat(name+" text ", 30)}
	}
	passage := func(name, from string, place int) Passage {
		return Passage{From: from, Place: place, Document: long(name)}
	}
	gold, second := passage("gold", Gold, 2), passage("second", Gold, 0)
	first, third, deep, hard := passage("first", Retrieved, 1), passage("third", Retrieved, 3), passage("deep", Retrieved, 40), passage("hard", HardNegative, 0)
	for _, c := range []struct {
		name, why string
		passages  []Passage
		keep      []string // one after the other is lost, the last one first
	}{
		{"in order", "the lowest rank goes first, the gold one last", []Passage{gold, first, third}, []string{"gold", "first", "third"}},
		{"shuffled", "wherever they stand", []Passage{third, gold, hard, first, deep}, []string{"gold", "first", "third", "deep", "hard"}},
		{"two gold", "the other gold one before the first", []Passage{gold, second, first}, []string{"gold", "second", "first"}},
		{"no gold", "the best one takes its part", []Passage{deep, third, first}, []string{"first", "third", "deep"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := encoder(t, 10000)
			row, err := e.Row(example, Context{Passages: c.passages})
			if err != nil {
				t.Fatal(err)
			}
			answer := e.Tokenizer.Encode(e.Template.Answer(example.GoldAnswer), false)
			part := func(name string, n int) bool { // n of its words are there
				return strings.Count(e.Tokenizer.Decode(row.Tokens, false), name+" text") >= n
			}
			whole := len(row.Tokens)
			for kept := len(c.keep); kept > 0; kept-- {
				for i, name := range c.keep {
					if part(name, 30) != (i < kept) {
						t.Fatalf("%d left, %s: %q", kept, c.why, e.Tokenizer.Decode(row.Tokens, false))
					}
				}
				if !slices.Equal(row.Tokens[row.From:], answer) {
					t.Fatal("the answer is cut")
				}
				if kept == 1 {
					break
				}
				// One token too long: the next one goes, gold ones as text.
				e.MaxTokens = len(row.Tokens) - 1
				lost := c.keep[kept-1]
				if row, err = e.Row(example, Context{Passages: c.passages}); err != nil {
					t.Fatal(err)
				}
				if len(row.Tokens) > e.MaxTokens {
					t.Fatalf("%d tokens, expected at most %d", len(row.Tokens), e.MaxTokens)
				}
				if lost == "second" {
					if !part(lost, 20) || part(lost, 30) {
						t.Fatal("a gold passage loses text, not all of itself")
					}
					break
				}
			}
			// What remains last loses text, and stays.
			e.MaxTokens = len(e.Tokenizer.Encode(e.Template.Answer(example.GoldAnswer), false)) + len(mustPrompt(t, e)) + 40
			if row, err = e.Row(example, Context{Passages: c.passages}); err != nil || len(row.Tokens) > e.MaxTokens {
				t.Fatalf("%d tokens of %d, error %v", len(row.Tokens), e.MaxTokens, err)
			}
			if !part(c.keep[0], 5) || part(c.keep[0], 30) {
				t.Errorf("of %d tokens: %q", whole, e.Tokenizer.Decode(row.Tokens, false))
			}
		})
	}
}

// mustPrompt is the prompt without passages.
func mustPrompt(t *testing.T, e *Encoder) []int32 {
	t.Helper()
	row, err := e.Prompt(Input(example.Question, nil, nil), false, 10000)
	if err != nil {
		t.Fatal(err)
	}
	return row.Tokens
}

func TestRowLearnsToAbstain(t *testing.T) {
	e := encoder(t, 10000)
	row, err := e.Row(example, Context{Answer: "I do not know."})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(row.Tokens[row.From:], e.Tokenizer.Encode(e.Template.Answer("I do not know."), false)) {
		t.Error("the target is not the context's answer")
	}
}

func ExampleBuildContexts() {
	docs := []dataset.Document{{Content: "Returns are free."}, {Content: "Free shipping takes two days."}, {Content: "We ship to Norway."}, {Content: "Gifts are wrapped."}}
	bm25, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil {
		fmt.Println(err)
		return
	}
	rows := []dataset.Example{{Question: "Is shipping free?", GoldAnswer: "Yes.", GoldDocs: docs[1:2]}}
	opt := DefaultContextOptions()
	opt.K = 1
	contexts, err := BuildContexts(context.Background(), rows, bm25, opt)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range contexts[0].Passages {
		fmt.Println(p.From, p.Place, p.Document.Content)
	}
	// Output:
	// gold 1 Free shipping takes two days.
	// retrieved 2 Returns are free.
}

// SFT learns to abstain from passages that look related.
func TestGoldContextOfAnUnanswerableRow(t *testing.T) {
	near := dataset.Document{Content: "near"}
	x := dataset.Example{Question: "q", GoldAnswer: "none", Unanswerable: true, HardNegDocs: []dataset.Document{near}}
	want := Context{Row: 2, Passages: []Passage{{ID: near.Key(), From: HardNegative, Document: near}}}
	if diff := cmp.Diff(want, GoldContext(2, x)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	x.Unanswerable = false
	if c := GoldContext(2, x); len(c.Passages) != 0 {
		t.Errorf("%+v: hard negatives of a row that has an answer", c)
	}
}

func TestWithinLowersToThePassagesThatThereAre(t *testing.T) {
	for _, test := range []struct {
		name, why string
		opt, want ContextOptions
	}{
		{"enough", "nothing changes", ContextOptions{K: 3, Distractors: 2}, ContextOptions{K: 3, Distractors: 2}},
		{"few", "as many as there are, distractors among them", ContextOptions{K: 9, Distractors: 7}, ContextOptions{K: 4, Distractors: 4}},
		{"range", "its end", ContextOptions{K: 3, MinK: 2, MaxK: 9}, ContextOptions{K: 3, MinK: 2, MaxK: 4}},
		{"range beyond", "both ends", ContextOptions{K: 3, MinK: 6, MaxK: 9}, ContextOptions{K: 3, MinK: 4, MaxK: 4}},
	} {
		got, lowered := test.opt.Within(4)
		if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(ContextOptions{}, "Progress")); diff != "" || lowered != (test.name != "enough") {
			t.Errorf("%s: lowered %t (%s)\n%s", test.name, lowered, test.why, diff)
		}
	}
}
