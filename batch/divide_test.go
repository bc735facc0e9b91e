package batch

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDivide(t *testing.T) {
	row := func(first int32, n int) Row {
		tokens := make([]int32, n)
		for i := range tokens {
			tokens[i] = first
		}
		return Row{Tokens: tokens, From: n - 1}
	}
	family := func(prefix int32, last ...int32) (rows []Row) {
		for _, l := range last {
			rows = append(rows, Row{Tokens: append(row(prefix, 50).Tokens, l), From: 50})
		}
		return rows
	}
	for _, test := range []struct {
		name, why string
		rows      []Row
		processes int
		want      [][]int
	}{
		{"one process", "has all, in their order", []Row{row(1, 3), row(2, 9)}, 1, [][]int{{0, 1}}},
		{"by tokens", "and not by rows", []Row{row(1, 10), row(2, 10), row(3, 10), row(4, 30)}, 2, [][]int{{3}, {0, 1, 2}}},
		{"few rows", "some process has none", []Row{row(1, 10)}, 3, [][]int{{0}, nil, nil}},
		{"one passage", "its rows stay together, they share its positions", slices.Concat(family(1, 5, 6), family(2, 5, 6), family(3, 5, 6), family(4, 5, 6)), 2, [][]int{{0, 1, 4, 5}, {2, 3, 6, 7}}},
		{"one passage for all", "then they are parted", family(1, 5, 6, 7, 8), 2, [][]int{{0, 2}, {1, 3}}},
	} {
		if diff := cmp.Diff(test.want, DefaultPacking().Divide(test.rows, test.processes)); diff != "" {
			t.Errorf("%s: %s:\n%s", test.name, test.why, diff)
		}
	}
	fid := []FiDRow{{Passages: [][]int32{{1, 2}, {3}}, Answer: []int32{1}}, {Passages: [][]int32{{1}}}, {Answer: []int32{4, 5}}}
	if diff := cmp.Diff([][]int{{0}, {1, 2}}, DefaultFiDPacking().Divide(fid, 2)); diff != "" {
		t.Error(diff)
	}
}
