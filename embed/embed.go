// Package embed turns token ids into sentence vectors: an encoder of arch/bert,
// the pooling and normalisation of its sentence-transformers folder, and batches
// by length so that little is padded and few shapes are compiled. It knows
// nothing of text: whoever tokenises follows [Settings].
package embed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graph code reads as formulas

	"gorqa/arch/bert"
	"gorqa/internal/xla"
	"gorqa/nn"
	"gorqa/tape"
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
	Pooling   []Pooling // one, or several whose vectors are joined
	Normalise bool      // scale vectors to length 1
	// BatchTokens is about how many tokens, padding included, are in one batch.
	BatchTokens int
}

// DefaultOptions returns mean pooling, normalised, in batches of 1024 tokens: a
// small encoder's activations then stay near the cache.
func DefaultOptions() Options {
	return Options{Pooling: []Pooling{Mean}, Normalise: true, BatchTokens: 1024}
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
	if o.BatchTokens < 1 {
		errs = append(errs, fmt.Errorf("embed: BatchTokens is %d; expected at least 1", o.BatchTokens))
	}
	return errors.Join(errs...)
}

// Model embeds rows of token ids. It is safe for concurrent use; calls take turns.
type Model struct {
	mu     sync.Mutex
	opt    Options
	runner *tape.Runner
	bert   *bert.Model
	pool   tape.Bound
}

// New makes an embedder of an encoder whose weights, those of c.Weights, the
// runner holds. They stay the runner's to free.
func New(r *tape.Runner, c bert.Config, opt Options) (*Model, error) {
	if err := errors.Join(c.Validate(), opt.Validate()); err != nil {
		return nil, err
	}
	var errs []error
	for _, w := range c.Weights() {
		p := r.Params.Get(w.Name)
		switch {
		case p == nil:
			errs = append(errs, fmt.Errorf("embed: the encoder has no weight %s; expected one of %v", w.Name, w.Dims))
		case !slices.Equal(p.Dims, w.Dims):
			errs = append(errs, fmt.Errorf("embed: weight %s is %v; expected %v as config.json says", w.Name, p.Dims, w.Dims))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	m := &Model{opt: opt, runner: r, bert: bert.New(c, r.Params.Half())}
	m.pool = m.poolBlock().Named()
	return m, nil
}

// Width returns the length of the vectors.
func (m *Model) Width() int { return len(m.opt.Pooling) * m.bert.Config.Width }

// Vectors returns the vector of each row of ids, in order. Rows are of one token
// at least and of no more than the encoder has positions. ctx is looked at
// between batches.
func (m *Model) Vectors(ctx context.Context, ids [][]int32) ([][]float32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for i, row := range ids {
		if len(row) == 0 || len(row) > m.bert.Config.Positions {
			errs = append(errs, fmt.Errorf("embed: row %d has %d tokens; expected 1 to %d; truncate the text", i+1, len(row), m.bert.Config.Positions))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	out := make([][]float32, len(ids))
	for _, b := range batches(ids, m.opt.BatchTokens, m.bert.Config.Positions) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := m.run(ids, b, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// shape is one batch: which rows it holds and the sides of its rectangle.
type shape struct {
	rows  []int // indexes of the rows it holds, at most tall
	width int   // tokens of each row with its padding
	tall  int   // rows with the empty ones that fill it up
}

// batches sorts the rows by length, longest first, and cuts them into rectangles
// of about budget tokens. Widths and heights are rounded up so that few shapes
// arise: all batches of a width are full except the last of all.
func batches(ids [][]int32, budget, limit int) []shape {
	order := make([]int, len(ids))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(ids[b]) - len(ids[a]) })
	var list []shape
	for len(order) > 0 {
		width := min(roundWidth(len(ids[order[0]])), limit)
		full := max(1, budget/width)
		n := min(full, len(order))
		tall := 1
		for tall < n {
			tall *= 2
		}
		list = append(list, shape{rows: order[:n], width: width, tall: min(tall, full)})
		order = order[n:]
	}
	return list
}

// roundWidth rounds a length up to 16, to a multiple of 32, or above 256 of 64.
func roundWidth(n int) int {
	step := 64
	switch {
	case n <= 16:
		step = 16
	case n <= 256:
		step = 32
	}
	return (n + step - 1) / step * step
}

// run embeds one batch and stores its vectors in out.
func (m *Model) run(ids [][]int32, b shape, out [][]float32) (err error) {
	flat, lengths := make([]int32, b.tall*b.width), make([]int32, b.tall)
	for i, row := range b.rows {
		copy(flat[i*b.width:], ids[row])
		lengths[i] = int32(len(ids[row]))
	}
	t := m.runner.New(false)
	defer func() { err = errors.Join(err, t.Free()) }()
	x, rows, err := m.bert.Hidden(t, flat, lengths)
	if err != nil {
		return err
	}
	pooled, err := t.Call(m.pool, x, rows)
	if err != nil {
		return err
	}
	width := m.Width()
	return xla.View(pooled[0].Tensor, func(vectors []float32) error {
		for i, row := range b.rows {
			out[row] = slices.Clone(vectors[i*width : (i+1)*width])
		}
		return nil
	})
}

// poolBlock takes states [B·S, D] and lengths [B] to vectors [B, W].
func (m *Model) poolBlock() *tape.Block {
	return &tape.Block{
		Name: "pool", Outputs: 1,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			return []*Node{pool(m.opt, in[0], in[1])}, nil
		},
	}
}

// pool takes states x [B·S, D] and lengths [B] i32 to vectors [B, W] f32, W being
// D for each pooling. Rows of length 0 give vectors that mean nothing.
func pool(opt Options, x, lengths *Node) *Node {
	b, d := lengths.Shape().Dimensions[0], x.Shape().Dimensions[1]
	s, g := x.Shape().Dimensions[0]/b, x.Graph()
	x = Reshape(ConvertDType(x, dtypes.Float32), b, s, d)
	place := Iota(g, shapes.Make(dtypes.Int32, b, s, 1), 1)
	lengths = Reshape(MaxScalar(lengths, 1), b, 1, 1)
	seen := LessThan(place, BroadcastToDims(lengths, b, s, 1)) // [B, S, 1]
	count := Reshape(ConvertDType(lengths, dtypes.Float32), b, 1)
	wide := func(n *Node) *Node { return BroadcastToDims(n, b, s, d) }
	sum := func(weights *Node) *Node { return ReduceSum(Mul(x, wide(ConvertDType(weights, dtypes.Float32))), 1) } // [B, D]

	var parts []*Node
	for _, p := range opt.Pooling {
		var v *Node
		switch p {
		case Mean:
			v = Div(sum(seen), BroadcastToDims(count, b, d))
		case MeanSqrt:
			v = Div(sum(seen), BroadcastToDims(Sqrt(count), b, d))
		case WeightedMean:
			weights := Where(seen, AddScalar(place, 1), ZerosLike(place))
			total := ReduceSum(ConvertDType(weights, dtypes.Float32), 1) // [B, 1]
			v = Div(sum(weights), BroadcastToDims(total, b, d))
		case First:
			v = sum(Equal(place, ZerosLike(place)))
		case Last:
			v = sum(Equal(place, BroadcastToDims(AddScalar(lengths, -1), b, s, 1)))
		case Largest:
			v = ReduceMax(Where(wide(seen), x, BroadcastToDims(Scalar(g, dtypes.Float32, -3e38), b, s, d)), 1)
		}
		parts = append(parts, v)
	}
	v := parts[0]
	if len(parts) > 1 {
		v = Concatenate(parts, 1)
	}
	if !opt.Normalise {
		return v
	}
	norm := MaxScalar(Sqrt(ReduceAndKeep(Square(v), ReduceSum, 1)), 1e-12)
	return Div(v, BroadcastToShape(norm, v.Shape()))
}

// String names the settings that change the vectors, for a cache.
func (o Options) String() string {
	names := make([]string, len(o.Pooling))
	for i, p := range o.Pooling {
		names[i] = string(p)
	}
	s := strings.Join(names, "+")
	if o.Normalise {
		s += " normalised"
	}
	return s
}
