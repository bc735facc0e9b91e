package bert

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gorqa/files/modelfile"
	"gorqa/tensor/nn"
)

// family is what the models of one model_type have in common.
type family struct {
	names      names
	activation string // where config.json names none
	types      bool   // tokens have types
	// read follows what is particular to the family, nil for nothing.
	read func(h hfConfig, c *Config) error
}

// families lists all of them by model_type.
func families() map[string]family {
	roberta := func(base string) family { return family{bertNames(base), "gelu", true, readRoberta} }
	return map[string]family{
		"bert":        {bertNames("bert."), "gelu", true, nil},
		"roberta":     roberta("roberta."),
		"xlm-roberta": roberta("roberta."),
		"camembert":   roberta("roberta."),
		"distilbert":  {distilbertNames(), "gelu", false, readDistilbert},
		"electra":     {electraNames(), "gelu", true, readElectra},
		"albert":      {albertNames(), "gelu_new", true, readAlbert},
		"mpnet":       {mpnetNames(), "gelu", false, readMPNet},
		"modernbert":  {modernbertNames(), "gelu", false, readModernbert},
		"nomic_bert":  {nomicNames(), "silu", true, readNomic},
	}
}

// Known lists the model types that this package builds.
func Known() []string { return slices.Sorted(maps.Keys(families())) }

// readRoberta counts places from behind the padding token's.
func readRoberta(h hfConfig, c *Config) error {
	c.Pad = 1
	if h.Pad != nil {
		c.Pad = *h.Pad
	}
	c.First = c.Pad + 1
	c.Positions = c.Places - c.First
	return nil
}

func readDistilbert(h hfConfig, c *Config) error {
	c.Width, c.Inner, c.Layers, c.Heads, c.Epsilon = cmp.Or(h.Dim, h.Width), h.HiddenDim, cmp.Or(h.NLayers, h.Layers), cmp.Or(h.NHeads, h.Heads), 1e-12
	c.Activation = cmp.Or(h.DistilAct, "gelu")
	return nil
}

func readElectra(h hfConfig, c *Config) error {
	c.Embedded = cmp.Or(h.Embedded, 128)
	return nil
}

func readAlbert(h hfConfig, c *Config) error {
	c.Embedded, c.Groups = cmp.Or(h.Embedded, 128), cmp.Or(h.Groups, 1)
	if inner := cmp.Or(h.InnerGroup, 1); inner != 1 {
		return fmt.Errorf("config.json: inner_group_num is %d; expected 1", inner)
	}
	return nil
}

func readMPNet(h hfConfig, c *Config) error {
	c.Pad, c.First, c.Buckets = 1, 2, mpnetBuckets
	c.Positions = c.Places - c.First
	if h.Buckets != nil && *h.Buckets != mpnetBuckets {
		return fmt.Errorf("config.json: relative_attention_num_buckets is %d; expected %d, which transformers counts with whatever stands there", *h.Buckets, mpnetBuckets)
	}
	return nil
}

func readModernbert(h hfConfig, c *Config) error {
	c.Places, c.Epsilon, c.Activation = 0, cmp.Or(h.NormEps, 1e-5), cmp.Or(h.Activation, "gelu")
	c.Gated, c.Before, c.Fused, c.NormBiases = true, true, true, h.NormBias
	c.Biases = h.AttentionBias
	if h.AttentionBias != h.MLPBias {
		return errors.New("config.json: attention_bias and mlp_bias differ; expected the same")
	}
	c.Positions = cmp.Or(h.Positions, 8192)
	global, err1 := h.rope("full_attention", cmp.Or(h.GlobalTheta, 160000))
	local, err2 := h.rope("sliding_attention", cmp.Or(h.LocalTheta, 10000))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	kinds, every, window := h.LayerTypes, 3, 128
	if h.Every != nil {
		every = *h.Every
	}
	if h.Local != nil {
		window = *h.Local
	}
	if every < 1 || window < 2 {
		return fmt.Errorf("config.json: global_attn_every_n_layers is %d and local_attention %d; expected numbers from 1 and from 2", every, window)
	}
	if kinds == nil {
		for i := range min(max(h.Layers, 0), maxLayers) {
			kinds = append(kinds, map[bool]string{true: "full_attention", false: "sliding_attention"}[i%every == 0])
		}
	}
	if len(kinds) != h.Layers {
		return fmt.Errorf("config.json: layer_types names %d layers; expected %d, num_hidden_layers", len(kinds), h.Layers)
	}
	for _, kind := range kinds {
		switch kind {
		case "full_attention":
			c.Ropes, c.Windows = append(c.Ropes, global), append(c.Windows, 0)
		case "sliding_attention":
			c.Ropes, c.Windows = append(c.Ropes, local), append(c.Windows, window/2)
		default:
			return fmt.Errorf("config.json: layer_types has %q; expected full_attention or sliding_attention", kind)
		}
	}
	return nil
}

// hfNomic are the names that Nomic's own code takes.
type hfNomic struct {
	Embd        int      `json:"n_embd"`
	Head        int      `json:"n_head"`
	Layer       int      `json:"n_layer"`
	InnerN      int      `json:"n_inner"`
	PositionsN  int      `json:"n_positions"`
	EpsilonN    float64  `json:"layer_norm_epsilon"`
	ActN        string   `json:"activation_function"`
	RotaryBase  float64  `json:"rotary_emb_base"`
	RotaryPart  *float64 `json:"rotary_emb_fraction"`
	RotaryScale *float64 `json:"rotary_emb_scale_base"`
	Interleaved bool     `json:"rotary_emb_interleaved"`
	Prenorm     bool     `json:"prenorm"`
	QKVBias     bool     `json:"qkv_proj_bias"`
	FC1Bias     bool     `json:"mlp_fc1_bias"`
	FC2Bias     bool     `json:"mlp_fc2_bias"`
	RMSNorm     bool     `json:"use_rms_norm"`
	Experts     *int     `json:"num_experts"`
}

func readNomic(h hfConfig, c *Config) error {
	c.Width, c.Heads, c.Layers = cmp.Or(h.Width, h.Embd), cmp.Or(h.Heads, h.Head), cmp.Or(h.Layers, h.Layer)
	c.Inner, c.Epsilon, c.Positions = cmp.Or(h.Inner, h.InnerN), cmp.Or(h.Epsilon, h.EpsilonN, 1e-12), cmp.Or(h.Positions, h.PositionsN)
	c.Activation = cmp.Or(h.Act, h.ActN, "silu")
	if c.Activation == "swiglu" {
		c.Activation = "silu"
	}
	c.Places, c.Gated, c.Biases = 0, true, false
	whole := h.RotaryPart == nil || *h.RotaryPart == 1
	if h.Interleaved || h.Prenorm || h.QKVBias || h.FC1Bias || h.FC2Bias || h.RMSNorm || !whole || h.RotaryScale != nil || h.Experts != nil && *h.Experts > 0 {
		return errors.New("config.json: a nomic_bert with interleaved, partial or scaled rotation, norms before the layers, RMS norms, biases or experts; expected none of them, as nomic-embed-text-v1 and v1.5; choose one of these")
	}
	rope, err := h.rope("", cmp.Or(h.RopeTheta, h.RotaryBase, 1000))
	for range min(max(c.Layers, 0), maxLayers) {
		c.Ropes = append(c.Ropes, rope)
	}
	return err
}

// rope reads the rotation of one kind of layers; theta counts where rope_parameters
// say nothing.
func (h hfConfig) rope(kind string, theta float64) (nn.Rope, error) {
	r := nn.Rope{Theta: theta, Width: cmp.Or(h.HeadWidth, cmp.Or(h.Width, h.Embd)/max(cmp.Or(h.Heads, h.Head), 1))}
	given := func(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }
	if given(h.RopeScaling) {
		return r, fmt.Errorf("config.json: rope_scaling is %s; expected null: stretched rotations are not supported in encoders", bytes.TrimSpace(h.RopeScaling))
	}
	if !given(h.RopeParams) {
		return r, nil
	}
	raw := h.RopeParams
	if kind != "" {
		var kinds map[string]json.RawMessage
		if err := modelfile.JSONPart(raw, &kinds); err != nil {
			return r, fmt.Errorf("config.json: rope_parameters: %w", err)
		}
		if raw = kinds[kind]; !given(raw) {
			return r, nil
		}
	}
	var p struct {
		Theta float64  `json:"rope_theta"`
		Kind  string   `json:"rope_type"`
		Part  *float64 `json:"partial_rotary_factor"`
	}
	if err := modelfile.JSONPart(raw, &p); err != nil {
		return r, fmt.Errorf("config.json: rope_parameters: %w", err)
	}
	r.Theta = cmp.Or(p.Theta, theta)
	if cmp.Or(p.Kind, "default") != "default" || p.Part != nil && *p.Part != 1 || !(r.Theta > 0) {
		return r, fmt.Errorf("config.json: rope_parameters are %s; expected rope_type default, a rope_theta above 0 and no partial rotation", bytes.TrimSpace(raw))
	}
	return r, nil
}
