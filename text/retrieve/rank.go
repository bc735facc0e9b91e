package retrieve

import "slices"

// before reports whether a ranks ahead of b: by score, then by index.
func before(a, b Hit) bool {
	if a.Score != b.Score {
		return a.Score > b.Score
	}
	return a.Index < b.Index
}

// ranking keeps the best k hits it is offered, as a heap with the worst on top.
type ranking struct {
	k    int
	hits []Hit
}

// offer adds a hit if it belongs to the best k so far.
func (r *ranking) offer(h Hit) {
	if len(r.hits) < r.k {
		r.hits = append(r.hits, h)
		for i := len(r.hits) - 1; i > 0; {
			parent := (i - 1) / 2
			if !before(r.hits[parent], r.hits[i]) {
				break
			}
			r.hits[parent], r.hits[i] = r.hits[i], r.hits[parent]
			i = parent
		}
		return
	}
	if !before(h, r.hits[0]) {
		return
	}
	r.hits[0] = h
	for i := 0; ; {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(r.hits); child++ {
			if before(r.hits[worst], r.hits[child]) {
				worst = child
			}
		}
		if worst == i {
			return
		}
		r.hits[i], r.hits[worst] = r.hits[worst], r.hits[i]
		i = worst
	}
}

// sorted returns the hits best first and empties the ranking.
func (r *ranking) sorted() []Hit {
	hits := r.hits
	r.hits = nil
	slices.SortFunc(hits, func(a, b Hit) int {
		if before(a, b) {
			return -1
		}
		return 1
	})
	return hits
}
