package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorqa/config"
)

func TestIsFusion(t *testing.T) {
	for _, test := range []struct {
		name, why, config, recipe string
		want                      bool
		problem                   string
	}{
		{"t5", "for any command", `{"model_type": "t5"}`, "", true, ""},
		{"t5 by its recipe", "trains it", `{"model_type": "t5"}`, config.FiD, true, ""},
		{"decoder", "for any command", `{"model_type": "qwen2"}`, "", false, ""},
		{"decoder by its recipe", "trains it", `{"model_type": "qwen2"}`, config.SwR, false, ""},
		{"t5 by another", "the right command is named", `{"model_type": "t5"}`, config.SFT, false, "gorqa train fid"},
		{"decoder by another", "the right commands are named", `{"model_type": "qwen2"}`, config.FiD, false, "gorqa train sft or gorqa train swr"},
		{"unknown", "all that are known are named", `{"model_type": "mt5"}`, "", false, `"mt5"; expected one of llama, mistral, qwen2, qwen3, t5`},
		{"broken", "is no configuration", `{`, "", false, "config.json: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := isFusion([]byte(test.config), test.recipe)
			if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%s: %v; %q expected", test.why, err, test.problem)
			}
			if err == nil && got != test.want {
				t.Errorf("%s: %v", test.why, got)
			}
		})
	}
}

// A model's own file is read from its folder; a GGUF file has none.
func TestOwnFile(t *testing.T) {
	dir := t.TempDir()
	gguf := filepath.Join(dir, "m.gguf")
	for path, text := range map[string]string{filepath.Join(dir, fidName): "here", gguf: "GGUF"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ name, why, folder, want string }{
		{"folder", "beside the model", dir, "here"},
		{"nothing", "a model from elsewhere", t.TempDir(), ""},
		{"gguf", "has no folder of its own", gguf, ""},
	} {
		b := base{folder: test.folder, files: map[string][]byte{}}
		if err := b.own(fidName); err != nil || string(b.files[fidName]) != test.want {
			t.Errorf("%s: %q, error %v; %s", test.name, b.files[fidName], err, test.why)
		}
	}
}
