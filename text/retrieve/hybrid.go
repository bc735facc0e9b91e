package retrieve

import (
	"context"
	"errors"
	"fmt"
)

// HybridOptions are the settings of [NewHybrid].
type HybridOptions struct {
	// RankConstant softens the lead of the first places.
	RankConstant int
	// Depth is how many documents of each ranking take part, where there are
	// that many; a larger k deepens it.
	Depth int
}

// DefaultHybridOptions returns the constant 60 of the paper and the first 100
// documents of each ranking.
func DefaultHybridOptions() HybridOptions { return HybridOptions{RankConstant: 60, Depth: 100} }

// Validate reports settings that cannot be used.
func (o HybridOptions) Validate() error {
	var errs []error
	if o.RankConstant < 0 {
		errs = append(errs, fmt.Errorf("retrieve: RankConstant is %d; expected 0 or above", o.RankConstant))
	}
	if o.Depth < 1 {
		errs = append(errs, fmt.Errorf("retrieve: Depth is %d; expected at least 1", o.Depth))
	}
	return errors.Join(errs...)
}

// Hybrid joins several rankings of the same documents by reciprocal rank fusion
// (Cormack, Clarke and Büttcher, SIGIR 2009): a document's score is the sum over
// the rankings of 1 / (RankConstant + its place, counted from 1).
type Hybrid struct {
	opt   HybridOptions
	parts []Retriever
}

// NewHybrid fuses two or more retrievers that were built over the same documents.
func NewHybrid(ctx context.Context, opt HybridOptions, parts ...Retriever) (*Hybrid, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if len(parts) < 2 {
		return nil, fmt.Errorf("retrieve: %d retrievers to fuse; expected two or more", len(parts))
	}
	first, err := ReadAll(ctx, parts[0].Documents())
	if err != nil {
		return nil, err
	}
	for i, p := range parts[1:] {
		docs, err := ReadAll(ctx, p.Documents())
		if err != nil {
			return nil, err
		}
		if len(docs) != len(first) {
			return nil, fmt.Errorf("retrieve: retriever %d holds %d documents, the first %d; expected the same list; build them over one document file", i+2, len(docs), len(first))
		}
		for j := range docs {
			if docs[j].Key() != first[j].Key() {
				return nil, fmt.Errorf("retrieve: document %d of retriever %d is not that of the first; expected the same list; build them over one document file", j+1, i+2)
			}
		}
	}
	return &Hybrid{opt: opt, parts: parts}, nil
}

// Documents returns the documents that hits point into.
func (h *Hybrid) Documents() Documents { return h.parts[0].Documents() }

// TopK returns the k documents of the highest fused score for each query. A
// document that none of the rankings holds is not found.
func (h *Hybrid) TopK(ctx context.Context, queries []string, k int) ([][]Hit, error) {
	n := h.Documents().Len()
	if err := checkK(k, n); err != nil {
		return nil, err
	}
	depth := min(n, max(k, h.opt.Depth))
	scores := make([]map[int]float64, len(queries))
	for q := range scores {
		scores[q] = map[int]float64{}
	}
	for _, p := range h.parts {
		hits, err := p.TopK(ctx, queries, depth)
		if err != nil {
			return nil, err
		}
		for q := range hits {
			for place, hit := range hits[q] {
				scores[q][hit.Index] += 1 / float64(h.opt.RankConstant+place+1)
			}
		}
	}
	out := make([][]Hit, len(queries))
	for q := range out {
		best := ranking{k: k}
		for i, s := range scores[q] {
			best.offer(Hit{Index: i, Score: float32(s)})
		}
		out[q] = best.sorted()
	}
	return out, nil
}
