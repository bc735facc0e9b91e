#!/usr/bin/env bash
# Bleve 2.6.3: the boost of a conjunction, a disjunction, a boolean query or a query string is passed over, from Go as from JSON. Expected
# was the weight that it has on a term, a match or a phrase query, which Bleve heeds, or an error.
#
# SetBoost takes it, Boost() gives it back, "boost" in JSON is read, and no searcher is told of it. A sweep over the weight of such a
# part, say of the question's words against its title, has the same scores at every value, and 0 doesn't turn it off. The page
# on vectors multiplies a query's score by its boost before it adds the vectors' part, and the README has boosting at query
# time; neither excepts these. Bleve's author mended it in bluge, his fork (PR 76). Issue 1497 is about a phrase's, heeded by now.
#
# Seen with Go 1.26; scores of "cat", which the part with the boost finds, beside "bird", which a term of the same disjunction finds:
#   term: boost 0 cat 0.00 bird 0.85, 0.1 cat 0.06 bird 0.84, 1 cat 0.42 bird 0.60, 10 cat 0.60 bird 0.08
#   match: boost 0 cat 0.00 bird 0.85, 0.1 cat 0.12 bird 0.84, 1 cat 0.69 bird 0.49, 10 cat 0.84 bird 0.06
#   phrase: boost 0 cat 0.00 bird 0.85, 0.1 cat 0.12 bird 0.84, 1 cat 0.69 bird 0.49, 10 cat 0.84 bird 0.06
#   conjunction: boost 0 cat 0.69 bird 0.49, 0.1 cat 0.69 bird 0.49, 1 cat 0.69 bird 0.49, 10 cat 0.69 bird 0.49
#   disjunction: boost 0 cat 0.69 bird 0.49, 0.1 cat 0.69 bird 0.49, 1 cat 0.69 bird 0.49, 10 cat 0.69 bird 0.49
#   boolean: boost 0 cat 0.69 bird 0.49, 0.1 cat 0.69 bird 0.49, 1 cat 0.69 bird 0.49, 10 cat 0.69 bird 0.49
#   query string: boost 0 cat 0.69 bird 0.49, 0.1 cat 0.69 bird 0.49, 1 cat 0.69 bird 0.49, 10 cat 0.69 bird 0.49
#   conjunction in JSON: boost 0 cat 0.69 bird 0.49, 10 cat 0.69 bird 0.49
set -euo pipefail
self=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > main.go <<'E'
package main

import (
	"fmt"
	"strings"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/search/query"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	index, err := bleve.NewMemOnly(bleve.NewIndexMapping())
	check(err)
	for id, text := range map[string]string{"cat": "cat dog", "bird": "bird bird", "other": "cow", "last": "pig"} {
		check(index.Index(id, map[string]string{"text": text}))
	}
	word := func(text string) query.Query { return bleve.NewTermQuery(text) }
	scored := func(part query.Query) string {
		found, err := index.Search(bleve.NewSearchRequest(bleve.NewDisjunctionQuery(part, word("bird"))))
		check(err)
		score := map[string]float64{}
		for _, hit := range found.Hits {
			score[hit.ID] = hit.Score
		}
		return fmt.Sprintf("cat %.2f bird %.2f", score["cat"], score["bird"])
	}
	type boosted interface {
		query.Query
		SetBoost(float64)
	}
	parts := []struct {
		name string
		made func() boosted
	}{
		{"term", func() boosted { return bleve.NewTermQuery("cat") }},
		{"match", func() boosted { return bleve.NewMatchQuery("cat dog") }},
		{"phrase", func() boosted { return bleve.NewMatchPhraseQuery("cat dog") }},
		{"conjunction", func() boosted { return bleve.NewConjunctionQuery(word("cat"), word("dog")) }},
		{"disjunction", func() boosted { return bleve.NewDisjunctionQuery(word("cat"), word("dog")) }},
		{"boolean", func() boosted {
			all := bleve.NewBooleanQuery()
			all.AddMust(word("cat"), word("dog"))
			return all
		}},
		{"query string", func() boosted { return bleve.NewQueryStringQuery("+cat +dog") }},
	}
	for _, part := range parts {
		var seen []string
		for _, boost := range []float64{0, 0.1, 1, 10} {
			made := part.made()
			made.SetBoost(boost)
			seen = append(seen, fmt.Sprint(boost, " ", scored(made)))
		}
		fmt.Printf("%s: boost %s\n", part.name, strings.Join(seen, ", "))
	}
	var seen []string
	for _, boost := range []string{"0", "10"} {
		made, err := query.ParseQuery([]byte(`{"conjuncts": [{"term": "cat"}, {"term": "dog"}], "boost": ` + boost + `}`))
		check(err)
		seen = append(seen, boost+" "+scored(made))
	}
	fmt.Printf("conjunction in JSON: boost %s\n", strings.Join(seen, ", "))
}
E
export GOFLAGS="-mod=mod -trimpath"; go mod init findings.test 2>/dev/null
go get github.com/blevesearch/bleve/v2@v2.6.3 2>/dev/null
go run . | tee seen
diff seen <(sed -n 's/^#   //p' "$self")
