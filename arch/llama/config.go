// Package llama is the Llama family of decoders: llama (SmolLM2, TinyLlama,
// Vicuna, Llama 2 and 3), mistral, qwen2 and qwen3, which differ only in
// biases, query/key norms, sliding windows and rope scaling. It turns a
// configuration and weights under Hugging Face names into blocks for a tape;
// it knows nothing of files, text, optimisers or sampling.
package llama

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorqa/nn"
	"gorqa/tape"
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

// hfConfig are the fields of config.json that matter here.
type hfConfig struct {
	ModelType     string          `json:"model_type"`
	HiddenSize    int             `json:"hidden_size"`
	Layers        int             `json:"num_hidden_layers"`
	Heads         int             `json:"num_attention_heads"`
	KVHeads       int             `json:"num_key_value_heads"`
	HeadDim       int             `json:"head_dim"`
	Intermediate  int             `json:"intermediate_size"`
	Vocab         int             `json:"vocab_size"`
	Epsilon       float64         `json:"rms_norm_eps"`
	Act           string          `json:"hidden_act"`
	Tied          bool            `json:"tie_word_embeddings"`
	AttentionBias bool            `json:"attention_bias"`
	MLPBias       bool            `json:"mlp_bias"`
	MaxPositions  int             `json:"max_position_embeddings"`
	Sliding       *int            `json:"sliding_window"`
	UseSliding    *bool           `json:"use_sliding_window"`
	MaxWindow     int             `json:"max_window_layers"`
	LayerTypes    []string        `json:"layer_types"`
	RopeTheta     float64         `json:"rope_theta"`
	RopeScaling   json.RawMessage `json:"rope_scaling"`
	RopeParams    json.RawMessage `json:"rope_parameters"` // transformers 5 writes both here
}

// ParseConfig reads a config.json. All problems are reported at once.
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
		if v <= 0 {
			problems = append(problems, fmt.Errorf("config.json: %s is %d; expected a positive number", name, v))
		}
	}
	positive("hidden_size", h.HiddenSize)
	positive("num_hidden_layers", h.Layers)
	positive("num_attention_heads", h.Heads)
	positive("intermediate_size", h.Intermediate)
	positive("vocab_size", h.Vocab)
	if h.KVHeads == 0 {
		h.KVHeads = h.Heads
	}
	if h.HeadDim == 0 && h.Heads > 0 {
		h.HeadDim = h.HiddenSize / h.Heads
	}
	if h.KVHeads < 0 || h.KVHeads > 0 && h.Heads%h.KVHeads != 0 {
		problems = append(problems, fmt.Errorf("config.json: %d attention heads on %d key/value heads; expected a multiple", h.Heads, h.KVHeads))
	}
	if h.HeadDim < 0 || h.HeadDim%2 != 0 {
		problems = append(problems, fmt.Errorf("config.json: head width %d; expected an even number", h.HeadDim))
	}
	if h.Act != "" && h.Act != "silu" {
		problems = append(problems, fmt.Errorf("config.json: hidden_act %q; expected silu", h.Act))
	}
	if h.Epsilon == 0 {
		h.Epsilon = 1e-6
	}
	c := Config{
		Type: h.ModelType, Width: h.HiddenSize, Layers: h.Layers, Heads: h.Heads, KVHeads: h.KVHeads,
		HeadWidth: h.HeadDim, Inner: h.Intermediate, Vocabulary: h.Vocab, Epsilon: h.Epsilon, Tied: h.Tied,
		QKVBias: h.AttentionBias || h.ModelType == "qwen2", OutBias: h.AttentionBias, MLPBias: h.MLPBias,
		QKNorm: h.ModelType == "qwen3", MaxLength: h.MaxPositions,
	}
	rope, err := h.rope()
	problems = append(problems, err)
	c.Rope = rope
	if err := errors.Join(problems...); err != nil {
		return Config{}, err
	}
	c.Slide = h.slides()
	return c, nil
}

// slides gives each layer's sliding window.
func (h hfConfig) slides() []int {
	out := make([]int, h.Layers)
	if h.Sliding == nil || *h.Sliding <= 0 || h.UseSliding != nil && !*h.UseSliding {
		return out
	}
	if h.UseSliding == nil && h.ModelType != "mistral" {
		return out
	}
	for i := range out {
		switch {
		case i < len(h.LayerTypes):
			if h.LayerTypes[i] == "sliding_attention" {
				out[i] = *h.Sliding
			}
		case h.ModelType == "mistral" || i >= h.MaxWindow:
			out[i] = *h.Sliding
		}
	}
	return out
}

// rope reads rope_theta and rope_scaling, or rope_parameters.
func (h hfConfig) rope() (nn.Rope, error) {
	r := nn.Rope{Theta: h.RopeTheta, Width: h.HeadDim}
	for _, raw := range []json.RawMessage{h.RopeScaling, h.RopeParams} {
		if len(raw) == 0 || string(raw) == "null" {
			continue
		}
		var s struct {
			Theta  float64 `json:"rope_theta"`
			Kind   string  `json:"rope_type"`
			Type   string  `json:"type"`
			Factor float64 `json:"factor"`
			nn.Llama3Rope
		}
		if err := json.Unmarshal(raw, &s); err != nil {
			return r, fmt.Errorf("config.json: rope scaling: %w", err)
		}
		if s.Theta != 0 {
			r.Theta = s.Theta
		}
		switch kind := s.Kind + s.Type; {
		case s.Kind == "default" || s.Type == "default" || kind == "":
		case s.Kind == "linear" || s.Kind == "" && s.Type == "linear":
			r.Linear = s.Factor
		case s.Kind == "llama3":
			s.Llama3Rope.Factor = s.Factor
			l := s.Llama3Rope
			r.Llama3 = &l
		default:
			return r, fmt.Errorf("config.json: rope scaling of type %q; expected default, linear or llama3", kind)
		}
	}
	if r.Theta == 0 {
		r.Theta = 10000
	}
	return r, nil
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
