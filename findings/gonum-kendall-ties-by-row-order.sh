#!/usr/bin/env bash
# gonum 0.17.0, stat.Kendall: pairs that are tied count as agreement or as disagreement by the order of the rows, so the same data
# shuffled gives another correlation. Expected was tau-a, which it says it returns: the concordant pairs less the discordant
# ones, by all pairs. A tied pair is neither, and the order of the rows has no part in it.
#
# A difference of 0 is taken for one above 0 (only the sign bit is compared). Marks from 1 to 5 by a person and by a model, the
# usual thing to correlate, are full of ties. A judge that gives every answer a 3 has the correlation 1 if the answers are sorted
# by the person's mark, and about 0 or below in another order. Without ties all is well.
#
# Seen with Go 1.26; tau-a by its definition, tau-b by montanaflynn/stats 0.14.0; rows as they are, reversed, sorted by the person's mark:
#   no ties: gonum 0.60 0.60 0.60; tau-a 0.60 0.60 0.60; tau-b 0.60 0.60 0.60
#   marks with ties: gonum 0.57 0.43 0.71; tau-a 0.50 0.50 0.50; tau-b 0.58 0.58 0.58
#   always 3: gonum 0.29 -0.07 1.00; tau-a 0.00 0.00 0.00; tau-b none none none
set -euo pipefail
self=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > main.go <<'E'
package main

import (
	"fmt"
	"slices"

	"github.com/montanaflynn/stats"
	"gonum.org/v1/gonum/stat"
)

func tauA(x, y []float64) float64 {
	sum, pairs := 0.0, 0.0
	for i := range x {
		for j := range i {
			if d := (x[i] - x[j]) * (y[i] - y[j]); d > 0 {
				sum++
			} else if d < 0 {
				sum--
			}
			pairs++
		}
	}
	return sum / pairs
}

func main() {
	for _, c := range []struct {
		name   string
		person []float64
		model  []float64
	}{
		{"no ties", []float64{3, 1, 2, 5, 4}, []float64{2, 1, 3, 4, 5}},
		{"marks with ties", []float64{5, 1, 4, 2, 3, 3, 1, 4}, []float64{4, 2, 5, 2, 2, 3, 3, 4}},
		{"always 3", []float64{2, 1, 4, 2, 5, 3, 1, 4}, []float64{3, 3, 3, 3, 3, 3, 3, 3}},
	} {
		rows := make([][2]float64, len(c.person))
		for i := range rows {
			rows[i] = [2]float64{c.person[i], c.model[i]}
		}
		back, sorted := slices.Clone(rows), slices.Clone(rows)
		slices.Reverse(back)
		slices.SortStableFunc(sorted, func(a, b [2]float64) int { return int(a[0] - b[0]) })
		var g, a, b string
		for _, order := range [][][2]float64{rows, back, sorted} {
			var x, y []float64
			for _, r := range order {
				x, y = append(x, r[0]), append(y, r[1])
			}
			if tau, err := stats.KendallTau(x, y); err == nil {
				b += fmt.Sprintf(" %.2f", tau)
			} else {
				b += " none"
			}
			g, a = g+fmt.Sprintf(" %.2f", stat.Kendall(x, y, nil)), a+fmt.Sprintf(" %.2f", tauA(x, y))
		}
		fmt.Printf("%s: gonum%s; tau-a%s; tau-b%s\n", c.name, g, a, b)
	}
}
E
export GOFLAGS="-mod=mod -trimpath"; go mod init findings.test 2>/dev/null
go get gonum.org/v1/gonum@v0.17.0 github.com/montanaflynn/stats@v0.14.0 2>/dev/null
go run . | tee seen
diff seen <(sed -n 's/^#   //p' "$self")
