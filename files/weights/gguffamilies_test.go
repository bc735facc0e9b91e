package weights

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/tokenizer"
)

// tinyFamilies are the folders of the tiny models, each with what is changed of its
// config.json so that llama.cpp has such a model.
func tinyFamilies() map[string]map[string]any {
	return map[string]map[string]any{
		"gemma":      nil,
		"gemma2":     {"query_pre_attn_scalar": 8},
		"granite":    nil,
		"ministral":  nil,
		"ministral3": nil,
		"olmo2":      {"num_attention_heads": 2},
		"olmo3":      {"num_attention_heads": 2},
		"phi3":       nil,
		"smollm3":    {"no_rope_layers": []int{1, 1}, "use_sliding_window": false},
	}
}

// tinyFamily opens one with other settings, and with the tokenizer of another tiny
// model: these have none.
func tinyFamily(t *testing.T, name string, changed map[string]any) *Model {
	t.Helper()
	m, err := Open(t.Context(), filepath.Join("../../tensor/arch/llama/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	other, err := openGGUF(t.Context(), "testdata/tiny-llama-f32.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	maps.Copy(m.files, other.files)
	fields, err := object(m.config)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(fields, changed)
	if fields["num_attention_heads"] == 2 {
		halveQueries(m)
	}
	if m.config, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return m
}

// halveQueries takes half of the heads away: OLMo's are as wide together as the model in
// llama.cpp.
func halveQueries(m *Model) {
	for name, whole := range m.tensors {
		at := len(whole.shape) - 1 // o_proj's columns are its heads
		if strings.HasSuffix(name, "q_proj.weight") {
			at = 0
		} else if !strings.HasSuffix(name, "o_proj.weight") && !strings.HasSuffix(name, "q_norm.weight") {
			continue
		}
		shape := slices.Clone(whole.shape)
		shape[at] /= 2
		m.tensors[name] = tensor{shape: shape, read: func() ([]float32, error) {
			values, err := whole.read()
			return values[:len(values)/2], err
		}}
	}
}

// A model of every family comes out of its GGUF file as it went in: tensors bit for
// bit, but for those of norms that 1 is added to, and every setting that counts.
// parity/check_families.py asks such files in llama.cpp.
func TestGGUFFamilies(t *testing.T) {
	for name, changed := range tinyFamilies() {
		t.Run(name, func(t *testing.T) {
			m := tinyFamily(t, name, changed)
			back := export(t, m, F32)
			if len(back.Names()) != len(m.Names()) {
				t.Errorf("%d tensors; expected %d", len(back.Names()), len(m.Names()))
			}
			for _, tensor := range m.Names() {
				want, err := m.Float32(tensor)
				if err != nil {
					t.Fatal(err)
				}
				got, err := back.Float32(tensor)
				if err != nil {
					t.Error(err)
					continue
				}
				for i := range want {
					if d := got[i] - want[i]; d != 0 && (!strings.HasPrefix(name, "gemma") || !strings.HasSuffix(tensor, "norm.weight") || d > 2e-7 || d < -2e-7) {
						t.Fatalf("%s: value %d is %v; expected %v", tensor, i, got[i], want[i])
					}
				}
			}
			if diff := cmp.Diff(settingsOf(t, name, m), settingsOf(t, name, back)); diff != "" {
				t.Errorf("settings (-written +read):\n%s", diff)
			}
		})
	}
}

// settingsOf are those of a config.json that decide what a model computes.
func settingsOf(t *testing.T, name string, m *Model) map[string]any {
	t.Helper()
	config, _, err := exported(m.config, F32, m.names)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := object(config)
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{
		"model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "rms_norm_eps", "tie_word_embeddings", "max_position_embeddings", "rope_theta",
		"query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping",
		"embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling",
		"no_rope_layers", "partial_rotary_factor", "original_max_position_embeddings", "rope_scaling", "rope_parameters",
	}
	switch name {
	case "ministral": // a llama without windows
		keys = keys[1:]
	case "olmo3":
		keys = append(keys, "layer_types", "sliding_window")
	}
	out := map[string]any{}
	for _, key := range keys {
		if value := fields[key]; value != nil {
			out[key] = numbers(value)
		}
	}
	return out
}

// numbers has JSON's numbers as float32, which a GGUF file keeps of them.
func numbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return err
		}
		return float32(f)
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return value
}

// What llama.cpp would compute otherwise is refused by its name.
func TestGGUFFamiliesRefused(t *testing.T) {
	yarn := func(more map[string]any) map[string]any {
		rope := map[string]any{"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64}
		maps.Copy(rope, more)
		return map[string]any{"rope_parameters": rope}
	}
	for _, c := range []struct {
		name, why, family string
		changed           map[string]any
		want              string
	}{
		{"gate of a Gemma", "llama.cpp computes GELU whatever is said", "gemma", map[string]any{"hidden_act": "silu"}, `hidden_act "silu"; expected gelu_pytorch_tanh`},
		{"scale of a Gemma 2", "it is taken from the width of a head", "gemma2", nil, "query_pre_attn_scalar 12; expected 8 (head_dim)"},
		{"no caps", "llama.cpp has 50 and 30 then", "gemma2", map[string]any{"query_pre_attn_scalar": 8, "final_logit_softcapping": nil}, "final_logit_softcapping is null"},
		{"windows of a Gemma 2", "each second layer is whole there", "gemma2", map[string]any{"query_pre_attn_scalar": 8, "layer_types": []string{"full_attention", "sliding_attention"}}, "expected one in all layers but each second"},
		{"layers without rotary positions", "each fourth is one there", "smollm3", nil, "layer 1 is without rotary positions: true; expected each fourth"},
		{"windows that turn otherwise", "llama.cpp takes the others' base", "olmo3", map[string]any{"rope_parameters": map[string]any{
			"full_attention": map[string]any{"rope_type": "default", "rope_theta": 5e5}, "sliding_attention": map[string]any{"rope_type": "default", "rope_theta": 1e4},
		}}, "rotary positions of their own"},
		{"yarn's factor", "llama.cpp computes it from the other one", "granite", yarn(map[string]any{"attention_factor": 1.5}), "attention_factor of 1.5"},
		{"yarn's mscale", "as well", "granite", yarn(map[string]any{"mscale": 1.0, "mscale_all_dim": 0.5}), "expected 1.13863"},
		{"yarn's ends", "llama.cpp rounds them", "granite", yarn(map[string]any{"truncate": false}), "truncate false"},
		{"Phi-3 with yarn", "the converter knows longrope alone", "phi3", yarn(nil), `rope_type "yarn"; expected default or longrope`},
		{"Ministral 3 without yarn", "llama.cpp scales queries by yarn's length", "ministral3", map[string]any{"rope_parameters": map[string]any{"rope_type": "default", "rope_theta": 1e4}}, `expected yarn, with llama_4_scaling_beta`},
		{"longrope elsewhere", "llama.cpp reads the factors of a Phi-3", "granite", map[string]any{"rope_parameters": map[string]any{"rope_type": "longrope", "rope_theta": 1e4}}, `rope_type "longrope"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := tinyFamily(t, c.family, c.changed)
			parsed, err := tokenizer.ParseFiles(m.Files())
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.ConvertGGUF(t.Context(), filepath.Join(t.TempDir(), "model.gguf"), GGUF{DType: F32, Vocabulary: vocabularyOf(parsed), Files: m.Files()})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v; want %q", c.why, err, c.want)
			}
		})
	}
}
