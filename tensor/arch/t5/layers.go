package t5

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graph code reads as formulas

	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// queryBlock is how many queries share a block of scores.
const queryBlock = 128

// embedBlock looks up ids [N] and gives x [N, D].
func (m *Model) embedBlock() *tape.Block {
	return &tape.Block{
		Name: "t5 embed", Weights: []string{"embed"}, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			return []*Node{ConvertDType(Gather(w.Get("embed"), InsertAxes(in[0], -1)), m.dtype)}, nil
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			w.GradProduct("embed", func() nn.Product { return nn.Product{Y: in[0], X: dOut[0]} })
			return []*Node{nil}
		},
	}
}

// pickBlock gathers the rows at [M] of x [N, D]; -1 gives zeros. A third input
// [M, D] is added. Where the rows are the first layer's, part of them is dropped.
func pickBlock(first bool) *tape.Block {
	// where keeps the rows of y that stand for some row of x.
	where := func(at, y *Node) *Node {
		is := BroadcastToShape(InsertAxes(GreaterOrEqual(at, ZerosLike(at)), -1), shapes.Make(dtypes.Bool, y.Shape().Dimensions...))
		return Where(is, y, ZerosLike(y))
	}
	index := func(at *Node) *Node { return InsertAxes(Max(at, ZerosLike(at)), -1) }
	return &tape.Block{
		Name: "t5 pick", Outputs: 1, Drops: first,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			y := where(in[1], Gather(in[0], index(in[1])))
			if len(in) > 2 {
				y = Add(y, in[2])
			}
			return []*Node{nn.Dropout(w, "rows", y)}, nil
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			d := where(in[1], nn.Dropout(w, "rows", dOut[0]))
			d = ScatterSum(ZerosLike(in[0]), index(in[1]), d, false, false)
			return []*Node{d, nil, dOut[0]}[:len(in)]
		},
	}
}

// biasBlock gives the bias [H, S, S] of relative positions; its input [S] only
// says how many there are.
func biasBlock(r nn.Relative) *tape.Block {
	return &tape.Block{
		Name: "t5 bias", Weights: []string{"table"}, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			return []*Node{r.Bias(w.Get("table"), in[0].Shape().Dimensions[0])}, nil
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			w.Grad("table", func() *Node {
				table := ConvertDType(w.Get("table"), dtypes.Float32)
				return nn.Pullback([]*Node{r.Bias(table, in[0].Shape().Dimensions[0])}, dOut, []*Node{table})[0]
			})
			return []*Node{nil}
		},
	}
}

// normBlock is the norm that ends a stack.
func (m *Model) normBlock() *tape.Block {
	return &tape.Block{
		Name: "t5 norm", Weights: []string{"norm"}, Outputs: 1, Drops: true,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			return []*Node{nn.Dropout(w, "norm", nn.RMSNorm(in[0], w.Get("norm"), m.Config.Epsilon))}, nil
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			return []*Node{nn.RMSNormVJP(w, "norm", in[0], nn.Dropout(w, "norm", dOut[0]), m.Config.Epsilon)}
		},
	}
}

// layerWeights are the local names of a layer's weights; those that a model or
// a stack lacks are left out by the tape.
func layerWeights(decoder bool) []string {
	attention := func(p string) []string {
		return []string{p + "q.weight", p + "k.weight", p + "v.weight", p + "o.weight"}
	}
	names := append([]string{"layer.0.layer_norm.weight"}, attention("layer.0.SelfAttention.")...)
	p := "layer.1."
	if decoder {
		names = append(append(names, "layer.1.layer_norm.weight"), attention("layer.1.EncDecAttention.")...)
		p = "layer.2."
	}
	return append(names, p+"layer_norm.weight",
		p+"DenseReluDense.wi.weight", p+"DenseReluDense.wi_0.weight", p+"DenseReluDense.wi_1.weight", p+"DenseReluDense.wo.weight")
}

// encoderBlock is one encoder layer: attention inside each passage and the
// feed-forward layer, each behind a norm and beside a residual. Its inputs are
// x [B·S, D], the bias [H, S, S] and the lengths [B]; its output is x [B·S, D].
func (m *Model) encoderBlock() *tape.Block {
	rows := func(in []*Node) nn.Rows { return nn.Rows{Bias: in[1], Lengths: in[2], Block: queryBlock} }
	batch := func(in []*Node) int { return in[2].Shape().Dimensions[0] }
	return &tape.Block{
		Name: "t5 encoder layer", Weights: layerWeights(false), Outputs: 1, Drops: true,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			h := m.norm(w, "layer.0.", in[0])
			a, kept := m.attend(w, "layer.0.SelfAttention.", rows(in), h, h, batch(in))
			mid := Add(in[0], a)
			y, inner := m.feed(w, "layer.1.", mid)
			return []*Node{Add(mid, y)}, append(append(kept, mid), inner...)
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			mid := kept[5]
			dMid := Add(dOut[0], m.feedVJP(w, "layer.1.", mid, kept[6:], dOut[0]))
			h := m.norm(w, "layer.0.", in[0])
			dq, dkv, dBias := m.attendVJP(w, "layer.0.SelfAttention.", rows(in), h, h, kept[:5], dMid, batch(in))
			dx := Add(dMid, m.normVJP(w, "layer.0.", in[0], Add(dq, dkv)))
			return []*Node{dx, dBias, nil}
		},
	}
}

// decoderBlock is one decoder layer: causal attention, attention to the row's
// encoder states, and the feed-forward layer. Its inputs are x [R·T, D], the
// bias [H, T, T], the states [R·K, D] and how many of them each row has [R];
// its output is x [R·T, D]. A scored block takes weights [R, T] f32 too and has
// a second output, the relevance [R, K] of the states.
func (m *Model) decoderBlock(scored bool) *tape.Block {
	self := func(in []*Node) nn.Rows { return nn.Rows{Bias: in[1], Causal: true, Block: queryBlock} }
	cross := func(in []*Node) nn.Rows { return nn.Rows{Lengths: in[3], Block: queryBlock} }
	batch := func(in []*Node) int { return in[3].Shape().Dimensions[0] }
	outputs := 1
	if scored {
		outputs = 2
	}
	return &tape.Block{
		Name: "t5 decoder layer", Weights: layerWeights(true), Outputs: outputs, Drops: true,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			h := m.norm(w, "layer.0.", in[0])
			a, kept := m.attend(w, "layer.0.SelfAttention.", self(in), h, h, batch(in))
			first := Add(in[0], a)
			c, crossKept := m.attend(w, "layer.1.EncDecAttention.", cross(in), m.norm(w, "layer.1.", first), in[2], batch(in))
			mid := Add(first, c)
			y, inner := m.feed(w, "layer.2.", mid)
			kept = append(append(append(kept, first), crossKept...), mid)
			out = []*Node{Add(mid, y)}
			if scored {
				out = append(out, relevance(crossKept[0], crossKept[1], in[4]))
			}
			return out, append(kept, inner...)
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			first, mid := kept[5], kept[11]
			dMid := Add(dOut[0], m.feedVJP(w, "layer.2.", mid, kept[12:], dOut[0]))
			h := m.norm(w, "layer.1.", first)
			dh, dStates, _ := m.attendVJP(w, "layer.1.EncDecAttention.", cross(in), h, in[2], kept[6:11], dMid, batch(in))
			dFirst := Add(dMid, m.normVJP(w, "layer.1.", first, dh))
			h = m.norm(w, "layer.0.", in[0])
			dq, dkv, dBias := m.attendVJP(w, "layer.0.SelfAttention.", self(in), h, h, kept[:5], dFirst, batch(in))
			dx := Add(dFirst, m.normVJP(w, "layer.0.", in[0], Add(dq, dkv)))
			return []*Node{dx, dBias, dStates, nil}
		},
	}
}

func (m *Model) norm(w *nn.Weights, layer string, x *Node) *Node {
	return nn.RMSNorm(x, w.Get(layer+"layer_norm.weight"), m.Config.Epsilon)
}

func (m *Model) normVJP(w *nn.Weights, layer string, x, dy *Node) *Node {
	return nn.RMSNormVJP(w, layer+"layer_norm.weight", x, dy, m.Config.Epsilon)
}

// split turns a projection [B·S, H·C] into heads [B, H, S, C].
func (m *Model) split(x *Node, rows int) *Node {
	s := x.Shape().Dimensions[0] / rows
	return TransposeAllAxes(Reshape(x, rows, s, m.Config.Heads, m.Config.HeadWidth), 0, 2, 1, 3)
}

// merge undoes split.
func merge(x *Node) *Node {
	d := x.Shape().Dimensions
	return Reshape(TransposeAllAxes(x, 0, 2, 1, 3), d[0]*d[2], d[1]*d[3])
}

// attend lets h [R·T, D] attend to states [R·S, D] of the same row (the same h
// for self-attention) and gives [R·T, D]. It keeps q, k, v, o and the
// log-sum-exp.
func (m *Model) attend(w *nn.Weights, p string, r nn.Rows, h, states *Node, rows int) (y *Node, kept []*Node) {
	q := m.split(nn.Linear(w, p+"q", h), rows)
	k, v := m.split(nn.Linear(w, p+"k", states), rows), m.split(nn.Linear(w, p+"v", states), rows)
	r.Drop = dropped(w, p)
	o, lse := nn.RowAttention(r, q, k, v)
	return nn.Dropout(w, p+"o", nn.Linear(w, p+"o", merge(o))), []*Node{q, k, v, o, lse}
}

// dropped is dropout on the probabilities of an attention.
func dropped(w *nn.Weights, p string) func(lo int, x *Node) *Node {
	return func(lo int, x *Node) *Node { return nn.Dropout(w, fmt.Sprintf("%sprobabilities from %d", p, lo), x) }
}

// attendVJP gives the cotangents of h, by the queries, of the states, by keys
// and values, and of the bias where there is one.
func (m *Model) attendVJP(w *nn.Weights, p string, r nn.Rows, h, states *Node, kept []*Node, dy *Node, rows int) (dh, dStates, dBias *Node) {
	q, k, v, o, lse := kept[0], kept[1], kept[2], kept[3], kept[4]
	dO := m.split(nn.LinearVJP(w, p+"o", merge(o), nn.Dropout(w, p+"o", dy)), rows)
	r.Drop = dropped(w, p)
	dq, dk, dv, dBias := nn.RowAttentionVJP(r, q, k, v, o, lse, dO)
	dh = nn.LinearVJP(w, p+"q", h, merge(dq))
	dStates = Add(nn.LinearVJP(w, p+"k", states, merge(dk)), nn.LinearVJP(w, p+"v", states, merge(dv)))
	return dh, dStates, dBias
}

// feed is the feed-forward layer behind its norm, without the residual. It
// keeps the projections.
func (m *Model) feed(w *nn.Weights, layer string, x *Node) (y *Node, kept []*Node) {
	h := m.norm(w, layer, x)
	for _, name := range m.Config.innerNames() {
		kept = append(kept, nn.Linear(w, layer+"DenseReluDense"+name, h))
	}
	act := nn.Dropout(w, layer+"act", m.activate(kept))
	return nn.Dropout(w, layer+"wo", nn.Linear(w, layer+"DenseReluDense.wo", act)), kept
}

// feedVJP gives the cotangent of feed's x.
func (m *Model) feedVJP(w *nn.Weights, layer string, x *Node, kept []*Node, dy *Node) *Node {
	act := m.activate(kept)
	dAct := nn.LinearVJP(w, layer+"DenseReluDense.wo", nn.Dropout(w, layer+"act", act), nn.Dropout(w, layer+"wo", dy))
	dAct = nn.Dropout(w, layer+"act", dAct)
	h := m.norm(w, layer, x)
	var dh *Node
	for i, d := range m.activateVJP(act, dAct, kept) {
		part := nn.LinearVJP(w, layer+"DenseReluDense"+m.Config.innerNames()[i], h, d)
		if dh == nil {
			dh = part
		} else {
			dh = Add(dh, part)
		}
	}
	return m.normVJP(w, layer, x, dh)
}

// activate joins the projections: act(a), or act(a)·b with a gate (arXiv
// 2002.05202).
func (m *Model) activate(inner []*Node) *Node {
	if m.Config.Gated {
		return nn.Gated(m.Config.Activation, inner[0], inner[1])
	}
	return nn.Activation(m.Config.Activation)(inner[0])
}

// activateVJP are the cotangents of what activate joins to act.
func (m *Model) activateVJP(act, dAct *Node, inner []*Node) []*Node {
	if !m.Config.Gated {
		return nn.Pullback([]*Node{act}, []*Node{dAct}, inner)
	}
	dGate, dUp := nn.GatedVJP(m.Config.Activation, inner[0], inner[1], dAct)
	return []*Node{dGate, dUp}
}

// logits gives f32 logits [L, V] of final decoder states [L, D], and the rows
// that the head reads.
func (m *Model) logits(w *nn.Weights, x *Node) (logits, rows *Node) {
	rows = m.scaled(nn.Dropout(w, "norm", nn.RMSNorm(x, w.Get("norm"), m.Config.Epsilon)))
	return ConvertDType(nn.Linear(w, "head", rows), dtypes.Float32), rows
}

// scaled multiplies by D^-0.5 where the head wants it.
func (m *Model) scaled(x *Node) *Node {
	if !m.Config.Scaled {
		return x
	}
	return MulScalar(x, 1/math.Sqrt(float64(m.Config.Width)))
}

// headBlock takes x [R·T, D] and loss terms (sources, targets, weights [L]) to
// their summed negative log-likelihood. The loss is where every gradient
// starts, so its gradients are made on the way and kept.
func (m *Model) headBlock() *tape.Block {
	return &tape.Block{
		Name: "t5 head", Weights: []string{"norm", "head.weight"}, Outputs: 1, Drops: true,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			x := Gather(in[0], InsertAxes(in[1], -1))
			logits, rows := m.logits(w, x)
			loss, d := nn.CrossEntropySum(logits, in[2], in[3])
			d = ConvertDType(d, m.dtype)
			dh := nn.Dropout(w, "norm", m.scaled(nn.LinearVJP(w, "head", rows, d)))
			return []*Node{loss}, nn.KeepHead(w, nn.RMSNormVJP(w, "norm", x, dh, m.Config.Epsilon), d, rows)
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			dRows := nn.HeadVJP(w, kept, dOut[0])
			dx := ScatterSum(ZerosLike(in[0]), InsertAxes(in[1], -1), dRows, false, false)
			return []*Node{dx, nil, nil, nil}
		},
	}
}

// logitsBlock gives the f32 logits [L, V] of the given rows [L] of x [N, D].
func (m *Model) logitsBlock() *tape.Block {
	return &tape.Block{
		Name: "t5 logits", Weights: []string{"norm", "head.weight"}, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			logits, _ := m.logits(w, Gather(in[0], InsertAxes(in[1], -1)))
			return []*Node{logits}, nil
		},
	}
}
