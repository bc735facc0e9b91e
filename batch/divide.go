package batch

import (
	"cmp"
	"slices"
)

// Divide deals rows out to so many processes, so that each has about as many positions:
// rows on one prefix stay together unless they are too many for that. It gives places in
// rows; with fewer rows than processes some get none.
func (p Packing) Divide(rows []Row, processes int) [][]int {
	if processes == 1 {
		return deal([]share{{places: all(len(rows))}}, 1)
	}
	numbered := slices.Clone(rows)
	total := 0
	for i := range numbered {
		numbered[i].Index = i
		total += len(numbered[i].Tokens)
	}
	var shares []share
	for _, g := range p.groups(numbered) {
		if g.size > total/(2*processes) { // one process would wait for it
			for _, r := range g.rows {
				shares = append(shares, share{len(r.Tokens), []int{r.Index}})
			}
			continue
		}
		s := share{size: g.size}
		for _, r := range g.rows {
			s.places = append(s.places, r.Index)
		}
		shares = append(shares, s)
	}
	return deal(shares, processes)
}

// Divide deals rows out to so many processes, so that each has about as many tokens of
// passages and answers. It gives places in rows.
func (p FiDPacking) Divide(rows []FiDRow, processes int) [][]int {
	var shares []share
	for i, r := range rows {
		shares = append(shares, share{r.size() + len(r.Answer), []int{i}})
	}
	return deal(shares, processes)
}

// Deal deals out work of so many sizes, as Divide does rows.
func Deal(sizes []int, processes int) [][]int {
	shares := make([]share, len(sizes))
	for i, n := range sizes {
		shares[i] = share{n, []int{i}}
	}
	return deal(shares, processes)
}

// share is rows that stay together.
type share struct {
	size   int
	places []int
}

// deal gives each process shares, the largest first, each to the one that has least. The
// places of a process are ascending.
func deal(shares []share, processes int) [][]int {
	slices.SortStableFunc(shares, func(a, b share) int { return cmp.Compare(b.size, a.size) })
	sizes, places := make([]int, processes), make([][]int, processes)
	for _, s := range shares {
		least := slices.Index(sizes, slices.Min(sizes))
		sizes[least] += s.size
		places[least] = append(places[least], s.places...)
	}
	for _, p := range places {
		slices.Sort(p)
	}
	return places
}

func all(n int) []int {
	places := make([]int, n)
	for i := range places {
		places[i] = i
	}
	return places
}
