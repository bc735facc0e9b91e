// Package llama is the Llama family of decoders: llama (SmolLM2, TinyLlama,
// Vicuna, Llama 2 and 3), mistral, qwen2, qwen3 and what else families.go lists,
// which differ in biases, where norms stand, sliding windows, rotary positions,
// gates, scales and caps. It turns a configuration and weights under Hugging Face
// names into blocks for a tape; it knows nothing of files, text, optimisers or
// sampling.
package llama

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gorqa/engine/cpu"
	"gorqa/files/modelfile"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// Config is a decoder's shape.
type Config struct {
	Type       string
	Width      int // D
	Layers     int
	Heads      int // H
	KVHeads    int // N
	HeadWidth  int // C
	Inner      int // width of the gated feed-forward layer
	Vocabulary int // V
	Epsilon    float64
	Rope       nn.Rope
	SlideRope  *nn.Rope // of layers with a sliding window; nil for Rope
	Still      []bool   // layers without rotary positions; nil for none
	Tied       bool     // the head is the embedding
	QKVBias    bool
	OutBias    bool
	MLPBias    bool
	Norms      Norms
	PlusOne    bool // norms scale by 1 and their weight
	QKNorm     bool // each head's queries and keys have norms
	WideQKNorm bool // those of all heads together have
	Fused      bool // one matrix for queries, keys and values, one for gate and up
	GELU       bool // the gate is GELU's (approximated with a tanh), else SiLU's
	Scores     cpu.Scores
	Scales     Scales
	LogitCap   float64 // logits stay within ± it; 0 for none
	Slide      []int   // sliding window of each layer, 0 for none
	BothWays   bool    // tokens see those behind them too, less than Slide away
	MaxLength  int     // positions that the model is right for
}

// Norms says where a layer's norms stand: around attention, and around the
// feed-forward layer.
type Norms int

const (
	NormsBefore Norms = iota
	NormsAround       // before and behind
	NormsBehind       // behind, before what is added to
)

// Scales are what is multiplied with, 0 for 1.
type Scales struct {
	Embedding, Residual, Logits float64 // Residual is what a layer's two parts add
}

// setting is a key of config.json that may be left out or null, which can mean
// different things.
type setting[T any] struct {
	given, null bool
	value       T
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *setting[T]) UnmarshalJSON(data []byte) error {
	s.given, s.null = true, string(data) == "null"
	return json.Unmarshal(data, &s.value)
}

// or is the value, or another where the key is left out or null.
func (s setting[T]) or(missing, null T) T {
	switch {
	case !s.given:
		return missing
	case s.null:
		return null
	}
	return s.value
}

// hfConfig are the fields of config.json that matter here.
type hfConfig struct {
	ModelType     string           `json:"model_type"`
	HiddenSize    int              `json:"hidden_size"`
	Layers        int              `json:"num_hidden_layers"`
	Heads         int              `json:"num_attention_heads"`
	KVHeads       setting[int]     `json:"num_key_value_heads"`
	HeadDim       setting[int]     `json:"head_dim"`
	Intermediate  int              `json:"intermediate_size"`
	Vocab         int              `json:"vocab_size"`
	Epsilon       setting[float64] `json:"rms_norm_eps"`
	Act           setting[string]  `json:"hidden_act"`
	Activation    setting[string]  `json:"hidden_activation"` // of Gemma 2 and 3
	Tied          bool             `json:"tie_word_embeddings"`
	AttentionBias bool             `json:"attention_bias"`
	MLPBias       bool             `json:"mlp_bias"`
	MaxPositions  int              `json:"max_position_embeddings"`

	Sliding     setting[int] `json:"sliding_window"`
	UseSliding  bool         `json:"use_sliding_window"`
	MaxWindow   setting[int] `json:"max_window_layers"`
	LayerTypes  []string     `json:"layer_types"`
	Pattern     setting[int] `json:"sliding_window_pattern"`
	NoRope      []int        `json:"no_rope_layers"`
	NoRopeEvery setting[int] `json:"no_rope_layer_interval"`

	RopeTheta   *float64        `json:"rope_theta"`
	RopeLocal   *float64        `json:"rope_local_base_freq"`
	RopeScaling json.RawMessage `json:"rope_scaling"`
	RopeParams  json.RawMessage `json:"rope_parameters"` // transformers 5 writes both here
	RopePart    *float64        `json:"partial_rotary_factor"`
	RopeLimit   float64         `json:"original_max_position_embeddings"`

	ScoreScalar   setting[float64] `json:"query_pre_attn_scalar"`
	ScoreCap      setting[float64] `json:"attn_logit_softcapping"`
	LogitCap      setting[float64] `json:"final_logit_softcapping"`
	Bidirectional bool             `json:"use_bidirectional_attention"` // of Gemma 3
	Causal        setting[bool]    `json:"is_causal"`

	EmbeddingScale setting[float64] `json:"embedding_multiplier"`
	ResidualScale  setting[float64] `json:"residual_multiplier"`
	ScoreScale     setting[float64] `json:"attention_multiplier"`
	LogitDivisor   setting[float64] `json:"logits_scaling"`
}

// ParseConfig reads a config.json as transformers 5.23 does, of all spellings of
// a setting. All problems are reported together. Whether the head is the embedding
// is for the weights to say: a caller whose weights show otherwise sets Tied.
func ParseConfig(data []byte) (Config, error) { return parse(data, false) }

// ParseEncoder is ParseConfig for an Encoder: tokens may see those behind them, and
// there is no head.
func ParseEncoder(data []byte) (Config, error) {
	c, err := parse(data, true)
	c.Tied = true
	return c, err
}

func parse(data []byte, encoder bool) (Config, error) {
	var h hfConfig
	if err := modelfile.JSON("config.json", data, &h); err != nil {
		return Config{}, err
	}
	f, ok := families()[h.ModelType]
	if !ok {
		return Config{}, fmt.Errorf("config.json: model_type %q; expected one of %s; choose a model of these families", h.ModelType, strings.Join(Known(), ", "))
	}
	c := Config{
		Type: h.ModelType, Width: h.HiddenSize, Layers: h.Layers, Heads: h.Heads,
		Inner: h.Intermediate, Vocabulary: h.Vocab, Epsilon: h.Epsilon.or(cmp.Or(f.epsilon, 1e-6), 1e-6), Tied: h.Tied,
		QKVBias: f.biases && h.AttentionBias || f.qkvBias, OutBias: f.biases && h.AttentionBias, MLPBias: f.mlpBiases && h.MLPBias,
		Norms: f.norms, PlusOne: f.gemma, QKNorm: f.qkNorm, WideQKNorm: f.wideQKNorm, Fused: f.fused, GELU: f.gemma, MaxLength: h.MaxPositions,
	}
	c.KVHeads = h.KVHeads.or(cmp.Or(f.kvHeads, h.Heads), h.Heads)
	share := h.HiddenSize / max(h.Heads, 1)
	c.HeadWidth = h.HeadDim.or(cmp.Or(f.headWidth, share), share)
	problems := h.sizes(c)
	problems = append(problems, h.scales(f, &c), h.ropes(f, &c), h.ways(f, encoder, &c))
	if err := errors.Join(problems...); err != nil {
		return Config{}, err
	}
	var err error
	if c.Still, err = h.still(f); err != nil {
		return Config{}, err
	}
	if c.Slide, err = h.slides(f, c.Still); err != nil {
		return Config{}, err
	}
	if c.BothWays {
		if err := h.slideBothWays(c.Slide); err != nil {
			return Config{}, err
		}
	}
	if err := tape.CheckSize(c.Weights()); err != nil {
		return Config{}, err
	}
	return c, nil
}

// maxLayers bounds what a broken config.json can ask for.
const maxLayers = 1024

// sizes checks them.
func (h hfConfig) sizes(c Config) (problems []error) {
	positive := func(name string, v int) {
		if v <= 0 || v > math.MaxInt32 {
			problems = append(problems, fmt.Errorf("config.json: %s is %d; expected a positive number", name, v))
		}
	}
	positive("hidden_size", h.HiddenSize)
	positive("num_hidden_layers", h.Layers)
	positive("num_attention_heads", h.Heads)
	positive("intermediate_size", h.Intermediate)
	positive("vocab_size", h.Vocab)
	if h.Layers > maxLayers {
		problems = append(problems, fmt.Errorf("config.json: num_hidden_layers is %d; expected at most %d", h.Layers, maxLayers))
	}
	switch {
	case c.KVHeads < 1 || h.Heads > 0 && h.Heads%c.KVHeads != 0:
		problems = append(problems, fmt.Errorf("config.json: %d attention heads on %d key/value heads (num_key_value_heads); expected a multiple", h.Heads, c.KVHeads))
	case c.HeadWidth < 2 || c.HeadWidth%2 != 0 || c.HeadWidth > math.MaxInt32:
		problems = append(problems, fmt.Errorf("config.json: head width %d (head_dim); expected a positive, even number", c.HeadWidth))
	}
	if !(c.Epsilon >= 0) || math.IsInf(c.Epsilon, 1) {
		problems = append(problems, fmt.Errorf("config.json: rms_norm_eps is %g; expected a small number from 0", c.Epsilon))
	}
	return problems
}

// scales reads the gate's function and what embeddings, scores, residuals and logits
// are multiplied with and capped at.
func (h hfConfig) scales(f family, c *Config) error {
	var problems []error
	key, act, gates := "hidden_act", h.Act.or("silu", "null"), []string{"silu", "swish"} // two names of one function
	if f.gemma {
		gates = []string{"gelu_pytorch_tanh"}
		act = h.Act.or(gates[0], "null")
		if f.norms == NormsAround {
			key, act = "hidden_activation", h.Activation.or(gates[0], gates[0])
		} else if act == "gelu" { // which always meant this one
			act = gates[0]
		}
	}
	if !slices.Contains(gates, act) {
		problems = append(problems, fmt.Errorf("config.json: %s %q; expected %s", key, act, gates[0]))
	}
	number := func(name string, s setting[float64], missing float64) float64 {
		v := s.or(missing, 0)
		if v != missing && (!(v > 0) || math.IsInf(v, 1)) {
			problems = append(problems, fmt.Errorf("config.json: %s is %g; expected a positive number", name, v))
			return missing
		}
		return v
	}
	if f.gemma {
		c.Scales.Embedding = math.Sqrt(float64(c.Width))
	}
	if f.scoreScalar {
		c.Scores.Scale = 1 / math.Sqrt(number("query_pre_attn_scalar", h.ScoreScalar, 256))
		capOf := func(name string, s setting[float64], missing float64) float64 {
			if s.null {
				return 0
			}
			return number(name, s, missing)
		}
		c.LogitCap = capOf("final_logit_softcapping", h.LogitCap, f.logitCap)
		c.Scores.Cap = capOf("attn_logit_softcapping", h.ScoreCap, f.scoreCap)
		if c.Scores.Cap != 0 && f.scoreCap == 0 {
			problems = append(problems, fmt.Errorf("config.json: attn_logit_softcapping is %g, which transformers 5 does not look at in a %s; expected null; correct it", c.Scores.Cap, h.ModelType))
		}
	}
	if f.granite {
		c.Scales = Scales{number("embedding_multiplier", h.EmbeddingScale, 1), number("residual_multiplier", h.ResidualScale, 1), 1 / number("logits_scaling", h.LogitDivisor, 1)}
		c.Scores.Scale = number("attention_multiplier", h.ScoreScale, 1)
	}
	return errors.Join(problems...)
}

// Weights lists the weights of the model under their Hugging Face names.
func (c Config) Weights() []tape.Weight {
	q, kv := c.queryWidth(), c.keyWidth()
	ws := []tape.Weight{{Name: "model.embed_tokens.weight", Dims: []int{c.Vocabulary, c.Width}, Table: true}}
	add := func(name string, dims ...int) { ws = append(ws, tape.Weight{Name: name, Dims: dims}) }
	for i := range c.Layers {
		p := fmt.Sprintf("model.layers.%d.", i)
		for _, name := range c.places().all() {
			add(p+name, c.Width)
		}
		for _, l := range c.linears() {
			add(p+l.name+".weight", l.out, l.in)
			if l.bias {
				add(p+l.name+".bias", l.out)
			}
		}
		if c.QKNorm {
			add(p+queryNorm, c.HeadWidth)
			add(p+keyNorm, c.HeadWidth)
		}
		if c.WideQKNorm {
			add(p+queryNorm, q)
			add(p+keyNorm, kv)
		}
	}
	add("model.norm.weight", c.Width)
	if !c.Tied {
		add("lm_head.weight", c.Vocabulary, c.Width)
	}
	return ws
}

// queryWidth and keyWidth are those of all heads together.
func (c Config) queryWidth() int { return c.Heads * c.HeadWidth }
func (c Config) keyWidth() int   { return c.KVHeads * c.HeadWidth }

// The norms of queries and keys.
const (
	queryNorm = "self_attn.q_norm.weight"
	keyNorm   = "self_attn.k_norm.weight"
)

// normPlaces are the local names of a layer's norms, "" where there is none.
type normPlaces struct{ attentionIn, attentionOut, mlpIn, mlpOut string }

func (c Config) places() normPlaces {
	switch c.Norms {
	case NormsAround:
		return normPlaces{"input_layernorm.weight", "post_attention_layernorm.weight", "pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"}
	case NormsBehind:
		return normPlaces{"", "post_attention_layernorm.weight", "", "post_feedforward_layernorm.weight"}
	}
	return normPlaces{"input_layernorm.weight", "", "post_attention_layernorm.weight", ""}
}

func (p normPlaces) all() []string {
	return slices.DeleteFunc([]string{p.attentionIn, p.attentionOut, p.mlpIn, p.mlpOut}, func(name string) bool { return name == "" })
}

// linear is a linear layer of a layer.
type linear struct {
	name    string
	out, in int
	bias    bool
}

func (c Config) linears() []linear {
	q, kv := c.queryWidth(), c.keyWidth()
	first := []linear{{"self_attn.q_proj", q, c.Width, c.QKVBias}, {"self_attn.k_proj", kv, c.Width, c.QKVBias}, {"self_attn.v_proj", kv, c.Width, c.QKVBias}}
	gates := []linear{{"mlp.gate_proj", c.Inner, c.Width, c.MLPBias}, {"mlp.up_proj", c.Inner, c.Width, c.MLPBias}}
	if c.Fused {
		first = []linear{{"self_attn.qkv_proj", q + 2*kv, c.Width, c.QKVBias}}
		gates = []linear{{"mlp.gate_up_proj", 2 * c.Inner, c.Width, c.MLPBias}}
	}
	return slices.Concat(first, []linear{{"self_attn.o_proj", c.Width, q, c.OutBias}}, gates, []linear{{"mlp.down_proj", c.Width, c.Inner, c.MLPBias}})
}

// ropeKind is the place of layer i's rotary positions, which turn nothing where it has
// none, in ropeKinds, the different ones.
func (c Config) ropeKind(i int) int {
	switch {
	case c.Still != nil && c.Still[i], c.SlideRope != nil && c.Slide[i] > 0:
		return 1
	}
	return 0
}

func (c Config) ropeKinds() []nn.Rope {
	switch {
	case c.SlideRope != nil:
		return []nn.Rope{c.Rope, *c.SlideRope}
	case c.Still != nil:
		return []nn.Rope{c.Rope, {Width: c.Rope.Width}}
	}
	return []nn.Rope{c.Rope}
}

// Linears lists the weights of the linear layers, the head not among them:
// those that an adapter can stand beside.
func (c Config) Linears() []tape.Weight {
	return slices.DeleteFunc(c.Weights(), func(w tape.Weight) bool {
		return len(w.Dims) != 2 || !strings.HasPrefix(w.Name, "model.layers.")
	})
}

// Products are the weights that a step of decoding multiplies by: the linear layers and the head.
func (c Config) Products() []tape.Weight {
	return slices.DeleteFunc(c.Weights(), func(w tape.Weight) bool {
		return len(w.Dims) != 2 || w.Name != c.HeadName() && !strings.HasPrefix(w.Name, "model.layers.")
	})
}

// HeadName is the name of the weight that turns hidden states into logits.
func (c Config) HeadName() string {
	if c.Tied {
		return "model.embed_tokens.weight"
	}
	return "lm_head.weight"
}

// Parameters is the number of single weights.
func (c Config) Parameters() int {
	n := 0
	for _, w := range c.Weights() {
		n += w.Size()
	}
	return n
}

// Within is how many of so many tokens a row may have: no more than the model has
// positions.
func (c Config) Within(tokens int) int {
	if c.MaxLength > 0 {
		return min(tokens, c.MaxLength)
	}
	return tokens
}
