package weights

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folderOf writes a folder of small matrices, a name's number in each, as some other
// program would: config.json as it is given.
func folderOf(t testing.TB, config string, tensors map[string]float32) string {
	t.Helper()
	dir := t.TempDir()
	var list []Tensor
	for name, v := range tensors {
		list = append(list, Tensor{Name: name, DType: F32, Shape: []int{1, 2}, Data: func() (any, error) { return []float32{v, 1}, nil }})
	}
	slices.SortFunc(list, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	if err := WriteSafetensors(t.Context(), filepath.Join(dir, singleName), list, nil); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, configName), config)
	return dir
}

// Tensors decide over flags, in reading and in what is written. What transformers
// 5.23.0 and 4.46.3 make of such folders was tried with both; what is written is
// read alike by both.
func TestHeadIsTheOneThatTransformersTakes(t *testing.T) {
	const emb, head, shared, enc, dec = embeddingName, outputName, sharedName, "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"
	type tensors = map[string]float32
	for _, c := range []struct {
		name, why, config string
		tensors           tensors
		want              tensors // as written again
		tie, scale        string  // in the config.json written
		notes             int
		err               string
	}{
		{"tied", "no head in the file", `"model_type":"llama","tie_word_embeddings":true`, tensors{emb: 1}, tensors{emb: 1}, "true", "", 0, ""},
		{"untied", "a head of its own", `"model_type":"qwen2","tie_word_embeddings":false`, tensors{emb: 1, head: 2}, tensors{emb: 1, head: 2}, "false", "", 0, ""},
		{"said nothing", "untied is the default of these families", `"model_type":"mistral"`, tensors{emb: 1, head: 2}, tensors{emb: 1, head: 2}, "false", "", 0, ""},
		{"a copy", "tied, and saved twice", `"model_type":"llama","tie_word_embeddings":true`, tensors{emb: 1, head: 1}, tensors{emb: 1}, "true", "", 0, ""},
		{"an untied copy", "a head that may go its own way", `"model_type":"llama","tie_word_embeddings":false`, tensors{emb: 1, head: 1}, tensors{emb: 1, head: 1}, "false", "", 0, ""},
		{"a head though tied", "5 uses it, 4 drops it", `"model_type":"llama","tie_word_embeddings":true`, tensors{emb: 1, head: 2}, tensors{emb: 1, head: 2}, "false", "", 1, ""},
		{"no head though untied", "transformers makes one up", `"model_type":"llama","tie_word_embeddings":false`, tensors{emb: 1}, nil, "", "", 0, `no tensor "lm_head.weight"`},
		{"no head, said nothing", "transformers makes one up", `"model_type":"qwen3"`, tensors{emb: 1}, nil, "", "", 0, `no tensor "lm_head.weight"`},
		{"tied, said nothing", "tied is the default of Gemma", `"model_type":"gemma3_text"`, tensors{emb: 1}, tensors{emb: 1}, "true", "", 0, ""},
		{"another family", "nothing is known of its head", `"model_type":"gemma3n_text"`, tensors{emb: 1}, tensors{emb: 1}, "", "", 0, ""},

		{"v1.0", "tied and scaled", `"model_type":"t5"`, tensors{shared: 1}, tensors{shared: 1}, "true", "true", 0, ""},
		{"v1.0 with copies", "as PyTorch files of old hold them", `"model_type":"t5"`, tensors{shared: 1, enc: 1, dec: 1, head: 1}, tensors{shared: 1}, "true", "true", 0, ""},
		{"v1.1", "as on the hub", `"model_type":"t5","tie_word_embeddings":false`, tensors{shared: 1, head: 2}, tensors{shared: 1, head: 2}, "false", "false", 0, ""},
		{"v1.1 of transformers 5", "says true of every model", `"model_type":"t5","tie_word_embeddings":true,"scale_decoder_outputs":false`, tensors{shared: 1, head: 2}, tensors{shared: 1, head: 2}, "false", "false", 0, ""},
		{"v1.1 tied", "4 would scale a tied head: it gets a copy", `"model_type":"t5","tie_word_embeddings":true,"scale_decoder_outputs":false`, tensors{shared: 1}, tensors{shared: 1, head: 1}, "false", "false", 0, ""},
		{"scaled head of its own", "tensors decide", `"model_type":"t5"`, tensors{shared: 1, head: 2}, tensors{shared: 1, head: 2}, "false", "true", 0, ""},
		{"one name of three", "5 finds the embedding under any", `"model_type":"t5"`, tensors{enc: 1, dec: 1}, tensors{shared: 1}, "true", "true", 0, ""},
		{"two embeddings", "5 reads each, 4 one", `"model_type":"t5"`, tensors{shared: 1, enc: 2}, nil, "", "", 0, "encoder.embed_tokens.weight differs from shared.weight"},
		{"two embeddings, none shared", "5 reads each", `"model_type":"t5"`, tensors{enc: 1, dec: 2}, nil, "", "", 0, "decoder.embed_tokens.weight differs from shared.weight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folderOf(t, "{"+c.config+"}", c.tensors)
			m, err := Open(t.Context(), dir)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%s: error %v; want one with %q", c.why, err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if got := m.Notes(); len(got) != c.notes {
				t.Errorf("notes %q; want %d", got, c.notes)
			}
			out := filepath.Join(t.TempDir(), "out")
			if err := m.Convert(t.Context(), out, F32, m.Files()); err != nil {
				t.Fatal(err)
			}
			f, err := ReadSafetensors(filepath.Join(out, singleName))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got := tensors{}
			for _, name := range f.Names() {
				values, err := f.Float32(name)
				if err != nil {
					t.Fatal(err)
				}
				got[name] = values[0]
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: written (-want +got):\n%s", c.why, diff)
			}
			again, err := Open(t.Context(), out)
			if err != nil {
				t.Fatalf("what was written: %v", err)
			}
			defer again.Close()
			for key, want := range map[string]string{"tie_word_embeddings": c.tie, "scale_decoder_outputs": c.scale} {
				var fields map[string]json.RawMessage
				if err := json.Unmarshal(again.Config(), &fields); err != nil {
					t.Fatal(err)
				}
				if string(fields[key]) != want {
					t.Errorf("%s: %s is %s; want %s", c.why, key, fields[key], want)
				}
			}
		})
	}
}

// transformers 4 looks for rope_theta and rope_scaling, 5 for rope_parameters.
func TestExportedRope(t *testing.T) {
	const llama3 = `"factor": 8.0,"high_freq_factor": 4.0,"low_freq_factor": 1.0,"original_max_position_embeddings": 8192`
	full := func(scaling string) string {
		return `{"rope_theta":500000.0,"rope_scaling":` + scaling + `,"rope_parameters":{"rope_theta":500000.0,"rope_type":"llama3",` + llama3 + `}}`
	}
	const gemma3 = `{"model_type":"gemma3_text","rope_theta":1000000.0,"rope_local_base_freq":10000.0,"rope_scaling":{"rope_type":"linear","type":"linear","factor":8.0},
		"rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0,"rope_theta":1000000.0},"sliding_attention":{"rope_type":"default","rope_theta":10000.0}}}`
	both := full(`{"rope_type":"llama3","type":"llama3",` + llama3 + `}`)
	for _, c := range []struct{ name, why, config, want, err string }{
		{"of 5", "the old spelling is added", `{"rope_parameters":{"rope_type":"llama3","rope_theta":500000.0,` + llama3 + `}}`, both, ""},
		{"of 4", "the new spelling is added", `{"rope_theta":500000.0,"rope_scaling":{"rope_type":"llama3",` + llama3 + `}}`, both, ""},
		{"of both", "stays", both, both, ""},
		{"limit left out", "5 takes max_position_embeddings, 4 fails", `{"max_position_embeddings":8192,"rope_theta":500000.0,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0}}`,
			strings.Replace(both, "{", `{"max_position_embeddings":8192,`, 1), ""},
		{"none", "only a base", `{"rope_theta":1000000.0}`, `{"rope_theta":1000000.0,"rope_scaling":null,"rope_parameters":{"rope_theta":1000000.0,"rope_type":"default"}}`, ""},
		{"of 5, none", "only a base", `{"rope_parameters":{"rope_theta":1000000.0,"rope_type":"default"}}`, `{"rope_theta":1000000.0,"rope_scaling":null,"rope_parameters":{"rope_theta":1000000.0,"rope_type":"default"}}`, ""},
		{"nothing said", "the default of every version", `{"vocab_size":1}`, `{"vocab_size":1}`, ""},
		{"old type", "as before 4.43", `{"rope_theta":10000.0,"rope_scaling":{"type":"linear","factor":2.0}}`,
			`{"rope_theta":10000.0,"rope_scaling":{"type":"linear","rope_type":"linear","factor":2.0},"rope_parameters":{"rope_theta":10000.0,"rope_type":"linear","factor":2.0}}`, ""},
		{"of a quantised model", "weights that are written are plain", `{"quantization_config":{"quant_method":"bitsandbytes"},"vocab_size":1}`, `{"vocab_size":1}`, ""},
		{"contradiction", "which one counts?", `{"rope_theta":1e4,"rope_parameters":{"rope_type":"default","rope_theta":500000.0}}`, "", "rope_theta is 500000.0 in one place and 1e4 in another"},
		{"by layer", "not of these families", `{"rope_parameters":{"full_attention":{"rope_theta":1e4}}}`, "", `settings of its own for "full_attention"`},
		{"Gemma 3 of 4", "both kinds of layers in one object", `{"model_type":"gemma3_text","rope_theta":1000000.0,"rope_local_base_freq":10000.0,"rope_scaling":{"rope_type":"linear","factor":8.0}}`,
			gemma3, ""},
		{"Gemma 3 of 5", "the old keys are added", `{"model_type":"gemma3_text","rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0,"rope_theta":1000000.0},"sliding_attention":{"rope_type":"default","rope_theta":10000.0}}}`,
			gemma3, ""},
		{"Gemma 3 of both", "stays", gemma3, gemma3, ""},
		{"Gemma 3, nothing said", "the defaults of every version", `{"model_type":"gemma3_text"}`, `{"model_type":"gemma3_text"}`, ""},
		{"Phi-3", "transformers 4 takes three keys in rope_scaling and no more", `{"model_type":"phi3","original_max_position_embeddings":64,"rope_theta":10000.0,"partial_rotary_factor":0.75,"rope_scaling":{"type":"longrope","short_factor":[1.0],"long_factor":[2.0]}}`,
			`{"model_type":"phi3","original_max_position_embeddings":64,"rope_theta":10000.0,"partial_rotary_factor":0.75,"rope_scaling":{"type":"longrope","short_factor":[1.0],"long_factor":[2.0]},"rope_parameters":{"rope_type":"longrope","rope_theta":10000.0,"short_factor":[1.0],"long_factor":[2.0]}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(c.config, "model_type") {
				c.config, c.want = strings.Replace(c.config, "{", `{"model_type":"llama",`, 1), strings.Replace(c.want, "{", `{"model_type":"llama",`, 1)
			}
			data, _, err := exported([]byte(c.config), BF16, nil)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%s: error %v; want one with %q", c.why, err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got, want map[string]any
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			want["dtype"], want["torch_dtype"] = "bfloat16", "bfloat16"
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.why, diff)
			}
		})
	}
}

// transformers 5 trains with config.json's first token and answers with
// generation_config.json's: what is written has it in both.
func TestFirstTokenStandsInBothConfigurations(t *testing.T) {
	for _, c := range []struct{ name, why, config, generation string }{
		{"config", "as a T5 of transformers 4 before it has a generation_config.json of its own", `,"decoder_start_token_id":3`, `{}`},
		{"generation", "where it may stand alone", ``, `{"decoder_start_token_id":3}`},
		{"both", "as it is saved", `,"decoder_start_token_id":3`, `{"decoder_start_token_id":3}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, out := folderOf(t, `{"model_type":"t5"`+c.config+`}`, map[string]float32{sharedName: 1}), filepath.Join(t.TempDir(), "out")
			writeFile(t, filepath.Join(dir, generationName), c.generation)
			source, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			if err := source.Convert(t.Context(), out, F32, source.Files()); err != nil {
				t.Fatal(err)
			}
			m, err := Open(t.Context(), out)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			for name, data := range map[string][]byte{configName: m.Config(), generationName: m.GenerationConfig()} {
				if !strings.Contains(string(data), `"decoder_start_token_id": 3`) && !strings.Contains(string(data), `"decoder_start_token_id":3`) {
					t.Errorf("%s: %s is %s; want the first token in it", c.why, name, data)
				}
			}
		})
	}
}

func TestUnused(t *testing.T) {
	dir := folderOf(t, `{"model_type":"llama"}`, map[string]float32{"a": 1, "b": 2, "model.layers.0.self_attn.rotary_emb.inv_freq": 3})
	m, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if diff := cmp.Diff([]string{"b"}, m.Unused(func(name string) bool { return name == "a" })); diff != "" {
		t.Errorf("unused, where the architecture computes inv_freq (-want +got):\n%s", diff)
	}
}

// Weights that are no numbers are an error wherever they are read.
func TestNotFinite(t *testing.T) {
	for _, dtype := range []DType{F32, BF16} {
		for _, v := range []float32{float32(math.NaN()), float32(math.Inf(-1))} {
			t.Run(fmt.Sprint(dtype, v), func(t *testing.T) {
				dir := t.TempDir()
				list := []Tensor{{Name: "w", DType: dtype, Shape: []int{3}, Data: func() (any, error) { return []float32{1, v, 2}, nil }}}
				if err := WriteSafetensors(t.Context(), filepath.Join(dir, singleName), list, nil); err != nil {
					t.Fatal(err)
				}
				writeFile(t, filepath.Join(dir, configName), "{}")
				m, err := Open(t.Context(), dir)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				_, asF32 := m.Float32("w")
				_, asBF16 := m.BF16("w")
				errs := []error{asF32, m.Convert(t.Context(), filepath.Join(t.TempDir(), "out"), F32, nil)}
				if dtype == BF16 {
					errs = append(errs, asBF16)
				}
				for _, err := range errs {
					if want := fmt.Sprintf(`tensor "w": value 1 is %v`, v); err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("error %v; want one with %q", err, want)
					}
				}
			})
		}
	}
}

func TestF16(t *testing.T) {
	for h := range 1 << 16 { // every half comes back
		f := float32FromF16(uint16(h))
		if got := f16FromFloat32(f); got != uint16(h) && f == f {
			t.Fatalf("%#x is %g, which gives %#x", h, f, got)
		}
	}
	for _, c := range []struct {
		why  string
		in   float32
		want uint16
	}{
		{"the largest", 65504, 0x7bff}, {"rounds down to it", 65519.996, 0x7bff}, {"rounds up to infinity", 65520, 0x7c00},
		{"half of the smallest is even", 1.0 / (1 << 25), 0}, {"a little more is the smallest", 1.0/(1<<25) + 1e-12, 1},
		{"ties go to even", 1 + 1.0/2048, 0x3c00}, {"ties go to even", 1 + 3.0/2048, 0x3c02},
		{"carries into the exponent", 2047.5 / 1024, 0x4000}, {"negative", -2, 0xc000}, {"negative zero", float32(math.Copysign(0, -1)), 0x8000},
	} {
		if got := f16FromFloat32(c.in); got != c.want {
			t.Errorf("%g: %#x; want %#x (%s)", c.in, got, c.want, c.why)
		}
	}
	if got := float32FromF16(f16FromFloat32(float32(math.NaN()))); got == got {
		t.Errorf("NaN became %g", got)
	}
	for _, c := range []struct {
		dtype DType
		v     float32
	}{{F16, 70000}, {BF16, 3.4e38}} {
		dir := folderOf(t, `{}`, map[string]float32{"w": c.v})
		out := filepath.Join(t.TempDir(), "out")
		want := fmt.Sprintf(`tensor "w": value 0 is %g, which becomes infinite in %s`, c.v, c.dtype)
		m, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if err := m.Convert(t.Context(), out, c.dtype, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one with %q", err, want)
		}
		if err := m.Convert(t.Context(), out, F32, nil); err != nil { // and nothing was left half written
			t.Error(err)
		}
	}
}

// FuzzIndex reads a folder whose index is anything.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"weight_map":{"a":"model-1.safetensors"}}`), []byte(`{"model_type":"llama","tie_word_embeddings":true}`))
	f.Add([]byte(`{"metadata":{"total_size":-1},"weight_map":{"a":"../x","b":"model-1.safetensors/","c":""}}`), []byte(`{"model_type":"t5"}`))
	f.Add([]byte(`{"weight_map":null}`), []byte(`null`))
	tensor := []Tensor{{Name: "a", DType: F32, Shape: []int{1}, Data: func() (any, error) { return []float32{1}, nil }}}
	f.Fuzz(func(t *testing.T, index, config []byte) {
		dir := t.TempDir()
		if err := WriteSafetensors(t.Context(), filepath.Join(dir, "model-1.safetensors"), tensor, nil); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, indexName), string(index))
		writeFile(t, filepath.Join(dir, configName), string(config))
		m, err := Open(t.Context(), dir)
		if err != nil {
			return
		}
		defer m.Close()
		for _, name := range m.Names() {
			if _, err := m.Float32(name); err != nil {
				t.Errorf("%s: %v; an index that passes promises its tensors", name, err)
			}
		}
		if _, _, err := exported(m.Config(), F32, m.Names()); err != nil {
			t.Logf("config: %v", err)
		}
	})
}

// What wraps a model in training stands before its names, and is taken off.
func TestWrappedNames(t *testing.T) {
	for _, c := range []struct {
		name, why, config string
		tensors, want     map[string]float32
	}{
		{"fid", "LocalRQA's and FiD's own encoder", `"model_type":"t5"`, map[string]float32{
			"shared.weight": 1, "encoder.encoder.embed_tokens.weight": 1, "encoder.encoder.block.0.module.layer.0.SelfAttention.q.weight": 2,
			"encoder.encoder.block.11.module.layer.1.layer_norm.weight": 3, "encoder.encoder.final_layer_norm.weight": 4, "decoder.block.0.layer.0.SelfAttention.q.weight": 5,
		}, map[string]float32{
			"shared.weight": 1, "encoder.block.0.layer.0.SelfAttention.q.weight": 2, "encoder.block.11.layer.1.layer_norm.weight": 3,
			"encoder.final_layer_norm.weight": 4, "decoder.block.0.layer.0.SelfAttention.q.weight": 5,
		}},
		{"fid's embedding under its encoder's name", "where tied tensors are saved once", `"model_type":"t5"`, map[string]float32{"encoder.encoder.embed_tokens.weight": 1}, map[string]float32{"shared.weight": 1}},
		{"devices", "DeepSpeed, or several devices", `"model_type":"llama","tie_word_embeddings":true`, map[string]float32{"module.model.embed_tokens.weight": 1, "module.model.norm.weight": 2},
			map[string]float32{"model.embed_tokens.weight": 1, "model.norm.weight": 2}},
		{"compiled", "torch.compile", `"model_type":"llama","tie_word_embeddings":true`, map[string]float32{"_orig_mod.model.embed_tokens.weight": 1, "_orig_mod.model.norm.weight": 2},
			map[string]float32{"model.embed_tokens.weight": 1, "model.norm.weight": 2}},
		{"plain", "names that only look alike stay", `"model_type":"llama","tie_word_embeddings":true`, map[string]float32{"model.embed_tokens.weight": 1, "model.module.weight": 2},
			map[string]float32{"model.embed_tokens.weight": 1, "model.module.weight": 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Open(t.Context(), folderOf(t, "{"+c.config+"}", c.tensors))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			got := map[string]float32{}
			for _, name := range m.Names() {
				values, err := m.Float32(name)
				if err != nil {
					t.Fatal(err)
				}
				got[name] = values[0]
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.why, diff)
			}
		})
	}
}

func TestATypeThatIsNoTextIsToldByTheFilesNames(t *testing.T) {
	if _, err := kindOf([]byte(`{"model_type": 3}`)); err == nil || err.Error() != "config.json:1: model_type: 3 found; a text expected" {
		t.Errorf("%v", err)
	}
}
