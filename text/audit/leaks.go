package audit

import (
	"context"
	"fmt"
	"slices"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// Two questions are nearly the same where they share so much of their words
// (Jaccard), and have some.
const (
	nearlySame = 0.8
	fewWords   = 5
)

// between finds what of split b stands in split a too.
func between(ctx context.Context, a, b Split) ([]Finding, error) {
	in := fmt.Sprintf("of %s that stand in %s, too", b.File, a.File)
	same := Finding{What: "questions " + in + ", with the same answer"}
	other := Finding{What: "questions " + in + ", with another answer"}
	near := Finding{What: "questions " + in + ", in nearly the same words"}
	passages := Finding{What: fmt.Sprintf("rows of %s with the text of a gold passage of %s", b.File, a.File)}
	questions := map[string][]int{}
	texts := map[string]int{}
	var bare []dataset.Document // the questions of a
	for i, x := range a.Rows {
		questions[asked(x)] = append(questions[asked(x)], i)
		for _, d := range x.GoldDocs {
			texts[folded(d.Content)] = i
		}
		bare = append(bare, dataset.Document{Content: x.Question})
	}
	var rest []int // rows of b whose question is new
	for j, x := range b.Rows {
		if before := questions[asked(x)]; len(before) > 0 {
			i, f := before[0], &other
			if n := slices.IndexFunc(before, func(i int) bool { return folded(a.Rows[i].GoldAnswer) == folded(x.GoldAnswer) }); n >= 0 {
				i, f = before[n], &same
			}
			f.add(func() string { return at(b.File, x, "as %s:%d: %.60q", a.File, a.Rows[i].Line, x.Question) })
		} else {
			rest = append(rest, j)
		}
		for _, d := range x.GoldDocs {
			if i, there := texts[folded(d.Content)]; there {
				passages.add(func() string { return at(b.File, x, "as %s:%d: %.60q", a.File, a.Rows[i].Line, d.Content) })
				break
			}
		}
	}
	if err := nearQuestions(ctx, a, b, rest, bare, &near); err != nil {
		return nil, err
	}
	return kept(same, other, near, passages), nil
}

// nearQuestions holds each question of b against those of a that share its rarest words.
func nearQuestions(ctx context.Context, a, b Split, rest []int, bare []dataset.Document, near *Finding) error {
	if len(rest) == 0 || len(bare) == 0 {
		return nil
	}
	index, err := retrieve.NewBM25(bare, retrieve.DefaultBM25Options())
	if err != nil {
		return err
	}
	queries := make([]string, len(rest))
	for n, j := range rest {
		queries[n] = b.Rows[j].Question
	}
	hits, err := index.TopK(ctx, queries, min(3, len(bare)))
	if err != nil {
		return err
	}
	for n, j := range rest {
		x := b.Rows[j]
		for _, h := range hits[n] {
			if before := a.Rows[h.Index]; Alike(before.Question, x.Question) {
				near.add(func() string {
					return at(b.File, x, "%.60q; %s:%d: %.60q", x.Question, a.File, before.Line, before.Question)
				})
				break
			}
		}
	}
	return nil
}

// Alike says whether two questions are the same in nearly all of their words.
func Alike(a, b string) bool { return jaccard(a, b) >= nearlySame }

// jaccard is the share of the words of two texts that are in both; 0 for few words.
func jaccard(a, b string) float64 {
	words := map[string]int{}
	for _, w := range retrieve.Words(a) {
		words[w] |= 1
	}
	for _, w := range retrieve.Words(b) {
		words[w] |= 2
	}
	both := 0
	for _, in := range words {
		if in == 3 {
			both++
		}
	}
	if len(words) < fewWords {
		return 0
	}
	return float64(both) / float64(len(words))
}
