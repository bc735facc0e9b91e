package weights

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/tokenizer"
)

// vocabularyOf is what writes a tokenizer's vocabulary.
func vocabularyOf(t *tokenizer.Tokenizer) func(rows int) (GGUFVocab, []string, error) {
	return func(rows int) (GGUFVocab, []string, error) {
		v, notes, err := t.GGUF(rows)
		return GGUFVocab(v), notes, err
	}
}

// Blocks of Q8_0 are those of the Python package gguf, bit for bit.
func TestQuantiseQ8_0(t *testing.T) {
	golden := readBlocks(t).Quantised
	values := make([]float32, len(golden.Values)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(golden.Values[4*i:]))
	}
	var got bytes.Buffer
	number, _ := ggufNumber(Q8_0)
	if err := (ggufOut{number: number, shape: []int{len(values)}}).encode(&got, values); err != nil {
		t.Fatal(err)
	}
	for i := range len(values) / 32 {
		if g, w := got.Bytes()[34*i:34*i+34], golden.Raw[34*i:34*i+34]; !bytes.Equal(g, w) {
			t.Errorf("block %d of %v:\n got %v\nwant %v", i, values[32*i:32*i+32], g, w)
		}
	}
	if err := (ggufOut{number: number, shape: []int{32}}).encode(&got, slices.Repeat([]float32{1e38}, 32)); err == nil {
		t.Error("a scale beyond f16 was written")
	}
}

// export converts a model into a GGUF file and opens it.
func export(t *testing.T, from *Model, dtype DType) *Model {
	t.Helper()
	parsed, err := tokenizer.ParseFiles(from.Files())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if _, err := from.ConvertGGUF(t.Context(), path, GGUF{Name: "tiny", DType: dtype, Vocabulary: vocabularyOf(parsed), Files: from.Files()}); err != nil {
		t.Fatal(err)
	}
	m, err := openGGUF(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// What transformers reads of the models' GGUF files is what it would read of those
// that are made of them: tensors, settings, vocabulary.
func TestGGUFThereAndBack(t *testing.T) {
	for _, want := range readGoldens(t, "testdata/tiny.json") {
		if name, _ := want.Config["model_type"].(string); ggufWritten[name] == "" {
			continue
		}
		t.Run(want.File, func(t *testing.T) {
			from, err := openGGUF(t.Context(), filepath.Join("testdata", want.File))
			if err != nil {
				t.Fatal(err)
			}
			defer from.Close()
			m := export(t, from, F32)
			compare(t, m, want)
			var before, after map[string]any
			for _, part := range []struct {
				name     string
				one, two []byte
			}{{"config", from.Config(), m.Config()}, {"tokenizer.json", from.files[tokenizerName], m.files[tokenizerName]}, {"tokenizer_config.json", from.files[tokConfigName], m.files[tokConfigName]}, {"generation_config.json", from.files[generationName], m.files[generationName]}} {
				before, after = nil, nil
				if err := json.Unmarshal(part.one, &before); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(part.two, &after); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("%s (-before +after):\n%s", part.name, diff)
				}
			}
		})
	}
}

// Matrices take the format that was asked for, vectors stay F32, and rows that are not
// whole blocks of Q8_0 become F16, as llama.cpp's converter has it; what is read as it is
// stored has the values that are read as f32.
func TestGGUFFormats(t *testing.T) {
	from, err := openGGUF(t.Context(), "testdata/tiny-llama-f32.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	for _, dtype := range GGUFTypes {
		m := export(t, from, dtype)
		file, err := os.Open(m.path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parseGGUF(m.path, file, info.Size())
		if err != nil {
			t.Fatal(err)
		}
		for _, tensor := range parsed.tensors {
			want := string(dtype)
			if len(tensor.shape) == 1 {
				want = "F32"
			}
			if tensor.format.name != want || tensor.offset%32 != 0 {
				t.Errorf("%s: %s is %s at byte %d; want %s", dtype, tensor.name, tensor.format.name, tensor.offset, want)
			}
		}
		for _, name := range m.Names() {
			values, err := m.Float32(name)
			if err != nil {
				t.Fatal(err)
			}
			asStored(t, m, name, values)
		}
	}
}

func TestGGUFRefused(t *testing.T) {
	open := func(t *testing.T, config string) *Model {
		t.Helper()
		m, err := openGGUF(t.Context(), "testdata/tiny-llama-f32.gguf")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		var fields, changed map[string]any
		if err := json.Unmarshal(m.config, &fields); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(config), &changed); err != nil {
			t.Fatal(err)
		}
		for key, value := range changed {
			fields[key] = value
		}
		if m.config, err = json.Marshal(fields); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, c := range []struct{ name, why, config, want string }{
		{"family", "llama.cpp would not know the tensors", `{"model_type": "t5"}`, `model_type "t5" is not written as GGUF; expected one of gemma, gemma2, gemma3_text, granite, llama, ministral, ministral3, mistral, olmo2, olmo3, phi3, qwen2, qwen3, smollm3`},
		{"activation", "llama.cpp computes silu whatever is said", `{"hidden_act": "gelu"}`, `hidden_act "gelu"; expected silu`},
		{"rope", "llama.cpp would leave it out", `{"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}`, `rope_type "dynamic"; expected default, linear, yarn or llama3`},
		{"shape", "a file that says one thing and holds another", `{"num_key_value_heads": 4}`, `self_attn.k_proj.weight" has shape [32 64]; expected [64 64]`},
		{"layers", "a part of a model", `{"num_hidden_layers": 3}`, "tensors of 2 layers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := open(t, c.config)
			parsed, err := tokenizer.ParseFiles(m.Files())
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "model.gguf")
			_, err = m.ConvertGGUF(t.Context(), path, GGUF{Name: "tiny", DType: F32, Vocabulary: vocabularyOf(parsed), Files: m.Files()})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v; want %q", c.why, err, c.want)
			}
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("a file was left: %v", err)
			}
		})
	}
	m := open(t, `{}`)
	m.tensors["model.norm.weight"] = tensor{shape: []int{64}, read: func() ([]float32, error) { return nil, fs.ErrInvalid }}
	parsed, err := tokenizer.ParseFiles(m.Files())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := m.ConvertGGUF(t.Context(), filepath.Join(dir, "model.gguf"), GGUF{DType: F32, Vocabulary: vocabularyOf(parsed)}); err == nil {
		t.Error("a tensor that cannot be read: no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left after an error: %v, %v", left, err)
	}
}

// A Gemma 3 that llama.cpp would compute otherwise is refused.
func TestGGUFGemmaRefused(t *testing.T) {
	for _, c := range []struct{ name, why, key, value, want string }{
		{"scale", "27B alone has another one", "query_pre_attn_scalar", `12`, "query_pre_attn_scalar 12; expected 16 (head_dim)"},
		{"gate", "hidden_act is not what counts", "hidden_activation", `"silu"`, `hidden_activation "silu"; expected gelu_pytorch_tanh`},
		{"cap", "Gemma 2 has it", "final_logit_softcapping", `30.0`, "final_logit_softcapping or use_bidirectional_attention is set"},
		{"embedder", "EmbeddingGemma sees both sides", "use_bidirectional_attention", `true`, "use_bidirectional_attention is set"},
		{"windows", "each sixth layer is whole there", "sliding_window_pattern", `2`, "layer 1 has a sliding window: false; expected one in all layers but each sixth"},
		{"rope", "its layers with windows are not scaled", "rope_scaling", `{"rope_type": "yarn", "factor": 2.0}`, `rope_type "yarn"; expected default or linear`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := openGGUF(t.Context(), "testdata/tiny-gemma3-q8_0.gguf")
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(m.config, &fields); err != nil {
				t.Fatal(err)
			}
			fields[c.key] = json.RawMessage(c.value)
			if m.config, err = json.Marshal(fields); err != nil {
				t.Fatal(err)
			}
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

// Yarn's settings go into the file and come back.
func TestGGUFYarn(t *testing.T) {
	m, err := openGGUF(t.Context(), "testdata/tiny-qwen3-q8_0.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	scaling := map[string]any{"rope_type": "yarn", "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32.0, "beta_fast": 32.0, "beta_slow": 1.0}
	var fields map[string]any
	if err := json.Unmarshal(m.config, &fields); err != nil {
		t.Fatal(err)
	}
	fields["rope_scaling"] = scaling
	if m.config, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	var after struct {
		Scaling map[string]any `json:"rope_scaling"`
	}
	if err := json.Unmarshal(export(t, m, Q8_0).Config(), &after); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(scaling, after.Scaling); diff != "" {
		t.Errorf("rope_scaling (-want +got):\n%s", diff)
	}
}

// openGGUF opens a file with the tokenizer.json that its vocabulary stands for.
func openGGUF(ctx context.Context, path string) (*Model, error) {
	m, err := Open(ctx, path)
	if err != nil {
		return nil, err
	}
	if v, ok := m.Vocabulary(); ok {
		data, err := tokenizer.FromGGUF(tokenizer.GGUFVocab(v))
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		m.SetTokenizer(data)
	}
	return m, nil
}
