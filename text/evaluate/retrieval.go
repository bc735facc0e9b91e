package evaluate

import (
	"math"

	"gorqa/text/dataset"
)

// likelyShare is how much of a gold passage's words a retrieved one must hold
// to likely be it (LocalRQA's threshold).
const likelyShare = 0.7

// likely says whether a passage likely is the gold one, cut or formatted
// otherwise: it holds more than likelyShare of the gold passage's words.
func likely(passage, gold []string) bool {
	return len(gold) > 0 && float64(shared(passage, gold))/float64(len(gold)) > likelyShare
}

// ranking says for each retrieved passage, best first, which gold passages it
// is, and likely is. Gold passages are counted once each.
type ranking struct {
	golds  int
	is     [][]bool // [passage][gold]
	likely [][]bool
}

func newRanking(passages, golds []dataset.Document, words func(dataset.Document) *words) ranking {
	var distinct []dataset.Document
	seen := map[string]bool{}
	for _, g := range golds {
		if k := g.Key(); !seen[k] {
			seen[k] = true
			distinct = append(distinct, g)
		}
	}
	r := ranking{golds: len(distinct)}
	for _, p := range passages {
		is, likelyIs := make([]bool, len(distinct)), make([]bool, len(distinct))
		for i, g := range distinct {
			is[i] = p.Key() == g.Key()
			likelyIs[i] = is[i] || likely(words(p).squad, words(g).squad)
		}
		r.is, r.likely = append(r.is, is), append(r.likely, likelyIs)
	}
	return r
}

// accuracy is the share of the passages that are gold.
func accuracy(found [][]bool) float64 {
	if len(found) == 0 {
		return 0
	}
	n := 0
	for _, golds := range found {
		if anyOf(golds) {
			n++
		}
	}
	return float64(n) / float64(len(found))
}

// recall is 1 where every gold passage is among the first k, and 0 elsewhere:
// the original's recall is all or nothing.
func recall(found [][]bool, golds, k int) float64 {
	for i := range golds {
		there := false
		for _, f := range found[:min(k, len(found))] {
			there = there || f[i]
		}
		if !there {
			return 0
		}
	}
	return 1
}

// ndcg is the normalised discounted cumulative gain with gains of 0 and 1; the
// second copy of a passage gains nothing. Järvelin and Kekäläinen 2002.
func ndcg(found [][]bool, golds int) float64 {
	if len(found) == 0 {
		return 0
	}
	got, best := 0.0, 0.0
	seen := make([]bool, golds)
	for rank, f := range found {
		discount := 1 / math.Log2(float64(rank+2))
		if rank < golds {
			best += discount
		}
		for i := range f {
			if f[i] && !seen[i] {
				seen[i] = true
				got += discount
			}
		}
	}
	return got / best
}

// reciprocalRank is 1 over the rank of the first gold passage, 0 without one.
func reciprocalRank(found [][]bool) float64 {
	for rank, f := range found {
		if anyOf(f) {
			return 1 / float64(rank+1)
		}
	}
	return 0
}

func anyOf(bs []bool) bool {
	for _, b := range bs {
		if b {
			return true
		}
	}
	return false
}
