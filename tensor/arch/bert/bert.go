// Package bert is the BERT encoder (arXiv 1810.04805) as sentence embedders use
// it: configuration, Hugging Face names and the forward graphs. It knows nothing
// of files, text or pooling.
package bert

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graph code reads as formulas

	"gorqa/engine/cpu"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// Config is what config.json says of a BERT.
type Config struct {
	Type       string  `json:"model_type"`
	Vocabulary int     `json:"vocab_size"`
	Width      int     `json:"hidden_size"`
	Inner      int     `json:"intermediate_size"`
	Layers     int     `json:"num_hidden_layers"`
	Heads      int     `json:"num_attention_heads"`
	Positions  int     `json:"max_position_embeddings"`
	Types      int     `json:"type_vocab_size"`
	Epsilon    float64 `json:"layer_norm_eps"`
	Activation string  `json:"hidden_act"`
	Positional string  `json:"position_embedding_type"`
	Decoder    bool    `json:"is_decoder"`
}

// ParseConfig reads config.json. Its errors name every setting that this
// package cannot follow.
func ParseConfig(data []byte) (Config, error) {
	c := Config{Epsilon: 1e-12, Activation: "gelu", Positional: "absolute", Types: 2}
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("config.json of a BERT: %w", err)
	}
	return c, c.Validate()
}

// maxLayers bounds what a broken file can make of a list of weights.
const maxLayers = 1000

// Validate reports every setting that this package cannot follow.
func (c Config) Validate() error {
	var errs []error
	if c.Type != "bert" {
		errs = append(errs, fmt.Errorf("config.json: model_type is %q; expected \"bert\"; choose an encoder of the BERT family (MiniLM, bge, e5)", c.Type))
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"vocab_size", c.Vocabulary}, {"hidden_size", c.Width}, {"intermediate_size", c.Inner}, {"num_hidden_layers", c.Layers},
		{"num_attention_heads", c.Heads}, {"max_position_embeddings", c.Positions}, {"type_vocab_size", c.Types},
	} {
		if f.value < 1 || f.value > math.MaxInt32 {
			errs = append(errs, fmt.Errorf("config.json: %s is %d; expected a number from 1", f.name, f.value))
		}
	}
	if c.Layers > maxLayers {
		errs = append(errs, fmt.Errorf("config.json: num_hidden_layers is %d; expected at most %d", c.Layers, maxLayers))
	}
	if c.Heads > 0 && c.Width%c.Heads != 0 {
		errs = append(errs, fmt.Errorf("config.json: hidden_size %d is not a multiple of num_attention_heads %d", c.Width, c.Heads))
	}
	if !(c.Epsilon > 0) {
		errs = append(errs, fmt.Errorf("config.json: layer_norm_eps is %v; expected a number above 0", c.Epsilon))
	}
	if c.Activation != "gelu" && c.Activation != "gelu_python" { // the same function
		errs = append(errs, fmt.Errorf("config.json: hidden_act is %q; expected \"gelu\"", c.Activation))
	}
	if c.Decoder {
		errs = append(errs, errors.New("config.json: is_decoder is true, with which no token sees what stands behind it; expected false"))
	}
	if c.Positional != "absolute" {
		errs = append(errs, fmt.Errorf("config.json: position_embedding_type is %q; expected \"absolute\"", c.Positional))
	}
	if len(errs) == 0 {
		errs = append(errs, tape.CheckSize(c.Weights()))
	}
	return errors.Join(errs...)
}

// Local names of the weights of each kind of block: those of a layer stand before
// and after its attention.
var (
	embedWeights = []string{
		"word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight",
		"LayerNorm.weight", "LayerNorm.bias",
	}
	beforeWeights = []string{
		"attention.self.query.weight", "attention.self.query.bias",
		"attention.self.key.weight", "attention.self.key.bias",
		"attention.self.value.weight", "attention.self.value.bias",
	}
	afterWeights = []string{
		"attention.output.dense.weight", "attention.output.dense.bias",
		"attention.output.LayerNorm.weight", "attention.output.LayerNorm.bias",
		"intermediate.dense.weight", "intermediate.dense.bias",
		"output.dense.weight", "output.dense.bias",
		"output.LayerNorm.weight", "output.LayerNorm.bias",
	}
)

func prefix(layer int) string { return fmt.Sprintf("encoder.layer.%d.", layer) }

// Weights lists the weights of the model under their names in a Hugging Face
// BertModel.
func (c Config) Weights() []tape.Weight {
	var ws []tape.Weight
	add := func(prefix, name string) {
		out, in := c.Width, c.Width
		switch {
		case name == "word_embeddings.weight":
			out = c.Vocabulary
		case name == "position_embeddings.weight":
			out = c.Positions
		case name == "token_type_embeddings.weight":
			out = c.Types
		case strings.HasPrefix(name, "intermediate."):
			out = c.Inner
		case name == "output.dense.weight":
			in = c.Inner
		}
		dims := []int{out, in}
		if strings.HasSuffix(name, ".bias") || strings.Contains(name, "LayerNorm") {
			dims = dims[:1]
		}
		ws = append(ws, tape.Weight{Name: prefix + name, Dims: dims})
	}
	for _, name := range embedWeights {
		add("embeddings.", name)
	}
	for i := range c.Layers {
		for _, name := range slices.Concat(beforeWeights, afterWeights) {
			add(prefix(i), name)
		}
	}
	return ws
}

// Name gives the name in Weights for the name of a tensor in a checkpoint: those
// of BertModel, those with "bert." before them that its heads write, and the
// gamma and beta of converted TensorFlow files. Names of other tensors (the
// pooler, a head) come back as they are and are not in Weights.
func Name(tensor string) string {
	name := strings.TrimPrefix(tensor, "bert.")
	if stem, ok := strings.CutSuffix(name, "LayerNorm.gamma"); ok {
		return stem + "LayerNorm.weight"
	}
	if stem, ok := strings.CutSuffix(name, "LayerNorm.beta"); ok {
		return stem + "LayerNorm.bias"
	}
	return name
}

// Model is an encoder as blocks over a runner's weights. It only runs forwards.
//
// Legend: P packed positions, B rows of at most S tokens, D width, H heads, C = D/H.
type Model struct {
	Config Config
	dtype  dtypes.DType // of the activations

	embed                    tape.Bound
	before, attention, after *tape.Block
	graphs                   bool // attention as a graph on the host, too
}

// New makes the blocks of an encoder that computes in bf16 or f32. The
// weights that the runner must hold are those of Weights.
func New(c Config, bf16 bool) *Model {
	m := &Model{Config: c, dtype: dtypes.Float32}
	if bf16 {
		m.dtype = dtypes.BFloat16
	}
	m.embed = m.embedBlock().At("embeddings.")
	m.before, m.attention, m.after = m.beforeBlock(), m.attentionBlock(), m.afterBlock()
	return m
}

// Pack is rows of ids that stand one behind the other in Size positions, and the
// rectangle of Tall rows of Wide tokens in which each has a line of its own.
// Sizes above what the rows need are for few shapes.
type Pack struct {
	Rows             [][]int32
	Size, Tall, Wide int
}

// Packed is a micro-batch on a tape: the hidden states [P, D] of a pack, where in
// them the tokens of each row are [B, S] i32, and how many these are [B] i32. What
// stands behind a row's tokens, and in rows that the pack does not have, means
// nothing.
type Packed struct {
	States, At, Lengths *tape.Value
}

// Hidden runs a pack through all layers. No row sees another.
func (m *Model) Hidden(t *tape.Tape, p Pack) (out Packed, err error) {
	if err := m.check(p); err != nil {
		return out, err
	}
	ids, places, back := make([]int32, p.Size), make([]int32, p.Size), make([]int32, p.Size)
	at, lengths := make([]int32, p.Tall*p.Wide), make([]int32, p.Tall)
	n := 0
	for i, row := range p.Rows {
		lengths[i] = int32(len(row))
		for j, id := range row {
			ids[n], places[n], back[n], at[i*p.Wide+j] = id, int32(j), int32(i*p.Wide+j), int32(n)
			n++
		}
	}
	var in [2]*tape.Value
	for i, list := range [][]int32{ids, places} {
		if in[i], err = t.Ints(list, p.Size); err != nil {
			return out, err
		}
	}
	if out.At, err = t.Ints(at, p.Tall, p.Wide); err != nil {
		return out, err
	}
	if out.Lengths, err = t.Ints(lengths, p.Tall); err != nil {
		return out, err
	}
	var attend tape.Part
	if t.OnHost() && !m.graphs {
		attend = m.native(p)
	} else {
		back, err := t.Ints(back, p.Size)
		if err != nil {
			return out, err
		}
		attend = func(t *tape.Tape, in []*tape.Value) ([]*tape.Value, error) {
			return t.Call(m.attention.Named(), append(in, out.At, out.Lengths, back)...)
		}
	}
	x, err := t.Call(m.embed, in[0], in[1])
	for i := 0; i < m.Config.Layers && err == nil; i++ {
		x, err = m.layer(t, i, x[0], attend)
	}
	if err != nil {
		return out, err
	}
	out.States = x[0]
	return out, nil
}

// check reports what Hidden cannot run.
func (m *Model) check(p Pack) error {
	tokens := 0
	for i, row := range p.Rows {
		if n := len(row); n == 0 || n > p.Wide || n > m.Config.Positions {
			return fmt.Errorf("bert: row %d has %d tokens; the pack is %d wide and the model has %d positions; truncate the rows", i, n, p.Wide, m.Config.Positions)
		}
		for _, id := range row {
			if id < 0 || int(id) >= m.Config.Vocabulary {
				return fmt.Errorf("bert: token id %d; the model has ids 0 to %d; use the model's own tokenizer", id, m.Config.Vocabulary-1)
			}
		}
		tokens += len(row)
	}
	if len(p.Rows) == 0 || len(p.Rows) > p.Tall || tokens > p.Size {
		return fmt.Errorf("bert: %d rows with %d tokens; expected 1 to %d with at most %d", len(p.Rows), tokens, p.Tall, p.Size)
	}
	return nil
}

// layer takes x [P, D] through one layer.
func (m *Model) layer(t *tape.Tape, i int, x *tape.Value, attend tape.Part) ([]*tape.Value, error) {
	qkv, err := t.Call(m.before.At(prefix(i)), x)
	if err != nil {
		return nil, err
	}
	o, err := attend(t, qkv)
	if err != nil {
		return nil, err
	}
	return t.Call(m.after.At(prefix(i)), x, o[0])
}

// native is attention within the rows of a pack in the host's memory. The
// positions behind the last row see themselves.
func (m *Model) native(p Pack) tape.Part {
	shape := cpu.AttentionShape{
		Heads: m.Config.Heads, KVHeads: m.Config.Heads, Width: m.Config.Width / m.Config.Heads,
		Depth: make([]int32, p.Size), Start: make([]int32, p.Size), Reach: make([]int32, p.Size),
	}
	n := 0
	for _, row := range append(p.Rows[:len(p.Rows):len(p.Rows)], nil) {
		end := n + len(row)
		if row == nil {
			end = p.Size
		}
		for i := n; i < end; i++ {
			shape.Start[i], shape.Reach[i] = int32(n), int32(end-1)
		}
		n = end
	}
	return tape.Attention(shape, m.dtype == dtypes.BFloat16)
}

// embedBlock takes ids and their places in their rows [P] i32 to x [P, D]: words,
// places and the first token type, normed.
func (m *Model) embedBlock() *tape.Block {
	return &tape.Block{
		Name: "bert embed", Weights: embedWeights, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			f32 := func(x *Node) *Node { return ConvertDType(x, dtypes.Float32) }
			rows := func(name string, i *Node) *Node { return f32(Gather(w.Get(name), InsertAxes(i, -1))) }
			x := Add(rows("word_embeddings.weight", in[0]), rows("position_embeddings.weight", in[1]))
			kind := f32(SliceAxis(w.Get("token_type_embeddings.weight"), 0, AxisRange(0, 1)))
			x = Add(x, BroadcastToShape(kind, x.Shape()))
			return []*Node{ConvertDType(m.norm(w, "LayerNorm", x), m.dtype)}, nil
		},
	}
}

// beforeBlock takes x [P, D] to the queries, keys and values [P, H, C].
func (m *Model) beforeBlock() *tape.Block {
	return &tape.Block{
		Name: "bert before", Weights: beforeWeights, Outputs: 3,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			for _, part := range []string{"query", "key", "value"} {
				y := nn.Linear(w, "attention.self."+part, in[0])
				out = append(out, Reshape(y, in[0].Shape().Dimensions[0], m.Config.Heads, m.Config.Width/m.Config.Heads))
			}
			return out, nil
		},
	}
}

// attentionBlock is softmax(q·kᵀ/√C)·v over the tokens of each row, for q, k and v
// [P, H, C], where in them the rows' tokens are [B, S] i32, how many these are [B]
// i32, and the place in [B·S] of each position [P] i32; it gives [P, H, C].
func (m *Model) attentionBlock() *tape.Block {
	return &tape.Block{
		Name: "bert attention", Outputs: 1,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			at, lengths, back := in[3], in[4], in[5]
			b, s, h, c := at.Shape().Dimensions[0], at.Shape().Dimensions[1], in[0].Shape().Dimensions[1], in[0].Shape().Dimensions[2]
			heads := func(x *Node) *Node { // [B, H, S, C]
				return TransposeAllAxes(Gather(x, InsertAxes(at, -1)), 0, 2, 1, 3)
			}
			scores := ConvertDType(dot(heads(in[0]), heads(in[1]), 3), dtypes.Float32) // [B, H, S, S]
			shape := scores.Shape()
			scores = MulScalar(scores, 1/math.Sqrt(float64(c)))
			key := Iota(scores.Graph(), shapes.Make(dtypes.Int32, b, 1, 1, s), 3)
			seen := LessThan(key, BroadcastToShape(Reshape(lengths, b, 1, 1, 1), key.Shape()))
			scores = Where(BroadcastToDims(seen, shape.Dimensions...), scores, Scalar(scores.Graph(), dtypes.Float32, -1e9))
			p := Exp(Sub(scores, BroadcastToDims(ReduceAndKeep(scores, ReduceMax, -1), shape.Dimensions...)))
			sum := ReduceAndKeep(p, ReduceSum, -1) // [B, H, S, 1]
			o := ConvertDType(dot(ConvertDType(p, m.dtype), heads(in[2]), 2), dtypes.Float32)
			o = Div(o, BroadcastToDims(sum, b, h, s, c))
			o = Reshape(TransposeAllAxes(ConvertDType(o, m.dtype), 0, 2, 1, 3), b*s, h, c)
			return []*Node{Gather(o, InsertAxes(back, -1))}, nil
		},
	}
}

// afterBlock takes x [P, D] and what attention gives [P, H, C] to x [P, D]:
// attention's output and the feed-forward layer, each added to its input and then
// normed.
func (m *Model) afterBlock() *tape.Block {
	return &tape.Block{
		Name: "bert after", Weights: afterWeights, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			x := in[0]
			a := Reshape(in[1], x.Shape().Dimensions...)
			x = m.norm(w, "attention.output.LayerNorm", Add(x, nn.Linear(w, "attention.output.dense", a)))
			y := gelu(nn.Linear(w, "intermediate.dense", x))
			return []*Node{m.norm(w, "output.LayerNorm", Add(x, nn.Linear(w, "output.dense", y)))}, nil
		},
	}
}

// dot sums the last axis of a [B, H, ., .] against the given axis of b, with the
// accumulator left to the backend.
func dot(a, b *Node, axis int) *Node {
	return Dot(a, b).WithAccumulatorDType(dtypes.InvalidDType).General([]int{3}, []int{0, 1}, []int{axis}, []int{0, 1})
}

func (m *Model) norm(w *nn.Weights, name string, x *Node) *Node {
	return nn.LayerNorm(x, w.Get(name+".weight"), w.Get(name+".bias"), m.Config.Epsilon)
}

// gelu is x·Φ(x) with the exact error function.
func gelu(x *Node) *Node {
	return MulScalar(Mul(x, AddScalar(Erf(MulScalar(x, math.Sqrt2/2)), 1)), 0.5)
}
