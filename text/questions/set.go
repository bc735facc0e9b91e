package questions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gorqa/text/audit"
	"gorqa/text/dataset"
	"gorqa/text/questions/reply"
	"gorqa/text/retrieve"
)

// Set is a data set.
type Set struct {
	Rows    map[Split][]dataset.Example
	Dropped []Dropped
	Kept    map[Kind]int
}

// Dropped is a question that was not kept, or a reply without one.
type Dropped struct {
	Reason   Reason   `json:"reason"`
	Detail   string   `json:"detail,omitempty"`
	Split    Split    `json:"split"`
	Kind     Kind     `json:"kind"`
	Question string   `json:"question,omitempty"`
	Answer   string   `json:"answer,omitempty"`
	Reply    string   `json:"reply,omitempty"` // that no question was found in
	Passages []string `json:"passages"`        // dataset.Document.Key of each
	Sources  []string `json:"sources"`
}

// Reason says why a question was not kept.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	Failed    Reason = "the request failed"
	Unread    Reason = "the reply cannot be read"
	Nothing   Reason = "nothing to ask, says the model"
	Length    Reason = "too long, or too short"
	Pointing  Reason = "speaks of its passage"
	GivesAway Reason = "the question holds the answer"
	NotHeld   Reason = "the passages do not hold the answer"
	NotFound  Reason = "the question does not find its passage"
	NotAsked  Reason = "the question does not ask for its answer"
	Elsewhere Reason = "another passage holds the answer"
	Repeated  Reason = "asked before in nearly the same words"
)

// Reasons are all, in their order.
func Reasons() []Reason {
	return []Reason{Failed, Unread, Nothing, Length, Pointing, GivesAway, NotHeld, NotFound, NotAsked, Elsewhere, Repeated}
}

// candidate is a question that may be kept.
type candidate struct {
	task
	reply.Pair
	hits []retrieve.Hit
}

// maxShownReply is how much of a reply that cannot be read is kept with the reason.
const maxShownReply = 500

// Set reads the replies to the plan's requests and keeps what is good of them. The
// retriever is over the plan's documents.
func (p *Plan) Set(ctx context.Context, r retrieve.Retriever, replies []Reply) (*Set, error) {
	if len(replies) != len(p.tasks) {
		return nil, fmt.Errorf("questions: %d replies to %d requests", len(replies), len(p.tasks))
	}
	s := &Set{Rows: map[Split][]dataset.Example{}, Kept: map[Kind]int{}}
	var found []candidate
	for i, t := range p.tasks {
		found = append(found, s.read(t, replies[i])...)
	}
	found = s.keep(found, func(_ int, c candidate) (Reason, string) { return p.alone(c) })
	if err := p.search(ctx, r, found); err != nil {
		return nil, err
	}
	found = s.keep(found, func(_ int, c candidate) (Reason, string) { return p.ranked(c) })
	unasked, err := p.unasked(ctx, found)
	if err != nil {
		return nil, err
	}
	found = s.keep(found, func(i int, _ candidate) (Reason, string) {
		if unasked[i] {
			return NotAsked, fmt.Sprintf("not among %d", p.opt.Among)
		}
		return "", ""
	})
	repeated, err := repeats(ctx, found)
	if err != nil {
		return nil, err
	}
	found = s.keep(found, func(i int, c candidate) (Reason, string) {
		if before, is := repeated[i]; is {
			return Repeated, before
		}
		return "", ""
	})
	for _, c := range found {
		s.Rows[c.split] = append(s.Rows[c.split], p.row(c))
		s.Kept[c.kind]++
	}
	return s, nil
}

// read finds the questions of a reply.
func (s *Set) read(t task, r Reply) (found []candidate) {
	if r.Err != nil {
		s.drop(t, reply.Pair{}, Failed, r.Err.Error(), "")
		return nil
	}
	var pairs []reply.Pair
	var err error
	if t.statement == "" {
		pairs, err = reply.Pairs(r.Text)
	} else {
		var question string
		question, err = reply.Question(r.Text)
		pairs = []reply.Pair{{Question: question, Answer: t.statement}}
	}
	switch {
	case err != nil:
		s.drop(t, reply.Pair{}, Unread, err.Error(), r.Text)
	case len(pairs) == 0:
		s.drop(t, reply.Pair{}, Nothing, "", r.Text)
	default:
		for _, pair := range pairs[:min(len(pairs), t.count)] {
			found = append(found, candidate{task: t, Pair: pair})
		}
	}
	return found
}

// keep leaves those that no reason speaks against.
func (s *Set) keep(all []candidate, against func(int, candidate) (Reason, string)) (kept []candidate) {
	for i, c := range all {
		if reason, detail := against(i, c); reason != "" {
			s.drop(c.task, c.Pair, reason, detail, "")
		} else {
			kept = append(kept, c)
		}
	}
	return kept
}

func (s *Set) drop(t task, pair reply.Pair, reason Reason, detail, said string) {
	d := Dropped{Reason: reason, Detail: detail, Split: t.split, Kind: t.kind, Question: pair.Question, Answer: pair.Answer, Reply: strings.ToValidUTF8(said[:min(len(said), maxShownReply)], "\ufffd")}
	for _, of := range t.passages {
		d.Passages, d.Sources = append(d.Passages, of.Key()), append(d.Sources, fmt.Sprint(of.Metadata["source"]))
	}
	s.Dropped = append(s.Dropped, d)
}

// speaking is a question about the passage rather than what it says.
var speaking = regexp.MustCompile(`(?i)\b(this|the|that|above|given|following|provided|these|those|both|two)\s+(\w+\s+)?(passages?|texts?|paragraphs?|excerpts?|snippets?|documents?|statements?|context|author|article|section)\b`)

// leastQuestion is the fewest words of a question.
const leastQuestion = 3

// alone looks at a question and its answer without other passages.
func (p *Plan) alone(c candidate) (Reason, string) {
	asked, answered := words(c.Question), words(c.Answer)
	switch {
	case asked < leastQuestion || asked > p.opt.MostQuestion:
		return Length, fmt.Sprintf("a question of %d words; %d to %d expected", asked, leastQuestion, p.opt.MostQuestion)
	case answered < 1 || answered > p.opt.MostAnswer:
		return Length, fmt.Sprintf("an answer of %d words; 1 to %d expected", answered, p.opt.MostAnswer)
	case speaking.MatchString(c.Question):
		return Pointing, speaking.FindString(c.Question)
	case strings.Contains(" "+folded(c.Question)+" ", " "+folded(c.Answer)+" "):
		return GivesAway, ""
	case !audit.Holds(c.passages, c.Answer):
		return NotHeld, ""
	}
	return "", ""
}

// depth is how many passages are looked at for a question.
const depth = 30

// search finds the passages of all questions.
func (p *Plan) search(ctx context.Context, r retrieve.Retriever, all []candidate) error {
	if len(all) == 0 {
		return nil
	}
	queries := make([]string, len(all))
	for i, c := range all {
		queries[i] = c.Question
	}
	hits, err := r.TopK(ctx, queries, min(max(depth, p.opt.Among), len(p.docs)))
	if err != nil {
		return fmt.Errorf("passages of the questions: %w", err)
	}
	if len(hits) != len(all) {
		return errors.New("questions: the retriever gave no list for each question")
	}
	for i := range all {
		all[i].hits = hits[i]
	}
	return nil
}

// ranked looks at what a question finds.
func (p *Plan) ranked(c candidate) (Reason, string) {
	best := c.hits[:min(p.opt.Among, len(c.hits))]
	if c.kind == Unanswerable {
		for _, h := range best {
			if d := p.docs[h.Index]; audit.Holds([]dataset.Document{d}, c.Answer) {
				return Elsewhere, d.Key()
			}
		}
		return "", ""
	}
	for _, h := range best {
		if holdsText(c.passages, p.docs[h.Index]) {
			return "", ""
		}
	}
	return NotFound, fmt.Sprintf("not among %d", len(best))
}

// unasked are the questions, by their place, that do not ask for what answers them: of a
// statement, that do not find it by their words among all statements; of what is withheld,
// that do not find its passage among all passages.
func (p *Plan) unasked(ctx context.Context, found []candidate) (map[int]bool, error) {
	var at []int
	var queries []string
	for i, c := range found {
		if p.opt.Lines || c.kind == Unanswerable {
			at, queries = append(at, i), append(queries, c.Question)
		}
	}
	if len(at) == 0 {
		return nil, nil
	}
	pool := p.all
	if p.opt.Lines {
		pool = nil
		for _, d := range p.all {
			for _, s := range statements(d) {
				pool = append(pool, dataset.Document{Content: s})
			}
		}
	}
	index, err := retrieve.NewBM25(pool, retrieve.DefaultBM25Options())
	if err != nil {
		return nil, err
	}
	hits, err := index.TopK(ctx, queries, min(p.opt.Among, len(pool)))
	if err != nil {
		return nil, fmt.Errorf("what questions ask for: %w", err)
	}
	not := map[int]bool{}
	for n, i := range at {
		c := found[i]
		not[i] = !slices.ContainsFunc(hits[n], func(h retrieve.Hit) bool {
			if p.opt.Lines {
				return pool[h.Index].Content == c.statement
			}
			return holdsText(c.passages, pool[h.Index])
		})
	}
	return not, nil
}

// holdsText says whether one of the passages has the text of another.
func holdsText(passages []dataset.Document, d dataset.Document) bool {
	return slices.ContainsFunc(passages, func(p dataset.Document) bool { return p.Content == d.Content || folded(p.Content) == folded(d.Content) })
}

// repeats names the questions, by their place, that repeat another in nearly the same
// words, and that other. Those of the smaller splits stay.
func repeats(ctx context.Context, all []candidate) (map[int]string, error) {
	if len(all) == 0 {
		return nil, nil
	}
	rank := make([]int, len(all)) // who comes first stays
	queries, bare := make([]string, len(all)), make([]dataset.Document, len(all))
	for i, c := range all {
		rank[i] = slices.Index(Splits(), c.split)*len(all) + i
		queries[i], bare[i] = c.Question, dataset.Document{Content: c.Question}
	}
	index, err := retrieve.NewBM25(bare, retrieve.DefaultBM25Options())
	if err != nil {
		return nil, err
	}
	hits, err := index.TopK(ctx, queries, min(alikeAmong, len(bare)))
	if err != nil {
		return nil, fmt.Errorf("questions that repeat others: %w", err)
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(rank[i], rank[j]) })
	repeated, same := map[int]string{}, map[string]bool{}
	for _, i := range order {
		key := folded(all[i].Question)
		at := slices.IndexFunc(hits[i], func(h retrieve.Hit) bool {
			_, gone := repeated[h.Index]
			return rank[h.Index] < rank[i] && !gone && audit.Alike(all[h.Index].Question, all[i].Question)
		})
		switch {
		case same[key]:
			repeated[i] = all[i].Question
		case at >= 0:
			repeated[i] = all[hits[i][at].Index].Question
		}
		same[key] = true
	}
	return repeated, nil
}

// alikeAmong is among how many questions with the same words a repeated one is looked for.
const alikeAmong = 20

// row is a candidate as the data set has it.
func (p *Plan) row(c candidate) dataset.Example {
	x := dataset.Example{Question: c.Question, GoldAnswer: c.Answer, GoldDocs: c.passages}
	if c.kind == Unanswerable {
		x.GoldAnswer, x.GoldDocs, x.Unanswerable = p.opt.Abstain, nil, true
	}
	for _, h := range c.hits {
		d := p.docs[h.Index]
		if len(x.HardNegDocs) < p.opt.HardNegs && p.splits[h.Index] == c.split && !holdsText(c.passages, d) && !holdsText(x.HardNegDocs, d) && !audit.Holds([]dataset.Document{d}, c.Answer) {
			x.HardNegDocs = append(x.HardNegDocs, d)
		}
	}
	return x
}
