package batch

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// visible lists the tokens that a position sees, in order.
func visible(d *Decoder, q int) []int32 {
	var seen []int32
	for k := 0; k <= q; k++ {
		if q <= int(d.Reach[k]) {
			seen = append(seen, d.Tokens[k])
		}
	}
	return seen
}

// randomRows makes rows with shared prefixes of several depths.
func randomRows(r *rand.Rand, n int) []Row {
	var rows []Row
	for i := range n {
		var tokens []int32
		if len(rows) > 0 && r.IntN(3) > 0 {
			old := rows[r.IntN(len(rows))].Tokens
			tokens = slices.Clone(old[:r.IntN(len(old)+1)])
		}
		for range 1 + r.IntN(300) {
			tokens = append(tokens, int32(r.IntN(50)))
		}
		rows = append(rows, Row{Tokens: tokens, From: r.IntN(len(tokens) + 1), Index: i})
	}
	return rows
}

func TestPackKeepsEveryRow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		rows := randomRows(r, 1+r.IntN(12))
		p := DefaultPacking()
		p.Capacity = 256 + r.IntN(1000)
		seen := map[int]bool{}
		for _, d := range p.Pack(rows) {
			if len(d.Tokens)%p.Round != 0 || len(d.Weights)%p.Terms != 0 {
				t.Fatalf("%d positions and %d terms are no multiples of %d and %d", len(d.Tokens), len(d.Weights), p.Round, p.Terms)
			}
			want := map[[2]int32]float32{}
			for i, index := range d.Rows {
				row := rows[index]
				if seen[index] {
					t.Fatalf("row %d stands in two micro-batches", index)
				}
				seen[index] = true
				path := d.Paths[i]
				for depth, at := range path {
					if d.Positions[at] != int32(depth) {
						t.Fatalf("row %d: depth %d at position %d", index, depth, d.Positions[at])
					}
					if got := visible(d, int(at)); !slices.Equal(got, row.Tokens[:depth+1]) {
						t.Fatalf("row %d at depth %d sees %v, expected %v", index, depth, got, row.Tokens[:depth+1])
					}
					for k := range path[:depth+1] {
						if int(path[k]) >= d.Global && int(at-path[k]) >= d.Window {
							t.Fatalf("row %d: position %d sees %d beyond the window %d (global %d)", index, at, path[k], d.Window, d.Global)
						}
					}
					if depth >= max(row.From, 1) {
						want[[2]int32{path[depth-1], row.Tokens[depth]}]++
					}
				}
			}
			var sum float32
			for i, w := range d.Weights {
				if w == 0 {
					continue
				}
				sum += w
				if term := [2]int32{d.Sources[i], d.Targets[i]}; want[term] != w {
					t.Fatalf("term %v counts %g times, expected %g", term, w, want[term])
				}
			}
			if int(sum) != d.Terms {
				t.Fatalf("weights sum to %g, Terms is %d", sum, d.Terms)
			}
		}
		if len(seen) != len(rows) {
			t.Fatalf("%d of %d rows were packed", len(seen), len(rows))
		}
	}
}

func TestPackShares(t *testing.T) {
	for _, c := range []struct {
		name, why string
		share     bool
		want      int
	}{
		{"shared", "two questions on one passage: the passage once", true, 100 + 20 + 30},
		{"apart", "sharing switched off", false, 220 + 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			passage := make([]int32, 100)
			a := append(slices.Clone(passage), slices.Repeat([]int32{1}, 20)...)
			b := append(slices.Clone(passage), slices.Repeat([]int32{2}, 30)...)
			p := DefaultPacking()
			p.Round, p.Share = 1, c.share
			out := p.Pack([]Row{{Tokens: a, From: 110}, {Tokens: b, From: 110, Index: 1}})
			if len(out) != 1 || len(out[0].Tokens) != c.want {
				t.Errorf("%d micro-batches, first of %d positions; expected one of %d (%s)", len(out), len(out[0].Tokens), c.want, c.why)
			}
		})
	}
}

// TestRowsFitIntoFewerMicroBatchesThanLargestFirst has rows that the largest-first order puts into one micro-batch more
// than they need, or into fuller ones that are rounded up further.
func TestRowsFitIntoFewerMicroBatchesThanLargestFirst(t *testing.T) {
	for _, c := range []struct {
		why   string
		sizes []int
		want  []int // positions of each micro-batch
	}{
		{"an exchange fills two", []int{500, 500, 300, 300, 224, 224}, []int{1024, 1024}},
		{"a move saves rounding", []int{700, 310, 320}, []int{320, 1024}},
		{"one more would not pay", []int{600, 500}, []int{512, 640}},
		{"longer than the capacity", []int{2000, 24}, []int{64, 2048}},
	} {
		t.Run(c.why, func(t *testing.T) {
			var rows []Row
			for i, n := range c.sizes {
				rows = append(rows, Row{Tokens: slices.Repeat([]int32{int32(i)}, n), From: n, Index: i})
			}
			var got []int
			for _, d := range DefaultPacking().Pack(rows) {
				got = append(got, len(d.Tokens))
			}
			if slices.Sort(got); !slices.Equal(got, c.want) {
				t.Errorf("micro-batches of %v positions, expected %v", got, c.want)
			}
		})
	}
}

// Of many rows every one stands once, rows on one passage together, in a time
// that grows with their number and not with its square.
func TestPackingTimeGrowsWithTheNumberOfRows(t *testing.T) {
	var rows []Row
	for i := range 3 * together {
		passage := slices.Repeat([]int32{int32(i / 3)}, 40)
		rows = append(rows, Row{Tokens: append(passage, int32(i), 1, 2), From: 41, Index: i})
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	seen, shared := map[int]bool{}, 0
	for d := range DefaultPacking().Each(rows) {
		for i, row := range d.Rows {
			if seen[row] {
				t.Fatalf("row %d twice", row)
			}
			if seen[row] = true; i > 0 && d.Rows[i-1]/3 == row/3 {
				shared++
			}
		}
	}
	if len(seen) != len(rows) || shared != 2*together {
		t.Errorf("%d of %d rows, %d beside one on the same passage; expected all and %d", len(seen), len(rows), shared, 2*together)
	}
}

func BenchmarkPack(b *testing.B) {
	rows := randomRows(rand.New(rand.NewPCG(3, 4)), 64)
	for b.Loop() {
		DefaultPacking().Pack(rows)
	}
}

// Of an evaluation's rows, of which nearly every one has passages of its own.
func BenchmarkPackMany(b *testing.B) {
	for _, n := range []int{64, 500, 2000, 10_000} {
		random := rand.New(rand.NewPCG(5, 6))
		rows := make([]Row, n)
		for i := range rows {
			tokens := make([]int32, 100+random.IntN(500))
			for j := range tokens {
				tokens[j] = random.Int32N(50_000)
			}
			rows[i] = Row{Tokens: tokens, From: len(tokens) - 20, Index: i}
		}
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			packs := 0
			for b.Loop() {
				packs = len(DefaultPacking().Pack(rows))
			}
			b.ReportMetric(float64(packs), "micro-batches")
		})
	}
}
