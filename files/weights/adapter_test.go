package weights

import (
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/golden"
)

const (
	tinyModels = "../../tensor/arch/llama/testdata"
	tinyLlama  = tinyModels + "/llama"
)

// An adapter that peft wrote is read, saved, and read again.
func TestAdapter(t *testing.T) {
	for _, test := range []struct {
		name, why string
		want      LoRA
		tensors   int
		scale     float64
	}{
		{"llama/lora", "whole names of modules", LoRA{Base: "tiny", Task: CausalLM, Rank: 4, Alpha: 8}, 28, 2},
		{"llama/rslora", "a list of three kinds", LoRA{Base: "tiny", Task: CausalLM, Rank: 2, Alpha: 3, RSLoRA: true, Targets: []string{"down_proj", "q_proj", "v_proj"}}, 12, 3 / math.Sqrt2},
		{"mistral3/lora", "put on a model for text and pictures", LoRA{Base: "tiny", Task: CausalLM, Rank: 4, Alpha: 8, Wrapped: true}, 28, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, l, err := OpenAdapter(t.Context(), filepath.Join(tinyModels, filepath.FromSlash(test.name)))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if test.want.Targets == nil {
				test.want.Targets = l.Targets
			}
			if diff := cmp.Diff(test.want, l); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
			if n := len(m.Names()); n != test.tensors || !golden.Near(l.Scale(), test.scale, 1e-12) {
				t.Errorf("%d tensors, scale %v; want %d, %v", n, l.Scale(), test.tensors, test.scale)
			}
			l.Revision, l.Dropout = "v2", 0.1
			dir := filepath.Join(t.TempDir(), "again")
			files := map[string][]byte{"tokenizer.json": []byte("{}")}
			if err := SaveAdapter(t.Context(), dir, l, m.All(), files); err != nil {
				t.Fatal(err)
			}
			again, read, err := OpenAdapter(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if diff := cmp.Diff(l, read); diff != "" {
				t.Errorf("settings (-saved +read):\n%s", diff)
			}
			theirs, ours := golden.Arrays(t, filepath.Join(tinyModels, test.name, adapterName)), golden.Arrays(t, filepath.Join(dir, adapterName))
			if diff := cmp.Diff(slices.Sorted(maps.Keys(theirs)), slices.Sorted(maps.Keys(ours))); diff != "" {
				t.Errorf("names (-peft's +saved):\n%s", diff)
			}
			if diff := cmp.Diff(files, again.Files()); diff != "" {
				t.Errorf("files (-saved +read):\n%s", diff)
			}
			for _, name := range m.Names() {
				want, lost := m.Float32(name)
				got, err := again.Float32(name)
				if err = errors.Join(lost, err); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s is not what was saved; error %v", name, err)
				}
			}
		})
	}
}

// Merge gives peft's merge_and_unload.
func TestMergeEqualsPEFTs(t *testing.T) {
	for _, name := range []string{"llama/lora", "llama/rslora", "gemma3_text/lora", "phi3/lora", "gemma2/lora", "olmo2/lora", "granite/lora", "gemma3/lora", "mistral3/lora", "mistral3-ministral3/lora"} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(tinyModels, filepath.FromSlash(name))
			base, err := Open(t.Context(), filepath.Dir(folder))
			if err != nil {
				t.Fatal(err)
			}
			defer base.Close()
			adapter, l, err := OpenAdapter(t.Context(), folder)
			if err != nil {
				t.Fatal(err)
			}
			defer adapter.Close()
			dir := filepath.Join(t.TempDir(), "merged")
			if err := Merge(t.Context(), dir, base, adapter, l, F32, base.Files()); err != nil {
				t.Fatal(err)
			}
			merged, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer merged.Close()
			g := golden.Load(t, folder)
			for _, name := range merged.Names() {
				got, err := merged.Float32(name)
				if err != nil {
					t.Fatal(err)
				}
				if slices.Contains(g.Names("merged."), "merged."+name) {
					g.Compare(t, "merged."+name, got)
				} else if want, err := base.Float32(name); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s has no adapter and is changed", name)
				}
			}

			// An adapter of another model is named, and nothing is written.
			adapter.tensors["model.layers.9.mlp.up_proj"+loraA] = adapter.tensors[adapter.names[0]]
			other := filepath.Join(t.TempDir(), "other")
			if err := Merge(t.Context(), other, base, adapter, l, F32, base.Files()); err == nil || !strings.Contains(err.Error(), "matrices for model.layers.9.mlp.up_proj") {
				t.Errorf("error %v", err)
			}
			if _, err := os.Stat(other); err == nil {
				t.Error("a model was written")
			}
		})
	}
}

func TestAdapterErrors(t *testing.T) {
	const good = `"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":["q"]`
	pair := string(st(`{"base_model.model.q.lora_A.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"base_model.model.q.lora_B.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}}`, make([]byte, 8)...))
	for _, test := range []struct {
		name, why string
		config    string
		tensors   string
		want      []string // none: it is read
	}{
		{"good", "the least", `{` + good + `}`, pair, nil},
		{"off", "features that are off, of whatever version", `{` + good + `,"use_dora":false,"modules_to_save":[],"rank_pattern":{},"some_new_config":null}`, pair, nil},
		{"pattern", "targets of Python's regular expressions: the tensors say it", `{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":".*q"}`, pair, nil},
		{"features", "all of them are told", `{` + good + `,"use_dora":true,"modules_to_save":["lm_head"],"rank_pattern":{"q":8},"some_new_config":{"x":1}}`, pair,
			[]string{"use_dora is true", `modules_to_save is ["lm_head"]`, `rank_pattern is {"q":8}`, "some_new_config is", "merge_and_unload"}},
		{"kind", "another of PEFT's", `{"peft_type":"IA3"}`, pair, []string{`peft_type "IA3"; expected LORA`, "r is 0"}},
		{"bias", "trained biases", `{` + good + `,"bias":"all"}`, pair, []string{`bias "all"; expected none`}},
		{"pissa", "its base model is another", `{` + good + `,"init_lora_weights":"pissa"}`, pair, []string{`init_lora_weights "pissa"`}},
		{"no tensors", "cut short", `{` + good + `}`, "", []string{"no adapter_model.safetensors"}},
		{"rank", "the config is of another adapter", `{"peft_type":"LORA","r":2,"lora_alpha":1}`, pair, []string{"A has shape [1 1] and B [1 1]; expected [2, in] and [out, 2]"}},
		{"half", "B is missing", `{` + good + `}`, string(st(`{"base_model.model.q.lora_A.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}`, make([]byte, 4)...)), []string{"B []"}},
		{"embedding", "no linear layer", `{` + good + `}`, string(st(`{"base_model.model.e.lora_embedding_A":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, make([]byte, 4)...)), []string{`lora_embedding_A"; expected only`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{adapterConfigName: test.config, adapterName: test.tensors} {
				if text != "" {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
						t.Fatal(err)
					}
				}
			}
			m, l, err := OpenAdapter(t.Context(), dir)
			if len(test.want) == 0 {
				if err != nil {
					t.Fatalf("%v (%s)", err, test.why)
				}
				if err := m.Close(); err != nil || !slices.Equal(l.Targets, []string{"q"}) {
					t.Errorf("targets %q, error %v", l.Targets, err)
				}
				return
			}
			for _, want := range append(test.want, dir) {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v; want %q in it (%s)", err, want, test.why)
				}
			}
		})
	}
}

func FuzzParseLoRA(f *testing.F) {
	f.Add([]byte(`{"peft_type":"LORA","r":4,"lora_alpha":8,"target_modules":["q"],"use_dora":false}`))
	f.Add([]byte(`{"peft_type":"LORA","r":4,"lora_alpha":8,"target_modules":"all","modules_to_save":["x"]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseLoRA(data)
		if err == nil && (l.Rank < 1 || math.IsNaN(l.Scale())) {
			t.Errorf("%+v was read", l)
		}
	})
}
