package batch

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// randomBlockRows are rows of passages that are drawn from a few, behind one of two
// prefixes, some without blocks.
func randomBlockRows(r *rand.Rand, n int) []Row {
	some := func(n int) (out []int32) {
		for range n {
			out = append(out, int32(r.IntN(90)))
		}
		return out
	}
	prefixes, passages := [][]int32{some(8), some(r.IntN(8))}, [][]int32{}
	for range 6 {
		passages = append(passages, some(1+r.IntN(60)))
	}
	var rows []Row
	for i := range n {
		row := Row{Index: i}
		if r.IntN(10) > 0 {
			row.Tokens = slices.Clone(prefixes[r.IntN(2)])
			row.Blocks = []int{len(row.Tokens)}
			for range r.IntN(5) {
				row.Tokens = append(row.Tokens, passages[r.IntN(len(passages))]...)
				row.Blocks = append(row.Blocks, len(row.Tokens))
			}
		}
		last := len(row.Tokens)
		row.Tokens = append(row.Tokens, some(2+r.IntN(20))...)
		row.From = last + 1 + r.IntN(len(row.Tokens)-last)
		rows = append(rows, row)
	}
	return rows
}

// seen is a token with the place in the row that it is seen at.
type seen struct{ token, place int32 }

// sees is what position q sees of a pack, in the order of places.
func sees(d *Decoder, q int32) (all []seen) {
	for k := range q + 1 {
		if q <= d.Reach[k] {
			all = append(all, seen{d.Tokens[k], d.Positions[k]})
		}
	}
	for _, c := range d.Copies {
		for k := c.From; c.First <= q && q <= c.Last && k < c.From+c.Length; k++ {
			all = append(all, seen{d.Tokens[k], d.Positions[k] + c.By})
		}
	}
	slices.SortFunc(all, func(a, b seen) int { return int(a.place - b.place) })
	return all
}

// should is what token i of a row sees, and from which place.
func should(r Row, i int) (all []seen, place int32) {
	add := func(tokens []int32, from int) {
		for j, id := range tokens {
			all = append(all, seen{id, int32(from + j)})
		}
	}
	for b := 1; b < len(r.Blocks); b++ {
		if from := r.Blocks[b-1]; from <= i && i < r.Blocks[b] {
			add(r.Tokens[:r.Blocks[0]], 0)
			add(r.Tokens[from:i+1], r.Blocks[0])
			return all, int32(r.Blocks[0] + i - from)
		}
	}
	add(r.Tokens[:i+1], 0)
	return all, int32(i)
}

// TestPacksOfBlocks shows that in a pack every token of every row sees what it would see
// in the row alone, that the loss has all terms, and that what rows share comes once.
func TestPacksOfBlocks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for round := range 60 {
		rows := randomBlockRows(rnd, 1+rnd.IntN(12))
		p := DefaultPacking()
		p.Capacity, p.Share = 30+rnd.IntN(200), round%4 > 0
		held := map[int]bool{}
		for _, d := range p.Pack(rows) {
			if len(d.Tokens)%p.Round != 0 || len(d.Weights)%p.Terms != 0 {
				t.Fatalf("%d positions and %d terms; expected whole shapes", len(d.Tokens), len(d.Weights))
			}
			if used := len(rows[d.Rows[0]].Tokens); len(d.Rows) > 1 && len(d.Tokens) > RoundUp(max(p.InBlocks().Capacity, used), p.Round) {
				t.Fatalf("%d positions for %d rows; the capacity is %d", len(d.Tokens), len(d.Rows), p.InBlocks().Capacity)
			}
			terms := 0
			for i, index := range d.Rows {
				if held[index] {
					t.Fatalf("row %d comes twice", index)
				}
				held[index] = true
				r := rows[index]
				for j, at := range d.Paths[i] {
					want, place := should(r, j)
					if got := sees(d, at); d.Tokens[at] != r.Tokens[j] || d.Positions[at] != place || !slices.Equal(got, want) {
						t.Fatalf("token %d of row %+v, at %d, sees\n%v\nand should see\n%v", j, r, d.Positions[at], got, want)
					}
				}
				for j := r.From; j < len(r.Tokens); j++ {
					if d.Sources[terms] != d.Paths[i][j-1] || d.Targets[terms] != r.Tokens[j] || d.Weights[terms] != 1 {
						t.Fatalf("row %+v: term %d is %d from %d", r, j, d.Targets[terms], d.Sources[terms])
					}
					terms++
				}
			}
			if terms != d.Terms {
				t.Fatalf("%d terms of %d", terms, d.Terms)
			}
		}
		if len(held) != len(rows) {
			t.Fatalf("%d rows of %d", len(held), len(rows))
		}
	}
}

// TestPassagesComeOnce shows what packs of blocks are for.
func TestPassagesComeOnce(t *testing.T) {
	a, b := slices.Repeat([]int32{7}, 100), slices.Repeat([]int32{8}, 50)
	row := func(question int32, passages ...[]int32) Row {
		r := Row{Tokens: []int32{1, 2}, Blocks: []int{2}}
		for _, p := range passages {
			r.Tokens = append(r.Tokens, p...)
			r.Blocks = append(r.Blocks, len(r.Tokens))
		}
		r.Tokens = append(r.Tokens, 3, question, 4)
		r.From = len(r.Tokens) - 1
		return r
	}
	p := DefaultPacking()
	p.Round = 1
	packs := p.Pack([]Row{row(5, a, b), row(6, b, a), row(7, a, b), row(8, b)})
	if len(packs) != 1 || len(packs[0].Tokens) != 2+100+50+4*3 {
		t.Fatalf("%d packs, the first of %d positions", len(packs), len(packs[0].Tokens))
	}
	if n := len(packs[0].Copies); n != 5 {
		t.Errorf("%d copies; expected one of each passage for the two rows with both in one order, two for the one in the other, one for the last", n)
	}
}
