package serve

import (
	"context"
	"errors"
	"strings"
	"sync"

	"gorqa/qa"
	"gorqa/text/evaluate"
	"gorqa/text/recipe"
)

// job is one thing that the worker is asked.
type job struct {
	gone   <-chan struct{} // closed when the client has gone, or the request takes too long
	client string

	do       func(ctx context.Context) (more bool, err error) // a portion of another use of a model; nil for an answer
	text     string                                           // that is to be continued, where it is no question
	query    evaluate.Query
	retrieve bool
	options  qa.GenerationOptions
	stops    []string // texts that end the answer, beside the prompt's own

	tokensField string // of the request, that says how long the answer may be; "" where none does

	mu           sync.Mutex
	state        state
	told         chan struct{} // holds one where the state is another
	promptTokens int
}

// state is how far a job has come.
type state struct {
	said      qa.Said
	citations []Citation
	found     bool // the citations are there
	err       error
}

func (s state) over() bool { return s.said.Ended || s.err != nil }

func newJob(gone <-chan struct{}, client string) *job {
	return &job{gone: gone, client: client, told: make(chan struct{}, 1)}
}

// left says whether nobody waits any more.
func (j *job) left() bool {
	select {
	case <-j.gone:
		return true
	default:
		return false
	}
}

// change sets the state, and says so to whoever waits.
func (j *job) change(f func(s *state)) {
	j.mu.Lock()
	f(&j.state)
	j.mu.Unlock()
	select {
	case j.told <- struct{}{}:
	default:
	}
}

func (j *job) fail(err error) { j.change(func(s *state) { s.err = err }) }

// next waits for the next state, or for the context to end.
func (j *job) next(ctx context.Context) (state, error) {
	select {
	case <-j.told:
	case <-ctx.Done():
		return state{}, ctx.Err()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state, j.state.err
}

// wait gives the last state.
func (j *job) wait(ctx context.Context) (state, error) {
	for {
		if s, err := j.next(ctx); err != nil || s.over() {
			return s, err
		}
	}
}

// said takes the answer so far, up to a text that ends it, and says whether it goes on.
func (j *job) said(now qa.Said) bool {
	if j.left() {
		return false
	}
	for _, stop := range j.stops {
		if before, _, found := strings.Cut(now.Text, stop); found {
			now.Text, now.Ended, now.Cut = before, true, false
		}
	}
	if !now.Ended {
		for _, stop := range j.stops {
			now.Text = qa.WithoutPart(now.Text, stop)
		}
	}
	j.change(func(s *state) { s.said = now })
	return !now.Ended
}

// maxOther is how many other uses are begun before one of them is over.
const maxOther = 16

// worker has the model.
type worker struct {
	o       Options
	queue   *queue
	metrics *metrics
	stream  qa.Stream
	under   []*job // whose answers are under way
	other   []*job // of other uses, which get a portion a step in turn
}

// run takes jobs until the context ends.
func (w *worker) run(ctx context.Context) (err error) {
	if w.stream, err = w.o.Model.Stream(w.o.Batch); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.stream.Close()) }()
	for {
		if w.stream.Len() == 0 && w.queue.len() == 0 && len(w.other) == 0 {
			if err := w.queue.wait(ctx); err != nil {
				return nil
			}
		}
		if len(w.other) < maxOther {
			w.begin(ctx, w.queue.take(w.o.Batch-w.stream.Len()))
		}
		w.portion(ctx)
		w.metrics.running.Set(float64(w.stream.Len()))
		if err := w.stream.Step(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if err := w.anew(err); err != nil {
				return err
			}
		}
		w.forget()
		w.metrics.running.Set(float64(w.stream.Len()))
	}
}

// anew gives up what is under way, after an error of the model's.
func (w *worker) anew(why error) (err error) {
	for _, j := range w.under {
		j.fail(why)
	}
	w.under = nil
	stream, err := w.o.Model.Stream(w.o.Batch)
	if err != nil {
		return err
	}
	err = w.stream.Close()
	w.stream = stream
	return err
}

// forget drops what is over.
func (w *worker) forget() {
	var left []*job
	for _, j := range w.under {
		j.mu.Lock()
		over := j.state.over()
		j.mu.Unlock()
		if !over && !j.left() {
			left = append(left, j)
		}
	}
	w.under = left
}

// begin finds passages for the questions among jobs, all at once, and asks them.
func (w *worker) begin(ctx context.Context, jobs []*job) {
	var search []*job
	var queries []evaluate.Query
	for _, j := range jobs {
		if j.do == nil && j.retrieve {
			search, queries = append(search, j), append(queries, j.query)
		}
	}
	if len(search) > 0 {
		found, err := w.o.Retrieve(ctx, queries)
		for i, j := range search {
			if err != nil {
				j.fail(err)
				continue
			}
			for _, c := range found[i] {
				j.query.Passages = append(j.query.Passages, c.Document)
			}
			j.change(func(s *state) { s.citations, s.found = found[i], true })
		}
	}
	for _, j := range jobs {
		w.ask(ctx, j)
	}
}

// ask begins one job.
func (w *worker) ask(ctx context.Context, j *job) {
	j.mu.Lock()
	failed := j.state.err != nil
	j.mu.Unlock()
	if failed {
		return
	}
	var err error
	var tokens int
	switch {
	case j.do != nil:
		w.other = append(w.other, j)
		return
	case j.text != "":
		tokens, err = w.stream.Continue(j.text, j.options, j.said)
	default:
		tokens, err = w.stream.Ask(j.query, j.options, j.said)
	}
	if err != nil {
		j.fail(j.refused(err))
		return
	}
	j.mu.Lock()
	j.promptTokens = tokens
	j.mu.Unlock()
	w.under = append(w.under, j)
}

// refused is the error of a question that is not asked: in the request's own words where
// it and its answer have no room.
func (j *job) refused(err error) error {
	what := "messages"
	if j.text != "" {
		what = "prompt"
	}
	var long *recipe.TooLong
	if j.tokensField == "" || !errors.As(err, &long) || long.Limit >= long.Tokens {
		return badRequest(what, "%v", err)
	}
	return badRequest(j.tokensField, "%s: %d found, with %d tokens %s in %s; expected at most %d together, the server's max_seq_length: lower %[1]s or send less", j.tokensField, j.options.MaxNewTokens, long.Tokens, long.Of, what, long.Limit+j.options.MaxNewTokens)
}

// portion does a part of the other use that has waited longest.
func (w *worker) portion(ctx context.Context) {
	if len(w.other) == 0 {
		return
	}
	j := w.other[0]
	w.other = w.other[1:]
	if j.left() {
		return
	}
	if more, err := j.do(ctx); more && err == nil {
		w.other = append(w.other, j)
	} else {
		j.change(func(s *state) { s.said.Ended, s.err = true, err })
	}
}
