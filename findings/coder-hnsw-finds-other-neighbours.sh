#!/usr/bin/env bash
# coder/hnsw 0.6.1 (github.com/coder/hnsw): Search passes over most of the nearest vectors, and EfSearch changes nothing. Of ten
# vectors it does not give the right five; a vector that is in the graph is mostly not found when one asks with it itself. Expected
# was all of them where EfSearch, "the number of nodes to consider in the search phase", is the number of vectors or more.
#
# "Higher values improve search accuracy", says its comment. But the search keeps k results in the place of EfSearch, stops
# at the first step that is not nearer than the best, and what it throws away for the worst is the last of the heap's array. The
# search is approximate by name; one that considers everything is not. Pull requests 20 and 22, merged, are to mend it; 0.6.1 is still
# the newest version, which a plain go get takes (the README has @main).
#
# Seen with Go 1.26; vectors of 64 random numbers, cosine, 200 questions, beside the exact distances; the five nearest found, the
# nearest found, a stored vector found by itself (Go's maps make the shares of 2000 vary a little):
#   10 vectors, EfSearch 20: five 0.72, nearest 1.00, itself 1.00
#   10 vectors, EfSearch 4000: five 0.72, nearest 1.00, itself 1.00
#   2000 vectors, EfSearch 20: five below 0.15, nearest below 0.2, itself below 0.5
#   2000 vectors, EfSearch 4000: five below 0.15, nearest below 0.2, itself below 0.5
set -euo pipefail
self=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > main.go <<'E'
package main

import (
	"fmt"
	"math/rand"
	"slices"

	"github.com/coder/hnsw"
)

func vectors(n int, seed int64) [][]float32 {
	random, made := rand.New(rand.NewSource(seed)), make([][]float32, n)
	for i := range made {
		made[i] = make([]float32, 64)
		for j := range made[i] {
			made[i][j] = float32(random.NormFloat64())
		}
	}
	return made
}

func main() {
	for _, n := range []int{10, 2000} {
		for _, ef := range []int{20, 4000} {
			graph, stored := hnsw.NewGraph[int](), vectors(n, 1)
			graph.Rng, graph.EfSearch = rand.New(rand.NewSource(2)), ef
			for i, vector := range stored {
				graph.Add(hnsw.MakeNode(i, vector))
			}
			questions := vectors(200, 3)
			five, nearest, itself := 0.0, 0.0, 0.0
			for q, question := range questions {
				order := make([]int, n)
				for i := range order {
					order[i] = i
				}
				slices.SortFunc(order, func(a, b int) int {
					if hnsw.CosineDistance(question, stored[a]) < hnsw.CosineDistance(question, stored[b]) {
						return -1
					}
					return 1
				})
				for _, found := range graph.Search(question, 5) {
					if slices.Contains(order[:5], found.Key) {
						five++
					}
					if found.Key == order[0] {
						nearest++
					}
				}
				if found := graph.Search(stored[q%n], 1); found[0].Key == q%n {
					itself++
				}
			}
			five, nearest, itself = five/1000, nearest/200, itself/200
			if n == 10 {
				fmt.Printf("%d vectors, EfSearch %d: five %.2f, nearest %.2f, itself %.2f\n", n, ef, five, nearest, itself)
			} else if five < 0.15 && nearest < 0.2 && itself < 0.5 {
				fmt.Printf("%d vectors, EfSearch %d: five below 0.15, nearest below 0.2, itself below 0.5\n", n, ef)
			} else {
				fmt.Println(n, ef, five, nearest, itself)
			}
		}
	}
}
E
export GOFLAGS="-mod=mod -trimpath"; go mod init findings.test 2>/dev/null
go get github.com/coder/hnsw@v0.6.1 2>/dev/null
go run . | tee seen
diff seen <(sed -n '/^set -/q; s/^#   //p' "$self")
