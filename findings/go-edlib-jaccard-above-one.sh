#!/usr/bin/env bash
# go-edlib 1.7.0 (github.com/hbollon/go-edlib), JaccardSimilarity and CosineSimilarity by words (splitLength 0): where a word is repeated, the
# score depends on which text comes first, and Jaccard's can be above 1. Expected was the Jaccard index, the shared words by all
# of them, from 0 to 1 and the same both ways, and likewise the cosine.
#
# Its "union" is the first text's words with all repeats, and then those of the second that the first doesn't have. So a repeat in the
# second counts as one more shared word, a repeat in the first as a word of its own. Almost any sentence has two of "the" or "of". An
# answer that says one word of the reference again and again, given second, scores best of all, and a threshold, as for
# near-duplicates, finds a pair or doesn't by the order. If words are counted as often as they come (multisets), at most one
# of the two ways is right. By letters (splitLength 2 and more) all is well. The comment says "return an index", the README
# points to the Jaccard index; neither has a word of repeats.
#
# Seen with Go 1.26; each one way and the other, then by the definition on sets and on multisets:
#   "the river and the sea" and "the river": jaccard 0.40 0.75, sets 0.50, multisets 0.40; cosine 0.77 0.71, sets 0.71
#   "red green" and "green green green green": jaccard 2.00 0.20, sets 0.50, multisets 0.20; cosine 0.71 0.89, sets 0.71
#   "red green" and "green blue": jaccard 0.33 0.33, sets 0.33, multisets 0.33; cosine 0.50 0.50, sets 0.50
set -euo pipefail
self=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > main.go <<'E'
package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/hbollon/go-edlib"
)

func counts(text string) map[string]int {
	made := map[string]int{}
	for _, word := range strings.Fields(text) {
		made[word]++
	}
	return made
}

func main() {
	for _, pair := range [][2]string{
		{"the river and the sea", "the river"}, {"red green", "green green green green"}, {"red green", "green blue"},
	} {
		a, b := counts(pair[0]), counts(pair[1])
		all := counts(pair[0] + " " + pair[1])
		shared, least, most := 0.0, 0.0, 0.0
		for word := range all {
			if a[word] > 0 && b[word] > 0 {
				shared++
			}
			least += float64(min(a[word], b[word]))
			most += float64(max(a[word], b[word]))
		}
		fmt.Printf("%q and %q: jaccard %.2f %.2f, sets %.2f, multisets %.2f; cosine %.2f %.2f, sets %.2f\n", pair[0], pair[1],
			edlib.JaccardSimilarity(pair[0], pair[1], 0), edlib.JaccardSimilarity(pair[1], pair[0], 0), shared/float64(len(all)), least/most,
			edlib.CosineSimilarity(pair[0], pair[1], 0), edlib.CosineSimilarity(pair[1], pair[0], 0),
			shared/math.Sqrt(float64(len(a)*len(b))))
	}
}
E
export GOFLAGS="-mod=mod -trimpath"; go mod init findings.test 2>/dev/null
go get github.com/hbollon/go-edlib@v1.7.0 2>/dev/null
go run . | tee seen
diff seen <(sed -n '/^set -/q; s/^#   //p' "$self")
