package bert

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graph code reads as formulas

	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// embedBlock takes ids, their places in the table of positions and, where they are
// not all of the first, their token types [P] i32 to x [P, D]: what the model has of
// them, normed and projected to its width.
func (m *Model) embedBlock() *tape.Block {
	return &tape.Block{
		Name: "bert embed", Weights: locals(embedStems), Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			f32 := func(x *Node) *Node { return ConvertDType(x, dtypes.Float32) }
			rows := func(name string, i *Node) *Node { return f32(Gather(w.Get(name), InsertAxes(i, -1))) }
			x := rows("word.weight", in[0])
			if w.Has("place.weight") {
				x = Add(x, rows("place.weight", in[1]))
			}
			switch {
			case len(in) > 2:
				x = Add(x, rows("kind.weight", in[2]))
			case w.Has("kind.weight"):
				kind := f32(SliceAxis(w.Get("kind.weight"), 0, AxisRange(0, 1)))
				x = Add(x, BroadcastToShape(kind, x.Shape()))
			}
			x = ConvertDType(m.norm(w, "norm", x), m.dtype)
			if w.Has("project.weight") {
				x = nn.Linear(w, "project", x)
			}
			return []*Node{x}, nil
		},
	}
}

// biasBlock takes lines [B, S] to the bias of relative positions [H, S, S] f32.
func (m *Model) biasBlock() *tape.Block {
	return &tape.Block{
		Name: "bert bias", Weights: locals([]string{"bias"}), Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			r := nn.Relative{Buckets: m.Config.Buckets, Limit: mpnetLimit}
			return []*Node{r.Bias(w.Get("bias.weight"), in[0].Shape().Dimensions[1])}, nil
		},
	}
}

// anglesBlock takes places [P] i32 to the rotary angles, cos and sin [P, C/2].
func anglesBlock(r nn.Rope) *tape.Block {
	return &tape.Block{
		Name: "bert angles", Outputs: 2,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			cos, sin := r.Angles(in[0])
			return []*Node{cos, sin}, nil
		},
	}
}

// finalBlock is the norm behind the last layer, x [P, D] to [P, D].
func (m *Model) finalBlock() *tape.Block {
	return &tape.Block{
		Name: "bert final", Weights: locals([]string{"final"}), Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			return []*Node{m.norm(w, "final", in[0])}, nil
		},
	}
}

// beforeBlock takes x [P, D], and where layers turn the angles [P, C/2], to the
// queries, keys and values [P, H, C].
func (m *Model) beforeBlock() *tape.Block {
	return &tape.Block{
		Name: "bert before", Weights: locals(beforeStems), Outputs: 3,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			x := in[0]
			p, h, c := x.Shape().Dimensions[0], m.Config.Heads, m.Config.HeadWidth
			if w.Has("first norm.weight") {
				x = m.norm(w, "first norm", x)
			}
			if m.Config.Fused {
				all := Reshape(nn.Linear(w, "fused", x), p, 3, h, c)
				for i := range 3 {
					out = append(out, Reshape(SliceAxis(all, 1, AxisRange(i, i+1)), p, h, c))
				}
			} else {
				for _, part := range []string{"query", "key", "value"} {
					out = append(out, Reshape(nn.Linear(w, part, x), p, h, c))
				}
			}
			if len(in) > 1 {
				out[0], out[1] = nn.Rotate(out[0], in[1], in[2]), nn.Rotate(out[1], in[1], in[2])
			}
			return out, nil
		},
	}
}

// attentionBlock is softmax(q·kᵀ/√C + bias)·v over the tokens of each row, or those of
// them no more than window away, for q, k and v [P, H, C], where in them the rows'
// tokens are [B, S] i32, how many these are [B] i32, the place in [B·S] of each position
// [P] i32, and the bias [H, S, S] where there is one; it gives [P, H, C].
func (m *Model) attentionBlock(window int) *tape.Block {
	return &tape.Block{
		Name: fmt.Sprintf("bert attention %d", window), Outputs: 1,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			r := nn.Packed{At: in[3], Lengths: in[4], Back: in[5], Window: window}
			if len(in) > 6 {
				r.Bias = in[6]
			}
			return []*Node{r.Attention(in[0], in[1], in[2])}, nil
		},
	}
}

// afterBlock takes x [P, D] and what attention gives [P, H, C] to x [P, D]:
// attention's output and the feed-forward layer, each added to its input, normed
// afterwards or, in families that norm before, on its way in.
func (m *Model) afterBlock() *tape.Block {
	return &tape.Block{
		Name: "bert after", Weights: locals(afterStems), Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			x := in[0]
			a := Reshape(in[1], x.Shape().Dimensions[0], m.Config.Heads*m.Config.HeadWidth)
			x = Add(x, nn.Linear(w, "out", a))
			if m.Config.Before {
				return []*Node{Add(x, m.feed(w, m.norm(w, "middle norm", x)))}, nil
			}
			x = m.norm(w, "middle norm", x)
			return []*Node{m.norm(w, "norm", Add(x, m.feed(w, x)))}, nil
		},
	}
}

// feed is the feed-forward layer, x [P, D] to [P, D].
func (m *Model) feed(w *nn.Weights, x *Node) *Node {
	act := m.Config.Activation
	if !m.Config.Gated {
		return nn.Linear(w, "outer", nn.LinearActivated(w, "inner", act, x))
	}
	up := nn.Linear(w, "inner", x)
	var gate *Node
	if m.Config.Fused {
		gate, up = SliceAxis(up, 1, AxisRange(0, m.Config.Inner)), SliceAxis(up, 1, AxisRangeToEnd(m.Config.Inner))
	} else {
		gate = nn.Linear(w, "gate", x)
	}
	return nn.Linear(w, "outer", nn.Gated(act, gate, up))
}

func (m *Model) norm(w *nn.Weights, name string, x *Node) *Node {
	var bias *Node
	if w.Has(name + ".bias") {
		bias = w.Get(name + ".bias")
	}
	return nn.LayerNorm(x, w.Get(name+".weight"), bias, m.Config.Epsilon)
}
