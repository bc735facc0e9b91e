package retrieve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Pair is a question and a passage that may answer it.
type Pair struct{ Query, Passage string }

// Scorer says how well passages answer questions: a cross-encoder.
type Scorer interface {
	// Score returns a number for each pair, in order; higher is better.
	Score(ctx context.Context, pairs []Pair) ([]float32, error)
	// Name identifies the model and every setting that changes its scores.
	Name() string
}

// RerankOptions are the settings of [NewReranked].
type RerankOptions struct {
	// Depth is how many documents of the ranking are scored anew, where there are
	// that many; a larger k deepens it.
	Depth int
	// Progress is told how many pairs are scored, nil for nobody.
	Progress func(done, total int)
}

// DefaultRerankOptions scores the first 30 documents.
func DefaultRerankOptions() RerankOptions { return RerankOptions{Depth: 30} }

// Validate reports settings that cannot be used.
func (o RerankOptions) Validate() error {
	if o.Depth < 1 {
		return fmt.Errorf("retrieve: Depth is %d; expected at least 1", o.Depth)
	}
	return nil
}

// Reranked is a retriever whose first documents a [Scorer] puts in order anew.
type Reranked struct {
	from   Retriever
	scorer Scorer
	opt    RerankOptions
}

// NewReranked wraps a retriever.
func NewReranked(from Retriever, scorer Scorer, opt RerankOptions) (*Reranked, error) {
	if from == nil || scorer == nil {
		return nil, errors.Join(errors.New("retrieve: no retriever or no scorer to rerank with; expected both"), opt.Validate())
	}
	return &Reranked{from, scorer, opt}, opt.Validate()
}

// Documents implements Retriever.
func (r *Reranked) Documents() Documents { return r.from.Documents() }

// rerankedAtOnce is how many pairs the scorer gets at a time: enough for it to fill
// its batches with pairs of like length, few enough to be told of.
const rerankedAtOnce = 1024

// TopK implements Retriever. Scores are the scorer's.
func (r *Reranked) TopK(ctx context.Context, queries []string, k int) ([][]Hit, error) {
	n := r.from.Documents().Len()
	if err := checkK(k, n); err != nil {
		return nil, err
	}
	found, err := r.from.TopK(ctx, queries, min(max(k, r.opt.Depth), n))
	if err != nil {
		return nil, err
	}
	pairs, err := r.pairs(ctx, queries, found)
	if err != nil {
		return nil, err
	}
	scores := make([]float32, 0, len(pairs))
	for some := range slices.Chunk(pairs, rerankedAtOnce) {
		more, err := r.scorer.Score(ctx, some)
		if err != nil {
			return nil, fmt.Errorf("reranking: %w", err)
		}
		if len(more) != len(some) {
			return nil, fmt.Errorf("reranking: %d scores of %d pairs; expected one for each", len(more), len(some))
		}
		scores = append(scores, more...)
		if r.opt.Progress != nil {
			r.opt.Progress(len(scores), len(pairs))
		}
	}
	at := 0
	for q, hits := range found {
		for i := range hits {
			hits[i].Score = scores[at]
			if hits[i].Score != hits[i].Score {
				return nil, fmt.Errorf("reranking: the score of %.60q for %.60q is no number; expected one; check the model's weights", pairs[at].Passage, queries[q])
			}
			at++
		}
		slices.SortFunc(hits, func(a, b Hit) int { return cmp.Or(-cmp.Compare(a.Score, b.Score), cmp.Compare(a.Index, b.Index)) })
		found[q] = hits[:min(k, len(hits))]
	}
	return found, nil
}

// pairs are the queries with the texts of what was found for them.
func (r *Reranked) pairs(ctx context.Context, queries []string, found [][]Hit) ([]Pair, error) {
	var pairs []Pair
	for q, hits := range found {
		docs, err := ReadHits(ctx, r.from.Documents(), hits)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			pairs = append(pairs, Pair{queries[q], d.Text()})
		}
	}
	return pairs, nil
}
