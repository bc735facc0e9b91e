package llama

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/tensor/nn"
)

// configOf is a config.json of four layers with more keys in it.
func configOf(modelType, more string) []byte {
	return []byte(fmt.Sprintf(`{"model_type":%q,"hidden_size":64,"num_hidden_layers":4,"num_attention_heads":32,"intermediate_size":96,"vocab_size":100%s}`, modelType, more))
}

// What transformers 5.23.0 makes of the settings was read off its configuration and
// modeling classes, and where versions differ, off 4.46.3's, too.
func TestParseConfig(t *testing.T) {
	llama3 := &nn.Llama3Rope{Factor: 8, LowFreq: 1, HighFreq: 4, OriginalLimit: 8192}
	for _, c := range []struct {
		name, why, modelType, more string
		change                     func(*Config)
	}{
		{"llama", "nothing but sizes", "llama", ``, func(*Config) {}},
		{"key/value heads null", "as many as query heads", "qwen2", `,"num_key_value_heads":null`, func(*Config) {}},
		{"key/value heads of mistral", "8 where the key is left out", "mistral", `,"sliding_window":null`, func(c *Config) { c.KVHeads = 8 }},
		{"head_dim null", "an equal share", "llama", `,"head_dim":null`, func(*Config) {}},
		{"head_dim of qwen3", "128 where the key is left out", "qwen3", ``, func(c *Config) { c.HeadWidth, c.Rope.Width = 128, 128 }},
		{"swish", "another name of silu", "llama", `,"hidden_act":"swish"`, func(*Config) {}},
		{"epsilon 0", "is a value", "llama", `,"rms_norm_eps":0`, func(c *Config) { c.Epsilon = 0 }},

		{"biases of llama", "all four projections, and the feed-forward layer's", "llama", `,"attention_bias":true,"mlp_bias":true`, func(c *Config) { c.QKVBias, c.OutBias, c.MLPBias = true, true, true }},
		{"biases of mistral", "it has none whatever is said", "mistral", `,"attention_bias":true,"mlp_bias":true,"num_key_value_heads":32,"sliding_window":null`, func(*Config) {}},
		{"biases of qwen2", "always there, and never in the output", "qwen2", `,"attention_bias":false`, func(*Config) {}},
		{"biases of qwen3", "as attention_bias says", "qwen3", `,"attention_bias":true,"mlp_bias":true,"head_dim":2`, func(c *Config) { c.QKVBias, c.OutBias = true, true }},

		{"window of llama", "it has none whatever is said", "llama", `,"sliding_window":4,"use_sliding_window":true,"layer_types":["sliding_attention","full_attention","full_attention","full_attention"]`, func(*Config) {}},
		{"window of mistral", "use_sliding_window is not looked at", "mistral", `,"num_key_value_heads":32,"sliding_window":4,"use_sliding_window":false`, func(c *Config) { c.Slide = []int{4, 4, 4, 4} }},
		{"window of mistral, layers", "AutoModel takes it for Ministral, which has windows where layer_types says", "mistral", `,"num_key_value_heads":32,"sliding_window":4,"layer_types":["full_attention","sliding_attention","full_attention","sliding_attention"]`, func(c *Config) { c.Slide = []int{0, 4, 0, 4} }},
		{"window of mistral, layers null", "every layer", "mistral", `,"num_key_value_heads":32,"sliding_window":4,"layer_types":null`, func(c *Config) { c.Slide = []int{4, 4, 4, 4} }},
		{"no window of mistral", "null is none", "mistral", `,"num_key_value_heads":32,"sliding_window":null`, func(*Config) {}},
		{"window of mistral left out", "4096", "mistral", `,"num_key_value_heads":32`, func(c *Config) { c.Slide = []int{4096, 4096, 4096, 4096} }},
		{"window of qwen2 off", "as most files have it", "qwen2", `,"sliding_window":4,"use_sliding_window":false,"max_window_layers":0`, func(*Config) {}},
		{"window of qwen2 left out", "none unless switched on", "qwen2", `,"sliding_window":4,"max_window_layers":0`, func(*Config) {}},
		{"window of qwen2", "from max_window_layers on", "qwen2", `,"sliding_window":4,"use_sliding_window":true,"max_window_layers":3`, func(c *Config) { c.Slide[3] = 4 }},
		{"window of qwen2, deep", "max_window_layers is 28 where it is left out", "qwen2", `,"sliding_window":4,"use_sliding_window":true`, func(*Config) {}},
		{"window of qwen3, layers", "layer_types go before max_window_layers", "qwen3", `,"head_dim":2,"sliding_window":4,"use_sliding_window":true,"max_window_layers":0,"layer_types":["full_attention","sliding_attention","full_attention","full_attention"]`, func(c *Config) { c.Slide[1] = 4 }},
		{"window of qwen2 null", "none, though switched on", "qwen2", `,"sliding_window":null,"use_sliding_window":true,"max_window_layers":0`, func(*Config) {}},

		{"gemma3_text", "what files on the hub say, and leave out", "gemma3_text", `,"hidden_activation":"gelu_pytorch_tanh","sliding_window":512,"sliding_window_pattern":2,"rope_scaling":{"rope_type":"linear","factor":8}`, func(c *Config) {
			gemma(c)
			c.KVHeads, c.Slide, c.QKNorm = 4, []int{512, 0, 512, 0}, true
			c.Rope, c.SlideRope = nn.Rope{Theta: 1e6, Width: 256, Linear: 8}, &nn.Rope{Theta: 1e4, Width: 256}
		}},
		{"gemma3_text of 5", "both kinds of layers in one object", "gemma3_text", `,"num_key_value_heads":32,"layer_types":["full_attention","sliding_attention","full_attention","full_attention"],"query_pre_attn_scalar":64,"final_logit_softcapping":30,"rope_parameters":{"full_attention":{"rope_type":"default","rope_theta":500},"sliding_attention":{"rope_type":"default","rope_theta":50}}`, func(c *Config) {
			gemma(c)
			c.Slide, c.QKNorm, c.LogitCap, c.Scores.Scale = []int{0, 4096, 0, 0}, true, 30, 0.125
			c.Rope, c.SlideRope = nn.Rope{Theta: 500, Width: 256}, &nn.Rope{Theta: 50, Width: 256}
		}},

		{"gemma", "its gate's old name means the approximation", "gemma", `,"num_key_value_heads":32,"head_dim":2,"hidden_act":"gelu"`, func(c *Config) {
			c.PlusOne, c.GELU, c.Scales.Embedding = true, true, 8
		}},
		{"gemma2", "caps and windows where nothing is said", "gemma2", `,"num_key_value_heads":32`, func(c *Config) {
			gemma(c)
			c.Rope.Width, c.Scores.Cap, c.LogitCap, c.Slide = 256, 50, 30, []int{4096, 0, 4096, 0}
		}},
		{"gemma2 without caps", "null is none", "gemma2", `,"num_key_value_heads":32,"attn_logit_softcapping":null,"final_logit_softcapping":null`, func(c *Config) {
			gemma(c)
			c.Rope.Width, c.Slide = 256, []int{4096, 0, 4096, 0}
		}},
		{"granite", "its scales", "granite", `,"embedding_multiplier":12,"logits_scaling":8,"residual_multiplier":0.25,"attention_multiplier":0.5`, func(c *Config) {
			c.Scales, c.Scores.Scale = Scales{12, 0.25, 0.125}, 0.5
		}},
		{"granite, nothing said", "scores are multiplied by 1", "granite", ``, func(c *Config) { c.Scales, c.Scores.Scale = Scales{1, 1, 1}, 1 }},
		{"smollm3", "every fourth layer does not turn", "smollm3", `,"num_key_value_heads":32`, func(c *Config) {
			c.Rope.Theta, c.Still = 2e6, []bool{false, false, false, true}
		}},
		{"smollm3, windows", "in the layers that do not turn", "smollm3", `,"num_key_value_heads":32,"no_rope_layers":[0,1,1,0],"use_sliding_window":true,"sliding_window":4`, func(c *Config) {
			c.Rope.Theta, c.Still, c.Slide = 2e6, []bool{true, false, false, true}, []int{4, 0, 0, 4}
		}},
		{"olmo2", "norms behind", "olmo2", ``, func(c *Config) { c.Norms, c.WideQKNorm, c.Epsilon = NormsBehind, true, 1e-5 }},
		{"olmo3", "every fourth layer sees all", "olmo3", `,"rope_theta":500000,"rope_scaling":{"rope_type":"linear","factor":2}`, func(c *Config) {
			c.Norms, c.WideQKNorm, c.Epsilon, c.Slide = NormsBehind, true, 1e-5, []int{4096, 4096, 4096, 0}
			c.Rope, c.SlideRope = nn.Rope{Theta: 5e5, Width: 2, Linear: 2}, &nn.Rope{Theta: 5e5, Width: 2}
		}},
		{"phi3", "heads that turn in part, the old name of longrope", "phi3", `,"head_dim":8,"partial_rotary_factor":0.75,"max_position_embeddings":8192,"rope_scaling":{"type":"su","short_factor":[1,2,3],"long_factor":[4,5,6]}`, func(c *Config) {
			c.Fused, c.Epsilon, c.HeadWidth, c.MaxLength = true, 1e-5, 8, 4096
			c.Rope.Width, c.Rope.Long, c.Rope.Scale = 6, &nn.LongRope{Divisors: []float64{1, 2, 3}}, math.Sqrt(1+math.Log(2)/math.Log(4096))
		}},
		{"ministral", "windows where nothing is said", "ministral", ``, func(c *Config) { c.KVHeads, c.Slide = 8, []int{4096, 4096, 4096, 4096} }},
		{"ministral3", "rows stay within the positions that queries are not scaled at", "ministral3", `,"num_key_value_heads":32,"head_dim":2,"rope_parameters":{"rope_type":"yarn","factor":1,"original_max_position_embeddings":512,"llama_4_scaling_beta":0.1}`, func(c *Config) {
			c.Epsilon, c.MaxLength, c.Rope.Scale = 1e-5, 512, 1
			c.Rope.Yarn = &nn.YarnRope{Factor: 1, Fast: 32, Slow: 1, Limit: 512}
		}},

		{"theta of 4", "at the top", "llama", `,"rope_theta":5e5,"rope_scaling":null`, func(c *Config) { c.Rope.Theta = 5e5 }},
		{"theta of 5", "within rope_parameters", "llama", `,"rope_parameters":{"rope_theta":500000.0,"rope_type":"default"}`, func(c *Config) { c.Rope.Theta = 5e5 }},
		{"both", "as gorqa writes them", "llama", `,"rope_theta":5e5,"rope_scaling":{"rope_type":"linear","type":"linear","factor":2},"rope_parameters":{"rope_theta":5e5,"rope_type":"linear","factor":2.0}`, func(c *Config) { c.Rope.Theta, c.Rope.Linear = 5e5, 2 }},
		{"llama3", "in full", "llama", `,"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":8192}`, func(c *Config) { c.Rope.Llama3 = llama3 }},
		{"llama3 without limit", "then it is max_position_embeddings", "llama", `,"max_position_embeddings":8192,"rope_parameters":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4}`, func(c *Config) { c.Rope.Llama3, c.MaxLength = llama3, 8192 }},
		{"linear of old", "type is what rope_type was", "llama", `,"rope_scaling":{"type":"linear","factor":4.0}`, func(c *Config) { c.Rope.Linear = 4 }},
		{"dynamic", "which scales positions beyond those of the model, and these are not used", "llama", `,"max_position_embeddings":512,"rope_scaling":{"rope_type":"dynamic","factor":4}`, func(c *Config) { c.MaxLength = 512 }},
		{"yarn", "its scale is 1 + log(factor)/10", "llama", `,"max_position_embeddings":8192,"rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":2048}`, func(c *Config) {
			c.MaxLength, c.Rope.Scale = 8192, 0.1*math.Log(4)+1
			c.Rope.Yarn = &nn.YarnRope{Factor: 4, Fast: 32, Slow: 1, Limit: 2048}
		}},
		{"yarn of DeepSeek", "its scale is a ratio, or what is given", "llama", `,"rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":2048,"mscale":1,"mscale_all_dim":1,"beta_fast":16,"beta_slow":2,"truncate":false}`, func(c *Config) {
			c.Rope.Scale = 1
			c.Rope.Yarn = &nn.YarnRope{Factor: 4, Fast: 16, Slow: 2, Limit: 2048, Between: true}
		}},
		{"longrope", "within the positions that it was first trained for", "llama", `,"max_position_embeddings":8192,"original_max_position_embeddings":2048,"rope_scaling":{"type":"longrope","short_factor":[1.5],"long_factor":[3],"attention_factor":1.25}`, func(c *Config) {
			c.MaxLength, c.Rope.Long, c.Rope.Scale = 2048, &nn.LongRope{Divisors: []float64{1.5}}, 1.25
		}},
		{"whole heads", "said as a factor", "llama", `,"partial_rotary_factor":1.0`, func(*Config) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseConfig(configOf(c.modelType, c.more))
			if err != nil {
				t.Fatal(err)
			}
			want := Config{
				Type: c.modelType, Width: 64, Layers: 4, Heads: 32, KVHeads: 32, HeadWidth: 2, Inner: 96, Vocabulary: 100,
				Epsilon: 1e-6, Rope: nn.Rope{Theta: 10000, Width: 2}, QKVBias: c.modelType == "qwen2", QKNorm: c.modelType == "qwen3", Slide: make([]int, 4),
			}
			c.change(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.why, diff)
			}
		})
	}
}

// gemma is what all Gemma models have.
func gemma(c *Config) {
	c.HeadWidth, c.Norms, c.PlusOne, c.GELU, c.Scales.Embedding, c.Scores.Scale = 256, NormsAround, true, true, 8, 1.0/16
}

func TestParseConfigErrors(t *testing.T) {
	for _, c := range []struct{ name, why, modelType, more, want string }{
		{"kind", "another family", "gpt_oss", ``, `model_type "gpt_oss"; expected one of gemma`},
		{"rope of gemma3_text", "of 5 it is by layer", "gemma3_text", `,"rope_parameters":{"rope_type":"default","rope_theta":1e4}`, `rope_parameters has "rope_`},
		{"activation of gemma3_text", "not computed here", "gemma3_text", `,"hidden_activation":"gelu"`, `hidden_activation "gelu"; expected gelu_pytorch_tanh`},
		{"cap of gemma3_text", "5 does not look at it", "gemma3_text", `,"attn_logit_softcapping":50`, "attn_logit_softcapping is 50"},
		{"scalar of gemma3_text", "no scale", "gemma3_text", `,"query_pre_attn_scalar":0`, "query_pre_attn_scalar is 0"},
		{"both ways", "an embedder", "gemma3_text", `,"use_bidirectional_attention":true`, "use_bidirectional_attention is true"},
		{"not causal", "an embedder", "qwen3", `,"is_causal":false`, "is_causal is false"},
		{"two local thetas", "which one?", "gemma3_text", `,"rope_local_base_freq":1e3,"rope_parameters":{"sliding_attention":{"rope_theta":1e4}}`, "rope_theta is 1000 in one place and 10000 in another"},
		{"no_rope_layers", "which layer is meant?", "smollm3", `,"no_rope_layers":[1]`, "no_rope_layers names 1 layers; expected 4"},
		{"theta of olmo3", "5 and 4 take others for layers with a window", "olmo3", `,"rope_theta":1e4`, "which transformers 5 takes for 500000 and 4 for 10000"},
		{"linear phi3", "transformers refuses it", "phi3", `,"rope_scaling":{"type":"linear","factor":2}`, `type "linear"; expected default or longrope`},
		{"ministral3 without beta", "transformers fails on it", "ministral3", `,"rope_parameters":{"rope_type":"default"}`, "no llama_4_scaling_beta"},
		{"multiplier", "no scale", "granite", `,"residual_multiplier":0`, "residual_multiplier is 0"},
		{"two thetas", "5 takes the inner one, 4 the outer one", "llama", `,"rope_theta":1e4,"rope_parameters":{"rope_theta":5e5,"rope_type":"default"}`, "rope_theta is 10000 in one place and 500000 in another"},
		{"two scalings", "5 takes the first, 4 knows no other", "llama", `,"rope_scaling":{"rope_type":"linear","factor":2},"rope_parameters":{"rope_type":"default"}`, "contradict each other"},
		{"two types", "5 takes rope_type, 4 type", "llama", `,"rope_scaling":{"rope_type":"default","type":"linear","factor":2}`, `rope_type "default" and type "linear"`},
		{"two limits", "which was it trained with?", "llama", `,"original_max_position_embeddings":4096,"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":8192}`, "original_max_position_embeddings is 8192, and 4096 outside"},
		{"no factor", "dividing by nothing", "llama", `,"rope_scaling":{"type":"linear"}`, "factor is 0"},
		{"llama3 without frequencies", "half of a scaling", "llama", `,"rope_scaling":{"rope_type":"llama3","factor":8}`, "low_freq_factor 0"},
		{"unknown scaling", "not computed here", "llama", `,"rope_scaling":{"type":"ntk","factor":4}`, `type "ntk"; expected default, linear, dynamic, llama3, yarn or longrope`},
		{"yarn without factor", "dividing by nothing", "llama", `,"rope_scaling":{"type":"yarn"}`, "factor is 0"},
		{"yarn, betas", "the wrong way round", "llama", `,"rope_scaling":{"type":"yarn","factor":4,"beta_fast":1,"beta_slow":2}`, "beta_fast 1, beta_slow 2"},
		{"longrope without factors", "half of a scaling", "llama", `,"rope_scaling":{"type":"longrope","short_factor":[1]}`, "short_factor has 1 numbers and long_factor 0"},
		{"longrope, angles", "of another width", "llama", `,"head_dim":4,"rope_scaling":{"type":"longrope","short_factor":[1],"long_factor":[2]}`, "short_factor has 1 numbers; expected 2"},
		{"by layer", "one for each kind of layer", "qwen3", `,"rope_parameters":{"full_attention":{"rope_theta":1e4,"rope_type":"default"}}`, `settings of its own for "full_attention"`},
		{"part of a head", "transformers 4 fails on it, 5 ignores it", "llama", `,"partial_rotary_factor":0.5`, "partial_rotary_factor is 0.5"},
		{"part of a head within", "the same", "llama", `,"rope_parameters":{"rope_type":"default","partial_rotary_factor":0.5}`, "partial_rotary_factor is 0.5"},
		{"theta 0", "no angles", "llama", `,"rope_theta":0`, "rope_theta is 0"},
		{"window without switch", "transformers 5 fails on it", "qwen2", `,"sliding_window":4,"layer_types":["sliding_attention","full_attention","full_attention","full_attention"]`, "switched off (use_sliding_window)"},
		{"layers without window", "transformers 5 fails on it", "mistral", `,"sliding_window":null,"layer_types":["sliding_attention","full_attention","full_attention","full_attention"]`, "sliding_window is null"},
		{"kind of layer", "not computed here", "qwen2", `,"layer_types":["chunked_attention","full_attention","full_attention","full_attention"]`, `"chunked_attention"`},
		{"too few kinds", "which layer is meant?", "qwen2", `,"layer_types":["full_attention"]`, "names 1 layers; expected 4"},
		{"window 0", "sees nothing", "mistral", `,"num_key_value_heads":32,"sliding_window":0`, "sliding_window is 0"},
		{"heads", "no multiple", "mistral", `,"num_key_value_heads":5`, "32 attention heads on 5 key/value heads"},
		{"no heads", "nothing to attend to", "llama", `,"num_key_value_heads":0`, "on 0 key/value heads"},
		{"activation", "not computed here", "llama", `,"hidden_act":"gelu"`, `hidden_act "gelu"`},
		{"activation null", "transformers fails on it", "llama", `,"hidden_act":null`, `hidden_act "null"`},
		{"epsilon", "a negative one", "llama", `,"rms_norm_eps":-1`, "rms_norm_eps is -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseConfig(configOf(c.modelType, c.more))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v; want one with %q", c.why, err, c.want)
			}
		})
	}
	_, err := ParseConfig([]byte(`{"model_type":"llama","num_hidden_layers":99999999,"hidden_act":"relu"}`))
	for _, want := range []string{"hidden_size is 0", "num_hidden_layers is 99999999", "intermediate_size", `"relu"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one that says %q too", err, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(configOf("qwen3", `,"use_sliding_window":true,"layer_types":["full_attention"],"rope_parameters":{"rope_theta":1}`))
	f.Add(configOf("mistral", `,"sliding_window":-1,"rope_scaling":{"type":"llama3","factor":1e400}`))
	f.Add([]byte(`{"model_type":"llama","num_attention_heads":-9223372036854775808,"head_dim":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		if len(c.Slide) != c.Layers || c.KVHeads < 1 || c.Heads%c.KVHeads != 0 || c.HeadWidth < 2 {
			t.Errorf("%+v passed", c)
		}
		for _, w := range c.Weights() {
			for _, d := range w.Dims {
				if d < 1 {
					t.Errorf("weight %s of dimensions %v passed", w.Name, w.Dims)
				}
			}
		}
	})
}
