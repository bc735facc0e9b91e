// Package embed turns token ids into sentence vectors, or pairs of texts into scores:
// an encoder, the pooling and the modules behind it that its sentence-transformers
// folder names, and batches by length so that little is padded and few shapes are
// compiled. It knows nothing of text: whoever tokenises follows [Settings].
package embed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graph code reads as formulas

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/tensor/device"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// Pooling says how the states of a row's tokens become one vector.
type Pooling string

// The poolings of sentence-transformers, under its names.
const (
	Mean         Pooling = "mean"                 // the mean of the tokens
	First        Pooling = "cls"                  // the first token
	Largest      Pooling = "max"                  // the largest value of each component
	MeanSqrt     Pooling = "mean_sqrt_len_tokens" // the sum over the root of the number of tokens
	WeightedMean Pooling = "weightedmean"         // the mean weighted by place: 1, 2, 3, …
	Last         Pooling = "lasttoken"            // the last token
)

// poolings lists them all, in the order in which sentence-transformers joins
// them where a folder of the old form names several.
var poolings = []Pooling{First, Largest, Mean, MeanSqrt, WeightedMean, Last}

// Options are the settings of [New].
type Options struct {
	Pooling  []Pooling // one, or several whose vectors are joined
	Steps    []Step    // what is done with the vectors, one after the other
	Truncate int       // keep so many of a vector's numbers, the first ones; 0 for all
	// BatchTokens is how many tokens are in one batch, if no row alone has more.
	BatchTokens int
}

// DefaultOptions returns mean pooling, normalised, in batches of 1024 tokens: a
// small encoder's activations then stay near the processor's cache.
func DefaultOptions() Options {
	return Options{Pooling: []Pooling{Mean}, Steps: []Step{{Kind: Normalise}}, BatchTokens: device.Host().EmbedTokens}
}

// Validate reports settings that cannot be used.
func (o Options) Validate() error {
	var errs []error
	if len(o.Pooling) == 0 {
		errs = append(errs, fmt.Errorf("embed: no pooling; expected one of %q", poolings))
	}
	for _, p := range o.Pooling {
		if !slices.Contains(poolings, p) {
			errs = append(errs, fmt.Errorf("embed: pooling %q; expected one of %q", p, poolings))
		}
	}
	for _, step := range o.Steps {
		errs = append(errs, step.validate())
	}
	if o.Truncate < 0 {
		errs = append(errs, fmt.Errorf("embed: Truncate is %d; expected 0, or how many numbers to keep", o.Truncate))
	}
	if o.BatchTokens < 1 {
		errs = append(errs, fmt.Errorf("embed: BatchTokens is %d; expected at least 1", o.BatchTokens))
	}
	return errors.Join(errs...)
}

// Encoder gives the states of tokens.
type Encoder interface {
	// Hidden runs a pack to the states [Size, Width] of its positions.
	Hidden(t *tape.Tape, p batch.Pack) (*tape.Value, error)
	Width() int
	Positions() int // the longest row
}

// Model embeds rows of token ids. It is safe for concurrent use; calls take turns.
type Model struct {
	mu      sync.Mutex
	opt     Options
	runner  *tape.Runner
	encoder Encoder
	pool    tape.Bound
}

// New makes an embedder of an encoder whose weights, and those of the steps, the
// runner holds. They stay the runner's to free.
func New(r *tape.Runner, encoder Encoder, opt Options) (*Model, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	width := len(opt.Pooling) * encoder.Width()
	for _, step := range opt.Steps {
		if step.In != 0 && step.In != width {
			return nil, fmt.Errorf("embed: %s takes vectors of %d numbers; expected %d, as what stands before it gives; are the modules of one model?", step.Name, step.In, width)
		}
		width = cmp.Or(step.Out, width)
	}
	m := &Model{opt: opt, runner: r, encoder: encoder}
	m.pool = m.poolBlock().Named(m.opt.weightNames()...)
	return m, nil
}

// Width returns the length of the vectors.
func (m *Model) Width() int {
	if n := m.opt.Truncate; n > 0 {
		return min(n, m.whole())
	}
	return m.whole()
}

// whole is the length of the vectors before they are truncated.
func (m *Model) whole() int {
	width := len(m.opt.Pooling) * m.encoder.Width()
	for _, step := range m.opt.Steps {
		width = cmp.Or(step.Out, width)
	}
	return width
}

// Rows are what is embedded.
type Rows struct {
	IDs, Kinds [][]int32 // of each row's tokens, and their types, nil for zeros
	Skip       int       // how many tokens at the beginning of each are left out of the pooling

	// Part and Of give the vectors of a part of the rows alone, nil for the others: of Of
	// parts the one at Part; with Of 0 there is one. Batches are those of all rows, whole, so
	// that every vector is the same to the last bit, however many parts there are.
	Part, Of int
}

// Vectors returns the vector of each row of ids, in order. Rows are of one token
// at least and of no more than the encoder has positions. ctx is looked at
// between batches.
func (m *Model) Vectors(ctx context.Context, ids [][]int32) ([][]float32, error) {
	return m.VectorsOf(ctx, Rows{IDs: ids})
}

// VectorsOf is Vectors of rows of which more is said.
func (m *Model) VectorsOf(ctx context.Context, rows Rows) ([][]float32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	ids := rows.IDs
	for i, row := range ids {
		if len(row) == 0 || len(row) > m.encoder.Positions() {
			errs = append(errs, fmt.Errorf("embed: row %d has %d tokens; expected 1 to %d; truncate the text", i+1, len(row), m.encoder.Positions()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	out := make([][]float32, len(ids))
	all := packs(ids, m.opt.BatchTokens)
	sizes := make([]int, len(all))
	for i, p := range all {
		sizes[i] = p.tokens
	}
	for _, i := range batch.Deal(sizes, max(1, rows.Of))[rows.Part] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := m.run(rows, all[i], out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pack names the rows of one batch.
type pack struct {
	rows   []int // indexes
	tokens int   // of all of them
}

// packs fills batches of budget tokens, each time with the longest row that still
// fits; a row beyond the budget is alone. None has more than maxRows.
func packs(ids [][]int32, budget int) []pack {
	longest := 0
	for _, row := range ids {
		longest = max(longest, len(row))
	}
	left := make([][]int, longest+1) // of each length
	for i, row := range ids {
		left[len(row)] = append(left[len(row)], i)
	}
	var list []pack
	for done := 0; done < len(ids); {
		var p pack
		for n := longest; n > 0 && len(p.rows) < maxRows; {
			if fits := n <= budget-p.tokens || len(p.rows) == 0; !fits || len(left[n]) == 0 {
				n--
				continue
			}
			p.rows, left[n] = append(p.rows, left[n][0]), left[n][1:]
			p.tokens += n
		}
		list = append(list, p)
		done += len(p.rows)
	}
	return list
}

// maxRows bounds the rectangle that a batch is pooled in.
const maxRows = 64

// sizes gives the shape of a batch of so many tokens and rows, the longest of which
// has that many. They are rounded up so that few shapes arise: little, so that a
// question costs little, or, for fewer shapes, to powers of two.
func sizes(tokens, rows, longest int, few bool) batch.Pack {
	if few {
		power := func(n, least int) int { return batch.PowerOfTwo(max(n, least)) }
		return batch.Pack{Size: power(tokens, 1024), Tall: power(rows, 16), Wide: power(longest, 64)}
	}
	step := 128
	if tokens <= step { // a question
		step = 32
	}
	return batch.Pack{Size: batch.RoundUp(tokens, step), Tall: batch.PowerOfTwo(rows), Wide: batch.RoundUp(longest, min(step, 64))}
}

// run embeds one batch and stores its vectors in out.
func (m *Model) run(rows Rows, p pack, out [][]float32) (err error) {
	ids, kinds := rows.IDs, rows.Kinds
	in := sizes(p.tokens, len(p.rows), len(ids[p.rows[0]]), m.runner.Device.FewShapes)
	for _, row := range p.rows {
		in.Rows = append(in.Rows, ids[row])
		if kinds != nil {
			in.Kinds = append(in.Kinds, kinds[row])
		}
	}
	t := m.runner.New(false)
	defer func() { err = errors.Join(err, t.Free()) }()
	x, err := m.encoder.Hidden(t, in)
	if err != nil {
		return err
	}
	lines, _ := in.Lines()
	at, err := t.Ints(lines, in.Tall, in.Wide)
	if err != nil {
		return err
	}
	lengths, err := t.Ints(in.Lengths(), in.Tall)
	if err != nil {
		return err
	}
	from, err := t.Ints([]int32{int32(rows.Skip)}, 1)
	if err != nil {
		return err
	}
	pooled, err := t.Call(m.pool, x, at, lengths, from)
	if err != nil {
		return err
	}
	width, kept := m.whole(), m.Width()
	return xla.View(pooled[0].Tensor, func(vectors []float32) error {
		for i, row := range p.rows {
			out[row] = slices.Clone(vectors[i*width : i*width+kept])
		}
		return nil
	})
}

// poolBlock takes states [P, D], where in them the tokens of each row are [B, S],
// how many these are [B] and with which one pooling begins [1], to vectors [B, W].
func (m *Model) poolBlock() *tape.Block {
	return &tape.Block{
		Name: "pool", Weights: m.opt.weightNames(), Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			v := pool(m.opt.Pooling, in[0], in[1], in[2], in[3])
			for _, step := range m.opt.Steps {
				v = step.apply(w, v)
			}
			return []*Node{v}, nil
		},
	}
}

// pool takes states x [P, D], at [B, S] i32, lengths [B] i32 and from [1] i32 to vectors
// [B, W] f32, W being D for each pooling. A row without a token from there on gives what
// sentence-transformers makes of it, but for the largest; rows of length 0 give vectors
// that mean nothing.
func pool(poolings []Pooling, x, at, lengths, from *Node) *Node {
	b, s, d, g := at.Shape().Dimensions[0], at.Shape().Dimensions[1], x.Shape().Dimensions[1], x.Graph()
	x = Gather(ConvertDType(x, dtypes.Float32), InsertAxes(at, -1)) // [B, S, D]
	place := Iota(g, shapes.Make(dtypes.Int32, b, s, 1), 1)
	lengths = Reshape(MaxScalar(lengths, 1), b, 1, 1)
	from = BroadcastToDims(Reshape(from, 1, 1, 1), b, 1, 1)
	first := Where(LessThan(from, lengths), from, ZerosLike(from))
	seen := LogicalAnd(LessThan(place, BroadcastToDims(lengths, b, s, 1)), GreaterOrEqual(place, BroadcastToDims(from, b, s, 1))) // [B, S, 1]
	count := Reshape(ConvertDType(MaxScalar(Sub(lengths, from), 1), dtypes.Float32), b, 1)
	wide := func(n *Node) *Node { return BroadcastToDims(n, b, s, d) }
	sum := func(weights *Node) *Node { return ReduceSum(Mul(x, wide(ConvertDType(weights, dtypes.Float32))), 1) } // [B, D]

	var parts []*Node
	for _, p := range poolings {
		var v *Node
		switch p {
		case Mean:
			v = Div(sum(seen), BroadcastToDims(count, b, d))
		case MeanSqrt:
			v = Div(sum(seen), BroadcastToDims(Sqrt(count), b, d))
		case WeightedMean:
			weights := Where(seen, AddScalar(place, 1), ZerosLike(place))
			total := MaxScalar(ReduceSum(ConvertDType(weights, dtypes.Float32), 1), 1) // [B, 1]
			v = Div(sum(weights), BroadcastToDims(total, b, d))
		case First:
			v = sum(Equal(place, BroadcastToDims(first, b, s, 1)))
		case Last:
			v = sum(LogicalAnd(seen, Equal(place, BroadcastToDims(AddScalar(lengths, -1), b, s, 1))))
		case Largest:
			v = ReduceMax(Where(wide(seen), x, BroadcastToDims(Scalar(g, dtypes.Float32, -3e38), b, s, d)), 1)
		}
		parts = append(parts, v)
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return Concatenate(parts, 1)
}

// String names the settings that change the vectors, for a cache.
func (o Options) String() string {
	names := make([]string, len(o.Pooling))
	for i, p := range o.Pooling {
		names[i] = string(p)
	}
	s := strings.Join(names, "+")
	for _, step := range o.Steps {
		s += step.String()
	}
	if o.Truncate > 0 {
		s += fmt.Sprintf(", the first %d numbers", o.Truncate)
	}
	return s
}
