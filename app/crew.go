package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gorqa/batch"
	"gorqa/config"
	"gorqa/engine/world"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/recipe"
	"gorqa/text/retrieve"
)

// crew is the processes of a command that help rank 0: they embed texts, search, score and
// answer questions, have answers judged and take losses, each a part of what rank 0 meets.
// nil is that of one process.
type crew struct {
	*world.Crew
	answers  *world.Task[[]evaluate.Query, answered]
	texts    *world.Task[texts, [][]float32]
	pairs    *world.Task[pairs, scored]
	searches *world.Task[search, [][]retrieve.Hit]
	verdicts *world.Task[verdicts, []evaluate.Verdict]
	mu       sync.Mutex // processes do one thing at a time

	open      opener
	generator qa.Generator // that answers here
	// What this process has of what rank 0 names.
	embedders map[string]*qa.Embedder
	rerankers map[string]*qa.Reranker
	words     map[int]*retrieve.BM25
	judges    map[string]evaluate.Judge
}

// texts are to be embedded.
type texts struct {
	Model string        `json:"model"`
	Kind  retrieve.Kind `json:"kind"`
	Texts []string      `json:"texts"`
}

// answered is the part of a process of answers.
type answered struct {
	Answers []evaluate.Answer `json:"answers"`
	Drafts  qa.Drafts         `json:"drafts"`
}

// newCrew is that of a world; a model that a process is asked for by name it opens, and
// keeps.
func newCrew(w *world.World, open opener) *crew {
	all := w.Crew()
	if all == nil {
		return nil
	}
	c := &crew{Crew: all, open: open, embedders: map[string]*qa.Embedder{}, rerankers: map[string]*qa.Reranker{}, words: map[int]*retrieve.BM25{}, judges: map[string]evaluate.Judge{}}
	c.answers = world.NewTask(all, "answers", c.partOfAnswers)
	c.texts = world.NewTask(all, "texts", c.partOfTexts)
	c.pairs = world.NewTask(all, "pairs", c.partOfPairs)
	c.searches = world.NewTask(all, "searches", c.partOfSearch)
	c.verdicts = world.NewTask(all, "verdicts", c.partOfVerdicts)
	return c
}

// partOfTexts embeds this process's part of texts.
func (c *crew) partOfTexts(ctx context.Context, q texts) ([][]float32, error) {
	x, err := kept(c.embedders, q.Model, func() (*qa.Embedder, error) { return c.open.openEmbedder(ctx, q.Model) })
	if err != nil {
		return nil, err
	}
	return x.EmbedPart(ctx, q.Texts, q.Kind, c.World().Rank(), c.World().Size())
}

// all is the crew as package world knows it.
func (c *crew) all() *world.Crew {
	if c == nil {
		return nil
	}
	return c.Crew
}

// close frees the models that rank 0 asked for here. Its own are closed by who opened
// them.
func (c *crew) close() error {
	if c == nil || c.World().Rank() == 0 {
		return nil
	}
	var errs []error
	for _, x := range c.embedders {
		errs = append(errs, x.Close())
	}
	for _, x := range c.rerankers {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}

// follow does this process's parts of a command that rank 0 works through, with a model
// that answers where one is named. Where nothing is computed it needs no engine.
func follow(ctx context.Context, c config.Train, computes bool, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	ready := newChecks(ctx, c, show)
	ready.world = s.World
	if computes {
		if ready.device, err = ready.openEngine(ctx, c.Engine); err != nil {
			return err
		}
	}
	ready.crew = newCrew(s.World, ready)
	defer func() { err = errors.Join(err, ready.crew.close()) }()
	if c.ModelNameOrPath != "" {
		if ready.crew.generator, err = ready.openGenerator(ctx, c); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, ready.crew.generator.Loaded().Params.Free()) }()
	}
	return ready.crew.Follow(ctx)
}

// pick gives the values at places.
func pick[T any](all []T, places []int) []T {
	chosen := make([]T, len(places))
	for i, place := range places {
		chosen[i] = all[place]
	}
	return chosen
}

// join puts what processes made of their shares back in the order of the whole.
func join[T any](n int, shares [][]int, made [][]T) ([]T, error) {
	whole := make([]T, n)
	for rank, places := range shares {
		if len(made[rank]) != len(places) {
			return nil, fmt.Errorf("rank %d made %d of its %d parts", rank, len(made[rank]), len(places))
		}
		for i, place := range places {
			whole[place] = made[rank][i]
		}
	}
	return whole, nil
}

// sharedEmbedder is an embedding model of which each process embeds a part of the texts.
type sharedEmbedder struct {
	*qa.Embedder
	crew  *crew
	model string
}

// Embed implements retrieve.Embedder.
func (x *sharedEmbedder) Embed(ctx context.Context, list []string, kind retrieve.Kind) ([][]float32, error) {
	made, err := do(ctx, x.crew, x.crew.texts, texts{x.model, kind, list})
	if err != nil {
		return nil, err
	}
	whole := make([][]float32, len(list))
	for rank, part := range made {
		if len(part) != len(list) {
			return nil, fmt.Errorf("rank %d has vectors of %d texts; %d expected", rank, len(part), len(list))
		}
		for i, v := range part {
			if v != nil {
				whole[i] = v
			}
		}
	}
	return whole, nil
}

// answerer spreads questions over the processes. Answers that are drawn stay with rank 0:
// what is drawn follows from a question's place among those that are asked together.
func (c *crew) answerer(g qa.Generator, drawn bool) qa.Generator {
	if c == nil || drawn {
		return g
	}
	c.generator = g
	return &sharedGenerator{Generator: g, crew: c}
}

// sharedGenerator is a generator of which each process answers a part of the questions.
type sharedGenerator struct {
	qa.Generator
	crew   *crew
	others qa.Drafts // counted by the other processes
}

// Generate implements evaluate.Generator.
func (g *sharedGenerator) Generate(ctx context.Context, queries []evaluate.Query) ([]evaluate.Answer, error) {
	each, err := do(ctx, g.crew, g.crew.answers, queries)
	if err != nil {
		return nil, err
	}
	made := make([][]evaluate.Answer, len(each))
	for rank, a := range each {
		if made[rank] = a.Answers; rank > 0 {
			g.others = g.others.Plus(a.Drafts)
		}
	}
	return join(len(queries), g.crew.sharesOfQueries(queries), made)
}

// Drafts implements qa.Generator.
func (g *sharedGenerator) Drafts() qa.Drafts { return g.Generator.Drafts().Plus(g.others) }

// sharesOfQueries deals questions out by the lengths of what is read for them.
func (c *crew) sharesOfQueries(queries []evaluate.Query) [][]int {
	sizes := make([]int, len(queries))
	for i, q := range queries {
		sizes[i] = len(q.Question)
		for _, turn := range q.History {
			sizes[i] += len(turn.Message)
		}
		for _, d := range q.Passages {
			sizes[i] += len(d.Text())
		}
	}
	return batch.Deal(sizes, c.World().Size())
}

func (c *crew) partOfAnswers(ctx context.Context, queries []evaluate.Query) (answered, error) {
	before := c.generator.Drafts()
	answers, err := c.generator.Generate(ctx, pick(queries, c.sharesOfQueries(queries)[c.World().Rank()]))
	return answered{answers, c.generator.Drafts().Since(before)}, err
}

// chosen are the contexts of a run's rows as they go from rank 0 to the others.
type chosen struct {
	Training, Eval, Test []recipe.Context
	Documents            map[string]dataset.Document // of the passages, by their ids
}

// share gives all processes what rank 0 chooses.
func (c *crew) share(ctx context.Context, choose func() (chosen, error)) (chosen, error) {
	if c == nil {
		return choose()
	}
	all, err := world.Lead(ctx, c.Crew, func() (chosen, error) {
		found, err := choose()
		found.Documents = map[string]dataset.Document{}
		for _, list := range found.lists() {
			for _, x := range list {
				for _, p := range x.Passages {
					found.Documents[p.ID] = p.Document
				}
			}
		}
		return found, err
	})
	for _, list := range all.lists() {
		for _, x := range list {
			for i, p := range x.Passages {
				x.Passages[i].Document = all.Documents[p.ID]
			}
		}
	}
	return all, err
}

func (x chosen) lists() [][]recipe.Context { return [][]recipe.Context{x.Training, x.Eval, x.Test} }
