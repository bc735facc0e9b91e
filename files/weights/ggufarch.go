package weights

import (
	"fmt"
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
}

// layer is what a part of a layer is called elsewhere, "" of a strange one.
func (a ggufArch) layer(part string) string {
	if name := ggufAround[part]; a.around && name != "" {
		return name
	}
	return ggufLayer[part]
}

// ggufAround is in ggufLayer's place for norms before and behind a layer's parts.
var ggufAround = map[string]string{
	"post_attention_norm": "post_attention_layernorm",
	"ffn_norm":            "pre_feedforward_layernorm",
	"post_ffw_norm":       "post_feedforward_layernorm",
}

var ggufArchs = map[string]ggufArch{
	"llama":   {modelType: "llama", class: "LlamaForCausalLM", permuted: true, headDim: true},
	"mistral": {modelType: "mistral", class: "MistralForCausalLM", permuted: true, headDim: true},
	"qwen2":   {modelType: "qwen2", class: "Qwen2ForCausalLM"},
	"qwen3":   {modelType: "qwen3", class: "Qwen3ForCausalLM", headDim: true},
	"gemma":   {modelType: "gemma", class: "GemmaForCausalLM", headDim: true, gemma: true},
	"gemma2":  {modelType: "gemma2", class: "Gemma2ForCausalLM", headDim: true, gemma: true, around: true},
	"gemma3":  {modelType: "gemma3_text", class: "Gemma3ForCausalLM", headDim: true, gemma: true, around: true},
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

// llama3Scaling recovers rope_scaling of type llama3 from the factors that
// llama.cpp keeps in its place: they are computed from the parameters that all
// of Llama 3.1, 3.2 and 3.3 have, and compared.
func llama3Scaling(f *ggufFile, t ggufTensor, config map[string]any) (map[string]any, error) {
	const low, high, original = 1.0, 4.0, 8192.0
	factors, err := f.float32s(t)
	if err != nil {
		return nil, err
	}
	if len(factors) == 0 {
		return nil, fmt.Errorf("%s: tensor %q is empty", f.path, t.name)
	}
	theta, _ := config["rope_theta"].(float64)
	factor := float64(slices.Max(factors))
	for i, got := range factors {
		wave := 2 * math.Pi * math.Pow(theta, float64(i)/float64(len(factors)))
		want := factor
		switch {
		case wave < original/high:
			want = 1
		case wave <= original/low:
			smooth := (original/wave - low) / (high - low)
			want = 1 / ((1-smooth)/factor + smooth)
		}
		if !(math.Abs(float64(got)-want) <= 1e-3*want) {
			return nil, fmt.Errorf("%s: tensor %q: factor %d is %g; expected %g, as in Llama 3.1 to 3.3; other rope factors are not read: take the Hugging Face folder", f.path, t.name, i, got, want)
		}
	}
	return map[string]any{
		"rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
		"original_max_position_embeddings": int(original),
	}, nil
}
