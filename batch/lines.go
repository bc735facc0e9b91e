package batch

import "fmt"

// Pack is rows of ids that stand one behind the other in Size positions, and the
// rectangle of Tall rows of Wide tokens in which each has a line of its own. Sizes
// above what the rows need are for few shapes; what stands behind the rows means
// nothing. An encoder lets no row see another.
type Pack struct {
	Rows             [][]int32
	Kinds            [][]int32 // token types of the rows, nil for zeros
	Size, Tall, Wide int
}

// Check reports rows that an encoder of so many positions and ids cannot run, or that
// the pack has no room for.
func (p Pack) Check(positions, vocabulary int) error {
	tokens := 0
	for i, row := range p.Rows {
		if n := len(row); n == 0 || n > p.Wide || n > positions {
			return fmt.Errorf("row %d has %d tokens; the pack is %d wide and the model has %d positions; truncate the rows", i, n, p.Wide, positions)
		}
		for _, id := range row {
			if id < 0 || int(id) >= vocabulary {
				return fmt.Errorf("token id %d; the model has ids 0 to %d; use the model's own tokenizer", id, vocabulary-1)
			}
		}
		tokens += len(row)
	}
	if len(p.Rows) == 0 || len(p.Rows) > p.Tall || tokens > p.Size {
		return fmt.Errorf("%d rows with %d tokens; expected 1 to %d with at most %d", len(p.Rows), tokens, p.Tall, p.Size)
	}
	return nil
}

// Places are those of each row's tokens in it, from 0.
func (p Pack) Places() [][]int32 {
	places := make([][]int32, len(p.Rows))
	for i, row := range p.Rows {
		for j := range row {
			places[i] = append(places[i], int32(j))
		}
	}
	return places
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
