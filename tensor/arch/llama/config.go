// Package llama is the Llama family of decoders: llama (SmolLM2, TinyLlama,
// Vicuna, Llama 2 and 3), mistral, qwen2 and qwen3, which differ only in
// biases, query/key norms, sliding windows and rope scaling. It turns a
// configuration and weights under Hugging Face names into blocks for a tape;
// it knows nothing of files, text, optimisers or sampling.
package llama

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// Known are the model_type values of config.json that this package builds.
var known = []string{"llama", "mistral", "qwen2", "qwen3"}

// Known lists the model types that this package builds.
func Known() []string { return slices.Clone(known) }

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
	Tied       bool // the head is the embedding
	QKVBias    bool
	OutBias    bool
	MLPBias    bool
	QKNorm     bool
	Slide      []int // sliding window of each layer, 0 for none
	MaxLength  int   // positions the model was trained for
}

// family is what the configuration class of transformers 5.23 takes for a key
// that config.json leaves out, and which keys it does not look at.
type family struct {
	kvHeads   int // 0 for as many as there are query heads
	headWidth int // 0 for an equal share of the width
	positions int
	window    int  // 0 where there are no sliding windows
	switched  bool // windows are only where use_sliding_window says so
	biases    bool // attention_bias is looked at
	mlpBiases bool // mlp_bias is looked at
}

func familyOf(modelType string) family {
	return map[string]family{
		"llama":   {positions: 2048, biases: true, mlpBiases: true},
		"mistral": {positions: 131072, kvHeads: 8, window: 4096},
		"qwen2":   {positions: 32768, kvHeads: 32, window: 4096, switched: true},
		"qwen3":   {positions: 32768, kvHeads: 32, window: 4096, switched: true, headWidth: 128, biases: true},
	}[modelType]
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
	Tied          bool             `json:"tie_word_embeddings"`
	AttentionBias bool             `json:"attention_bias"`
	MLPBias       bool             `json:"mlp_bias"`
	MaxPositions  int              `json:"max_position_embeddings"`
	Sliding       setting[int]     `json:"sliding_window"`
	UseSliding    bool             `json:"use_sliding_window"`
	MaxWindow     setting[int]     `json:"max_window_layers"`
	LayerTypes    []string         `json:"layer_types"`
	RopeTheta     *float64         `json:"rope_theta"`
	RopeScaling   json.RawMessage  `json:"rope_scaling"`
	RopeParams    json.RawMessage  `json:"rope_parameters"` // transformers 5 writes both here
	RopePart      *float64         `json:"partial_rotary_factor"`
	RopeLimit     float64          `json:"original_max_position_embeddings"`
}

// ParseConfig reads a config.json as transformers 5.23 does, of all spellings of
// a setting. All problems are reported together. Whether the head is the embedding
// is for the weights to say: a caller whose weights show otherwise sets Tied.
func ParseConfig(data []byte) (Config, error) {
	var h hfConfig
	if err := json.Unmarshal(data, &h); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	if !slices.Contains(known, h.ModelType) {
		return Config{}, fmt.Errorf("config.json: model_type %q; expected one of %s; choose a model of these families", h.ModelType, strings.Join(known, ", "))
	}
	var problems []error
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
	f := familyOf(h.ModelType)
	kvHeads := h.KVHeads.or(cmp.Or(f.kvHeads, h.Heads), h.Heads)
	width := h.HiddenSize / max(h.Heads, 1)
	headWidth := h.HeadDim.or(cmp.Or(f.headWidth, width), width)
	switch {
	case kvHeads < 1 || h.Heads > 0 && h.Heads%kvHeads != 0:
		problems = append(problems, fmt.Errorf("config.json: %d attention heads on %d key/value heads (num_key_value_heads); expected a multiple", h.Heads, kvHeads))
	case headWidth < 2 || headWidth%2 != 0 || headWidth > math.MaxInt32:
		problems = append(problems, fmt.Errorf("config.json: head width %d (head_dim); expected a positive, even number", headWidth))
	}
	if act := h.Act.or("silu", "null"); act != "silu" && act != "swish" { // two names of one function
		problems = append(problems, fmt.Errorf("config.json: hidden_act %q; expected silu", act))
	}
	epsilon := h.Epsilon.or(1e-6, 1e-6)
	if !(epsilon >= 0) || math.IsInf(epsilon, 1) {
		problems = append(problems, fmt.Errorf("config.json: rms_norm_eps is %g; expected a small number from 0", epsilon))
	}
	c := Config{
		Type: h.ModelType, Width: h.HiddenSize, Layers: h.Layers, Heads: h.Heads, KVHeads: kvHeads,
		HeadWidth: headWidth, Inner: h.Intermediate, Vocabulary: h.Vocab, Epsilon: epsilon, Tied: h.Tied,
		QKVBias: f.biases && h.AttentionBias || h.ModelType == "qwen2", OutBias: f.biases && h.AttentionBias,
		MLPBias: f.mlpBiases && h.MLPBias, QKNorm: h.ModelType == "qwen3", MaxLength: h.MaxPositions,
	}
	var err error
	c.Rope, err = h.rope(headWidth, f)
	if err := errors.Join(append(problems, err)...); err != nil {
		return Config{}, err
	}
	if c.Slide, err = h.slides(f); err != nil {
		return Config{}, err
	}
	if err := tape.CheckSize(c.Weights()); err != nil {
		return Config{}, err
	}
	return c, nil
}

// maxLayers bounds what a broken config.json can ask for.
const maxLayers = 1024

// slides gives each layer's sliding window. Llama has none whatever config.json
// says. Mistral has one in every layer unless it is null, and Qwen has them where
// use_sliding_window is true, from max_window_layers on; in both, layer_types says
// more exactly which layers (AutoModel then takes Mistral for Ministral).
func (h hfConfig) slides(f family) ([]int, error) {
	out := make([]int, h.Layers)
	window := h.Sliding.or(f.window, 0)
	if f.window == 0 {
		return out, nil
	}
	if h.Sliding.given && !h.Sliding.null && (window < 1 || window > math.MaxInt32) && (h.UseSliding || !f.switched) {
		return nil, fmt.Errorf("config.json: sliding_window is %d; expected a positive number, or null for none", window)
	}
	first := 0
	if f.switched {
		first = max(h.MaxWindow.or(28, 28), 0)
		if !h.UseSliding {
			window = 0
		}
	}
	if h.LayerTypes == nil {
		for i := first; i < h.Layers; i++ {
			out[i] = window
		}
		return out, nil
	}
	if len(h.LayerTypes) != h.Layers {
		return nil, fmt.Errorf("config.json: layer_types names %d layers; expected %d, num_hidden_layers", len(h.LayerTypes), h.Layers)
	}
	for i, kind := range h.LayerTypes {
		switch {
		case kind == "full_attention":
		case kind != "sliding_attention":
			return nil, fmt.Errorf("config.json: layer_types has %q; expected full_attention or sliding_attention", kind)
		case window == 0:
			return nil, errors.New("config.json: layer_types has sliding_attention, but sliding_window is null or switched off (use_sliding_window), with which transformers cannot run the model; expected a window; correct one of them")
		default:
			out[i] = window
		}
	}
	return out, nil
}

// ropeFields are those of rope_scaling and of rope_parameters.
type ropeFields struct {
	Theta  *float64 `json:"rope_theta"`
	Kind   string   `json:"rope_type"`
	Type   string   `json:"type"`
	Factor float64  `json:"factor"`
	Part   *float64 `json:"partial_rotary_factor"`
	nn.Llama3Rope
}

// rope reads rope_theta and rope_scaling, the spelling of transformers 4, and
// rope_parameters, that of 5. Where they contradict each other it depends on the
// version what the model is, so that is an error.
func (h hfConfig) rope(width int, f family) (nn.Rope, error) {
	r := nn.Rope{Width: width}
	thetas := []*float64{h.RopeTheta}
	parts := []*float64{h.RopePart}
	var found []nn.Rope // of each spelling
	for _, spelling := range []struct {
		name string
		raw  json.RawMessage
	}{{"rope_scaling", h.RopeScaling}, {"rope_parameters", h.RopeParams}} {
		if len(spelling.raw) == 0 || string(spelling.raw) == "null" {
			continue
		}
		var s ropeFields
		var fields map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal(spelling.raw, &fields), json.Unmarshal(spelling.raw, &s)); err != nil {
			return r, fmt.Errorf("config.json: %s: %w", spelling.name, err)
		}
		for name, value := range fields {
			if bytes.HasPrefix(value, []byte("{")) {
				return r, fmt.Errorf("config.json: %s has settings of its own for %q; expected one for all layers", spelling.name, name)
			}
		}
		thetas, parts = append(thetas, s.Theta), append(parts, s.Part)
		scaled, err := h.scaled(s, f)
		if err != nil {
			return r, fmt.Errorf("config.json: %s: %w", spelling.name, err)
		}
		found = append(found, scaled)
	}
	for _, part := range parts {
		if part != nil && *part != 1 {
			return r, fmt.Errorf("config.json: partial_rotary_factor is %g; expected 1: heads that turn in part are not of these families", *part)
		}
	}
	if len(found) == 2 && !reflect.DeepEqual(found[0], found[1]) {
		return r, fmt.Errorf("config.json: rope_scaling (%s) and rope_parameters (%s) contradict each other, and which one counts depends on the version of transformers; expected the same; correct one of them", h.RopeScaling, h.RopeParams)
	}
	if len(found) > 0 {
		r = found[0]
		r.Width = width
	}
	for _, theta := range thetas {
		switch {
		case theta == nil:
		case !(*theta > 0) || math.IsInf(*theta, 1):
			return r, fmt.Errorf("config.json: rope_theta is %g; expected a positive number", *theta)
		case r.Theta != 0 && r.Theta != *theta:
			return r, fmt.Errorf("config.json: rope_theta is %g in one place and %g in another (rope_scaling, rope_parameters), and which one counts depends on the version of transformers; expected the same; correct one of them", r.Theta, *theta)
		default:
			r.Theta = *theta
		}
	}
	if r.Theta == 0 {
		r.Theta = 10000
	}
	return r, nil
}

// scaled reads how angles are scaled, without their base.
func (h hfConfig) scaled(s ropeFields, f family) (r nn.Rope, err error) {
	if s.Kind != "" && s.Type != "" && s.Kind != s.Type {
		return r, fmt.Errorf("rope_type %q and type %q; expected the same", s.Kind, s.Type)
	}
	factor := func() error {
		if !(s.Factor > 0) || math.IsInf(s.Factor, 1) {
			return fmt.Errorf("factor is %g; expected a positive number", s.Factor)
		}
		return nil
	}
	switch kind := cmp.Or(s.Kind, s.Type, "default"); kind {
	case "default":
		return r, nil
	case "linear":
		r.Linear = s.Factor
		return r, factor()
	case "llama3":
		l := s.Llama3Rope
		l.Factor = s.Factor
		switch {
		case h.RopeLimit != 0 && l.OriginalLimit != 0 && l.OriginalLimit != h.RopeLimit:
			return r, fmt.Errorf("original_max_position_embeddings is %g, and %g outside; expected the same", l.OriginalLimit, h.RopeLimit)
		case l.OriginalLimit == 0:
			l.OriginalLimit = cmp.Or(h.RopeLimit, float64(cmp.Or(h.MaxPositions, f.positions)))
		}
		if !(l.LowFreq > 0) || !(l.HighFreq > l.LowFreq) || !(l.OriginalLimit > 0) {
			return r, fmt.Errorf("low_freq_factor %g, high_freq_factor %g, original_max_position_embeddings %g; expected positive numbers, the second above the first", l.LowFreq, l.HighFreq, l.OriginalLimit)
		}
		r.Llama3 = &l
		return r, factor()
	default:
		return r, fmt.Errorf("scaling of type %q; expected default, linear or llama3", kind)
	}
}

// Weights lists the weights of the model under their Hugging Face names.
func (c Config) Weights() []tape.Weight {
	q, kv := c.Heads*c.HeadWidth, c.KVHeads*c.HeadWidth
	ws := []tape.Weight{{Name: "model.embed_tokens.weight", Dims: []int{c.Vocabulary, c.Width}, Table: true}}
	add := func(name string, dims ...int) { ws = append(ws, tape.Weight{Name: name, Dims: dims}) }
	for i := range c.Layers {
		p := fmt.Sprintf("model.layers.%d.", i)
		add(p+"input_layernorm.weight", c.Width)
		for _, l := range []struct {
			name    string
			out, in int
			bias    bool
		}{
			{"self_attn.q_proj", q, c.Width, c.QKVBias},
			{"self_attn.k_proj", kv, c.Width, c.QKVBias},
			{"self_attn.v_proj", kv, c.Width, c.QKVBias},
			{"self_attn.o_proj", c.Width, q, c.OutBias},
			{"mlp.gate_proj", c.Inner, c.Width, c.MLPBias},
			{"mlp.up_proj", c.Inner, c.Width, c.MLPBias},
			{"mlp.down_proj", c.Width, c.Inner, c.MLPBias},
		} {
			add(p+l.name+".weight", l.out, l.in)
			if l.bias {
				add(p+l.name+".bias", l.out)
			}
		}
		if c.QKNorm {
			add(p+"self_attn.q_norm.weight", c.HeadWidth)
			add(p+"self_attn.k_norm.weight", c.HeadWidth)
		}
		add(p+"post_attention_layernorm.weight", c.Width)
	}
	add("model.norm.weight", c.Width)
	if !c.Tied {
		add("lm_head.weight", c.Vocabulary, c.Width)
	}
	return ws
}

// Linears lists the weights of the linear layers, the head not among them:
// those that an adapter can stand beside.
func (c Config) Linears() []tape.Weight {
	return slices.DeleteFunc(c.Weights(), func(w tape.Weight) bool {
		return len(w.Dims) != 2 || !strings.HasPrefix(w.Name, "model.layers.")
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
