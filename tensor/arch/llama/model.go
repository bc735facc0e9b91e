package llama

import (
	"fmt"
	"slices"

	"gorqa/batch"
	"gorqa/engine/cpu"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Model is a decoder as blocks over a runner's weights.
type Model struct {
	Config Config
	dtype  dtypes.DType // of the activations

	embed, angles, pick, head, logits, cached, likeliest tape.Bound

	before, after *tape.Block                   // a layer's two parts, around attention
	attention     map[attentionKind]*tape.Block // as a graph
	layers        map[attentionKind]*tape.Block // whole, with it
	graphs        bool                          // attention is a graph on the host too; for tests
	steps         []stepBlock
}

// stepBlock is the block of Step for layers of these sliding windows.
type stepBlock struct {
	slides []int
	block  *tape.Block
}

// attentionKind is what is static in attention's graph beside the input shapes.
type attentionKind struct {
	row                   bool // one causal row, by the device's fused kernel; the rest is 0 then
	global, window, slide int
}

// kind says how a layer of that sliding window attends over a micro-batch in a graph.
func (m *Model) kind(t *tape.Tape, b *batch.Decoder, slide int) attentionKind {
	c := m.Config
	alone := len(b.Paths) == 1 && (slide == 0 || len(b.Paths[0]) <= slide) && m.dtype == dtypes.BFloat16
	if alone && t.FusesCausal(c.Heads, c.KVHeads, c.HeadWidth) {
		return attentionKind{row: true}
	}
	return attentionKind{global: b.Global, window: b.Window, slide: slide}
}

// New makes the blocks of a decoder that computes in bf16 or f32.
func New(c Config, bf16 bool) *Model {
	m := &Model{Config: c, dtype: dtypes.Float32, attention: map[attentionKind]*tape.Block{}, layers: map[attentionKind]*tape.Block{}}
	if bf16 {
		m.dtype = dtypes.BFloat16
	}
	m.embed = m.embedBlock().Named("model.embed_tokens.weight")
	m.angles, m.cached = m.anglesBlock().Named(), m.cachedBlock().Named()
	m.pick = m.pickBlock().Named()
	m.before, m.after = m.beforeBlock(), m.afterBlock()
	m.head = m.headBlock().Named("model.norm.weight", c.HeadName())
	m.logits = m.logitsBlock().Named("model.norm.weight", c.HeadName())
	m.likeliest = m.likeliestBlock().Named("model.norm.weight", c.HeadName())
	return m
}

// queryBlock is how many queries share a block of scores in a graph.
const queryBlock = 256

// Loss runs the decoder over a micro-batch. Each returned value is an f32
// scalar, the summed negative log-likelihood of some of the loss terms; the
// loss of the micro-batch is their sum.
func (m *Model) Loss(t *tape.Tape, b *batch.Decoder) ([]*tape.Value, error) {
	x, sources, err := m.Hidden(t, b, b.Sources)
	if err != nil {
		return nil, err
	}
	return t.Terms(m.head, x, sources, b.Targets, b.Weights)
}

// Hidden runs embedding and layers over a micro-batch and returns the last layer's
// output x, before the final norm, of the given places at least: [S, D], or on the
// host, where the last layer does no more than is asked for, [L, D]. at says where in
// it they are.
func (m *Model) Hidden(t *tape.Tape, b *batch.Decoder, places []int32) (x *tape.Value, at []int32, err error) {
	if x, err = m.Embed(t, b.Tokens); err != nil {
		return nil, nil, err
	}
	shared, err := m.Share(t, b)
	if err != nil {
		return nil, nil, err
	}
	at = places
	for i := range m.Config.Layers {
		var only []int32
		if i == m.Config.Layers-1 && shared.tree == nil && len(places) > 0 {
			only, at = places, make([]int32, len(places))
			for p := range at {
				at[p] = int32(p)
			}
		}
		out, err := t.Checkpoint(func(t *tape.Tape, in []*tape.Value) ([]*tape.Value, error) {
			if tree := shared.tree; tree != nil {
				block := m.layerBlock(shared.kinds[m.Config.Slide[i]])
				return t.Call(block.At(layerPrefix(i)), in[0], shared.angles[0], shared.angles[1], tree[0], tree[1])
			}
			_, out, err := m.layer(t, i, in[0], shared, only)
			return out, err
		}, x)
		if err != nil {
			return nil, nil, err
		}
		x = out[0]
	}
	return x, at, nil
}

// layer runs layer i over x [S, D]; h are its q [S, H, C], k and v [S, N, C]
// and attention's outcome [S, H, C]. Its output is [S, D], or of some places only.
func (m *Model) layer(t *tape.Tape, i int, x *tape.Value, shared Shared, only []int32) (h, out []*tape.Value, err error) {
	prefix := layerPrefix(i)
	if h, err = t.Call(m.before.At(prefix), x, shared.angles[0], shared.angles[1]); err != nil {
		return nil, nil, err
	}
	o, err := shared.attend[m.Config.Slide[i]](t, h)
	if err != nil {
		return nil, nil, err
	}
	h = append(h, o...)
	if only == nil {
		out, err = t.Call(m.after.At(prefix), x, o[0])
		return h, out, err
	}
	places, err := t.Ints(only, len(only))
	if err != nil {
		return nil, nil, err
	}
	some, err := t.Call(m.pick, x, o[0], places)
	if err != nil {
		return nil, nil, err
	}
	out, err = t.Call(m.after.At(prefix), some[0], some[1])
	return h, out, err
}

// pickBlock takes a layer's input x [S, D], attention's outcome o [S, H, C] and places
// [L] to what stands there, [L, D] and [L, H, C].
func (m *Model) pickBlock() *tape.Block {
	return &tape.Block{
		Name: "pick", Outputs: 2,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			at := InsertAxes(in[2], -1)
			return []*Node{Gather(in[0], at), Gather(in[1], at)}, nil
		},
		Backward: func(_ *nn.Weights, in, kept, dOut []*Node) []*Node {
			at := InsertAxes(in[2], -1)
			back := func(x, d *Node) *Node { return ScatterSum(ZerosLike(x), at, d, false, false) }
			return []*Node{back(in[0], dOut[0]), back(in[1], dOut[1]), nil}
		},
	}
}

func layerPrefix(i int) string { return fmt.Sprintf("model.layers.%d.", i) }

// Shared is what all layers share over one micro-batch.
type Shared struct {
	angles []*tape.Value     // rotary: cos and sin [S, C/2]
	attend map[int]tape.Part // by sliding window: q [S, H, C], k and v [S, N, C] to o [S, H, C]
	tree   []*tape.Value     // positions and reach [S], where attention is a graph

	kinds map[int]attentionKind // then: by sliding window
}

// Share makes ready what all layers share over a micro-batch.
func (m *Model) Share(t *tape.Tape, b *batch.Decoder) (Shared, error) {
	shared := Shared{attend: map[int]tape.Part{}}
	positions, err := t.Ints(b.Positions, len(b.Positions))
	if err != nil {
		return shared, err
	}
	if shared.angles, err = t.Call(m.angles, positions); err != nil {
		return shared, err
	}
	attention := func(slide int) tape.Part { return m.native(b, slide) }
	if !t.OnHost() || m.graphs {
		reach, err := t.Ints(b.Reach, len(b.Reach))
		if err != nil {
			return shared, err
		}
		shared.tree, shared.kinds = []*tape.Value{positions, reach}, map[int]attentionKind{}
		attention = func(slide int) tape.Part {
			shared.kinds[slide] = m.kind(t, b, slide)
			return m.graph(shared.kinds[slide], positions, reach)
		}
	}
	for _, slide := range m.Config.Slide {
		if shared.attend[slide] == nil {
			shared.attend[slide] = attention(slide)
		}
	}
	return shared, nil
}

// native is attention over a micro-batch's trees in the host's memory.
func (m *Model) native(b *batch.Decoder, slide int) tape.Part {
	return tape.Attention(cpu.AttentionShape{
		Heads: m.Config.Heads, KVHeads: m.Config.KVHeads, Width: m.Config.HeadWidth,
		Slide: slide, Depth: b.Positions, Reach: b.Reach,
	}, m.dtype == dtypes.BFloat16)
}

// graph is the same as a graph, over positions and reach [S].
func (m *Model) graph(kind attentionKind, positions, reach *tape.Value) tape.Part {
	block, ok := m.attention[kind]
	if !ok {
		block = m.attentionBlock(kind)
		m.attention[kind] = block
	}
	return func(t *tape.Tape, in []*tape.Value) ([]*tape.Value, error) {
		return t.Call(block.Named(), in[0], in[1], in[2], positions, reach)
	}
}

// Embed looks up ids [S] and gives x [S, D].
func (m *Model) Embed(t *tape.Tape, ids []int32) (*tape.Value, error) {
	in, err := t.Ints(ids, len(ids))
	if err != nil {
		return nil, err
	}
	return m.EmbedIDs(t, in)
}

// EmbedIDs is Embed for ids that are on the device.
func (m *Model) EmbedIDs(t *tape.Tape, ids *tape.Value) (*tape.Value, error) {
	out, err := t.Call(m.embed, ids)
	if err != nil {
		return nil, err
	}
	return out[0], nil
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
			w.GradProduct("embed", func() nn.Product { return nn.Product{Y: in[0], X: dOut[0]} })
			return []*Node{nil}
		},
	}
}

// anglesBlock takes positions [S] to the rotary angles, cos and sin [S, C/2].
func (m *Model) anglesBlock() *tape.Block {
	return &tape.Block{
		Name: "angles", Outputs: 2,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			cos, sin := m.Config.Rope.Angles(in[0])
			return []*Node{cos, sin}, nil
		},
	}
}

// beforeWeights and afterWeights are the local names of a layer's weights.
var (
	beforeWeights = []string{
		"input_layernorm.weight",
		"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
		"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias",
		"self_attn.q_norm.weight", "self_attn.k_norm.weight",
	}
	afterWeights = []string{
		"self_attn.o_proj.weight", "self_attn.o_proj.bias",
		"post_attention_layernorm.weight",
		"mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight",
		"mlp.gate_proj.bias", "mlp.up_proj.bias", "mlp.down_proj.bias",
	}
)

// beforeBlock is a layer up to attention: x [S, D] and the angles [S, C/2] to
// q [S, H, C], k and v [S, N, C]. It keeps only what qwen3's norms need.
func (m *Model) beforeBlock() *tape.Block {
	return &tape.Block{
		Name: "before attention", Weights: beforeWeights, Outputs: 3,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			h := m.heads(w, in[0], in[1], in[2])
			if m.Config.QKNorm {
				kept = []*Node{h.rawQ, h.rawK}
			}
			return []*Node{h.q, h.k, h.v}, kept
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			eps, x, cos, back := m.Config.Epsilon, in[0], in[1], Neg(in[2])
			dq, dk := nn.Rotate(dOut[0], cos, back), nn.Rotate(dOut[1], cos, back)
			if m.Config.QKNorm {
				dq = nn.RMSNormVJP(w, "self_attn.q_norm.weight", kept[0], dq, eps)
				dk = nn.RMSNormVJP(w, "self_attn.k_norm.weight", kept[1], dk, eps)
			}
			h := nn.RMSNorm(x, w.Get("input_layernorm.weight"), eps)
			dh := Add(nn.LinearVJP(w, "self_attn.q_proj", h, merge(dq)), nn.LinearVJP(w, "self_attn.k_proj", h, merge(dk)))
			dh = Add(dh, nn.LinearVJP(w, "self_attn.v_proj", h, merge(dOut[2])))
			return []*Node{nn.RMSNormVJP(w, "input_layernorm.weight", x, dh, eps), nil, nil}
		},
	}
}

// afterBlock is a layer from attention on: its input x [S, D] and attention's
// outcome o [S, H, C] to its output [S, D]. It keeps the products that
// cost a matrix multiplication and computes norms and gates again.
func (m *Model) afterBlock() *tape.Block {
	return &tape.Block{
		Name: "after attention", Weights: afterWeights, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			y, mid, gate, up := m.mix(w, in[0], merge(in[1]))
			return []*Node{y}, []*Node{mid, gate, up}
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			eps, mid, gate, up := m.Config.Epsilon, kept[0], kept[1], kept[2]
			act := gated(gate, up)
			dAct := nn.LinearVJP(w, "mlp.down_proj", act, dOut[0])
			d := nn.Pullback([]*Node{act}, []*Node{dAct}, []*Node{gate, up})
			h := nn.RMSNorm(mid, w.Get("post_attention_layernorm.weight"), eps)
			dh := Add(nn.LinearVJP(w, "mlp.gate_proj", h, d[0]), nn.LinearVJP(w, "mlp.up_proj", h, d[1]))
			dMid := Add(dOut[0], nn.RMSNormVJP(w, "post_attention_layernorm.weight", mid, dh, eps))
			dO := nn.LinearVJP(w, "self_attn.o_proj", merge(in[1]), dMid)
			return []*Node{dMid, m.split(dO, m.Config.Heads)}
		},
	}
}

// attentionBlock is attention as a graph: q [S, H, C], k and v [S, N, C],
// positions and reach [S] to o [S, H, C].
func (m *Model) attentionBlock(kind attentionKind) *tape.Block {
	return &tape.Block{
		Name: fmt.Sprintf("attention%+v", kind), Outputs: 1,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			if kind.row {
				o, _ := m.outcome(kind, in, nil)
				return []*Node{o}, nil
			}
			o, lse := nn.Attention(kind.tree(in), m.queries(in[0]), m.keys(in[1]), m.keys(in[2]))
			return []*Node{m.headsLast(o)}, []*Node{o, lse}
		},
		Backward: func(_ *nn.Weights, in, kept, dOut []*Node) []*Node {
			_, back := m.outcome(kind, in, kept)
			return append(back(dOut[0]), nil, nil)
		},
	}
}

func (kind attentionKind) tree(in []*Node) nn.Tree {
	return nn.Tree{Positions: in[3], Reach: in[4], Window: kind.window, Global: kind.global, Block: queryBlock, Slide: kind.slide}
}

// outcome is attentionBlock's outcome o [S, H, C] once more, from what it kept or, for
// a row, which keeps nothing, made again; back takes the cotangent of o to those of
// q, k and v.
func (m *Model) outcome(kind attentionKind, in, kept []*Node) (o *Node, back func(dO *Node) []*Node) {
	if kind.row {
		return nn.Causal(in[0], in[1], in[2])
	}
	return m.headsLast(kept[0]), func(dO *Node) []*Node {
		q, k, v := m.queries(in[0]), m.keys(in[1]), m.keys(in[2])
		dq, dk, dv := nn.AttentionVJP(kind.tree(in), q, k, v, kept[0], kept[1], m.queries(dO))
		return []*Node{m.headsLast(dq), m.headsLast(dk), m.headsLast(dv)}
	}
}

// layerBlock is a whole layer as one graph, which leaves a GPU less to wait for
// than three: x [S, D], the angles [S, C/2], positions and reach [S] to [S, D]. It
// keeps what its parts keep, and q, k and v.
func (m *Model) layerBlock(kind attentionKind) *tape.Block {
	if block, ok := m.layers[kind]; ok {
		return block
	}
	before, attention, after := m.before, m.attentionBlock(kind), m.after
	block := &tape.Block{
		Name: fmt.Sprintf("layer%+v", kind), Weights: slices.Concat(beforeWeights, afterWeights), Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			h, keptBefore := before.Forward(w, in[:3])
			o, keptAttention := attention.Forward(w, slices.Concat(h, in[3:]))
			out, keptAfter := after.Forward(w, []*Node{in[0], o[0]})
			return out, slices.Concat(h, keptAttention, keptAfter, keptBefore)
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			h, kept := kept[:3], kept[3:]
			var keptAttention []*Node
			if !kind.row {
				keptAttention, kept = kept[:2], kept[2:]
			}
			keptAfter, keptBefore := kept[:3], kept[3:]
			o, back := m.outcome(kind, slices.Concat(h, in[3:]), keptAttention)
			dAfter := after.Backward(w, []*Node{in[0], o}, keptAfter, dOut)
			dx := before.Backward(w, in[:3], keptBefore, back(dAfter[1]))
			return []*Node{Add(dAfter[0], dx[0]), nil, nil, nil, nil}
		},
	}
	m.layers[kind] = block
	return block
}

// heads are what attention works on: q [S, H, C], k and v [S, N, C], and q and
// k before qwen3's norms and the rotation.
type heads struct{ q, k, v, rawQ, rawK *Node }

// heads is the first part of a layer: norm, projections and rotation of
// x [S, D] by the angles [S, C/2].
func (m *Model) heads(w *nn.Weights, x, cos, sin *Node) heads {
	h := nn.RMSNorm(x, w.Get("input_layernorm.weight"), m.Config.Epsilon)
	rawQ := m.split(nn.Linear(w, "self_attn.q_proj", h), m.Config.Heads)
	rawK := m.split(nn.Linear(w, "self_attn.k_proj", h), m.Config.KVHeads)
	v := m.split(nn.Linear(w, "self_attn.v_proj", h), m.Config.KVHeads)
	q := nn.Rotate(m.headNorm(w, "self_attn.q_norm.weight", rawQ), cos, sin)
	k := nn.Rotate(m.headNorm(w, "self_attn.k_norm.weight", rawK), cos, sin)
	return heads{q, k, v, rawQ, rawK}
}

// mix is the last part of a layer: it takes its input x [S, D] and the outcome
// of attention o [S, H·C] to its output y [S, D]; mid [S, D], gate and up
// [S, Inner] are what the backward pass wants kept.
func (m *Model) mix(w *nn.Weights, x, o *Node) (y, mid, gate, up *Node) {
	mid = Add(x, nn.Linear(w, "self_attn.o_proj", o))
	h := nn.RMSNorm(mid, w.Get("post_attention_layernorm.weight"), m.Config.Epsilon)
	gate, up = nn.Linear(w, "mlp.gate_proj", h), nn.Linear(w, "mlp.up_proj", h)
	return Add(mid, nn.Linear(w, "mlp.down_proj", gated(gate, up))), mid, gate, up
}

// gated is SwiGLU's silu(gate)·up (arXiv 2002.05202).
func gated(gate, up *Node) *Node { return Mul(Mul(gate, Sigmoid(gate)), up) }

// split turns a projection [S, H·C] into heads [S, H, C].
func (m *Model) split(x *Node, heads int) *Node {
	return Reshape(x, x.Shape().Dimensions[0], heads, m.Config.HeadWidth)
}

// merge undoes split.
func merge(x *Node) *Node {
	d := x.Shape().Dimensions
	return Reshape(x, d[0], d[1]*d[2])
}

// queries turns q [S, H, C] into what nn works on, [N, G, S, C].
func (m *Model) queries(q *Node) *Node { return nn.Grouped(q, m.Config.KVHeads) }

// keys turns keys or values [S, N, C] into [N, S, C].
func (m *Model) keys(k *Node) *Node { return TransposeAllAxes(k, 1, 0, 2) }

// headsLast undoes queries and keys.
func (m *Model) headsLast(x *Node) *Node {
	if x.Rank() == 3 {
		return TransposeAllAxes(x, 1, 0, 2)
	}
	d := x.Shape().Dimensions
	return Reshape(TransposeAllAxes(x, 2, 0, 1, 3), d[2], d[0]*d[1], d[3])
}

func f32(x *Node) *Node { return ConvertDType(x, dtypes.Float32) }

// cast converts to the type of the activations.
func (m *Model) cast(x *Node) *Node { return ConvertDType(x, m.dtype) }

// headNorm is qwen3's norm over each head, where the model has it.
func (m *Model) headNorm(w *nn.Weights, name string, x *Node) *Node {
	if !m.Config.QKNorm {
		return x
	}
	return nn.RMSNorm(x, w.Get(name), m.Config.Epsilon)
}

// headBlock takes x [S, D] and loss terms (sources, targets, weights [L]) to
// their summed negative log-likelihood. The loss is where every gradient
// starts, so its gradients are made on the way and kept: those of the rows
// [L, D], of the norm [D] and of the logits [L, V], with what the head read [L, D].
func (m *Model) headBlock() *tape.Block {
	eps := m.Config.Epsilon
	return &tape.Block{
		Name: "head", Weights: []string{"norm", "head.weight"}, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			rows := Gather(in[0], InsertAxes(in[1], -1))
			h := nn.RMSNorm(rows, w.Get("norm"), eps)
			loss, d := nn.CrossEntropySum(ConvertDType(nn.Linear(w, "head", h), dtypes.Float32), in[2], in[3])
			d = m.cast(d)
			dRows := nn.RMSNormVJP(w, "norm", rows, nn.LinearVJP(w, "head", h, d), eps)
			return []*Node{loss}, nn.KeepHead(w, dRows, d, h)
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			dRows := nn.HeadVJP(w, kept, dOut[0])
			dx := ScatterSum(ZerosLike(in[0]), InsertAxes(in[1], -1), dRows, false, false)
			return []*Node{dx, nil, nil, nil}
		},
	}
}

// Logits gives the logits [L, V] in f32 at the given positions of a
// micro-batch; tests and scoring use it.
func (m *Model) Logits(t *tape.Tape, b *batch.Decoder, at []int32) (*tape.Value, error) {
	x, at, err := m.Hidden(t, b, at)
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
			return []*Node{m.toLogits(w, Gather(in[0], InsertAxes(in[1], -1)))}, nil
		},
	}
}

// toLogits gives the logits [L, V] in f32 of the last layer's output x [L, D].
func (m *Model) toLogits(w *nn.Weights, x *Node) *Node {
	return f32(nn.Linear(w, "head", nn.RMSNorm(x, w.Get("norm"), m.Config.Epsilon)))
}
