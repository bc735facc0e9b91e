package t5

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// Decoding a token at a time: Context encodes, Cross gives each decoder layer's
// keys and values of the encoder states once, Blank makes empty caches, and
// then each step is Embed, StepBias, Step for every layer, and Next. Each of R
// rows is decoded as G beams, R·G in all, which share the row's encoder states.

// Cross gives a decoder layer's keys and values [R, H, K, C] of a context.
func (m *Model) Cross(t *tape.Tape, layer int, c Context) (k, v *tape.Value, err error) {
	out, err := t.Call(m.crossed[layer], c.States, c.Lengths)
	if err != nil {
		return nil, nil, err
	}
	return out[0], out[1], nil
}

// Blank gives an empty cache [R·G, H, T, C] of keys or values.
func (m *Model) Blank(t *tape.Tape, beams, width int) (*tape.Value, error) {
	shape, err := t.Ints(make([]int32, beams*width), beams, width)
	if err != nil {
		return nil, err
	}
	return call(t, m.blank, shape)
}

// Embed gives the input [R·G, D] of the first decoder layer for the beams' last
// tokens.
func (m *Model) Embed(t *tape.Tape, ids []int32) (*tape.Value, error) {
	in, err := t.Ints(ids, len(ids))
	if err != nil {
		return nil, err
	}
	return call(t, m.embed, in)
}

// StepBias gives the bias [H, 1, T] of a step at a place, an i32 scalar, in
// caches of width T.
func (m *Model) StepBias(t *tape.Tape, place *tape.Value, width int) (*tape.Value, error) {
	shape, err := t.Ints(make([]int32, width), width)
	if err != nil {
		return nil, err
	}
	return call(t, m.stepBias, place, shape)
}

// Step gives a decoder layer for one more token of every beam. Its inputs are x
// [R·G, D], StepBias's output, the place (i32 scalar), which beam of the step
// before each continues [R·G] i32, the caches of keys and values
// [R·G, H, T, C], Cross's keys and values, and Context.Lengths; its outputs are
// x [R·G, D] and the new caches.
func (m *Model) Step(layer int) tape.Bound { return m.steps[layer] }

// Next gives the log-probabilities [R·G, V] in f32 of the next token after the
// last layer's output.
func (m *Model) Next(t *tape.Tape, x *tape.Value) (*tape.Value, error) { return call(t, m.next, x) }

// crossBlock takes states [R·K, D] and lengths [R] to keys and values
// [R, H, K, C].
func (m *Model) crossBlock() *tape.Block {
	const p = "layer.1.EncDecAttention."
	return &tape.Block{
		Name: "t5 cross", Weights: []string{p + "k.weight", p + "v.weight"}, Outputs: 2,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			rows := in[1].Shape().Dimensions[0]
			return []*Node{m.split(nn.Linear(w, p+"k", in[0]), rows), m.split(nn.Linear(w, p+"v", in[0]), rows)}, nil
		},
	}
}

// blankBlock takes anything [M, T] to zeros [M, H, T, C].
func (m *Model) blankBlock() *tape.Block {
	return &tape.Block{
		Name: "t5 blank", Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			d := in[0].Shape().Dimensions
			zero := Scalar(in[0].Graph(), m.dtype, 0)
			return []*Node{BroadcastToDims(zero, d[0], m.Config.Heads, d[1], m.Config.HeadWidth)}, nil
		},
	}
}

// stepBiasBlock takes a place and anything [T] to the bias [H, 1, T].
func stepBiasBlock(r nn.Relative) *tape.Block {
	return &tape.Block{
		Name: "t5 step bias", Weights: []string{"table"}, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			return []*Node{r.BiasAt(w.Get("table"), in[0], in[1].Shape().Dimensions[0])}, nil
		},
	}
}

// stepBlock is described at Step.
func (m *Model) stepBlock() *tape.Block {
	return &tape.Block{
		Name: "t5 step", Weights: layerWeights(true), Outputs: 3,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			x, bias, place, from, crossK, crossV, lengths := in[0], in[1], in[2], in[3], in[6], in[7], in[8]
			beams, rows := from.Shape().Dimensions[0], lengths.Shape().Dimensions[0]
			h := m.norm(w, "layer.0.", x)
			zero := Scalar(x.Graph(), dtypes.Int32, 0)
			cache := func(old *Node, name string) *Node {
				now := m.split(nn.Linear(w, "layer.0.SelfAttention."+name, h), beams)
				return DynamicUpdateSlice(Gather(old, InsertAxes(from, -1)), now, []*Node{zero, zero, place, zero})
			}
			k, v := cache(in[4], "k"), cache(in[5], "v")
			self := nn.Rows{Bias: bias, Lengths: BroadcastToDims(AddScalar(place, 1), beams), Block: 1}
			o, _ := nn.RowAttention(self, m.split(nn.Linear(w, "layer.0.SelfAttention.q", h), beams), k, v)
			x = Add(x, nn.Linear(w, "layer.0.SelfAttention.o", merge(o)))

			q := m.split(nn.Linear(w, "layer.1.EncDecAttention.q", m.norm(w, "layer.1.", x)), rows)
			o, _ = nn.RowAttention(nn.Rows{Lengths: lengths, Block: queryBlock}, q, crossK, crossV)
			x = Add(x, nn.Linear(w, "layer.1.EncDecAttention.o", merge(o)))
			y, _ := m.feed(w, "layer.2.", x)
			return []*Node{Add(x, y), k, v}, nil
		},
	}
}

// nextBlock takes x [N, D] to log-probabilities [N, V].
func (m *Model) nextBlock() *tape.Block {
	return &tape.Block{
		Name: "t5 next", Weights: []string{"norm", "head.weight"}, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			logits, _ := m.logits(w, in[0])
			return []*Node{LogSoftmax(logits, -1)}, nil
		},
	}
}

// relevance is the mean over heads of the scores, before softmax, of queries
// [R, H, T, C] weighted by [R, T] at keys [R, H, K, C]; it gives [R, K] in f32.
func relevance(q, k, weights *Node) *Node {
	d := q.Shape().Dimensions
	wide := BroadcastToDims(Reshape(weights, d[0], 1, d[2], 1), d...)
	mean := ReduceSum(Mul(ConvertDType(q, dtypes.Float32), wide), 2) // [R, H, C]
	mean = BroadcastToShape(InsertAxes(mean, 2), k.Shape())
	return MulScalar(ReduceSum(Mul(mean, ConvertDType(k, dtypes.Float32)), 1, 3), 1/float64(d[1]))
}

// Shares says how much of a row's answer stands on each of its passages: the
// softmax over the passages of their scores in cross-attention, before its
// softmax, averaged over layers, heads, the passage's tokens and the answer's
// (Izacard and Grave 2021, arXiv 2012.04584, section 3.2, who take the answer's
// first token only). The answers are those that b has loss terms for, c is b's
// context. It gives one number per passage for every row; those of a row sum to
// 1, a missing passage has 0.
func (m *Model) Shares(t *tape.Tape, c Context, b *batch.FiD) ([][]float64, error) {
	if err := m.check(b); err != nil {
		return nil, err
	}
	rows := len(b.Rows)
	weights, counts := make([]float32, len(b.Tokens)), make([]float32, rows)
	for i, at := range b.Sources {
		weights[at] += b.Weights[i]
		counts[int(at)/b.Width] += b.Weights[i]
	}
	for i := range weights {
		if n := counts[i/b.Width]; n > 0 {
			weights[i] /= n
		}
	}
	of, err := t.Floats(weights, rows, b.Width)
	if err != nil {
		return nil, err
	}
	x, err := m.Embed(t, b.Tokens)
	if err != nil {
		return nil, err
	}
	bias, err := m.bias(t, m.decoder, b.Width)
	if err != nil {
		return nil, err
	}
	scores := make([]float64, rows*b.States)
	for _, layer := range m.scored {
		out, err := t.Call(layer, x, bias, c.States, c.Lengths, of)
		if err != nil {
			return nil, err
		}
		x = out[0]
		err = xla.View(out[1].Tensor, func(flat []float32) error {
			if len(flat) != len(scores) {
				return fmt.Errorf("t5: a context of %d states for %d rows of %d; expected the micro-batch's own", len(flat), rows, b.States)
			}
			for i, v := range flat {
				scores[i] += float64(v) / float64(len(m.scored))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return shares(b, scores), nil
}

// shares takes scores [R·K] of the states to shares of the passages.
func shares(b *batch.FiD, scores []float64) [][]float64 {
	out, sums := make([][]float64, len(b.Rows)), make([]float64, len(b.Rows))
	places := spans(b)
	means := func(do func(row, order int, mean float64)) {
		for gi, g := range b.Groups {
			for i, s := range places[gi] {
				row, mean := int(g.Rows[i]), 0.0
				for at := s.lo; at < s.hi; at++ {
					mean += scores[row*b.States+at] / float64(s.hi-s.lo)
				}
				do(row, int(g.Order[i]), mean)
			}
		}
	}
	top := make([]float64, len(b.Rows))
	for i := range top {
		top[i] = math.Inf(-1)
	}
	means(func(row, order int, mean float64) { top[row] = max(top[row], mean) })
	means(func(row, order int, mean float64) {
		for len(out[row]) <= order {
			out[row] = append(out[row], 0)
		}
		out[row][order] = math.Exp(mean - top[row])
		sums[row] += out[row][order]
	})
	for row := range out {
		for i := range out[row] {
			out[row][i] /= sums[row]
		}
	}
	return out
}
