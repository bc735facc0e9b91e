package weights

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What torch.save wrote comes as torch has it, value by value; tied tensors may share
// their numbers, and a slice has its own.
func TestTensorsAreAsTorchSavedThem(t *testing.T) {
	data, err := os.ReadFile("testdata/torch/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Tensors map[string]struct {
			Shape  []int
			SHA256 string
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	f, err := readTorch("testdata/torch/pytorch_model.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if names := f.Names(); len(names) != 9 || names[0] != "model.embed_tokens.weight" || names[8] != "position_ids" {
		t.Errorf("tensors %q", names)
	}
	for name, want := range golden.Tensors {
		info, _ := f.Info(name)
		if diff := cmp.Diff(want.Shape, append([]int{}, info.Shape...)); diff != "" {
			t.Errorf("%s: shape (-want +got):\n%s", name, diff)
		}
		values, err := f.Float32(name)
		if err != nil {
			t.Error(err)
		} else if got := digest(values); got != want.SHA256 {
			t.Errorf("%s: SHA-256 of the values is %s; want %s", name, got, want.SHA256)
		}
	}
	if info, _ := f.Info("position_ids"); info.DType != "I64" {
		t.Errorf("position_ids: format %s", info.DType)
	}
}

// A folder with a checkpoint of PyTorch opens, whole or in shards, and safetensors
// go before it.
func TestOpenTorch(t *testing.T) {
	bin, err := os.ReadFile("testdata/torch/pytorch_model.bin")
	if err != nil {
		t.Fatal(err)
	}
	config := `{"model_type":"llama","tie_word_embeddings":true}`
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // a part of the error
	}{
		{"whole", map[string]string{torchName: string(bin)}, ""},
		{"shards", map[string]string{"pytorch_model-00001-of-00001.bin": string(bin), torchIndexName: `{"weight_map":{"model.embed_tokens.weight":"pytorch_model-00001-of-00001.bin","half":"pytorch_model-00001-of-00001.bin"}}`}, ""},
		{"no index", map[string]string{"pytorch_model-00001-of-00001.bin": string(bin)}, torchIndexName + " says which tensors are in which"},
		{"missing tensor", map[string]string{"pytorch_model-00001-of-00001.bin": string(bin), torchIndexName: `{"weight_map":{"other":"pytorch_model-00001-of-00001.bin"}}`}, `no tensor "other"; pytorch_model.bin.index.json says it is there`},
		{"damaged safetensors", map[string]string{torchName: string(bin), singleName: "x"}, "model.safetensors: byte 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.files[configName] = config
			for name, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m, err := Open(t.Context(), dir)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v; want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if _, own := m.Shape("lm_head.weight"); own {
				t.Error("the head that is the embedding stayed")
			}
			if raw, err := m.Float32("half"); err != nil || len(raw) != 12 {
				t.Errorf("half: %v, %v", raw, err)
			}
		})
	}
}

// archived puts files into an uncompressed zip archive.
func archived(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range files {
		out, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = out.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTorchErrors(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join("testdata/torch", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	const call = "cos\nsystem\n(S'true'\ntR."
	for _, c := range []struct{ name, why, file, want string }{
		{"legacy", "the older form has its numbers within pickles", read("legacy.bin"), "since PyTorch 1.6"},
		{"strided", "another order of values would be another weight", read("strided.bin"), "rows one after the other expected"},
		{"cut short", "a download that broke off", read("pytorch_model.bin")[:2000], "pytorch_model.bin: no zip archive"},
		{"no pickle", "some other archive", string(archived(t, map[string]string{"a": "b"})), "without data.pkl"},
		{"a call", "nothing is run", string(archived(t, map[string]string{"archive/data.pkl": call})), `the class "system" of module "os"`},
		{"big-endian", "bytes in another order", string(archived(t, map[string]string{"archive/data.pkl": "N.", "archive/byteorder": "big"})), "expected little"},
		{"no table", "a list of something", string(archived(t, map[string]string{"archive/data.pkl": "]."})), "no tensors; a table of them expected"},
		{"text", "a note in its place", "nothing", "no zip archive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), torchName)
			if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := readTorch(path)
			if err == nil {
				f.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: error %v; want %q", c.why, err, c.want)
			}
		})
	}
}

func FuzzTorch(f *testing.F) {
	for _, name := range []string{"pytorch_model.bin", "strided.bin", "legacy.bin"} {
		data, err := os.ReadFile(filepath.Join("testdata/torch", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := parseTorch("fuzzed", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for _, name := range parsed.Names() {
			info, _ := parsed.Info(name)
			if info.Elements() > len(data) {
				t.Fatalf("%s: %d values of %d bytes", name, info.Elements(), len(data))
			}
			parsed.Float32(name)
		}
	})
}
