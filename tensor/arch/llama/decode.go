package llama

import (
	"fmt"
	"slices"

	"gorqa/engine/xla"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Prefill runs layer i over a micro-batch, x [S, D] to y [S, D], and gives its
// keys and values [S, N, C]. Of the last layer only these are wanted: its
// y is nil.
func (m *Model) Prefill(t *tape.Tape, i int, x *tape.Value, shared Shared) (y, k, v *tape.Value, err error) {
	if i == m.Config.Layers-1 {
		angles := shared.angles[m.Config.ropeKind(i)]
		h, err := t.Call(m.before.At(layerPrefix(i)), x, angles[0], angles[1])
		if err != nil {
			return nil, nil, nil, err
		}
		return nil, h[1], h[2], xla.Free(h[0].Tensor)
	}
	h, out, err := m.layer(t, i, x, shared, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	return out[0], h[1], h[2], xla.Free(h[0].Tensor, h[3].Tensor)
}

// Cached turns keys and values [S, N, C], which it frees, into what Step's old
// parts hold, [N, S, C].
func (m *Model) Cached(t *tape.Tape, k, v *tape.Value) (oldK, oldV *tape.Value, err error) {
	out, err := t.Call(m.cached, k, v)
	if err != nil {
		return nil, nil, err
	}
	return out[0], out[1], xla.Free(k.Tensor, v.Tensor)
}

// cachedBlock takes keys and values [S, N, C] to what a cache holds, [N, S, C].
func (m *Model) cachedBlock() *tape.Block {
	return &tape.Block{
		Name: "cached", Outputs: 2,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			return []*Node{m.keys(in[0]), m.keys(in[1])}, nil
		},
	}
}

// Step gives the layers from..to-1 bound to their weights for one new token in
// each of B rows (see nn.Cache). Its inputs are x [B, D], positions [B], first
// [B], place (scalar), and for each layer old k and v [N, B, P, C], recent k and v
// [N, B, R, C]; its outputs x [B, D] and each layer's new recent k and v.
func (m *Model) Step(from, to int) tape.Bound {
	slides, turns := m.Config.Slide[from:to], make([]int, to-from)
	for i := range turns {
		turns[i] = m.Config.ropeKind(from + i)
	}
	i := slices.IndexFunc(m.steps, func(s stepBlock) bool {
		return slices.Equal(s.slides, slides) && slices.Equal(s.turns, turns)
	})
	if i < 0 {
		block := &tape.Block{Name: fmt.Sprint("step slides=", slides, " turns=", turns), Weights: layerWeights(0, len(slides)), Outputs: 1 + 2*len(slides)}
		block.Forward = func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			out = []*Node{in[0]}
			for i, slide := range slides {
				layer, caches := w.Under(layerPrefix(i)), in[4+4*i:]
				q, newK, newV := m.attended(layer, turns[i], out[0], in[1])
				c := nn.Cache{Positions: in[1], First: in[2], Place: in[3], Slide: slide, Scores: m.Config.Scores}
				o, k, v := c.Attend(q, newK, newV, caches[0], caches[1], caches[2], caches[3])
				out[0], _ = m.mix(layer, out[0], merge(m.headsLast(o)))
				out = append(out, k, v)
			}
			return out, nil
		}
		i, m.steps = len(m.steps), append(m.steps, stepBlock{slides, turns, block})
	}
	return m.steps[i].block.Named(layerWeights(from, to)...)
}

// Likeliest takes the last layer's output x [B, D] to the likeliest next tokens
// [B], -1 where logits are not finite, and what a step reads beside them one token further: positions [B] and
// place (scalar).
func (m *Model) Likeliest(t *tape.Tape, x, positions, place *tape.Value) (tokens, nextPositions, nextPlace *tape.Value, err error) {
	out, err := t.Call(m.likeliest, x, positions, place)
	if err != nil {
		return nil, nil, nil, err
	}
	return out[0], out[1], out[2], nil
}

// likeliestBlock is Likeliest's graph.
func (m *Model) likeliestBlock() *tape.Block {
	return &tape.Block{
		Name: "likeliest", Weights: []string{"norm", "head.weight"}, Outputs: 3,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			logits := m.toLogits(w, in[0])
			best := ArgMax(logits, -1, dtypes.Int32)
			best = Where(LogicalAll(IsFinite(logits), -1), best, AddScalar(ZerosLike(best), -1))
			return []*Node{best, OnePlus(in[1]), OnePlus(in[2])}, nil
		},
	}
}

// attended gives q [N, G, S, C], k and v [N, S, C] of x [S, D] at positions [S], which
// turn as of one of Config.ropeKinds.
func (m *Model) attended(w *nn.Weights, turns int, x, positions *Node) (q, k, v *Node) {
	cos, sin := m.Config.ropeKinds()[turns].Angles(positions)
	h := m.heads(w, x, cos, sin)
	return m.queries(h.q), m.keys(h.k), m.keys(h.v)
}

// layerWeights are the names of all weights of the layers from..to-1.
func layerWeights(from, to int) []string {
	var names []string
	for i := from; i < to; i++ {
		for _, name := range slices.Concat(beforeWeights(), afterWeights()) {
			names = append(names, layerPrefix(i)+name)
		}
	}
	return names
}
