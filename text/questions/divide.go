package questions

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// blockPassages is how many passages in a row stand together where a document without
// headings or pages is divided.
const blockPassages = 8

// divide gives each passage its split. Passages of one document, or section, and those
// with one text stand in one split, so that nothing of a split is known from another.
func divide(docs []dataset.Document, o Options) ([]Split, error) {
	groups := grouped(docs, o.Sections)
	order := rand.New(rand.NewPCG(uint64(o.Seed), 1)).Perm(len(groups))
	splits := make([]Split, len(docs))
	of := make([]Split, len(groups))
	counts := map[Split]int{}
	share := map[Split]float64{Eval: o.EvalShare, Test: o.TestShare}
	give := func(g int, s Split) {
		counts[of[g]] -= len(groups[g])
		of[g] = s
		counts[s] += len(groups[g])
	}
	for _, g := range order {
		give(g, Train)
		for _, s := range []Split{Test, Eval} {
			if target := share[s] * float64(len(docs)); float64(counts[s]) < target && float64(counts[s]+len(groups[g])) <= 1.25*target {
				give(g, s)
				break
			}
		}
	}
	for _, s := range []Split{Test, Eval} { // where every document is large, the smallest
		if share[s] > 0 && counts[s] == 0 {
			least := -1
			for _, g := range order {
				if of[g] == Train && (least < 0 || len(groups[g]) < len(groups[least])) {
					least = g
				}
			}
			if least < 0 || counts[Train] == len(groups[least]) {
				return nil, tooFew(len(groups), o.Sections)
			}
			give(least, s)
		}
	}
	for g, members := range groups {
		for _, i := range members {
			splits[i] = of[g]
		}
	}
	return splits, nil
}

func tooFew(groups int, sections bool) error {
	if sections {
		return fmt.Errorf("%d sections found; one at least for each of training, evaluation and test expected; use more documents, or --eval_share 0 --test_share 0", groups)
	}
	return fmt.Errorf("%d documents (sources of passages) found; one at least for each of training, evaluation and test expected, so that no document stands in two of them; use more documents, --split_by section, or --eval_share 0 --test_share 0", groups)
}

// grouped are the passages that must stay together, in the order of the first of each.
func grouped(docs []dataset.Document, sections bool) [][]int {
	parent := make([]int, len(docs))
	var root func(i int) int
	root = func(i int) int {
		if parent[i] != i {
			parent[i] = root(parent[i])
		}
		return parent[i]
	}
	first := map[string]int{}
	join := func(i int, key string) {
		if at, there := first[key]; there {
			a, b := root(at), root(i)
			parent[max(a, b)] = min(a, b)
		} else {
			first[key] = i
		}
	}
	for i, d := range docs {
		parent[i] = i
		if key := origin(d, i, sections); key != "" {
			join(i, "from "+key)
		}
		join(i, "text "+folded(d.Content))
	}
	at := map[int]int{}
	var groups [][]int
	for i := range docs {
		r := root(i)
		if _, there := at[r]; !there {
			at[r] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[r]] = append(groups[at[r]], i)
	}
	return groups
}

// origin names the document, or the section of it, that a passage is from, "" for none.
func origin(d dataset.Document, i int, sections bool) string {
	source := fmt.Sprint(d.Metadata["source"])
	if d.Metadata["source"] == nil {
		if source = fmt.Sprint(d.Metadata["title"]); d.Metadata["title"] == nil {
			source = ""
		}
	}
	if !sections {
		return source
	}
	if headings := headingsOf(d); len(headings) > 0 {
		return source + "\x00" + strings.Join(headings[:min(2, len(headings))], "\x00")
	}
	if page := d.Metadata["page"]; page != nil {
		return fmt.Sprintf("%s\x00page %v", source, page)
	}
	return fmt.Sprintf("%s\x00block %d", source, i/blockPassages)
}

// headingsOf are those that a passage stands under, the highest first.
func headingsOf(d dataset.Document) (all []string) {
	switch list := d.Metadata["headings"].(type) {
	case []string:
		return list
	case []any:
		for _, h := range list {
			all = append(all, fmt.Sprint(h))
		}
	case string:
		all = []string{list}
	}
	return all
}

// folded is a text without what does not make it another: case, punctuation, spaces.
func folded(text string) string { return strings.Join(retrieve.Words(text), " ") }
