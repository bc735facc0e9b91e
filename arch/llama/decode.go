package llama

import (
	"fmt"
	"slices"

	"gorqa/nn"
	"gorqa/tape"

	. "github.com/gomlx/gomlx/core/graph"
)

// Prefill gives layer i bound to its weights, with its keys and values as
// outputs too: x [S, D], positions [S] and reach [S] to
// x [S, D], k and v [N, S, C]. Any micro-batch of S positions fits, whatever
// its Global and Window, so that the shapes are few.
func (m *Model) Prefill(i int) tape.Bound {
	slide := m.Config.Slide[i]
	block, ok := m.prefill[slide]
	if !ok {
		block = &tape.Block{
			Name: fmt.Sprintf("prefill slide=%d", slide), Weights: layerWeights(), Outputs: 3,
			Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
				q, k, v := m.attended(w, in[0], in[1])
				s := in[0].Shape().Dimensions[0]
				o, _ := nn.Attention(nn.Tree{Positions: in[1], Reach: in[2], Window: s, Block: queryBlock, Slide: slide}, q, k, v)
				y, _, _, _ := m.mix(w, in[0], merge(m.headsLast(o)))
				return []*Node{y, k, v}, nil
			},
		}
		m.prefill[slide] = block
	}
	return block.At(layerPrefix(i))
}

// Step gives layer i bound to its weights for one new token in each of B rows
// (see nn.Cache). Its inputs are x [B, D], positions [B], first [B], place
// (scalar), old k and v [N, B, P, C], recent k and v [N, B, R, C]; its outputs
// x [B, D] and the new recent k and v.
func (m *Model) Step(i int) tape.Bound {
	slide := m.Config.Slide[i]
	block, ok := m.step[slide]
	if !ok {
		block = &tape.Block{
			Name: fmt.Sprintf("step slide=%d", slide), Weights: layerWeights(), Outputs: 3,
			Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
				q, newK, newV := m.attended(w, in[0], in[1])
				c := nn.Cache{Positions: in[1], First: in[2], Place: in[3], Slide: slide}
				o, k, v := c.Attend(q, newK, newV, in[4], in[5], in[6], in[7])
				y, _, _, _ := m.mix(w, in[0], merge(m.headsLast(o)))
				return []*Node{y, k, v}, nil
			},
		}
		m.step[slide] = block
	}
	return block.At(layerPrefix(i))
}

// attended gives q [N, G, S, C], k and v [N, S, C] of x [S, D] at positions [S].
func (m *Model) attended(w *nn.Weights, x, positions *Node) (q, k, v *Node) {
	cos, sin := m.Config.Rope.Angles(positions)
	h := m.heads(w, x, cos, sin)
	return m.queries(h.q), m.keys(h.k), m.keys(h.v)
}

// layerWeights are the local names of all of a layer's weights.
func layerWeights() []string { return slices.Concat(beforeWeights, afterWeights) }
