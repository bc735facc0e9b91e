package convert

import (
	"context"
	"fmt"
	"strings"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// matchAmong is how many passages are looked at for an answer.
const matchAmong = 20

// Match gives rows without gold passages the passage that holds their answer: of the
// best by BM25 for question and answer, the first in which the answer stands word for
// word. It returns how many were found. Rows for which none is stay as they are.
func Match(ctx context.Context, rows []dataset.Example, docs []dataset.Document, progress func(done, total int)) (found int, err error) {
	if len(docs) == 0 {
		return 0, nil
	}
	var bare []int
	for i, r := range rows {
		if len(r.GoldDocs) == 0 && !r.Unanswerable && telling(r.GoldAnswer) {
			bare = append(bare, i)
		}
	}
	if len(bare) == 0 {
		return 0, nil
	}
	index, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil {
		return 0, err
	}
	const share = 64 // questions at a time
	for from := 0; from < len(bare); from += share {
		part := bare[from:min(from+share, len(bare))]
		queries := make([]string, len(part))
		for j, i := range part {
			queries[j] = rows[i].Question + " " + rows[i].GoldAnswer
		}
		hits, err := index.TopK(ctx, queries, min(matchAmong, len(docs)))
		if err != nil {
			return found, fmt.Errorf("matching rows to documents: %w", err)
		}
		for j, i := range part {
			for _, h := range hits[j] {
				if Holds(docs[h.Index], rows[i].GoldAnswer) {
					rows[i].GoldDocs = []dataset.Document{docs[h.Index]}
					found++
					break
				}
			}
		}
		progress(from+len(part), len(bare))
	}
	return found, nil
}

// telling says whether finding an answer in a passage means anything.
func telling(answer string) bool {
	switch words := retrieve.Words(answer); {
	case len(words) == 0:
		return false
	case len(words) == 1:
		return len(words[0]) > 1 && words[0] != "yes" && words[0] != "no" && words[0] != "true" && words[0] != "false"
	}
	return true
}

// Holds says whether the words of an answer stand in a passage, in their order and
// together.
func Holds(d dataset.Document, answer string) bool {
	words := retrieve.Words(answer)
	return len(words) > 0 && strings.Contains(" "+strings.Join(retrieve.Words(d.Text()), " ")+" ", " "+strings.Join(words, " ")+" ")
}
