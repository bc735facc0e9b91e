package batch

import (
	"cmp"
	"iter"
	"math"
	"slices"
)

// Row is one sequence of tokens to pack; it is not empty.
type Row struct {
	Tokens []int32
	From   int // first position whose token is a target of the loss; len(Tokens) for none
	Index  int // which row of the data set this is, for messages

	// Blocks are where, in a row of Block-Attention (arXiv 2409.15355), the prefix that all
	// blocks see ends, and each passage; the rest is the last block, of which From is not
	// the first token. A passage sees the prefix and itself, as if it stood right behind
	// the prefix; the last block sees all, each passage at its place. nil for a row in
	// which each token sees all before it.
	Blocks []int `json:",omitempty"` // absent from the hash of rows without
}

// Terms is how many label tokens the row has.
func (r Row) Terms() int { return max(0, len(r.Tokens)-max(r.From, 1)) }

// Packing says how rows become micro-batches.
type Packing struct {
	Capacity int  // positions per micro-batch; a longer row gets one of its own
	Round    int  // S, Window and Global are rounded up to a multiple of this
	Terms    int  // L is rounded up to a multiple of this
	Share    bool // a prefix that rows share is laid out once
}

// DefaultPacking keeps to few shapes of moderate size.
func DefaultPacking() Packing {
	return Packing{Capacity: 1024, Round: 64, Terms: 64, Share: true}
}

// Pack lays rows out as micro-batches that together hold every row once. Rows
// that share a long prefix stand together as a tree.
func (p Packing) Pack(rows []Row) []*Decoder { return slices.Collect(p.Each(rows)) }

// together is how many groups of rows are fitted into micro-batches at a time:
// what that takes grows with the square of them, and they fit no better from a few
// hundred on.
const together = 256

// Each is Pack, one micro-batch after the other, of which it holds few at a time.
func (p Packing) Each(rows []Row) iter.Seq[*Decoder] {
	if hasBlocks(rows) {
		return p.InBlocks().eachOfBlocks(rows)
	}
	return func(yield func(*Decoder) bool) {
		for groups := range slices.Chunk(p.groups(rows), together) {
			f := fit{Packing: p, groups: groups}
			f.measure()
			f.place()
			f.improve()
			for _, pack := range f.packs {
				var members []Row
				for _, g := range pack {
					members = append(members, f.groups[g].rows...)
				}
				if !yield(p.layOut(members)) {
					return
				}
			}
		}
	}
}

// group is rows that stand on one prefix, and the positions they need together.
type group struct {
	rows []Row
	size int
}

// fit puts groups, which are in the order of their tokens, into micro-batches.
type fit struct {
	Packing
	groups []group
	shared [][]int // of groups a < b: the prefix that the last row of a and the first of b share
	packs  [][]int // groups by number, ascending
}

func (f *fit) measure() {
	f.shared = make([][]int, len(f.groups))
	for a := range f.groups {
		f.shared[a] = make([]int, len(f.groups))
		if !f.Share {
			continue
		}
		last := f.groups[a].rows[len(f.groups[a].rows)-1].Tokens
		for b, least := a+1, len(last); b < len(f.groups) && least > 0; b++ {
			least = min(least, common(last[:least], f.groups[b].rows[0].Tokens))
			f.shared[a][b] = least
		}
	}
}

// size is how many positions groups need together.
func (f *fit) size(pack []int) int {
	n := 0
	for i, g := range pack {
		n += f.groups[g].size
		if i > 0 {
			n -= f.shared[pack[i-1]][g]
		}
	}
	return n
}

// cost is what two micro-batches take, in positions: those they are rounded up to, and
// what each takes beside them, such as a pass over all weights and gradients. It is too
// much beyond the capacity. fullest is the size of the larger one.
func (f *fit) cost(packs [2][]int) (cost, fullest int) {
	for _, pack := range packs {
		size := f.size(pack)
		switch {
		case len(pack) > 1 && size > f.Capacity:
			cost += math.MaxInt32
		case len(pack) > 0:
			cost += RoundUp(size, f.Round) + f.Round/4
		}
		fullest = max(fullest, size)
	}
	return cost, fullest
}

// with is a pack with one group more, and without is one with one less.
func with(pack []int, g int) []int {
	at, _ := slices.BinarySearch(pack, g)
	return slices.Insert(slices.Clone(pack), at, g)
}

func without(pack []int, at int) []int { return slices.Delete(slices.Clone(pack), at, at+1) }

// place is best fit, largest first: the least space left over.
func (f *fit) place() {
	order := make([]int, len(f.groups))
	for g := range order {
		order[g] = g
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(f.groups[b].size, f.groups[a].size) })
	for _, g := range order {
		best, most := -1, 0
		for i, pack := range f.packs {
			if size := f.size(with(pack, g)); size <= f.Capacity && size > most {
				best, most = i, size
			}
		}
		if best < 0 {
			f.packs = append(f.packs, []int{g})
		} else {
			f.packs[best] = with(f.packs[best], g)
		}
	}
}

// improve moves groups from one micro-batch to another, or in exchange for another
// group, as long as that lowers their cost, or fills the fuller one at the same cost,
// which leaves more room in the other.
func (f *fit) improve() {
	better := true
	for pass := 0; better && pass < len(f.groups); pass++ {
		better = false
		for a := range f.packs {
			for b := range f.packs {
				better = a != b && f.exchange(a, b) || better
			}
		}
	}
	f.packs = slices.DeleteFunc(f.packs, func(pack []int) bool { return len(pack) == 0 })
}

// exchange makes the best move of a group from pack a to pack b, and says whether
// there is one.
func (f *fit) exchange(a, b int) bool {
	best := [2][]int{f.packs[a], f.packs[b]}
	least, fullest := f.cost(best)
	found := false
	try := func(left, right []int) {
		packs := [2][]int{left, right}
		if cost, full := f.cost(packs); cost < least || cost == least && full > fullest {
			least, fullest, best, found = cost, full, packs, true
		}
	}
	for i, g := range f.packs[a] {
		left, right := without(f.packs[a], i), with(f.packs[b], g)
		try(left, right)
		for _, back := range f.packs[b] {
			at, _ := slices.BinarySearch(right, back)
			try(with(left, back), without(right, at))
		}
	}
	f.packs[a], f.packs[b] = best[0], best[1]
	return found
}

// groups puts rows together that share more than half of the shorter one's
// tokens, as rows on the same passage do.
func (p Packing) groups(rows []Row) []group {
	sorted := slices.Clone(rows)
	slices.SortStableFunc(sorted, func(a, b Row) int { return slices.Compare(a.Tokens, b.Tokens) })
	var out []group
	for _, r := range sorted {
		if p.Share && len(out) > 0 {
			g := &out[len(out)-1]
			last := g.rows[len(g.rows)-1]
			shared := common(last.Tokens, r.Tokens)
			if size := g.size + len(r.Tokens) - shared; 2*shared > min(len(last.Tokens), len(r.Tokens)) && size <= p.Capacity {
				g.rows, g.size = append(g.rows, r), size
				continue
			}
		}
		out = append(out, group{[]Row{r}, len(r.Tokens)})
	}
	return out
}

// common is the length of the longest common prefix.
func common(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// layOut packs rows depth first into one micro-batch.
func (p Packing) layOut(rows []Row) *Decoder {
	rows = slices.Clone(rows)
	if p.Share {
		slices.SortStableFunc(rows, func(a, b Row) int { return slices.Compare(a.Tokens, b.Tokens) })
	}
	d := &Decoder{}
	terms := map[[2]int32]int{} // (source, target) -> place, so that shared terms are counted up
	var path []int32            // positions of the last row's tokens
	var before []int32          // its tokens
	for _, r := range rows {
		shared := 0
		if p.Share {
			shared = common(before, r.Tokens)
		}
		path = path[:shared]
		for depth := shared; depth < len(r.Tokens); depth++ {
			path = append(path, int32(len(d.Tokens)))
			d.Tokens = append(d.Tokens, r.Tokens[depth])
			d.Positions = append(d.Positions, int32(depth))
			d.Reach = append(d.Reach, 0)
		}
		end := int32(len(d.Tokens) - 1)
		for _, at := range path {
			d.Reach[at] = end
		}
		for depth := max(r.From, 1); depth < len(r.Tokens); depth++ {
			term := [2]int32{path[depth-1], r.Tokens[depth]}
			if at, ok := terms[term]; ok {
				d.Weights[at]++
			} else {
				terms[term] = len(d.Weights)
				d.Sources = append(d.Sources, term[0])
				d.Targets = append(d.Targets, term[1])
				d.Weights = append(d.Weights, 1)
			}
			d.Terms++
		}
		d.Paths = append(d.Paths, slices.Clone(path))
		d.Rows = append(d.Rows, r.Index)
		before = r.Tokens
	}
	d.Global, d.Window = p.reach(d)
	d.pad(p)
	return d
}

// reach gives the prefix that all rows share and how far any position looks
// back beyond it, both rounded up so that few shapes occur.
func (p Packing) reach(d *Decoder) (global, window int) {
	shared := 0
	if first := d.Paths[0]; len(d.Paths) > 1 {
		shared = len(first)
		for _, path := range d.Paths[1:] {
			n := 0
			for n < min(shared, len(path)) && path[n] == first[n] {
				n++
			}
			shared = n
		}
	}
	for _, path := range d.Paths {
		if n := len(path); n > shared {
			window = max(window, int(path[n-1]-path[shared])+1)
		}
	}
	return RoundUp(shared, (p.Round+1)/2), min(RoundUp(window, p.Round), RoundUp(len(d.Tokens), p.Round))
}

// pad fills a micro-batch up to whole shapes with positions and loss terms
// that count for nothing.
func (d *Decoder) pad(p Packing) {
	for i, end := len(d.Tokens), RoundUp(len(d.Tokens), p.Round); i < end; i++ {
		d.Tokens = append(d.Tokens, 0)
		d.Positions = append(d.Positions, 0)
		d.Reach = append(d.Reach, int32(i))
	}
	for i, end := len(d.Weights), RoundUp(len(d.Weights), p.Terms); i < end; i++ {
		d.Sources = append(d.Sources, 0)
		d.Targets = append(d.Targets, 0)
		d.Weights = append(d.Weights, 0)
	}
}
