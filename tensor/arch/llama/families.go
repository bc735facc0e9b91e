package llama

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// family is what is the same for all models of a type, and what the configuration
// class of transformers 5.23 takes for a key that config.json leaves out.
type family struct {
	kvHeads    int // 0 for as many as there are query heads
	headWidth  int // 0 for an equal share of the width
	positions  int
	epsilon    float64 // 0 for 1e-6
	theta      float64 // 0 for 10000
	slideTheta float64 // of layers with a sliding window, where these have rotary positions of their own; 0 for none

	window  int  // that of sliding_window; 0 where there is none
	windows rule // which layers have it
	every   int  // of layers: every so manieth has none, if layer_types does not say
	pattern bool // sliding_window_pattern may say another number

	biases    bool // attention_bias is looked at
	qkvBias   bool // these three are always there
	mlpBiases bool // mlp_bias is looked at

	gemma       bool // norms by 1 and the weight, scaled embeddings, GELU
	norms       Norms
	qkNorm      bool // on each head
	wideQKNorm  bool // on all heads together
	fused       bool // one matrix for q, k and v, one for gate and up; part of a head may turn
	original    int  // original_max_position_embeddings; 0 for all positions
	granite     bool // multipliers
	queryScale  bool // llama_4_scaling_beta
	scoreScalar bool // query_pre_attn_scalar and the caps are looked at
	scoreCap    float64
	logitCap    float64
}

// rule says which layers have a sliding window.
type rule int

const (
	noWindows   rule = iota
	allLayers        // all, unless sliding_window is null; layer_types is ignored
	switched         // those that layer_types or max_window_layers name, if use_sliding_window says so
	byLayer          // those that layer_types names, else all but every so manieth, if any
	withoutRope      // those that layer_types names, else those without rotary positions, if use_sliding_window says so
)

// families are the known ones.
func families() map[string]family {
	return map[string]family{
		"llama":   {positions: 2048, biases: true, mlpBiases: true},
		"mistral": {positions: 131072, kvHeads: 8, window: 4096, windows: byLayer},
		"qwen2":   {positions: 32768, kvHeads: 32, window: 4096, windows: switched, qkvBias: true},
		"gemma":   {positions: 8192, kvHeads: 16, headWidth: 256, biases: true, gemma: true},
		"gemma2": {
			positions: 8192, kvHeads: 4, headWidth: 256, biases: true, gemma: true, norms: NormsAround, scoreScalar: true, scoreCap: 50, logitCap: 30,
			window: 4096, windows: byLayer, every: 2,
		},
		"gemma3_text": {
			positions: 131072, kvHeads: 4, headWidth: 256, biases: true, gemma: true, norms: NormsAround, scoreScalar: true, qkNorm: true,
			window: 4096, windows: byLayer, every: 6, pattern: true, theta: 1e6, slideTheta: 1e4,
		},
		"granite":    {positions: 2048, biases: true, mlpBiases: true, granite: true},
		"ministral":  {positions: 131072, kvHeads: 8, window: 4096, windows: byLayer},
		"ministral3": {positions: 262144, kvHeads: 8, headWidth: 128, epsilon: 1e-5, windows: allLayers, queryScale: true},
		"olmo2":      {positions: 2048, biases: true, epsilon: 1e-5, norms: NormsBehind, wideQKNorm: true},
		"olmo3": {
			positions: 2048, biases: true, epsilon: 1e-5, norms: NormsBehind, wideQKNorm: true,
			window: 4096, windows: byLayer, every: 4, theta: 5e5, slideTheta: 5e5,
		},
		"phi3":    {positions: 4096, epsilon: 1e-5, fused: true, original: 4096, windows: allLayers},
		"smollm3": {positions: 32768, kvHeads: 4, biases: true, mlpBiases: true, theta: 2e6, windows: withoutRope},
		"qwen3":   {positions: 32768, kvHeads: 32, window: 4096, windows: switched, headWidth: 128, biases: true, qkNorm: true},
	}
}

// Known lists the model types that this package builds.
func Known() []string { return slices.Sorted(maps.Keys(families())) }

// slides gives each layer's sliding window. Llama has none whatever config.json
// says. Mistral has one in every layer unless it is null or layer_types says more
// exactly which (AutoModel then takes Mistral for Ministral), others in some layers.
func (h hfConfig) slides(f family, still []bool) ([]int, error) {
	out := make([]int, h.Layers)
	needsSwitch := f.windows == switched || f.windows == withoutRope
	window := h.Sliding.or(f.window, 0)
	if f.windows == noWindows || f.windows == allLayers && (h.Sliding.null || !h.Sliding.given && window == 0) {
		return out, nil
	}
	if h.Sliding.given && !h.Sliding.null && (window < 1 || window > math.MaxInt32) && (h.UseSliding || !needsSwitch) {
		return nil, fmt.Errorf("config.json: sliding_window is %d; expected a positive number, or null for none", window)
	}
	if needsSwitch && !h.UseSliding {
		window = 0
	}
	if h.LayerTypes != nil && f.windows != allLayers { // which does not look at them
		return h.layerTypes(window)
	}
	every := f.every
	if f.pattern {
		every = h.Pattern.or(every, every)
	}
	for i := range out {
		var slides bool
		switch f.windows {
		case allLayers:
			slides = true
		case switched:
			slides = i >= h.MaxWindow.or(28, 28)
		case byLayer:
			slides = every < 1 || (i+1)%every != 0
		case withoutRope:
			slides = still != nil && still[i]
		}
		if slides {
			out[i] = window
		}
	}
	return out, nil
}

// layerTypes are the windows of layers that config.json lists.
func (h hfConfig) layerTypes(window int) ([]int, error) {
	if len(h.LayerTypes) != h.Layers {
		return nil, fmt.Errorf("config.json: layer_types names %d layers; expected %d, num_hidden_layers", len(h.LayerTypes), h.Layers)
	}
	out := make([]int, h.Layers)
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

// still says which layers have no rotary positions; nil for none.
func (h hfConfig) still(f family) ([]bool, error) {
	if f.windows != withoutRope {
		return nil, nil
	}
	out := make([]bool, h.Layers)
	interval := h.NoRopeEvery.or(4, 4)
	switch {
	case h.NoRope != nil && len(h.NoRope) != h.Layers:
		return nil, fmt.Errorf("config.json: no_rope_layers names %d layers; expected %d, num_hidden_layers", len(h.NoRope), h.Layers)
	case h.NoRope == nil && interval < 1:
		return nil, fmt.Errorf("config.json: no_rope_layer_interval is %d; expected a positive number", interval)
	}
	for i := range out {
		if h.NoRope == nil {
			out[i] = (i+1)%interval == 0
		} else {
			out[i] = h.NoRope[i] == 0 // which is a list of the layers that have them
		}
	}
	return out, nil
}

// ways says whether tokens see those behind them, as only an embedder's may. Gemma 3 has
// a key of its own for that, transformers one for all.
func (h hfConfig) ways(f family, encoder bool, c *Config) error {
	causal := h.Causal.or(true, false)
	c.BothWays = h.Bidirectional || !causal
	key := "use_bidirectional_attention is true"
	if !causal {
		key = "is_causal is false"
	}
	switch {
	case !c.BothWays:
		return nil
	case !encoder:
		return fmt.Errorf("config.json: %s, that of an embedder; expected a generator, whose tokens see those before them", key)
	case h.Bidirectional && f.slideTheta == 0 || h.Bidirectional && !causal:
		return fmt.Errorf("config.json: use_bidirectional_attention is true in a %s whose is_causal is %t; expected it in a gemma3_text without the other key: in others transformers does not look at it", h.ModelType, causal)
	}
	return nil
}

// slideBothWays turns windows into those of an encoder whose tokens see both ways: with
// Gemma 3's key half of a window lies on each side, else a whole one.
func (h hfConfig) slideBothWays(slide []int) error {
	for i, window := range slide {
		switch {
		case window == 0:
		case !h.Bidirectional:
			slide[i] = window + 1
		case window == 1:
			return errors.New("config.json: sliding_window is 1; expected at least 2, a token on each side")
		default:
			slide[i] = window/2 + 1
		}
	}
	return nil
}
