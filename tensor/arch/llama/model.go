package llama

import (
	"errors"
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
	norm   nn.Norm

	embed, pick, head, logits, cached, likeliest tape.Bound

	angles []tape.Bound // of each of Config.ropeKinds

	before, after *tape.Block                   // a layer's two parts, around attention
	attention     map[attentionKind]*tape.Block // as a graph
	layers        map[attentionKind]*tape.Block // whole, with it
	steps         []stepBlock
}

// stepBlock is the block of Step for layers of these sliding windows and of these of
// Config.ropeKinds.
type stepBlock struct {
	slides, turns []int
	block         *tape.Block
}

// attentionKind is what is static in attention's graph beside the input shapes.
type attentionKind struct {
	row                   bool // one causal row, by the device's fused kernel; the rest is 0 then
	global, window, slide int
}

// kind says how a layer of that sliding window attends over a micro-batch in a graph.
func (m *Model) kind(t *tape.Tape, b *batch.Decoder, slide int) attentionKind {
	c := m.Config
	alone := c.Scores == cpu.Scores{} && len(b.Paths) == 1 && (slide == 0 || len(b.Paths[0]) <= slide) && m.dtype == dtypes.BFloat16
	if alone && t.FusesCausal(c.Heads, c.KVHeads, c.HeadWidth) {
		return attentionKind{row: true}
	}
	return attentionKind{global: b.Global, window: b.Window, slide: slide}
}

// New makes the blocks of a decoder that computes in bf16 or f32.
func New(c Config, bf16 bool) *Model {
	m := &Model{Config: c, dtype: dtypes.Float32, norm: nn.Norm{Epsilon: c.Epsilon, PlusOne: c.PlusOne}, attention: map[attentionKind]*tape.Block{}, layers: map[attentionKind]*tape.Block{}}
	if bf16 {
		m.dtype = dtypes.BFloat16
	}
	m.embed = m.embedBlock().Named("model.embed_tokens.weight")
	for _, r := range c.ropeKinds() {
		m.angles = append(m.angles, anglesBlock(r).Named())
	}
	m.cached = m.cachedBlock().Named()
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
	return m.run(t, x, shared, places)
}

// run is Hidden from the embeddings x [S, D] on.
func (m *Model) run(t *tape.Tape, x *tape.Value, shared Shared, places []int32) (_ *tape.Value, at []int32, err error) {
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
				angles := shared.angles[m.Config.ropeKind(i)]
				return t.Call(block.At(layerPrefix(i)), in[0], angles[0], angles[1], tree[0], tree[1])
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
	prefix, angles := layerPrefix(i), shared.angles[m.Config.ropeKind(i)]
	if h, err = t.Call(m.before.At(prefix), x, angles[0], angles[1]); err != nil {
		return nil, nil, err
	}
	o, err := shared.attend[m.attends(i)](t, h)
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
	angles [][]*tape.Value       // of each of Config.ropeKinds, cos and sin [S, R/2]
	attend map[attends]tape.Part // q [S, H, C], k and v [S, N, C] to o [S, H, C]
	tree   []*tape.Value         // positions and reach [S], where attention is a graph

	kinds map[int]attentionKind // then: by sliding window
}

// attends is how a layer attends: its sliding window, and which of Config.ropeKinds turns
// its keys.
type attends struct{ slide, turns int }

func (m *Model) attends(layer int) attends {
	return attends{m.Config.Slide[layer], m.Config.ropeKind(layer)}
}

// attending makes a part for each way in which layers attend.
func (m *Model) attending(part func(attends) tape.Part) map[attends]tape.Part {
	parts := map[attends]tape.Part{}
	for i := range m.Config.Layers {
		if a := m.attends(i); parts[a] == nil {
			parts[a] = part(a)
		}
	}
	return parts
}

// Share makes ready what all layers share over a micro-batch.
func (m *Model) Share(t *tape.Tape, b *batch.Decoder) (Shared, error) {
	var shared Shared
	positions, err := t.Ints(b.Positions, len(b.Positions))
	if err != nil {
		return shared, err
	}
	if shared.angles, err = m.turns(t, positions); err != nil {
		return shared, err
	}
	attention := func(a attends) tape.Part { return m.native(b, a) }
	if !t.RunsNative() {
		if len(b.Copies) > 0 {
			return shared, errors.New("llama: rows of blocks (Block-Attention) found on a device whose attention is a graph, which has none; expected the processor; use --backend xla:cpu or leave out block_attention")
		}
		reach, err := t.Ints(b.Reach, len(b.Reach))
		if err != nil {
			return shared, err
		}
		shared.tree, shared.kinds = []*tape.Value{positions, reach}, map[int]attentionKind{}
		attention = func(a attends) tape.Part {
			shared.kinds[a.slide] = m.kind(t, b, a.slide)
			return m.graph(shared.kinds[a.slide], positions, reach)
		}
	}
	shared.attend = m.attending(attention)
	return shared, nil
}

// turns gives the rotary angles of positions [S], of each of Config.ropeKinds.
func (m *Model) turns(t *tape.Tape, positions *tape.Value) (all [][]*tape.Value, err error) {
	for _, block := range m.angles {
		angles, err := t.Call(block, positions)
		if err != nil {
			return nil, err
		}
		all = append(all, angles)
	}
	return all, nil
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
			return []*Node{times(m.cast(x), m.Config.Scales.Embedding)}, nil
		},
		Backward: func(w *nn.Weights, in, kept, dOut []*Node) []*Node {
			w.GradProduct("embed", func() nn.Product { return nn.Product{Y: in[0], X: times(dOut[0], m.Config.Scales.Embedding)} })
			return []*Node{nil}
		},
	}
}

// times is x multiplied by a scale, 0 for 1.
func times(x *Node, scale float64) *Node {
	if scale == 0 || scale == 1 {
		return x
	}
	return MulScalar(x, scale)
}

// anglesBlock takes positions [S] to the rotary angles, cos and sin [S, R/2].
func anglesBlock(rope nn.Rope) *tape.Block {
	return &tape.Block{
		Name: "angles", Outputs: 2,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			cos, sin := rope.Angles(in[0])
			return []*Node{cos, sin}, nil
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
			o, lse := nn.Attention(m.tree(kind, in), m.queries(in[0]), m.keys(in[1]), m.keys(in[2]))
			return []*Node{m.headsLast(o)}, []*Node{o, lse}
		},
		Backward: func(_ *nn.Weights, in, kept, dOut []*Node) []*Node {
			_, back := m.outcome(kind, in, kept)
			return append(back(dOut[0]), nil, nil)
		},
	}
}

// tree is who attends to whom, by positions and reach, in[3] and in[4].
func (m *Model) tree(kind attentionKind, in []*Node) nn.Tree {
	return nn.Tree{Positions: in[3], Reach: in[4], Window: kind.window, Global: kind.global, Block: queryBlock, Slide: kind.slide, Scores: m.Config.Scores}
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
		dq, dk, dv := nn.AttentionVJP(m.tree(kind, in), q, k, v, kept[0], kept[1], m.queries(dO))
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
		Name: fmt.Sprintf("layer%+v", kind), Weights: slices.Concat(beforeWeights(), afterWeights()), Outputs: 1,
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
			keptAfter, keptBefore := kept[:m.keptAfter()], kept[m.keptAfter():]
			o, back := m.outcome(kind, slices.Concat(h, in[3:]), keptAttention)
			dAfter := after.Backward(w, []*Node{in[0], o}, keptAfter, dOut)
			dx := before.Backward(w, in[:3], keptBefore, back(dAfter[1]))
			return []*Node{Add(dAfter[0], dx[0]), nil, nil, nil, nil}
		},
	}
	m.layers[kind] = block
	return block
}

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

// headBlock takes x [S, D] and loss terms (sources, targets, weights [L]) to
// their summed negative log-likelihood. The loss is where every gradient
// starts, so its gradients are made on the way and kept: those of the rows
// [L, D], of the norm [D] and of the logits [L, V], with what the head read [L, D].
func (m *Model) headBlock() *tape.Block {
	return &tape.Block{
		Name: "head", Weights: []string{"norm", "head.weight"}, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			rows := Gather(in[0], InsertAxes(in[1], -1))
			h := m.norm.Of(w, "norm", rows)
			logits := m.bent(nn.Linear(w, "head", h))
			loss, d := nn.CrossEntropySum(logits, in[2], in[3])
			d = m.cast(times(nn.SoftCapVJP(logits, d, m.Config.LogitCap), m.Config.Scales.Logits))
			dRows := m.norm.VJP(w, "norm", rows, nn.LinearVJP(w, "head", h, d))
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
	return m.bent(nn.Linear(w, "head", m.norm.Of(w, "norm", x)))
}

// bent makes logits in f32, scaled and capped, of the head's products.
func (m *Model) bent(products *Node) *Node {
	return nn.SoftCap(times(f32(products), m.Config.Scales.Logits), m.Config.LogitCap)
}
