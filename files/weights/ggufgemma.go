package weights

import (
	"cmp"
	"encoding/json"
	"slices"
)

// gemma3Config is what a Gemma 3's config.json has beside the others'.
type gemma3Config struct {
	Activation    string   `json:"hidden_activation"`
	Scalar        *float64 `json:"query_pre_attn_scalar"`
	LocalTheta    *float64 `json:"rope_local_base_freq"`
	Scaling       ggufRope `json:"rope_scaling"`
	LayerTypes    []string `json:"layer_types"`
	Pattern       *int     `json:"sliding_window_pattern"`
	NewPattern    *int     `json:"_sliding_window_pattern"`
	AttentionCap  *float64 `json:"attn_logit_softcapping"`
	FinalCap      *float64 `json:"final_logit_softcapping"`
	Bidirectional bool     `json:"use_bidirectional_attention"`
}

// read takes the configuration, with what transformers has where a Gemma's says nothing.
func (e *ggufExport) read(config []byte) error {
	c := &e.config
	if err := json.Unmarshal(config, c); err != nil {
		return err
	}
	if c.Type != "gemma3_text" {
		return nil
	}
	c.Rope = c.Scaling // rope_parameters are by kind of layer
	c.Theta = cmp.Or(c.Theta, new(1e6))
	c.LocalTheta = cmp.Or(c.LocalTheta, new(1e4))
	c.HeadDim = cmp.Or(c.HeadDim, new(256))
	c.Window = cmp.Or(c.Window, new(4096))
	c.Scalar = cmp.Or(c.Scalar, new(256.0))
	c.Pattern = cmp.Or(c.Pattern, c.NewPattern, new(6))
	return nil
}

// gemma3Keys are those that no other family has. llama.cpp takes the rest for given.
func (e *ggufExport) gemma3Keys() []ggufKey {
	const arch = "gemma3."
	c := e.config
	if c.Activation != "" && c.Activation != "gelu_pytorch_tanh" {
		e.bad("hidden_activation %q; expected gelu_pytorch_tanh, which is all that llama.cpp computes for a gemma3 model", c.Activation)
	}
	scalar, spelt := *c.HeadDim, "head_dim"
	if c.Layers == 62 { // 27B, as llama.cpp goes by it
		scalar, spelt = c.Hidden/max(c.Heads, 1), "hidden_size over num_attention_heads"
	}
	if *c.Scalar != float64(scalar) {
		e.bad("query_pre_attn_scalar %v; expected %d (%s), by which llama.cpp scales a gemma3 model of %d layers", *c.Scalar, scalar, spelt, c.Layers)
	}
	if c.AttentionCap != nil || c.FinalCap != nil || c.Bidirectional {
		e.bad("attn_logit_softcapping, final_logit_softcapping or use_bidirectional_attention is set; expected none of them, which llama.cpp has not for a gemma3 model")
	}
	for i := range c.Layers {
		slides, inLlama := (i+1)%max(*c.Pattern, 1) != 0, (i+1)%6 != 0
		if c.LayerTypes != nil {
			slides = i < len(c.LayerTypes) && c.LayerTypes[i] == "sliding_attention"
		}
		if slides != inLlama {
			e.bad("layer %d has a sliding window: %t; expected one in all layers but each sixth, as llama.cpp has it for a gemma3 model", i, slides)
			break
		}
	}
	if kind := c.Rope.Type; !slices.Contains([]string{"", "default", "linear"}, kind) {
		e.bad("rotary positions scaled by rope_type %q; expected default or linear, which llama.cpp has for a gemma3 model", kind)
	}
	return []ggufKey{
		{arch + "attention.sliding_window", ggufCount(*c.Window)},
		{arch + "rope.freq_base_swa", ggufFloat(*c.LocalTheta)},
	}
}

// plus adds to all of values, in place.
func plus(x float32, values []float32) []float32 {
	for i := range values {
		values[i] += x
	}
	return values
}
