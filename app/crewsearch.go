package app

import (
	"context"
	"math"
	"sync/atomic"

	"gorqa/engine/world"
	"gorqa/qa"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/evaluate/judge"
	"gorqa/text/retrieve"
)

// opener loads models by their names.
type opener interface {
	openEmbedder(ctx context.Context, model string) (*qa.Embedder, error)
	openReranker(ctx context.Context, model string) (*qa.Reranker, error)
	openJudge(model string) (*judge.Judge, error)
}

// kept gives what a process is asked for by name, and opens it the first time.
func kept[K comparable, M any](all map[K]M, name K, open func() (M, error)) (M, error) {
	x, there := all[name]
	if there {
		return x, nil
	}
	x, err := open()
	if err == nil {
		all[name] = x
	}
	return x, err
}

// pairs are to be scored by a reranker.
type pairs struct {
	Model string          `json:"model"`
	Pairs []retrieve.Pair `json:"pairs"`
}

// scored are the scores of some of the pairs: their bits, since JSON has no NaN.
type scored struct {
	At   []int    `json:"at"`
	Bits []uint32 `json:"bits"`
}

// partOfPairs scores this process's part of pairs.
func (c *crew) partOfPairs(ctx context.Context, q pairs) (found scored, err error) {
	x, err := kept(c.rerankers, q.Model, func() (*qa.Reranker, error) { return c.open.openReranker(ctx, q.Model) })
	if err != nil {
		return found, err
	}
	scores, err := x.ScorePart(ctx, q.Pairs, c.World().Rank(), c.World().Size())
	for at, score := range scores {
		if score != nil {
			found.At, found.Bits = append(found.At, at), append(found.Bits, math.Float32bits(*score))
		}
	}
	return found, err
}

// search is what BM25 is asked: the best documents for each of some queries.
type search struct {
	Index   int      `json:"index"`           // which of rank 0's
	Texts   []string `json:"texts,omitempty"` // of its documents, the first time
	Queries []string `json:"queries"`
	K       int      `json:"k"`
}

// partOfSearch finds the documents of this process's share of queries.
func (c *crew) partOfSearch(ctx context.Context, q search) ([][]retrieve.Hit, error) {
	x, err := kept(c.words, q.Index, func() (*retrieve.BM25, error) {
		docs := make([]dataset.Document, len(q.Texts))
		for i, text := range q.Texts {
			docs[i].Formatted = text
		}
		return retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	})
	if err != nil {
		return nil, err
	}
	return x.TopK(ctx, pick(q.Queries, c.everyNth(len(q.Queries))[c.World().Rank()]), q.K)
}

// verdicts are asked of a judge.
type verdicts struct {
	Model   string              `json:"model"`
	Answers []evaluate.Answered `json:"answers"`
}

// partOfVerdicts has this process's share of answers judged.
func (c *crew) partOfVerdicts(ctx context.Context, q verdicts) ([]evaluate.Verdict, error) {
	j, err := kept(c.judges, q.Model, func() (evaluate.Judge, error) { return c.open.openJudge(q.Model) })
	if err != nil {
		return nil, err
	}
	return j.Judge(ctx, pick(q.Answers, c.everyNth(len(q.Answers))[c.World().Rank()]))
}

// everyNth deals out n pieces of work that are about the same.
func (c *crew) everyNth(n int) [][]int {
	shares := make([][]int, c.World().Size())
	for i := range n {
		shares[i%len(shares)] = append(shares[i%len(shares)], i)
	}
	return shares
}

// divided spreads what passages are found by over the processes; nil for one.
func (c *crew) divided(embedder, reranker string) qa.Divided {
	if c == nil {
		return nil
	}
	return &dividedSearch{crew: c, embedder: embedder, reranker: reranker}
}

// dividedSearch knows the models by the names that the other processes open them by.
type dividedSearch struct {
	crew               *crew
	embedder, reranker string
}

// Embedder implements qa.Divided.
func (d *dividedSearch) Embedder(x *qa.Embedder) retrieve.Embedder {
	d.crew.embedders[d.embedder] = x
	return &sharedEmbedder{Embedder: x, crew: d.crew, model: d.embedder}
}

// Scorer implements qa.Divided.
func (d *dividedSearch) Scorer(x *qa.Reranker) retrieve.Scorer {
	d.crew.rerankers[d.reranker] = x
	return &sharedReranker{Reranker: x, crew: d.crew, model: d.reranker}
}

// Words implements qa.Divided.
func (d *dividedSearch) Words(x *retrieve.BM25) retrieve.Retriever {
	index := len(d.crew.words)
	d.crew.words[index] = x
	return &sharedWords{BM25: x, crew: d.crew, index: index}
}

// sharedReranker is a cross-encoder of which each process scores a part of the pairs.
type sharedReranker struct {
	*qa.Reranker
	crew  *crew
	model string
}

// Score implements retrieve.Scorer.
func (x *sharedReranker) Score(ctx context.Context, list []retrieve.Pair) ([]float32, error) {
	made, err := do(ctx, x.crew, x.crew.pairs, pairs{x.model, list})
	if err != nil {
		return nil, err
	}
	at, bits := make([][]int, len(made)), make([][]uint32, len(made))
	for rank, part := range made {
		at[rank], bits[rank] = part.At, part.Bits
	}
	whole, err := join(len(list), at, bits)
	scores := make([]float32, len(whole))
	for i, b := range whole {
		scores[i] = math.Float32frombits(b)
	}
	return scores, err
}

// sharedWords is BM25 of which each process searches for a part of the queries.
type sharedWords struct {
	*retrieve.BM25
	crew  *crew
	index int
	told  atomic.Bool // the others have the documents
}

// TopK implements retrieve.Retriever.
func (x *sharedWords) TopK(ctx context.Context, queries []string, k int) ([][]retrieve.Hit, error) {
	q := search{Index: x.index, Queries: queries, K: k}
	if !x.told.Load() {
		docs, err := retrieve.ReadAll(ctx, x.Documents())
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			q.Texts = append(q.Texts, d.Text())
		}
	}
	made, err := do(ctx, x.crew, x.crew.searches, q)
	if err != nil {
		return nil, err
	}
	x.told.Store(true)
	return join(len(queries), x.crew.everyNth(len(queries)), made)
}

// judge spreads the answers that are judged over the processes.
func (c *crew) judge(model string, j evaluate.Judge) evaluate.Judge {
	if c == nil {
		return j
	}
	c.judges[model] = j
	return &sharedJudge{crew: c, model: model}
}

// sharedJudge is a judge that each process asks about a part of the answers.
type sharedJudge struct {
	crew  *crew
	model string
}

// Judge implements evaluate.Judge.
func (j *sharedJudge) Judge(ctx context.Context, answers []evaluate.Answered) ([]evaluate.Verdict, error) {
	made, err := do(ctx, j.crew, j.crew.verdicts, verdicts{j.model, answers})
	if err != nil {
		return nil, err
	}
	return join(len(answers), j.crew.everyNth(len(answers)), made)
}

// do has all processes do a task. They do one at a time.
func do[Request, Result any](ctx context.Context, c *crew, t *world.Task[Request, Result], q Request) ([]Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.Do(ctx, q)
}
