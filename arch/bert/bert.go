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

	"gorqa/internal/flash"
	"gorqa/nn"
	"gorqa/tape"
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
	if c.Activation != "gelu" {
		errs = append(errs, fmt.Errorf("config.json: hidden_act is %q; expected \"gelu\"", c.Activation))
	}
	if c.Positional != "absolute" {
		errs = append(errs, fmt.Errorf("config.json: position_embedding_type is %q; expected \"absolute\"", c.Positional))
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
// Legend: B rows, S tokens of a row, D width, H heads, C = D/H.
type Model struct {
	Config Config
	dtype  dtypes.DType // of the activations

	embed                    tape.Bound
	before, attention, after *tape.Block
	graphs                   bool // attention as a graph on the host, too
}

// New makes the blocks of an encoder that computes in bf16 (half) or f32. The
// weights that the runner must hold are those of Weights.
func New(c Config, half bool) *Model {
	m := &Model{Config: c, dtype: dtypes.Float32}
	if half {
		m.dtype = dtypes.BFloat16
	}
	m.embed = m.embedBlock().At("embeddings.")
	m.before, m.attention, m.after = m.beforeBlock(), m.attentionBlock(), m.afterBlock()
	return m
}

// Hidden runs ids [B, S], row after row, through all layers. The tokens of row i
// behind the first lengths[i] are padding: no token attends to them, and their
// own states mean nothing. It gives the hidden states [B·S, D] and the lengths
// [B] on the tape.
func (m *Model) Hidden(t *tape.Tape, ids, lengths []int32) (x, rows *tape.Value, err error) {
	b := len(lengths)
	if b == 0 || len(ids) == 0 || len(ids)%b != 0 {
		return nil, nil, fmt.Errorf("bert: %d ids for %d rows; expected the same number of ids for each", len(ids), b)
	}
	s := len(ids) / b
	if s > m.Config.Positions {
		return nil, nil, fmt.Errorf("bert: rows of %d tokens; the model has %d positions; truncate the rows", s, m.Config.Positions)
	}
	for _, id := range ids {
		if id < 0 || int(id) >= m.Config.Vocabulary {
			return nil, nil, fmt.Errorf("bert: token id %d; the model has ids 0 to %d; use the model's own tokenizer", id, m.Config.Vocabulary-1)
		}
	}
	tokens, err := t.Ints(ids, b, s)
	if err != nil {
		return nil, nil, err
	}
	if rows, err = t.Ints(lengths, b); err != nil {
		return nil, nil, err
	}
	attend := func(in []*tape.Value) ([]*tape.Value, error) {
		return t.Call(m.attention.Named(), append(in, rows)...)
	}
	if t.OnHost() && !m.graphs {
		native := m.native(lengths, s)
		attend = func(in []*tape.Value) ([]*tape.Value, error) { return t.Native(native, in...) }
	}
	out, err := t.Call(m.embed, tokens)
	for i := 0; i < m.Config.Layers && err == nil; i++ {
		x := out[0]
		if out, err = t.Call(m.before.At(prefix(i)), x); err != nil {
			break
		}
		if out, err = attend(out); err != nil {
			break
		}
		out, err = t.Call(m.after.At(prefix(i)), x, out[0])
	}
	if err != nil {
		return nil, nil, err
	}
	return out[0], rows, nil
}

// native is attention within rows of s tokens in the host's memory. The padding
// of a row sees itself.
func (m *Model) native(lengths []int32, s int) tape.Native {
	n := len(lengths) * s
	shape := flash.Shape{
		Heads: m.Config.Heads, KVHeads: m.Config.Heads, Width: m.Config.Width / m.Config.Heads,
		Depth: make([]int32, n), Start: make([]int32, n), Reach: make([]int32, n),
	}
	for i := range n {
		row := i / s * s
		if end := row + int(lengths[i/s]); i < end {
			shape.Start[i], shape.Reach[i] = int32(row), int32(end-1)
		} else {
			shape.Start[i], shape.Reach[i] = int32(end), int32(row+s-1)
		}
	}
	return tape.Native{
		Outputs: [][]int{{n, shape.Heads, shape.Width}},
		Kept:    [][]int{{shape.Heads, n}},
		Forward: func(in, out, kept [][]float32) error {
			return flash.Forward(shape, in[0], in[1], in[2], out[0], kept[0])
		},
	}
}

// embedBlock takes ids [B, S] i32 to x [B·S, D]: words, places and the first
// token type, normed.
func (m *Model) embedBlock() *tape.Block {
	return &tape.Block{
		Name: "bert embed", Weights: embedWeights, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			b, s, d := in[0].Shape().Dimensions[0], in[0].Shape().Dimensions[1], m.Config.Width
			f32 := func(x *Node) *Node { return ConvertDType(x, dtypes.Float32) }
			x := f32(Gather(w.Get("word_embeddings.weight"), Reshape(in[0], b, s, 1)))
			place := f32(SliceAxis(w.Get("position_embeddings.weight"), 0, AxisRange(0, s)))
			kind := f32(SliceAxis(w.Get("token_type_embeddings.weight"), 0, AxisRange(0, 1)))
			place = Add(place, BroadcastToDims(kind, s, d))
			x = Add(x, BroadcastToDims(InsertAxes(place, 0), b, s, d))
			return []*Node{ConvertDType(m.norm(w, "LayerNorm", Reshape(x, b*s, d)), m.dtype)}, nil
		},
	}
}

// beforeBlock takes x [B·S, D] to the queries, keys and values [B·S, H, C] in f32.
func (m *Model) beforeBlock() *tape.Block {
	return &tape.Block{
		Name: "bert before", Weights: beforeWeights, Outputs: 3,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			for _, part := range []string{"query", "key", "value"} {
				y := ConvertDType(nn.Linear(w, "attention.self."+part, in[0]), dtypes.Float32)
				out = append(out, Reshape(y, in[0].Shape().Dimensions[0], m.Config.Heads, m.Config.Width/m.Config.Heads))
			}
			return out, nil
		},
	}
}

// attentionBlock is softmax(q·kᵀ/√C)·v over the tokens of each row that are no
// padding, for q, k and v [B·S, H, C] and lengths [B] i32; it gives [B·S, H, C].
func (m *Model) attentionBlock() *tape.Block {
	return &tape.Block{
		Name: "bert attention", Outputs: 1,
		Forward: func(_ *nn.Weights, in []*Node) (out, kept []*Node) {
			lengths, d := in[3], in[0].Shape().Dimensions
			b, h, c := lengths.Shape().Dimensions[0], d[1], d[2]
			s := d[0] / b
			heads := func(x *Node) *Node { // [B, H, S, C]
				return TransposeAllAxes(Reshape(ConvertDType(x, m.dtype), b, s, h, c), 0, 2, 1, 3)
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
			return []*Node{Reshape(TransposeAllAxes(o, 0, 2, 1, 3), b*s, h, c)}, nil
		},
	}
}

// afterBlock takes x [B·S, D] and what attention gives [B·S, H, C] to x [B·S, D]:
// attention's output and the feed-forward layer, each added to its input and then
// normed.
func (m *Model) afterBlock() *tape.Block {
	return &tape.Block{
		Name: "bert after", Weights: afterWeights, Outputs: 1,
		Forward: func(w *nn.Weights, in []*Node) (out, kept []*Node) {
			x := in[0]
			a := ConvertDType(Reshape(in[1], x.Shape().Dimensions...), m.dtype)
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
