package batch

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// FiD is one micro-batch for an encoder-decoder that reads several passages
// a row (Fusion-in-Decoder, arXiv 2007.01282): R rows, whose passages are
// encoded alone, grouped by length across the rows, and whose decoder attends
// to the states of all the row's passages side by side.
type FiD struct {
	Groups []Passages // every passage of every row once

	Width  int     // T, decoder positions of a row
	Tokens []int32 // R·T decoder inputs: the start token, then the answer without its last token; 0 behind it
	States int     // K, room for the encoder states of a row: at least the tokens of its passages

	// One entry per term of the loss, padded with weight 0.
	Sources []int32   // L places in Tokens whose hidden state predicts the target
	Targets []int32   // L token ids to predict
	Weights []float32 // L, 1 or 0 for padding

	Rows  []int // R, which rows of the data set this holds, for messages
	Terms int   // label tokens: the sum of Weights
}

// Passages are B passages that the encoder takes at once, padded to S tokens.
type Passages struct {
	Width   int     // S
	Tokens  []int32 // B·S, 0 behind a passage's own tokens
	Lengths []int32 // B, tokens of each passage, at least 1
	Rows    []int32 // B, the place in FiD.Rows of the row it belongs to
	Order   []int32 // B, its place among the row's passages
}

// FiDRow is one row to pack.
type FiDRow struct {
	Passages [][]int32 // token ids of each; an empty one is missing
	Answer   []int32   // token ids to predict, the end token included; empty where only passages matter
	Index    int       // which row of the data set this is, for messages
}

// size is how many encoder states the row has.
func (r FiDRow) size() int {
	n := 0
	for _, p := range r.Passages {
		n += len(p)
	}
	return n
}

// FiDPacking says how rows become micro-batches.
type FiDPacking struct {
	Start    int32 // the decoder's start token
	Capacity int   // encoder states per micro-batch, R·K; a longer row gets one of its own
	Encode   int   // tokens per group of passages, B·S; a longer passage gets one of its own
	Round    int   // S is rounded up to a multiple of this, K to a multiple of four times this
	Answers  int   // T is rounded up to a multiple of this
	Terms    int   // L is rounded up to a multiple of this
}

// DefaultFiDPacking keeps to few shapes of moderate size.
func DefaultFiDPacking() FiDPacking {
	return FiDPacking{Capacity: 8192, Encode: 2048, Round: 64, Answers: 16, Terms: 64}
}

// Validate reports every setting that cannot be.
func (p FiDPacking) Validate() error {
	var problems []error
	for _, f := range []struct {
		name  string
		value int
	}{{"Capacity", p.Capacity}, {"Encode", p.Encode}, {"Round", p.Round}, {"Answers", p.Answers}, {"Terms", p.Terms}} {
		if f.value < 1 {
			problems = append(problems, fmt.Errorf("packing: %s is %d; expected a positive number", f.name, f.value))
		}
	}
	return errors.Join(problems...)
}

// Pack lays rows out as micro-batches that together hold every row once. Rows
// of like size stand together, in numbers that are powers of two, so that few
// shapes occur.
func (p FiDPacking) Pack(rows []FiDRow) []*FiD { return slices.Collect(p.Each(rows)) }

// Each is Pack, one micro-batch after the other.
func (p FiDPacking) Each(rows []FiDRow) iter.Seq[*FiD] {
	return func(yield func(*FiD) bool) {
		rows := slices.Clone(rows)
		slices.SortStableFunc(rows, func(a, b FiDRow) int { return cmp.Compare(b.size(), a.size()) })
		for len(rows) > 0 {
			n := powerWithin(min(p.Capacity/p.states(rows[0].size()), len(rows)))
			if !yield(p.layOut(rows[:n])) {
				return
			}
			rows = rows[n:]
		}
	}
}

// states is K for a row of that many encoder states.
func (p FiDPacking) states(size int) int { return RoundUp(max(1, size), 4*p.Round) }

// layOut packs rows, the one of most states first, into one micro-batch.
func (p FiDPacking) layOut(rows []FiDRow) *FiD {
	f := &FiD{States: p.states(rows[0].size()), Groups: p.group(rows)}
	answers := make([][]int32, len(rows))
	for i, r := range rows {
		f.Rows = append(f.Rows, r.Index)
		answers[i] = r.Answer
	}
	return p.WithAnswers(f, answers)
}

// WithAnswers gives the micro-batch of the same passages with other answers,
// in the order of f.Rows.
func (p FiDPacking) WithAnswers(f *FiD, answers [][]int32) *FiD {
	out := &FiD{Groups: f.Groups, States: f.States, Rows: f.Rows, Width: 1}
	for _, a := range answers {
		out.Width = max(out.Width, len(a))
	}
	out.Width = RoundUp(out.Width, p.Answers)
	out.Tokens = make([]int32, len(answers)*out.Width)
	for i, answer := range answers {
		at := i * out.Width
		out.Tokens[at] = p.Start
		for j, id := range answer {
			if j > 0 {
				out.Tokens[at+j] = answer[j-1]
			}
			out.Sources = append(out.Sources, int32(at+j))
			out.Targets = append(out.Targets, id)
			out.Weights = append(out.Weights, 1)
		}
		out.Terms += len(answer)
	}
	for i, end := len(out.Weights), RoundUp(len(out.Weights), p.Terms); i < end; i++ {
		out.Sources, out.Targets, out.Weights = append(out.Sources, 0), append(out.Targets, 0), append(out.Weights, 0)
	}
	return out
}

// group batches the passages of rows by length: as many of one width as Encode
// has room for, the rest in powers of two.
func (p FiDPacking) group(rows []FiDRow) []Passages {
	type passage struct {
		tokens     []int32
		row, order int
	}
	byWidth := map[int][]passage{}
	var widths []int
	for i, r := range rows {
		for j, tokens := range r.Passages {
			if len(tokens) == 0 {
				continue
			}
			w := RoundUp(len(tokens), p.Round)
			if byWidth[w] == nil {
				widths = append(widths, w)
			}
			byWidth[w] = append(byWidth[w], passage{tokens, i, j})
		}
	}
	slices.Sort(widths)
	var out []Passages
	for _, w := range widths {
		for left := byWidth[w]; len(left) > 0; {
			n := powerWithin(min(p.Encode/w, len(left)))
			g := Passages{Width: w, Tokens: make([]int32, n*w)}
			for i, x := range left[:n] {
				copy(g.Tokens[i*w:], x.tokens)
				g.Lengths = append(g.Lengths, int32(len(x.tokens)))
				g.Rows = append(g.Rows, int32(x.row))
				g.Order = append(g.Order, int32(x.order))
			}
			out, left = append(out, g), left[n:]
		}
	}
	return out
}
