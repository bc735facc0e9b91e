package llama

import (
	"fmt"

	"gorqa/batch"
	"gorqa/nn"
	"gorqa/tape"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Model is a decoder as blocks over a runner's weights.
type Model struct {
	Config Config
	dtype  dtypes.DType // of the activations

	embed   tape.Bound
	layers  map[layerKind]*tape.Block
	head    tape.Bound
	logits  tape.Bound
	prefill map[int]*tape.Block // by sliding window
	step    map[int]*tape.Block // by sliding window
}

// layerKind is what is static in a layer's graph beside the input shapes.
type layerKind struct{ global, window, slide int }

// New makes the blocks of a decoder that computes in bf16 (half) or f32.
func New(c Config, half bool) *Model {
	m := &Model{Config: c, dtype: dtypes.Float32, layers: map[layerKind]*tape.Block{}}
	m.prefill, m.step = map[int]*tape.Block{}, map[int]*tape.Block{}
	if half {
		m.dtype = dtypes.BFloat16
	}
	m.embed = m.embedBlock().Named("model.embed_tokens.weight")
	m.head = m.headBlock().Named("model.norm.weight", c.HeadName())
	m.logits = m.logitsBlock().Named("model.norm.weight", c.HeadName())
	return m
}

// queryBlock is how many queries share a block of scores. Of 128, 256 and 512,
// 256 was the fastest over packs of 1024 and 2048 (nn.BenchmarkAttention).
const queryBlock = 256

// Loss runs the decoder over a micro-batch. Each returned value is an f32
// scalar, the summed negative log-likelihood of some of the loss terms; the
// loss of the micro-batch is their sum.
func (m *Model) Loss(t *tape.Tape, b *batch.Decoder) ([]*tape.Value, error) {
	x, err := m.Hidden(t, b)
	if err != nil {
		return nil, err
	}
	return t.Terms(m.head, x, b.Sources, b.Targets, b.Weights)
}

// Hidden runs embedding and layers over a micro-batch and returns the last
// layer's output [S, D], before the final norm.
func (m *Model) Hidden(t *tape.Tape, b *batch.Decoder) (*tape.Value, error) {
	s := len(b.Tokens)
	x, err := m.Embed(t, b.Tokens)
	if err != nil {
		return nil, err
	}
	positions, err := t.Ints(b.Positions, s)
	if err != nil {
		return nil, err
	}
	reach, err := t.Ints(b.Reach, s)
	if err != nil {
		return nil, err
	}
	for i := range m.Config.Layers {
		out, err := t.Call(m.Layer(i, b), x, positions, reach)
		if err != nil {
			return nil, err
		}
		x = out[0]
	}
	return x, nil
}

// Embed looks up ids [S] and gives x [S, D].
func (m *Model) Embed(t *tape.Tape, ids []int32) (*tape.Value, error) {
	in, err := t.Ints(ids, len(ids))
	if err != nil {
		return nil, err
	}
	out, err := t.Call(m.embed, in)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// Layer gives layer i bound to its weights, for micro-batches of b's kind. Its
// inputs are x [S, D], positions [S] and reach [S]; its output is x [S, D].
func (m *Model) Layer(i int, b *batch.Decoder) tape.Bound {
	kind := layerKind{b.Global, b.Window, m.Config.Slide[i]}
	block, ok := m.layers[kind]
	if !ok {
		block = m.layerBlock(kind)
		m.layers[kind] = block
	}
	return block.At(fmt.Sprintf("model.layers.%d.", i))
}

// embedBlock looks up ids [S] and gives x [S, D].
func (m *Model) embedBlock() *tape.Block {
	return &tape.Block{
		Name: "embed", Weights: []string{"embed"}, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			x := Gather(w.Get("embed"), InsertAxes(in[0], -1))
			return []*Node{ConvertDType(x, m.dtype)}, nil
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			w.Grad("embed", func() *Node {
				e := w.Get("embed")
				zero := Zeros(e.Graph(), shapes.Make(dtypes.Float32, e.Shape().Dimensions...))
				return ScatterSum(zero, InsertAxes(in[0], -1), ConvertDType(dOut[0], dtypes.Float32), false, false)
			})
			return []*Node{nil}
		},
	}
}

// layerWeights are the local names of a layer's weights.
var layerWeights = []string{
	"input_layernorm.weight",
	"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight", "self_attn.o_proj.weight",
	"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias", "self_attn.o_proj.bias",
	"self_attn.q_norm.weight", "self_attn.k_norm.weight",
	"post_attention_layernorm.weight",
	"mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight",
	"mlp.gate_proj.bias", "mlp.up_proj.bias", "mlp.down_proj.bias",
}

// layerBlock is one decoder layer: attention and the gated feed-forward layer,
// each behind a norm and beside a residual. It keeps the products that cost a
// matrix multiplication and recomputes norms, gates and probabilities.
func (m *Model) layerBlock(kind layerKind) *tape.Block {
	eps := m.Config.Epsilon
	return &tape.Block{
		Name: fmt.Sprintf("layer%+v", kind), Weights: layerWeights, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			h := m.heads(w, in[0], in[1])
			o, lse := nn.Attention(m.tree(kind, in), h.q, h.k, h.v)
			y, mid, gate, up := m.mix(w, in[0], o)
			kept = []*Node{h.q, h.k, h.v, o, lse, mid, gate, up}
			if m.Config.QKNorm {
				kept = append(kept, h.rawQ, h.rawK)
			}
			return []*Node{y}, kept
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			x, dy := in[0], dOut[0]
			q, k, v, o, lse, mid, gate, up := kept[0], kept[1], kept[2], kept[3], kept[4], kept[5], kept[6], kept[7]
			cos, sin := m.Config.Rope.Angles(in[1])

			act := gated(gate, up)
			dAct := nn.LinearVJP(w, "mlp.down_proj", act, dy)
			d := nn.Pullback([]*Node{act}, []*Node{dAct}, []*Node{gate, up})
			h := nn.RMSNorm(mid, w.Get("post_attention_layernorm.weight"), eps)
			dh := Add(nn.LinearVJP(w, "mlp.gate_proj", h, d[0]), nn.LinearVJP(w, "mlp.up_proj", h, d[1]))
			dMid := Add(dy, nn.RMSNormVJP(w, "post_attention_layernorm.weight", mid, dh, eps))

			dO := m.split(nn.LinearVJP(w, "self_attn.o_proj", merge(o), dMid), true)
			dq, dk, dv := nn.AttentionVJP(m.tree(kind, in), q, k, v, o, lse, dO)
			dq, dk = nn.Rotate(dq, cos, Neg(sin)), nn.Rotate(dk, cos, Neg(sin))
			if m.Config.QKNorm {
				dq = nn.RMSNormVJP(w, "self_attn.q_norm.weight", kept[8], dq, eps)
				dk = nn.RMSNormVJP(w, "self_attn.k_norm.weight", kept[9], dk, eps)
			}
			h = nn.RMSNorm(x, w.Get("input_layernorm.weight"), eps)
			dh = Add(nn.LinearVJP(w, "self_attn.q_proj", h, merge(dq)), nn.LinearVJP(w, "self_attn.k_proj", h, merge(dk)))
			dh = Add(dh, nn.LinearVJP(w, "self_attn.v_proj", h, merge(dv)))
			return []*Node{Add(dMid, nn.RMSNormVJP(w, "input_layernorm.weight", x, dh, eps)), nil, nil}
		},
	}
}

// tree is who attends to whom for a layer's inputs (x, positions, reach).
func (m *Model) tree(kind layerKind, in []*Node) nn.Tree {
	return nn.Tree{Positions: in[1], Reach: in[2], Window: kind.window, Global: kind.global, Block: queryBlock, Slide: kind.slide}
}

// heads are what attention works on: q [N, G, S, C], k and v [N, S, C], and q
// and k before qwen3's norms and the rotation.
type heads struct{ q, k, v, rawQ, rawK *Node }

// heads is the first part of a layer: norm, projections and rotation of
// x [S, D] at positions [S].
func (m *Model) heads(w *nn.Weights, x, positions *Node) heads {
	cos, sin := m.Config.Rope.Angles(positions)
	h := nn.RMSNorm(x, w.Get("input_layernorm.weight"), m.Config.Epsilon)
	rawQ, rawK := m.split(nn.Linear(w, "self_attn.q_proj", h), true), m.split(nn.Linear(w, "self_attn.k_proj", h), false)
	v := m.split(nn.Linear(w, "self_attn.v_proj", h), false)
	q := nn.Rotate(m.headNorm(w, "self_attn.q_norm.weight", rawQ), cos, sin)
	k := nn.Rotate(m.headNorm(w, "self_attn.k_norm.weight", rawK), cos, sin)
	return heads{q, k, v, rawQ, rawK}
}

// mix is the last part of a layer: it takes its input x [S, D] and the outcome
// of attention o [N, G, S, C] to its output y [S, D]; mid [S, D], gate and up
// [S, Inner] are what the backward walk wants kept.
func (m *Model) mix(w *nn.Weights, x, o *Node) (y, mid, gate, up *Node) {
	mid = Add(x, nn.Linear(w, "self_attn.o_proj", merge(o)))
	h := nn.RMSNorm(mid, w.Get("post_attention_layernorm.weight"), m.Config.Epsilon)
	gate, up = nn.Linear(w, "mlp.gate_proj", h), nn.Linear(w, "mlp.up_proj", h)
	return Add(mid, nn.Linear(w, "mlp.down_proj", gated(gate, up))), mid, gate, up
}

// gated is SwiGLU's silu(gate)·up (arXiv 2002.05202).
func gated(gate, up *Node) *Node { return Mul(Mul(gate, Sigmoid(gate)), up) }

// split turns a projection [S, H·C] into heads: [N, G, S, C] for queries,
// [N, S, C] for keys and values.
func (m *Model) split(x *Node, query bool) *Node {
	s, n, c := x.Shape().Dimensions[0], m.Config.KVHeads, m.Config.HeadWidth
	if !query {
		return TransposeAllAxes(Reshape(x, s, n, c), 1, 0, 2)
	}
	return TransposeAllAxes(Reshape(x, s, n, m.Config.Heads/n, c), 1, 2, 0, 3)
}

// merge undoes split.
func merge(x *Node) *Node {
	d := x.Shape().Dimensions
	if x.Rank() == 3 {
		return Reshape(TransposeAllAxes(x, 1, 0, 2), d[1], d[0]*d[2])
	}
	return Reshape(TransposeAllAxes(x, 2, 0, 1, 3), d[2], d[0]*d[1]*d[3])
}

// headNorm is qwen3's norm over each head, where the model has it.
func (m *Model) headNorm(w *nn.Weights, name string, x *Node) *Node {
	if !m.Config.QKNorm {
		return x
	}
	return nn.RMSNorm(x, w.Get(name), m.Config.Epsilon)
}

// headBlock takes x [S, D] and loss terms (sources, targets, weights [L]) to
// their summed negative log-likelihood. The loss is where every gradient
// starts, so its gradients are made on the way and kept: that of the rows
// [L, D] and, where it is trained, of the head [V, D].
func (m *Model) headBlock() *tape.Block {
	eps := m.Config.Epsilon
	return &tape.Block{
		Name: "head", Weights: []string{"norm", "head.weight"}, Outputs: 1, Keeps: true,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			rows := Gather(in[0], InsertAxes(in[1], -1))
			h := nn.RMSNorm(rows, w.Get("norm"), eps)
			loss, d := nn.CrossEntropySum(ConvertDType(nn.Linear(w, "head", h), dtypes.Float32), in[2], in[3])
			dh := nn.LinearVJP(w, "head", h, ConvertDType(d, m.dtype))
			dRows := nn.RMSNormVJP(w, "norm", rows, dh, eps)
			kept = []*Node{dRows}
			for _, name := range []string{"norm", "head.weight"} {
				if w.Trained(name) {
					kept = append(kept, w.Gradient(name))
				}
			}
			return []*Node{loss}, kept
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			scaled := func(x *Node) *Node { return Mul(x, ConvertDType(dOut[0], x.DType())) }
			zero := ZerosLike(in[0])
			dx := ScatterSum(zero, InsertAxes(in[1], -1), scaled(kept[0]), false, false)
			kept = kept[1:]
			for _, name := range []string{"norm", "head.weight"} {
				if w.Trained(name) {
					g := kept[0]
					kept = kept[1:]
					w.Grad(name, func() *Node { return scaled(g) })
				}
			}
			return []*Node{dx, nil, nil, nil}
		},
	}
}

// Logits gives the logits [L, V] in f32 at the given positions of a
// micro-batch; tests and scoring use it.
func (m *Model) Logits(t *tape.Tape, b *batch.Decoder, at []int32) (*tape.Value, error) {
	x, err := m.Hidden(t, b)
	if err != nil {
		return nil, err
	}
	return m.Head(t, x, at)
}

// Head gives the logits [L, V] in f32 of the given places of the last layer's
// output x [S, D].
func (m *Model) Head(t *tape.Tape, x *tape.Value, at []int32) (*tape.Value, error) {
	places, err := t.Ints(at, len(at))
	if err != nil {
		return nil, err
	}
	out, err := t.Call(m.logits, x, places)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// logitsBlock takes x [S, D] and places [L] to logits [L, V] in f32.
func (m *Model) logitsBlock() *tape.Block {
	return &tape.Block{
		Name: "logits", Weights: []string{"norm", "head.weight"}, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			h := nn.RMSNorm(Gather(in[0], InsertAxes(in[1], -1)), w.Get("norm"), m.Config.Epsilon)
			return []*Node{ConvertDType(nn.Linear(w, "head", h), dtypes.Float32)}, nil
		},
	}
}
