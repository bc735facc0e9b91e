package recipe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// Where a passage of a context comes from.
const (
	Gold         = "gold"          // the row's gold_docs
	Retrieved    = "retrieved"     // the retriever's ranking
	HardNegative = "hard_negative" // the row's hard_neg_docs
)

// Passage is one passage of a row.
type Passage struct {
	ID    string  `json:"id"`    // dataset.Document.Key
	From  string  `json:"from"`  // Gold, Retrieved or HardNegative
	Score float32 `json:"score"` // the retriever's; 0 where Place is
	Place int     `json:"place"` // in the retriever's ranking, from 1; 0 where it was not looked at that far down

	Document dataset.Document `json:"-"`
}

// Context is what a row is trained or scored with.
type Context struct {
	Row      int       `json:"row"`              // of the data file, from 0
	Passages []Passage `json:"passages"`         // in the order of the prompt
	Answer   string    `json:"answer,omitempty"` // the target in place of the row's own; "" for that
}

// GoldContext is SFT's: the row's gold passages alone, or those that look related where
// no passage answers it.
func GoldContext(row int, x dataset.Example) Context {
	c := Context{Row: row}
	from := Gold
	if x.Unanswerable && len(x.GoldDocs) == 0 {
		from = HardNegative
	}
	for _, d := range x.Passages() {
		c.Passages = append(c.Passages, Passage{ID: d.Key(), From: from, Document: d})
	}
	return c
}

// Target is the answer that is learnt.
func (c Context) Target(x dataset.Example) string {
	if c.Answer != "" {
		return c.Answer
	}
	return x.GoldAnswer
}

// documents are the passages without where they come from.
func (c Context) documents() []dataset.Document {
	docs := make([]dataset.Document, len(c.Passages))
	for i, p := range c.Passages {
		docs[i] = p.Document
	}
	return docs
}

// cuts says who loses where the row is too long: the passages that are not
// gold go as a whole, hard negatives first, then the ranking from its end; then
// the gold ones lose text, the last one first. Without a gold passage the best
// of the others takes its part.
func (c Context) cuts() cuts {
	var out cuts
	for i, p := range slices.Backward(c.Passages) {
		if p.From == Gold {
			out.text = append(out.text, i)
		} else {
			out.whole = append(out.whole, i)
		}
	}
	rank := func(i int) int {
		if place := c.Passages[i].Place; place > 0 {
			return place
		}
		return math.MaxInt
	}
	slices.SortStableFunc(out.whole, func(a, b int) int { return cmp.Compare(rank(b), rank(a)) })
	if n := len(out.whole); len(out.text) == 0 && n > 0 {
		out.text, out.whole = out.whole[n-1:], out.whole[:n-1]
	}
	return out
}

// ContextOptions say which passages SwR gives a row beside its gold ones. What
// K does not say is off by default, and drawn for each row from Seed and the
// row's number alone.
type ContextOptions struct {
	K int // passages beside one gold passage: a row has at most K + 1

	// MinK and MaxK, where MaxK is not 0, draw K for each row.
	MinK, MaxK int
	// Shuffle puts a row's passages in random order; otherwise the gold ones
	// come first, then the others, best first.
	Shuffle bool
	// GoldDropout is the part of rows that lose their gold passages (Zhang and
	// others, RAFT, 2024); others take their places.
	GoldDropout float64
	// Distractors of a row's K passages are no best ones: its hard negatives, in
	// random order, and where these are too few, passages drawn from further
	// down the ranking.
	Distractors int
	// AbstainAnswer, where not "", is the target of rows that have lost their
	// gold passages. Rows that have none in the data keep their answer.
	AbstainAnswer string
	Seed          int64

	// Progress, if not nil, is called with the number of rows done.
	Progress func(done, total int) `json:"-"`
}

// distractorPlaces is how many of the passages that follow the best ones
// distractors are drawn from.
const distractorPlaces = 50

// retrieveRows is how many questions the retriever is given at once.
const retrieveRows = 256

// DefaultContextOptions are LocalRQA's: three passages beside the gold one.
func DefaultContextOptions() ContextOptions { return ContextOptions{K: 3} }

// Plain is o with nothing that is random, for rows that are scored.
func (o ContextOptions) Plain() ContextOptions { return ContextOptions{K: o.K, Progress: o.Progress} }

// Validate reports every setting that cannot be used.
func (o ContextOptions) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("contexts: "+format, args...)) }
	if o.K < 1 {
		bad("K is %d; expected at least 1; for gold passages alone train with SFT", o.K)
	}
	if o.MinK < 0 || o.MaxK < o.MinK {
		bad("MinK is %d and MaxK %d; expected 0 or more, and MaxK not below MinK", o.MinK, o.MaxK)
	}
	if !(o.GoldDropout >= 0 && o.GoldDropout <= 1) {
		bad("GoldDropout is %v; expected 0 to 1", o.GoldDropout)
	}
	if o.Distractors < 0 || o.Distractors > o.largest() {
		bad("Distractors is %d; expected 0 to %d, since they are among a row's passages", o.Distractors, o.largest())
	}
	if o.AbstainAnswer != "" && o.GoldDropout == 0 {
		bad("AbstainAnswer is set and GoldDropout 0; expected a dropout, or no answer to abstain with; no row would lose its gold passage")
	}
	return errors.Join(errs...)
}

// Within is o for a retriever over so many documents, and says whether it had to
// be lowered for them.
func (o ContextOptions) Within(documents int) (_ ContextOptions, lowered bool) {
	if documents < 1 || o.largest() <= documents {
		return o, false
	}
	o.K, o.MinK, o.MaxK = min(o.K, documents), min(o.MinK, documents), min(o.MaxK, documents)
	o.Distractors = min(o.Distractors, o.largest())
	return o, true
}

// largest is the highest K of any row.
func (o ContextOptions) largest() int {
	if o.MaxK > 0 {
		return o.MaxK
	}
	return o.K
}

// GoldPool is the gold passages of a split, each once: what LocalRQA's
// train_w_fixed_retriever.py retrieves from.
func GoldPool(examples []dataset.Example) []dataset.Document {
	var pool []dataset.Document
	seen := seen{}
	for _, x := range examples {
		for _, d := range x.GoldDocs {
			if !seen.has(d, d.Key()) {
				pool = append(pool, d)
			}
		}
	}
	return pool
}

// BuildContexts chooses the passages of every example: its gold ones, then the
// best of the retriever's ranking for the bare question until there are K + 1,
// no passage twice. Two passages are the same where their source and content
// are, or their text. A row has fewer only where the retriever finds no more:
// its documents are used up, or none shares a word with the question. The same rows, ranking and options give the same contexts, whatever
// stands in other rows.
func BuildContexts(ctx context.Context, examples []dataset.Example, r retrieve.Retriever, opt ContextOptions) ([]Context, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if len(examples) == 0 {
		return nil, errors.New("contexts: no rows; expected one at least; check the data file")
	}
	docs, err := retrieve.ReadAll(ctx, r.Documents())
	if err != nil {
		return nil, err
	}
	b := &builder{opt: opt, examples: examples, r: r, docs: docs, contexts: make([]Context, len(examples))}
	if n := len(b.docs); n == 0 {
		return nil, errors.New("contexts: there are no documents to retrieve from; expected some; check the document file, or that rows have gold passages")
	} else if n < opt.largest() {
		return nil, fmt.Errorf("contexts: %d passages a row are asked for but there are only %d documents to retrieve from; expected at least as many; lower the number, or retrieve from more documents", opt.largest(), n)
	}
	b.keys, b.byKey = make([]string, len(b.docs)), byKey(b.docs)
	for i, d := range b.docs {
		b.keys[i] = d.Key()
	}
	rows := make([]int, len(examples))
	for i := range rows {
		rows[i] = i
	}
	done := 0
	for chunk := range slices.Chunk(rows, retrieveRows) {
		if err := b.build(ctx, chunk); err != nil {
			return nil, err
		}
		if done += len(chunk); opt.Progress != nil {
			opt.Progress(done, len(examples))
		}
	}
	return b.contexts, nil
}

// builder is the state of one call of BuildContexts.
type builder struct {
	opt      ContextOptions
	examples []dataset.Example
	r        retrieve.Retriever
	docs     []dataset.Document
	keys     []string                    // of docs
	byKey    map[string]dataset.Document // of docs of one key, the first stands for all
	contexts []Context
}

// build fills the contexts of rows, looking further down the ranking for those
// rows that what was found does not fill.
func (b *builder) build(ctx context.Context, rows []int) error {
	depth := b.opt.largest() + 1
	if b.opt.Distractors > 0 {
		depth += distractorPlaces
	}
	gold := 0
	for _, row := range rows {
		gold = max(gold, len(b.examples[row].GoldDocs))
	}
	depth = min(depth+gold, len(b.docs))
	for len(rows) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		questions := make([]string, len(rows))
		for i, row := range rows {
			questions[i] = b.examples[row].Question
		}
		hits, err := b.r.TopK(ctx, questions, depth)
		if err != nil {
			return fmt.Errorf("contexts: retrieving: %w", err)
		}
		if len(hits) != len(rows) {
			return fmt.Errorf("contexts: the retriever gave %d lists for %d questions; expected one for each", len(hits), len(rows))
		}
		var short []int
		for i, row := range rows {
			ranking, err := b.ranking(hits[i])
			if err != nil {
				return fmt.Errorf("contexts: row %d: %w", row, err)
			}
			full := b.context(row, ranking)
			if !full && len(ranking) == depth && depth < len(b.docs) {
				short = append(short, row)
			}
		}
		rows, depth = short, min(2*depth, len(b.docs))
	}
	return nil
}

// ranking turns hits into passages.
func (b *builder) ranking(hits []retrieve.Hit) ([]Passage, error) {
	out := make([]Passage, len(hits))
	for i, h := range hits {
		if h.Index < 0 || h.Index >= len(b.docs) {
			return nil, fmt.Errorf("the retriever gave document %d of %d; build the index again", h.Index, len(b.docs))
		}
		if s := float64(h.Score); math.IsNaN(s) || math.IsInf(s, 0) {
			return nil, fmt.Errorf("the retriever gave document %d the score %v; expected a finite number; check the embedding model", h.Index, s)
		}
		id := b.keys[h.Index]
		out[i] = Passage{ID: id, From: Retrieved, Score: h.Score, Place: i + 1, Document: b.byKey[id]}
	}
	return out, nil
}

// context makes the context of a row from the beginning of its ranking. It
// tells whether a longer ranking would give the same one.
func (b *builder) context(row int, ranking []Passage) (full bool) {
	x, opt := b.examples[row], b.opt
	random := rand.New(rand.NewPCG(uint64(opt.Seed), uint64(row)))
	dropped := random.Float64() < opt.GoldDropout && len(x.GoldDocs) > 0
	size := opt.K + 1
	if opt.MaxK > 0 {
		size = opt.MinK + random.IntN(opt.MaxK-opt.MinK+1) + 1
	}

	c := Context{Row: row, Passages: []Passage{}}
	seen := seen{}
	for _, d := range x.GoldDocs {
		p := Passage{ID: d.Key(), From: Gold, Document: d}
		if seen.has(d, p.ID) || dropped || len(c.Passages) == size {
			continue
		}
		// Where the retriever has it, as far as every depth of search looks.
		for _, hit := range ranking[:min(len(ranking), size+len(x.GoldDocs))] {
			if hit.ID == p.ID {
				p.Score, p.Place = hit.Score, hit.Place
				break
			}
		}
		c.Passages = append(c.Passages, p)
	}
	if dropped {
		c.Answer = opt.AbstainAnswer
	}

	var others []Passage // of the ranking
	for _, p := range ranking {
		if !seen.has(p.Document, p.ID) {
			others = append(others, p)
		}
	}
	room := size - len(c.Passages)
	distractors := min(opt.Distractors, room)
	best := min(room-distractors, len(others))
	needed := room - distractors
	c.Passages = append(c.Passages, others[:best]...)
	if distractors > 0 {
		needed += distractorPlaces
		c.Passages = append(c.Passages, b.distractors(random, x, c.Passages, others[best:], distractors)...)
	}
	if opt.Shuffle {
		random.Shuffle(len(c.Passages), func(i, j int) { c.Passages[i], c.Passages[j] = c.Passages[j], c.Passages[i] })
	}
	b.contexts[row] = c
	return len(others) >= needed
}

// distractors draws n passages that are neither gold nor chosen: hard negatives
// of the row, then passages of the ranking that follow the chosen ones.
func (b *builder) distractors(random *rand.Rand, x dataset.Example, chosen, following []Passage, n int) []Passage {
	taken := seen{}
	for _, d := range x.GoldDocs {
		taken.has(d, d.Key())
	}
	for _, p := range chosen {
		taken.has(p.Document, p.ID)
	}
	var out []Passage
	for _, i := range random.Perm(len(x.HardNegDocs)) {
		d := x.HardNegDocs[i]
		if id := d.Key(); len(out) < n && !taken.has(d, id) {
			out = append(out, Passage{ID: id, From: HardNegative, Document: d})
		}
	}
	var free []Passage
	for _, p := range following[:min(len(following), distractorPlaces)] {
		if !taken.has(p.Document, p.ID) {
			free = append(free, p)
		}
	}
	drawn := random.Perm(len(free))[:min(n-len(out), len(free))]
	slices.Sort(drawn) // best first, as the rest of the ranking
	for _, i := range drawn {
		out = append(out, free[i])
	}
	return out
}

// seen remembers passages by their key and by their text.
type seen map[string]bool

// has tells whether the passage was asked for before.
func (s seen) has(d dataset.Document, id string) bool {
	text := d.Text()
	known := s["id "+id] || s["text "+text]
	s["id "+id], s["text "+text] = true, true
	return known
}
