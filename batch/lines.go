package batch

// Pack is rows of ids that stand one behind the other in Size positions, and the
// rectangle of Tall rows of Wide tokens in which each has a line of its own. Sizes
// above what the rows need are for few shapes; what stands behind the rows means
// nothing. An encoder lets no row see another.
type Pack struct {
	Rows             [][]int32
	Kinds            [][]int32 // token types of the rows, nil for zeros
	Size, Tall, Wide int
}

// Flat lays what rows have for their tokens one behind the other, zeros behind it.
func (p Pack) Flat(rows [][]int32) []int32 {
	flat := make([]int32, 0, p.Size)
	for _, row := range rows {
		flat = append(flat, row...)
	}
	return append(flat, make([]int32, p.Size-len(flat))...)
}

// Lengths are the tokens of each line [Tall].
func (p Pack) Lengths() []int32 {
	lengths := make([]int32, p.Tall)
	for i, row := range p.Rows {
		lengths[i] = int32(len(row))
	}
	return lengths
}

// Lines say where in the positions each token of the rectangle stands [Tall·Wide],
// and where in the rectangle each position does [Size].
func (p Pack) Lines() (at, back []int32) {
	at, back = make([]int32, p.Tall*p.Wide), make([]int32, p.Size)
	n := 0
	for i, row := range p.Rows {
		for j := range row {
			back[n], at[i*p.Wide+j] = int32(i*p.Wide+j), int32(n)
			n++
		}
	}
	return at, back
}

// Seen gives for each position the first and the last position that sees it: those of
// its row, of them no more than window before and behind it, where that is not 0.
// The positions behind the rows see each other.
func (p Pack) Seen(window int) (start, reach []int32) {
	start, reach = make([]int32, p.Size), make([]int32, p.Size)
	n := 0
	span := func(end int) {
		for i := n; i < end; i++ {
			first, last := n, end-1
			if window > 0 {
				first, last = max(first, i-window), min(last, i+window)
			}
			start[i], reach[i] = int32(first), int32(last)
		}
		n = end
	}
	for _, row := range p.Rows {
		span(n + len(row))
	}
	span(p.Size)
	return start, reach
}
