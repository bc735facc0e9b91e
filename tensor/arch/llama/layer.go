package llama

import (
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"

	. "github.com/gomlx/gomlx/core/graph"
)

// beforeWeights and afterWeights are the local names of a layer's weights; a model
// has some of them.
func beforeWeights() []string {
	return []string{
		"input_layernorm.weight",
		"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight", "self_attn.qkv_proj.weight",
		"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias",
		queryNorm, keyNorm,
	}
}

func afterWeights() []string {
	return []string{
		"self_attn.o_proj.weight", "self_attn.o_proj.bias",
		"post_attention_layernorm.weight", "pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight",
		"mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.gate_up_proj.weight", "mlp.down_proj.weight",
		"mlp.gate_proj.bias", "mlp.up_proj.bias", "mlp.down_proj.bias",
	}
}

// beforeBlock is a layer up to attention: x [S, D] and the angles [S, R/2] to
// q [S, H, C], k and v [S, N, C]. It keeps only what norms of queries and keys need.
func (m *Model) beforeBlock() *tape.Block {
	norms := m.Config.QKNorm || m.Config.WideQKNorm
	return &tape.Block{
		Name: "before attention", Weights: beforeWeights(), Outputs: 3,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			h := m.heads(w, in[0], in[1], in[2])
			if norms {
				kept = []*Node{h.rawQ, h.rawK}
			}
			return []*Node{h.q, h.k, h.v}, kept
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			x, cos, back, name := in[0], in[1], Neg(in[2]), m.Config.places().attentionIn
			dq, dk := nn.Rotate(dOut[0], cos, back), nn.Rotate(dOut[1], cos, back)
			if m.Config.QKNorm {
				dq, dk = m.norm.VJP(w, queryNorm, kept[0], dq), m.norm.VJP(w, keyNorm, kept[1], dk)
			}
			dq, dk = merge(dq), merge(dk)
			if m.Config.WideQKNorm {
				dq, dk = m.norm.VJP(w, queryNorm, kept[0], dq), m.norm.VJP(w, keyNorm, kept[1], dk)
			}
			dh := m.projectVJP(w, m.normed(w, name, x), dq, dk, merge(dOut[2]))
			return []*Node{m.normedVJP(w, name, x, dh), nil, nil}
		},
	}
}

// afterBlock is a layer from attention on: its input x [S, D] and attention's
// outcome o [S, H, C] to its output [S, D]. It keeps the products that
// cost a matrix multiplication and computes norms and gates again.
func (m *Model) afterBlock() *tape.Block {
	return &tape.Block{
		Name: "after attention", Weights: afterWeights(), Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			y, kept := m.mix(w, in[0], merge(in[1]))
			return []*Node{y}, kept
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			places, mid, gate, up := m.Config.places(), kept[0], kept[1], kept[2]
			var attended, down *Node
			if m.Config.Norms != NormsBefore {
				attended, down = kept[0], kept[3]
				mid = m.added(w, places.attentionOut, in[0], attended)
			}
			act := nn.Gated(m.Config.activation(), gate, up)
			dAct := nn.LinearVJP(w, "mlp.down_proj", act, m.addedVJP(w, places.mlpOut, down, dOut[0]))
			dGate, dUp := nn.GatedVJP(m.Config.activation(), gate, up, dAct)
			dh := m.gatesVJP(w, m.normed(w, places.mlpIn, mid), dGate, dUp)
			dMid := Add(dOut[0], m.normedVJP(w, places.mlpIn, mid, dh))
			dO := nn.LinearVJP(w, "self_attn.o_proj", merge(in[1]), m.addedVJP(w, places.attentionOut, attended, dMid))
			return []*Node{dMid, m.split(dO, m.Config.Heads)}
		},
	}
}

// keptAfter is how many values afterBlock keeps.
func (m *Model) keptAfter() int {
	if m.Config.Norms == NormsBefore {
		return 3
	}
	return 4
}

// mix is the last part of a layer: it takes its input x [S, D] and the outcome
// of attention o [S, H·C] to its output y [S, D]. What the backward pass wants kept
// is what stands between the two parts [S, D], gate and up [S, Inner], or where norms
// stand behind the parts, what goes into these and not what comes out.
func (m *Model) mix(w *nn.Weights, x, o *Node) (y *Node, kept []*Node) {
	places := m.Config.places()
	attended := nn.Linear(w, "self_attn.o_proj", o)
	mid := m.added(w, places.attentionOut, x, attended)
	gate, up := m.gates(w, m.normed(w, places.mlpIn, mid))
	down := nn.Linear(w, "mlp.down_proj", nn.Gated(m.Config.activation(), gate, up))
	y = m.added(w, places.mlpOut, mid, down)
	if m.Config.Norms == NormsBefore {
		return y, []*Node{mid, gate, up}
	}
	return y, []*Node{attended, gate, up, down}
}

// heads are what attention works on: q [S, H, C], k and v [S, N, C], and q and
// k before their norms and the rotation.
type heads struct{ q, k, v, rawQ, rawK *Node }

// heads is the first part of a layer: norm, projections and rotation of
// x [S, D] by the angles [S, R/2].
func (m *Model) heads(w *nn.Weights, x, cos, sin *Node) heads {
	q, k, v := m.project(w, m.normed(w, m.Config.places().attentionIn, x))
	h := heads{v: m.split(v, m.Config.KVHeads), rawQ: q, rawK: k}
	if m.Config.WideQKNorm {
		q, k = m.norm.Of(w, queryNorm, q), m.norm.Of(w, keyNorm, k)
	}
	q, k = m.split(q, m.Config.Heads), m.split(k, m.Config.KVHeads)
	if m.Config.QKNorm {
		h.rawQ, h.rawK = q, k
		q, k = m.norm.Of(w, queryNorm, q), m.norm.Of(w, keyNorm, k)
	}
	h.q, h.k = nn.Rotate(q, cos, sin), nn.Rotate(k, cos, sin)
	return h
}

// project gives queries [S, H·C], keys and values [S, N·C] of h [S, D].
func (m *Model) project(w *nn.Weights, h *Node) (q, k, v *Node) {
	if m.Config.Fused {
		parts := cut(nn.Linear(w, "self_attn.qkv_proj", h), m.Config.queryWidth(), m.Config.keyWidth(), m.Config.keyWidth())
		return parts[0], parts[1], parts[2]
	}
	return nn.Linear(w, "self_attn.q_proj", h), nn.Linear(w, "self_attn.k_proj", h), nn.Linear(w, "self_attn.v_proj", h)
}

// projectVJP is the cotangent of project's h.
func (m *Model) projectVJP(w *nn.Weights, h, dq, dk, dv *Node) *Node {
	if m.Config.Fused {
		return nn.LinearVJP(w, "self_attn.qkv_proj", h, Concatenate([]*Node{dq, dk, dv}, -1))
	}
	dh := Add(nn.LinearVJP(w, "self_attn.q_proj", h, dq), nn.LinearVJP(w, "self_attn.k_proj", h, dk))
	return Add(dh, nn.LinearVJP(w, "self_attn.v_proj", h, dv))
}

// gates gives gate and up [S, Inner] of h [S, D].
func (m *Model) gates(w *nn.Weights, h *Node) (gate, up *Node) {
	if m.Config.Fused {
		parts := cut(nn.Linear(w, "mlp.gate_up_proj", h), m.Config.Inner, m.Config.Inner)
		return parts[0], parts[1]
	}
	return nn.Linear(w, "mlp.gate_proj", h), nn.Linear(w, "mlp.up_proj", h)
}

// gatesVJP is the cotangent of gates' h.
func (m *Model) gatesVJP(w *nn.Weights, h, dGate, dUp *Node) *Node {
	if m.Config.Fused {
		return nn.LinearVJP(w, "mlp.gate_up_proj", h, Concatenate([]*Node{dGate, dUp}, -1))
	}
	return Add(nn.LinearVJP(w, "mlp.gate_proj", h, dGate), nn.LinearVJP(w, "mlp.up_proj", h, dUp))
}

// activation is the gate's, by the name that config.json has for it.
func (c Config) activation() string {
	if c.GELU {
		return "gelu_pytorch_tanh"
	}
	return "silu"
}

// cut divides the last axis of x.
func cut(x *Node, widths ...int) []*Node {
	parts, from := make([]*Node, len(widths)), 0
	for i, width := range widths {
		parts[i] = SliceAxis(x, -1, AxisRange(from, from+width))
		from += width
	}
	return parts
}

// normed is the norm of x by a weight, without a name x itself.
func (m *Model) normed(w *nn.Weights, name string, x *Node) *Node {
	if name == "" {
		return x
	}
	return m.norm.Of(w, name, x)
}

// normedVJP is the cotangent of normed's x.
func (m *Model) normedVJP(w *nn.Weights, name string, x, d *Node) *Node {
	if name == "" {
		return d
	}
	return m.norm.VJP(w, name, x, d)
}

// added is x [S, D] and what a part of a layer adds to it, normed and scaled.
func (m *Model) added(w *nn.Weights, name string, x, part *Node) *Node {
	return Add(x, times(m.normed(w, name, part), m.Config.Scales.Residual))
}

// addedVJP is the cotangent of added's part.
func (m *Model) addedVJP(w *nn.Weights, name string, part, d *Node) *Node {
	return m.normedVJP(w, name, part, times(d, m.Config.Scales.Residual))
}
