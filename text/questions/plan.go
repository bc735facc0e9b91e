package questions

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

//go:embed prompts/*.txt
var prompts embed.FS

// prompt is a wording of ours.
func prompt(name string) string {
	text, err := prompts.ReadFile("prompts/" + name + ".txt")
	if err != nil {
		panic("questions: " + err.Error()) // it is embedded
	}
	return strings.TrimSpace(string(text))
}

// Plan says what is asked for. The same documents and options give the same plan.
type Plan struct {
	opt    Options
	all    []dataset.Document // that were given
	docs   []dataset.Document // that stay; what is withheld is not among them
	splits []Split            // of docs
	tasks  []task
}

// task is one request.
type task struct {
	kind      Kind
	split     Split
	passages  []dataset.Document
	at        int    // of the first passage in the plan's documents, -1 where it is withheld
	statement string // that is turned into a question; "" where JSON is asked for
	count     int    // questions
}

// NewPlan divides documents into splits and chooses what is asked of which passage.
func NewPlan(docs []dataset.Document, o Options) (*Plan, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, errors.New("no passages; some to ask about expected; check the documents")
	}
	splits, err := divide(docs, o)
	if err != nil {
		return nil, err
	}
	chosen := choose(docs, splits, o)
	withheld := map[string]bool{}
	for _, c := range chosen {
		if c.kind == Unanswerable {
			withheld[folded(docs[c.at].Content)] = true
		}
	}
	p := &Plan{opt: o, all: docs}
	at := make([]int, len(docs))
	for i, d := range docs {
		if at[i] = -1; !withheld[folded(d.Content)] {
			at[i] = len(p.docs)
			p.docs, p.splits = append(p.docs, d), append(p.splits, splits[i])
		}
	}
	if len(p.docs) == 0 {
		return nil, errors.New("every passage would be withheld for unanswerable questions; a smaller share of them expected")
	}
	for _, c := range chosen {
		if c.kind != Unanswerable && at[c.at] < 0 {
			continue // its text is withheld as another's
		}
		p.add(docs[c.at], c, at[c.at])
	}
	if len(p.tasks) == 0 {
		return nil, fmt.Errorf("no passage to ask about among %d: one with %d words%s expected; lower --min_passage_words, or check the documents", len(docs), o.LeastWords, map[bool]string{true: " and a sentence that stands alone"}[o.Lines])
	}
	return p, nil
}

// choice is a passage that is asked about.
type choice struct {
	at    int
	kind  Kind
	split Split
}

// choose takes the passages that are asked about, of each split its part, and gives
// each a kind, by the shares.
func choose(docs []dataset.Document, splits []Split, o Options) (all []choice) {
	of := map[Split][]int{}
	total := 0
	for i, d := range docs {
		if words(d.Content) >= o.LeastWords && (!o.Lines || len(statements(d)) > 0) {
			of[splits[i]] = append(of[splits[i]], i)
			total++
		}
	}
	sum := 0.0
	for _, share := range o.Shares {
		sum += share
	}
	left := o.Most / o.PerPassage // for the splits that follow, the largest last
	for n, s := range Splits() {
		random := rand.New(rand.NewPCG(uint64(o.Seed), 2+uint64(n)))
		members := of[s]
		random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		if o.Most > 0 && total > 0 {
			part := left
			if s != Train {
				part = int(math.Ceil(float64(o.Most/o.PerPassage) * float64(len(members)) / float64(total)))
			}
			members = members[:min(part, left, len(members))]
			left -= len(members)
		}
		from, upTo := 0, 0.0
		for _, k := range Kinds() {
			upTo += o.Shares[k] / sum * float64(len(members))
			to := min(int(math.Round(upTo)), len(members))
			for _, i := range members[from:to] {
				all = append(all, choice{at: i, kind: k, split: s})
			}
			from = to
		}
	}
	slices.SortFunc(all, func(a, b choice) int { return cmp.Compare(a.at, b.at) })
	return all
}

// add plans what is asked of a passage.
func (p *Plan) add(d dataset.Document, c choice, at int) {
	t := task{kind: c.kind, split: c.split, passages: []dataset.Document{d}, at: at, count: p.opt.PerPassage}
	if !p.opt.Lines {
		p.tasks = append(p.tasks, t)
		return
	}
	found := statements(d)
	random := rand.New(rand.NewPCG(uint64(p.opt.Seed), 1000+uint64(c.at)))
	random.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	if c.kind == Procedure { // those first that say how something is done
		slices.SortStableFunc(found, func(a, b string) int { return cmp.Compare(order(tells.MatchString(b)), order(tells.MatchString(a))) })
	}
	t.count = 1
	for _, s := range found[:min(p.opt.PerPassage, len(found))] {
		one := t
		one.statement = s
		if one.kind != Unanswerable { // the statement says what it is
			one.kind = told(s)
		}
		p.tasks = append(p.tasks, one)
	}
}

// told is the kind of question that a statement answers.
func told(statement string) Kind {
	if tells.MatchString(statement) {
		return Procedure
	}
	return Fact
}

func order(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Documents are the passages that the data set's documents are: those that are not
// withheld. They must not be changed.
func (p *Plan) Documents() []dataset.Document { return p.docs }

// Count is how many questions of each kind are asked for.
func (p *Plan) Count() map[Kind]int {
	counts := map[Kind]int{}
	for _, t := range p.tasks {
		counts[t.kind] += t.count
	}
	return counts
}

// Requests are what a writer is asked for. The retriever, over the plan's documents,
// finds the passages that are compared; where a split has none, a fact is asked for.
func (p *Plan) Requests(ctx context.Context, r retrieve.Retriever) ([]Request, error) {
	if err := p.compare(ctx, r); err != nil {
		return nil, err
	}
	requests := make([]Request, len(p.tasks))
	for i, t := range p.tasks {
		requests[i] = t.request()
	}
	return requests, nil
}

// related is how many passages are looked at for one of the same split.
const related = 50

// compare finds what passages are compared with.
func (p *Plan) compare(ctx context.Context, r retrieve.Retriever) error {
	var at []int
	var queries []string
	for i, t := range p.tasks {
		if t.kind == Comparison && len(t.passages) == 1 {
			at, queries = append(at, i), append(queries, t.passages[0].Text())
		}
	}
	if len(at) == 0 {
		return nil
	}
	hits, err := r.TopK(ctx, queries, min(related, len(p.docs)))
	if err != nil {
		return fmt.Errorf("passages to compare: %w", err)
	}
	for n, i := range at {
		t := &p.tasks[i]
		texts := map[string]bool{folded(t.passages[0].Content): true}
		for _, h := range hits[n] {
			d := p.docs[h.Index]
			if text := folded(d.Content); len(t.passages) < p.opt.Compared && p.splits[h.Index] == t.split && !texts[text] && words(d.Content) >= p.opt.LeastWords {
				texts[text] = true
				t.passages = append(t.passages, d)
			}
		}
		if len(t.passages) == 1 {
			t.kind = Fact
		}
	}
	return nil
}

// request words a task.
func (t task) request() Request {
	kind := t.kind
	if kind == Unanswerable {
		kind = Fact // its passage answers it, and is withheld
	}
	if t.statement != "" {
		return Request{Begin: strings.NewReplacer("{topic}", topic(t.passages[0]), "{statement}", t.statement).Replace(prompt("lines-" + string(told(t.statement))))}
	}
	count := "one question"
	if t.count > 1 {
		count = fmt.Sprintf("up to %d questions", t.count)
	}
	return Request{System: prompt("json"), Passages: t.passages, Task: strings.ReplaceAll(prompt(string(kind)), "{count}", count)}
}
