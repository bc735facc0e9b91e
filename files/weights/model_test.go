package weights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// saved is a small model with n tensors of 8 values.
func saved(n int) Saved {
	s := Saved{
		Config: []byte(`{"model_type":"llama","rope_theta":1e6,"torch_dtype":"float16","tie_word_embeddings":true,"vocab_size":9007199254740993}`),
		DType:  F32,
		Files:  map[string][]byte{"tokenizer.json": []byte(`{}`), "1_Pooling/config.json": []byte(`{"a":1}`)},
	}
	for i := range n {
		values := []float32{0, 1, 2, 3, 4, 5, 6, float32(i)}
		s.Tensors = append(s.Tensors, Tensor{Name: fmt.Sprintf("layer.%d", i), Shape: []int{2, 4}, Data: func() (any, error) { return values, nil }})
	}
	return s
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestSaveOpen(t *testing.T) {
	tests := []struct {
		name, why string
		shard     int64
		dtype     DType
		before    []string // files in the folder
		want      []string
	}{
		{"one file", "the usual case", 0, F32, nil,
			[]string{"1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json"}},
		{"shards", "two tensors of 32 bytes fit each", 64, F32, nil,
			[]string{"1_Pooling/config.json", "config.json", "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json", "tokenizer.json"}},
		{"bf16", "half the bytes", 64, BF16, nil,
			[]string{"1_Pooling/config.json", "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.json"}},
		{"into an output folder", "logs stay, an older model's shards go", 0, F32,
			[]string{"train.log", "config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors", "tokenizer.json"},
			[]string{"1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json", "train.log"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "out[1]", "model")
			for _, name := range test.before {
				if err := os.MkdirAll(dir, 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			s := saved(5)
			s.DType, s.MaxShardBytes = test.dtype, test.shard
			if err := Save(t.Context(), dir, s); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, files(t, dir)); diff != "" {
				t.Errorf("%s: files (-want +got):\n%s", test.why, diff)
			}
			if left := files(t, parent); len(left) != len(test.want) {
				t.Errorf("left beside the folder: %v", left)
			}
			m, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			want := []string{"layer.0", "layer.1", "layer.2", "layer.3", "layer.4"}
			if diff := cmp.Diff(want, m.Names()); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			values, err := m.Float32("layer.3")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]float32{0, 1, 2, 3, 4, 5, 6, 3}, values); diff != "" {
				t.Errorf("layer.3 (-want +got):\n%s", diff)
			}
			if shape, ok := m.Shape("layer.3"); !ok || !slices.Equal(shape, []int{2, 4}) {
				t.Errorf("shape %v, %v", shape, ok)
			}
			if diff := cmp.Diff(s.Files, m.Files()); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			config := string(m.Config())
			for _, part := range []string{`"vocab_size": 9007199254740993`, `"rope_theta": 1e6`, map[DType]string{F32: `"dtype": "float32"`, BF16: `"dtype": "bfloat16"`}[test.dtype]} {
				if !strings.Contains(config, part) {
					t.Errorf("config %s; want %s in it", config, part)
				}
			}
		})
	}
}

// A save that fails leaves the model that was there.
func TestFailedSaveLeavesTheModelThatWasThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	if err := Save(t.Context(), dir, saved(2)); err != nil {
		t.Fatal(err)
	}
	bad := saved(2)
	bad.Tensors[1].Data = func() (any, error) { return nil, errors.New("device lost") }
	if err := Save(t.Context(), dir, bad); err == nil || !strings.Contains(err.Error(), "device lost") {
		t.Errorf("error %v; want the device's", err)
	}
	m, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Float32("layer.1"); err != nil {
		t.Error(err)
	}
}

func TestSavedValidate(t *testing.T) {
	s := Saved{DType: "I32", MaxShardBytes: -1, Files: map[string][]byte{"../x": nil}}
	err := s.Validate()
	for _, want := range []string{`DType is "I32"`, "MaxShardBytes is -1", "no tensors", `"../x" would land outside`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want %q in it", err, want)
		}
	}
	good := saved(1)
	good.Config = []byte("[]")
	if err := Save(t.Context(), filepath.Join(t.TempDir(), "m"), good); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("error %v; want config.json named", err)
	}
}

// lfsPointer is what Git LFS leaves in a file's place.
const lfsPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 1017112\n"

func TestOpenErrors(t *testing.T) {
	index := func(m map[string]string) string {
		data, _ := json.Marshal(map[string]any{"weight_map": m})
		return string(data)
	}
	tests := []struct {
		name, why string
		files     map[string]string
		want      []string
	}{
		{"empty folder", "nothing there", nil, []string{"no config.json"}},
		{"GGUF within", "give its own path", map[string]string{"m.gguf": ""}, []string{"no config.json", "to use m.gguf give its own path"}},
		{"config", "not JSON", map[string]string{"config.json": "{"}, []string{"config.json: line 1: the end found"}},
		{"pickle of old", "PyTorch before 1.6 wrote no archive", map[string]string{"config.json": "{}", "pytorch_model.bin": ""}, []string{"pytorch_model.bin: no zip archive", "safe_serialization"}},
		{"adapter", "only half a model", map[string]string{"config.json": "{}", "adapter_config.json": ""}, []string{"adapter: merge it"}},
		{"index", "not JSON", map[string]string{"config.json": "{}", indexName: "x"}, []string{indexName}},
		{"no map", "nothing in it", map[string]string{"config.json": "{}", indexName: "{}"}, []string{"no weight_map"}},
		{"missing shards", "all are named", map[string]string{"config.json": "{}", indexName: index(map[string]string{"a": "1.safetensors", "b": "2.safetensors"})}, []string{"1.safetensors is missing", "2.safetensors is missing"}},
		{"escape", "no shard outside the folder", map[string]string{"config.json": "{}", indexName: index(map[string]string{"a": "../1.safetensors", "b": "/etc/passwd"})}, []string{`"../1.safetensors" lies outside`, `"/etc/passwd" lies outside`}},
		{"wrong shard", "the index is not of these files", map[string]string{"config.json": "{}", indexName: index(map[string]string{"a": "1.safetensors"}), "1.safetensors": string(st(`{}`))}, []string{`no tensor "a"`}},
		{"LFS weights", "cloned without git-lfs: fetching it again by git gives the same", map[string]string{"config.json": "{}", singleName: lfsPointer}, []string{"model.safetensors: a Git LFS pointer", "git lfs pull"}},
		{"LFS config", "any file of the folder", map[string]string{"config.json": lfsPointer}, []string{"config.json: a Git LFS pointer"}},
		{"LFS tokenizer", "any file of the folder", map[string]string{"config.json": "{}", tokenizerName: lfsPointer}, []string{"tokenizer.json: a Git LFS pointer"}},
		{"LFS shard", "any file of the folder", map[string]string{"config.json": "{}", indexName: index(map[string]string{"a": "1.safetensors"}), "1.safetensors": lfsPointer}, []string{"1.safetensors: a Git LFS pointer"}},
		{"shard without index", "which tensors are in the others?", map[string]string{"config.json": "{}", "model-00001-of-00002.safetensors": ""}, []string{"no model.safetensors", "model-00001-of-00002.safetensors is a part of a model", indexName}},
		{"bitsandbytes", "quantised as it is loaded, or before", map[string]string{"config.json": `{"quantization_config":{"quant_method":"bitsandbytes","load_in_4bit":true}}`, singleName: string(st(`{}`))}, []string{"config.json: quantization_config", `"bitsandbytes"`, "dequantize()"}},
		{"GPTQ", "else a missing weight is reported", map[string]string{"config.json": `{"quantization_config":{"quant_method":"gptq","bits":4}}`, singleName: string(st(`{}`))}, []string{`"gptq"`}},
		{"compressed tensors of old", "another key", map[string]string{"config.json": `{"compression_config":{"format":"pack-quantized"}}`, singleName: string(st(`{}`))}, []string{"compression_config"}},
		{"damaged", "names file and byte", map[string]string{"config.json": "{}", singleName: "xxx"}, []string{"model.safetensors: byte 0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range test.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Open(t.Context(), dir)
			if err == nil {
				t.Fatalf("no error (%s)", test.why)
			}
			for _, want := range append(test.want, dir) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q; want %q in it (%s)", err, want, test.why)
				}
			}
		})
	}
	file := filepath.Join(t.TempDir(), "model.bin")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), file); err == nil || !strings.Contains(err.Error(), "expected a Hugging Face folder or a .gguf file") {
		t.Errorf("error %v", err)
	}
}

// As transformers 5.23 chooses, and processors where no tokenizer has one.
func TestChatTemplate(t *testing.T) {
	const more = moreTemplates + "/"
	list := `{"chat_template":[{"name":"rag","template":"r"},{"name":"default","template":"d"}]}`
	tests := []struct {
		name, why string
		files     map[string]string
		want      string
		err       string
	}{
		{"none", "base models have none", nil, "", ""},
		{"no tokenizer template", "a config without", map[string]string{tokConfigName: `{}`}, "", ""},
		{"null", "written out", map[string]string{tokConfigName: `{"chat_template":null}`}, "", ""},
		{"text", "the usual place", map[string]string{tokConfigName: `{"chat_template":"a"}`}, "a", ""},
		{"jinja", "the newer place goes first", map[string]string{tokConfigName: `{"chat_template":"a"}`, templateName: "b"}, "b", ""},
		{"list", "the one named default", map[string]string{tokConfigName: list}, "d", ""},
		{"by name", "as a tokenizer holds them", map[string]string{tokConfigName: `{"chat_template":{"default":"d","rag":"r"}}`}, "d", ""},
		{"no default", "which one?", map[string]string{tokConfigName: `{"chat_template":[{"name":"rag","template":"r"},{"name":"b","template":"r"}]}`}, "", `tokenizer_config.json: chat templates named b, rag; expected one named "default"`},
		{"number", "not a template", map[string]string{tokConfigName: `{"chat_template":1}`}, "", "tokenizer_config.json: chat_template is neither"},
		{"number in a list", "not a template", map[string]string{tokConfigName: `{"chat_template":[1]}`}, "", "tokenizer_config.json: chat_template is neither"},
		{"folder", "more beside the one", map[string]string{templateName: "b", more + "rag.jinja": "r"}, "b", ""},
		{"folder with a default", "read after the one", map[string]string{templateName: "b", more + "default.jinja": "d"}, "d", ""},
		{"folder without default", "the configuration's does not count beside files", map[string]string{tokConfigName: `{"chat_template":"a"}`, more + "rag.jinja": "r"}, "", `additional_chat_templates: chat templates named rag; expected one named "default"`},
		{"processor", "a model of pictures and texts", map[string]string{processorTemplateName: `{"chat_template":"p"}`, tokConfigName: `{}`}, "p", ""},
		{"processor and tokenizer", "texts go by the tokenizer's", map[string]string{processorTemplateName: `{"chat_template":"p"}`, tokConfigName: `{"chat_template":"a"}`}, "a", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := map[string][]byte{}
			for name, text := range test.files {
				files[name] = []byte(text)
			}
			got, err := ChatTemplate(files)
			if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("template %q, error %v; want %q, %q (%s)", got, err, test.want, test.err, test.why)
			}
		})
	}
}

func TestTokenizerMissing(t *testing.T) {
	m := &Model{path: "m", files: map[string][]byte{}}
	if _, err := m.Tokenizer(); err == nil || !strings.Contains(err.Error(), "m: no tokenizer.json") {
		t.Errorf("error %v", err)
	}
	if _, err := m.Float32("x"); err == nil || !strings.Contains(err.Error(), `m: no tensor "x"`) {
		t.Errorf("error %v", err)
	}
}

// A GGUF file and the folder that it is converted to hold the same values.
func TestConvertKeepsGGUFValues(t *testing.T) {
	for _, want := range readGoldens(t, "testdata/tiny.json") {
		t.Run(want.File, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "hf")
			source, err := openGGUF(t.Context(), filepath.Join("testdata", want.File))
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			if err := source.Convert(t.Context(), dir, F32, source.Files()); err != nil {
				t.Fatal(err)
			}
			m, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			compare(t, m, want)
			names := slices.Sorted(maps.Keys(m.Files()))
			if diff := cmp.Diff([]string{"generation_config.json", "tokenizer.json", "tokenizer_config.json"}, names); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func ExampleOpen() {
	ctx := context.Background()
	m, err := Open(ctx, "testdata/tiny-qwen2-f16.gguf")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	shape, _ := m.Shape("model.layers.0.self_attn.k_proj.bias")
	values, err := m.Float32("model.layers.0.self_attn.k_proj.bias")
	fmt.Println(shape, len(values), err)
	// Output: [32] 32 <nil>
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
