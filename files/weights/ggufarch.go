package weights

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// ggufArch is an architecture of llama.cpp and what it is called elsewhere.
type ggufArch struct {
	modelType string
	class     string
	permuted  bool // q and k stand with their rotary halves interleaved
	headDim   bool // the config names the width of a head
	gemma     bool // 1 is added to the weights of norms
	around    bool // norms stand before and behind a layer's parts
	behind    bool // they stand behind, and on all heads' queries and keys together
	fused     bool // one matrix for q, k and v, one for gate and up
	biases    bool // attention and feed-forward layer may have them
}

// layer is what a part of a layer is called elsewhere, "" of a strange one.
func (a ggufArch) layer(part string) string {
	switch name := ggufAround[part]; {
	case name != "" && (a.around || a.behind && part != "ffn_norm"):
		return name
	case a.behind && (part == "attn_norm" || part == "ffn_norm"):
		return ""
	case a.fused && (part == "attn_qkv" || part == "ffn_up"):
		return ggufFused[part]
	case a.fused && slices.Contains([]string{"attn_q", "attn_k", "attn_v", "ffn_gate"}, part):
		return ""
	}
	return ggufLayer[part]
}

// ggufAround is in ggufLayer's place for norms before and behind a layer's parts.
var ggufAround = map[string]string{
	"post_attention_norm": "post_attention_layernorm",
	"ffn_norm":            "pre_feedforward_layernorm",
	"post_ffw_norm":       "post_feedforward_layernorm",
}

// ggufFused is in its place where matrices are fused.
var ggufFused = map[string]string{
	"attn_qkv": "self_attn.qkv_proj",
	"ffn_up":   "mlp.gate_up_proj",
}

var ggufArchs = map[string]ggufArch{
	"llama":    {modelType: "llama", class: "LlamaForCausalLM", permuted: true, headDim: true, biases: true},
	"mistral":  {modelType: "mistral", class: "MistralForCausalLM", permuted: true, headDim: true},
	"mistral3": {modelType: "ministral3", class: "Ministral3ForCausalLM", permuted: true, headDim: true},
	"qwen2":    {modelType: "qwen2", class: "Qwen2ForCausalLM", biases: true},
	"qwen3":    {modelType: "qwen3", class: "Qwen3ForCausalLM", headDim: true},
	"gemma":    {modelType: "gemma", class: "GemmaForCausalLM", headDim: true, gemma: true},
	"gemma2":   {modelType: "gemma2", class: "Gemma2ForCausalLM", headDim: true, gemma: true, around: true},
	"gemma3":   {modelType: "gemma3_text", class: "Gemma3ForCausalLM", headDim: true, gemma: true, around: true},
	"granite":  {modelType: "granite", class: "GraniteForCausalLM", permuted: true, biases: true},
	"olmo2":    {modelType: "olmo2", class: "Olmo2ForCausalLM", behind: true},
	"phi3":     {modelType: "phi3", class: "Phi3ForCausalLM", fused: true},
	"smollm3":  {modelType: "smollm3", class: "SmolLM3ForCausalLM", permuted: true, biases: true},
}

// gemmaConfig is what a Gemma's config.json has beside the others'.
func (k *ggufKeys) gemmaConfig(arch ggufArch, z ggufSizes, config map[string]any) {
	const gelu = "gelu_pytorch_tanh"
	config["hidden_act"], config["hidden_activation"] = gelu, gelu
	if !arch.around {
		return
	}
	config["sliding_window"] = k.countOr("attention.sliding_window", 4096)
	config["query_pre_attn_scalar"] = z.headDim
	if largest := map[string]int{"gemma2": 46, "gemma3_text": 62}[arch.modelType]; z.layers == largest { // 27B, as llama.cpp goes by it
		config["query_pre_attn_scalar"] = z.hidden / z.heads
	}
	for key, missing := range map[string]float64{"attn_logit_softcapping": 50, "final_logit_softcapping": 30} {
		config[key] = nil
		if arch.modelType == "gemma2" {
			config[key] = k.number(k.prefix+key, missing)
		}
	}
	if arch.modelType == "gemma3_text" {
		config["sliding_window_pattern"] = k.countOr("attention.sliding_window_pattern", 6)
		config["rope_local_base_freq"] = k.number(k.prefix+"rope.freq_base_swa", 10000)
	}
}

// familyConfig is what some families' config.json has beside the others'.
func (k *ggufKeys) familyConfig(arch ggufArch, z ggufSizes, config map[string]any) {
	own := z.headDim != z.hidden/z.heads
	switch arch.modelType {
	case "gemma", "gemma2", "gemma3_text":
		k.gemmaConfig(arch, z, config)
	case "mistral":
		config["sliding_window"] = k.window()
	case "ministral3":
		config["sliding_window"] = k.window()
		k.ministralRope(config)
	case "granite":
		if own {
			config["head_dim"] = z.headDim
		}
		config["attention_multiplier"] = k.number(k.prefix+"attention.scale", 1/math.Sqrt(float64(z.headDim)))
		config["embedding_multiplier"] = k.number(k.prefix+"embedding_scale", 1)
		config["residual_multiplier"] = k.number(k.prefix+"residual_scale", 1)
		config["logits_scaling"] = k.number(k.prefix+"logit_scale", 1)
	case "smollm3":
		if own {
			config["head_dim"] = z.headDim
		}
		turning := make([]int, z.layers) // whose name is no_rope_layers
		for i := range turning {
			if (i+1)%stillEvery != 0 {
				turning[i] = 1
			}
		}
		config["no_rope_layers"], config["no_rope_layer_interval"] = turning, stillEvery
		config["use_sliding_window"], config["sliding_window"] = false, nil
		withoutPad(config)
	case "olmo2":
		k.olmoConfig(z, config)
	case "phi3":
		config["sliding_window"] = k.window()
		config["original_max_position_embeddings"] = k.countOr("rope.scaling.original_context_length", k.count("context_length"))
		config["partial_rotary_factor"] = float64(k.countOr("rope.dimension_count", z.headDim)) / float64(z.headDim)
		withoutPad(config)
	}
}

// stillEvery is which layers of a SmolLM3 have no rotary positions in llama.cpp: each
// so manieth.
const stillEvery = 4

// withoutPad says that there is no token to fill up with, where transformers has one
// beyond small vocabularies if nothing is said.
func withoutPad(config map[string]any) {
	if _, ok := config["pad_token_id"]; !ok {
		config["pad_token_id"] = nil
	}
}

// window is the sliding window, nil for none, which may be written as 0.
func (k *ggufKeys) window() any {
	const key = "attention.sliding_window"
	if k.number(k.prefix+key, 0) == 0 {
		return nil
	}
	return k.count(key)
}

// ministralRope adds what only a Ministral 3 says of its rotary positions.
func (k *ggufKeys) ministralRope(config map[string]any) {
	scaling, ok := config["rope_scaling"].(map[string]any)
	scale := k.number(k.prefix+"attention.temperature_scale", 0)
	if !ok || scaling["rope_type"] != "yarn" || scale <= 0 {
		k.bad(k.prefix+"rope.scaling.type", `"yarn", and `+k.prefix+"attention.temperature_scale beside it")
		return
	}
	scaling["mscale"], scaling["mscale_all_dim"] = 1.0, k.number(k.prefix+"rope.scaling.yarn_log_multiplier", 1)
	scaling["llama_4_scaling_beta"] = scale
}

// olmoConfig makes an OLMo 3 of one that has windows.
func (k *ggufKeys) olmoConfig(z ggufSizes, config map[string]any) {
	withoutPad(config)
	window := k.window()
	if window == nil {
		return
	}
	kinds := make([]string, z.layers)
	every := 4.0
	var listed []float64
	const pattern = "attention.sliding_window_pattern"
	if v, ok := k.file.meta[k.prefix+pattern]; ok && v.array {
		for _, n := range k.numbers(k.prefix + pattern) {
			listed = append(listed, n)
		}
		if len(listed) != z.layers {
			k.bad(k.prefix+pattern, fmt.Sprintf("one value for each of the %d layers", z.layers))
			return
		}
	} else {
		every = float64(k.countOr(pattern, int(every)))
	}
	for i := range kinds {
		slides := math.Mod(float64(i+1), every) != 0
		if listed != nil {
			slides = listed[i] != 0
		}
		kinds[i] = map[bool]string{true: "sliding_attention", false: "full_attention"}[slides]
	}
	config["model_type"], config["architectures"] = "olmo3", []string{"Olmo3ForCausalLM"}
	config["sliding_window"], config["layer_types"] = window, kinds
	theta := config["rope_theta"]
	full := map[string]any{"rope_type": "default"}
	if scaling, ok := config["rope_scaling"].(map[string]any); ok {
		full = maps.Clone(scaling)
		delete(full, "type")
	}
	full["rope_theta"] = theta
	config["rope_parameters"] = map[string]any{"full_attention": full, "sliding_attention": map[string]any{"rope_type": "default", "rope_theta": theta}}
}
