package retrieve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gorqa/text/dataset"
)

// BM25Options are the constants of the Okapi formula.
type BM25Options struct {
	K1 float64 // how soon a repeated word stops counting; above 0
	B  float64 // how much long documents are held back; 0 to 1
	// Epsilon times the mean inverse document frequency is the weight of words
	// that stand in more than half of the documents, which would be negative.
	Epsilon float64
}

// DefaultBM25Options returns k1 = 1.5, b = 0.75, epsilon = 0.25: what Python's
// rank_bm25 takes.
func DefaultBM25Options() BM25Options { return BM25Options{K1: 1.5, B: 0.75, Epsilon: 0.25} }

// Validate reports constants outside their range.
func (o BM25Options) Validate() error {
	var errs []error
	if !(o.K1 > 0) || math.IsInf(o.K1, 0) {
		errs = append(errs, fmt.Errorf("retrieve: BM25 k1 is %v; expected a number above 0", o.K1))
	}
	if !(o.B >= 0 && o.B <= 1) {
		errs = append(errs, fmt.Errorf("retrieve: BM25 b is %v; expected 0 to 1", o.B))
	}
	if !(o.Epsilon >= 0) || math.IsInf(o.Epsilon, 0) {
		errs = append(errs, fmt.Errorf("retrieve: BM25 epsilon is %v; expected 0 or above", o.Epsilon))
	}
	return errors.Join(errs...)
}

// BM25 ranks documents by the words they share with the query: Okapi BM25
// (Robertson and others, TREC-3, 1994), with the floor on frequent words that
// rank_bm25's BM25Okapi has. It is safe for concurrent use.
type BM25 struct {
	docs     []dataset.Document
	postings map[string][]posting
}

// posting is what one word of a query adds to one document's score.
type posting struct {
	doc    int
	weight float64
}

// NewBM25 indexes the Text of each document.
func NewBM25(docs []dataset.Document, opt BM25Options) (*BM25, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, errors.New("retrieve: there are no documents to index; expected at least one; check the document file")
	}
	x := &BM25{docs: docs, postings: map[string][]posting{}}
	lengths := make([]float64, len(docs))
	total := 0.0
	for i, d := range docs {
		words := Words(d.Text())
		lengths[i] = float64(len(words))
		total += lengths[i]
		counts := make(map[string]int, len(words))
		for _, w := range words {
			counts[w]++
		}
		for w, c := range counts {
			x.postings[w] = append(x.postings[w], posting{doc: i, weight: float64(c)})
		}
	}

	n, mean := float64(len(docs)), total/float64(len(docs))
	idf := make(map[string]float64, len(x.postings))
	var idfs []float64 // summed in rising order: a map's order would change the last bits
	for w, ps := range x.postings {
		df := float64(len(ps))
		idf[w] = math.Log(n-df+0.5) - math.Log(df+0.5)
		idfs = append(idfs, idf[w])
	}
	slices.SortFunc(idfs, cmp.Compare[float64])
	sum := 0.0
	for _, v := range idfs {
		sum += v
	}
	floor := opt.Epsilon * sum / max(1, float64(len(idfs)))
	for w, ps := range x.postings {
		weight := idf[w]
		if weight < 0 {
			weight = floor
		}
		for i := range ps {
			tf := ps[i].weight
			ps[i].weight = weight * tf * (opt.K1 + 1) / (tf + opt.K1*(1-opt.B+opt.B*lengths[ps[i].doc]/mean))
		}
	}
	return x, nil
}

// Documents returns the documents that hits point into.
func (x *BM25) Documents() Documents { return List(x.docs) }

// TopK returns the documents of the highest BM25 score for each query, k at
// most: a document that shares no word with the query is not found, whatever its
// place in the list. A word that stands twice in a query counts twice.
func (x *BM25) TopK(ctx context.Context, queries []string, k int) ([][]Hit, error) {
	if err := checkK(k, len(x.docs)); err != nil {
		return nil, err
	}
	out := make([][]Hit, len(queries))
	scores := make([]float64, len(x.docs))
	shares := make([]bool, len(x.docs)) // a word with the query; its weight may be 0
	for q, query := range queries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		clear(scores)
		clear(shares)
		for _, w := range Words(query) {
			for _, p := range x.postings[w] {
				scores[p.doc] += p.weight
				shares[p.doc] = true
			}
		}
		best := ranking{k: k}
		for i, s := range scores {
			if shares[i] {
				best.offer(Hit{Index: i, Score: float32(s)})
			}
		}
		out[q] = best.sorted()
	}
	return out, nil
}
