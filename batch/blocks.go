package batch

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math"
	"slices"
)

// Copy is a passage's positions as rows see them that hold it elsewhere than where it was
// computed: positions From to From + Length - 1 as if each stood By further in its row.
// Positions First to Last see all of them.
type Copy struct {
	From, Length int32
	By           int32
	First, Last  int32
}

// blocks are a row's: the prefix that all see, passages, and the last block, which sees
// all. A row without blocks is a last block alone.
func (r Row) blocks() (prefix []int32, passages [][]int32, last []int32) {
	if len(r.Blocks) == 0 {
		return nil, nil, r.Tokens
	}
	for i, end := range r.Blocks[1:] {
		passages = append(passages, r.Tokens[r.Blocks[i]:end])
	}
	return r.Tokens[:r.Blocks[0]], passages, r.Tokens[r.Blocks[len(r.Blocks)-1]:]
}

// InBlocks is how rows of blocks are packed: three times as many positions, since the more
// rows a micro-batch holds the more passages they share.
func (p Packing) InBlocks() Packing {
	p.Capacity *= 3
	return p
}

// hasBlocks says whether any of the rows has.
func hasBlocks(rows []Row) bool {
	return slices.ContainsFunc(rows, func(r Row) bool { return len(r.Blocks) > 0 })
}

// key is tokens as a map's key.
func key(tokens []int32) string {
	b := make([]byte, 0, 4*len(tokens))
	for _, id := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	return string(b)
}

// parted is a row with what it can share: its prefix and, of that prefix, its passages, by
// numbers that equal ones have in common.
type parted struct {
	Row
	parts []part
}

type part struct{ number, size int }

// partedRows numbers the parts of rows.
func partedRows(rows []Row) []parted {
	numbers := map[string]int{}
	number := func(k string) int {
		if _, ok := numbers[k]; !ok {
			numbers[k] = len(numbers)
		}
		return numbers[k]
	}
	out := make([]parted, len(rows))
	for i, r := range rows {
		prefix, passages, _ := r.blocks()
		before := key(prefix)
		out[i] = parted{r, []part{{number(before), len(prefix)}}}
		for _, p := range passages {
			if one := (part{number(before + "|" + key(p)), len(p)}); !slices.Contains(out[i].parts, one) {
				out[i].parts = append(out[i].parts, one)
			}
		}
	}
	return out
}

// needs is how many positions a row takes beside parts that are there.
func (r parted) needs(held map[int]bool) int {
	_, _, last := r.blocks()
	n := len(last)
	for _, p := range r.parts {
		if !held[p.number] {
			n += p.size
		}
	}
	return n
}

// eachOfBlocks is Each for rows of blocks: of all rows of a micro-batch each passage is
// laid out once. To the longest row come those that need the smallest part of their length
// beside what is there, as long as they fit.
func (p Packing) eachOfBlocks(rows []Row) iter.Seq[*Decoder] {
	return func(yield func(*Decoder) bool) {
		sorted := slices.Clone(rows)
		slices.SortStableFunc(sorted, func(a, b Row) int { return slices.Compare(a.Tokens, b.Tokens) })
		for chunk := range slices.Chunk(sorted, together) {
			left := partedRows(chunk)
			slices.SortStableFunc(left, func(a, b parted) int { return cmp.Compare(len(b.Tokens), len(a.Tokens)) })
			for len(left) > 0 {
				var pack []Row
				held, size := map[int]bool{}, 0
				for at := 0; at >= 0; at = p.next(left, held, size) {
					size += left[at].needs(held)
					for _, part := range left[at].parts {
						held[part.number] = p.Share
					}
					pack, left = append(pack, left[at].Row), slices.Delete(left, at, at+1)
				}
				if !yield(p.layOutBlocks(pack)) {
					return
				}
			}
		}
	}
}

// next is the place of the row that comes to a micro-batch of so many positions, -1 for
// none.
func (p Packing) next(left []parted, held map[int]bool, size int) int {
	best, least := -1, math.Inf(1)
	for i, r := range left {
		n := r.needs(held)
		if share := float64(n) / float64(len(r.Tokens)); size+n <= p.Capacity && share < least {
			best, least = i, share
		}
	}
	return best
}

// layOutBlocks lays rows of blocks out in one micro-batch, those of one prefix together:
// the prefix, each passage as a branch on it, and the last blocks, which see the prefix,
// and of the passages copies. So a passage's keys and values depend on nothing but the
// prefix and the passage, wherever rows hold it.
func (p Packing) layOutBlocks(rows []Row) *Decoder {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return slices.Compare(a.Tokens, b.Tokens) })
	d := &Decoder{}
	for len(rows) > 0 {
		prefix, _, _ := rows[0].blocks()
		n := 1
		for p.Share && n < len(rows) {
			if other, _, _ := rows[n].blocks(); !slices.Equal(prefix, other) {
				break
			}
			n++
		}
		d.addTree(prefix, rows[:n])
		rows = rows[n:]
	}
	d.Window = RoundUp(len(d.Tokens), p.Round)
	d.pad(p)
	return d
}

// addTree adds rows of one prefix.
func (d *Decoder) addTree(prefix []int32, rows []Row) {
	root := d.run(prefix, 0)
	places := map[string]int32{}
	for _, r := range rows {
		_, passages, _ := r.blocks()
		for _, p := range passages {
			if _, ok := places[key(p)]; !ok {
				places[key(p)] = d.run(p, len(prefix))
			}
		}
	}
	var before Row
	for _, r := range rows {
		_, passages, last := r.blocks()
		at := len(r.Tokens) - len(last)
		path, copies := span(nil, root, len(prefix)), make([]Copy, len(passages))
		first := d.run(last, at)
		for i, p := range passages {
			path = span(path, places[key(p)], len(p))
			copies[i] = Copy{places[key(p)], int32(len(p)), int32(r.Blocks[i] - len(prefix)), first, int32(len(d.Tokens) - 1)}
		}
		if at <= len(before.Tokens) && slices.Equal(before.Blocks, r.Blocks) && slices.Equal(before.Tokens[:at], r.Tokens[:at]) {
			for i := range copies { // the row before sees the same ones
				d.Copies[len(d.Copies)-1-i].Last = int32(len(d.Tokens) - 1)
			}
		} else {
			d.Copies = append(d.Copies, copies...)
		}
		d.learn(r, span(path, first, len(last)), at+1)
		before = r
	}
	for i := range prefix {
		d.Reach[int(root)+i] = int32(len(d.Tokens) - 1)
	}
}

// learn adds a row's terms of the loss, of its tokens from one on.
func (d *Decoder) learn(r Row, path []int32, from int) {
	for depth := max(r.From, from); depth < len(r.Tokens); depth++ {
		d.Sources = append(d.Sources, path[depth-1])
		d.Targets = append(d.Targets, r.Tokens[depth])
		d.Weights = append(d.Weights, 1)
		d.Terms++
	}
	d.Paths = append(d.Paths, path)
	d.Rows = append(d.Rows, r.Index)
}

// Behind lays the last blocks of rows out one behind the other, each from a place of its
// row on, where their prefixes and passages are known already.
func (p Packing) Behind(last [][]int32, places []int) *Decoder {
	d := &Decoder{}
	for i, tokens := range last {
		d.run(tokens, places[i])
	}
	d.pad(p)
	return d
}

// run adds tokens that see each other, the first at a depth, and gives its position.
func (d *Decoder) run(tokens []int32, depth int) (first int32) {
	first = int32(len(d.Tokens))
	for i, id := range tokens {
		d.Tokens = append(d.Tokens, id)
		d.Positions = append(d.Positions, int32(depth+i))
		d.Reach = append(d.Reach, first+int32(len(tokens)-1))
	}
	return first
}

// span adds positions that follow each other.
func span(to []int32, first int32, n int) []int32 {
	for i := range n {
		to = append(to, first+int32(i))
	}
	return to
}
