package batch

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// randomFiDRows makes rows of 0 to 5 passages, some of them missing.
func randomFiDRows(r *rand.Rand, n int) []FiDRow {
	tokens := func(n int) []int32 {
		var out []int32
		for range n {
			out = append(out, 2+int32(r.IntN(90)))
		}
		return out
	}
	var rows []FiDRow
	for i := range n {
		row := FiDRow{Answer: tokens(r.IntN(20)), Index: i}
		for range r.IntN(6) {
			row.Passages = append(row.Passages, tokens(r.IntN(4)*r.IntN(100)))
		}
		rows = append(rows, row)
	}
	return rows
}

func TestFiDPackKeepsEveryRow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		rows := randomFiDRows(rnd, 1+rnd.IntN(20))
		p := DefaultFiDPacking()
		p.Start, p.Capacity, p.Encode = 1, 256+rnd.IntN(4000), 64+rnd.IntN(1000)
		seen := map[int]bool{}
		for _, f := range p.Pack(rows) {
			n := len(f.Rows)
			if n&(n-1) != 0 || n > 1 && n*f.States > p.Capacity {
				t.Fatalf("%d rows of %d states; expected a power of two, %d states at most", n, f.States, p.Capacity)
			}
			if len(f.Tokens) != n*f.Width || f.Width%p.Answers != 0 || len(f.Weights)%p.Terms != 0 || f.States%(4*p.Round) != 0 {
				t.Fatalf("shapes not rounded: %d tokens of width %d, %d terms, %d states", len(f.Tokens), f.Width, len(f.Weights), f.States)
			}
			passages := checkGroups(t, p, f)
			terms := 0
			for i, index := range f.Rows {
				row := rows[index]
				if seen[index] {
					t.Fatalf("row %d stands in two micro-batches", index)
				}
				seen[index] = true
				for order, want := range row.Passages {
					if got := passages[[2]int32{int32(i), int32(order)}]; !slices.Equal(got, want) {
						t.Fatalf("row %d, passage %d: tokens %v, expected %v", index, order, got, want)
					}
				}
				inputs := f.Tokens[i*f.Width : (i+1)*f.Width]
				if want := append([]int32{p.Start}, row.Answer...); !slices.Equal(inputs[:max(1, len(row.Answer))], want[:max(1, len(row.Answer))]) {
					t.Fatalf("row %d: decoder reads %v for the answer %v", index, inputs, row.Answer)
				}
				for j, id := range row.Answer {
					if f.Weights[terms] != 1 || f.Sources[terms] != int32(i*f.Width+j) || f.Targets[terms] != id {
						t.Fatalf("row %d: term %d predicts %d from %d with weight %g", index, j, f.Targets[terms], f.Sources[terms], f.Weights[terms])
					}
					terms++
				}
				if row.size() > f.States {
					t.Fatalf("row %d has %d states in room for %d", index, row.size(), f.States)
				}
			}
			if terms != f.Terms || slices.ContainsFunc(f.Weights[terms:], func(w float32) bool { return w != 0 }) {
				t.Fatalf("Terms is %d of %d, weights behind them %v", f.Terms, terms, f.Weights[terms:])
			}
		}
		if len(seen) != len(rows) {
			t.Fatalf("%d of %d rows were packed", len(seen), len(rows))
		}
	}
}

// checkGroups looks at the shapes of the groups and gives every passage by its
// row and its place there.
func checkGroups(t *testing.T, p FiDPacking, f *FiD) map[[2]int32][]int32 {
	t.Helper()
	out := map[[2]int32][]int32{}
	for _, g := range f.Groups {
		n := len(g.Lengths)
		if g.Width%p.Round != 0 || len(g.Tokens) != n*g.Width || n&(n-1) != 0 || n > 1 && n*g.Width > p.Encode {
			t.Fatalf("%d passages of width %d; expected a power of two, %d tokens at most", n, g.Width, p.Encode)
		}
		for i, length := range g.Lengths {
			if int(length) > g.Width || int(length) <= g.Width-p.Round {
				t.Fatalf("a passage of %d tokens in width %d", length, g.Width)
			}
			key := [2]int32{g.Rows[i], g.Order[i]}
			if out[key] != nil {
				t.Fatalf("passage %v stands twice", key)
			}
			out[key] = g.Tokens[i*g.Width : i*g.Width+int(length)]
		}
	}
	return out
}

func TestFiDPackingValidate(t *testing.T) {
	if err := DefaultFiDPacking().Validate(); err != nil {
		t.Error(err)
	}
	err := FiDPacking{Capacity: 1, Encode: 1, Answers: 1, Terms: -1}.Validate()
	for _, want := range []string{"Round is 0", "Terms is -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one with %q", err, want)
		}
	}
}
