package qa

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorqa/files/weights"
	"gorqa/tensor/arch/bert"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/arch/t5"
	"gorqa/tensor/embed"
	"gorqa/tensor/train"
	"gorqa/text/prompt"
	"gorqa/text/tokenizer"
)

// Every reader of what models ship and runs leave says where a value of the wrong type
// stands, and never what Go calls the type.
func TestFilesOfModelsAreToldByTheirOwnNames(t *testing.T) {
	folder := func(name, text string) string {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	side := func(name, text string) TextSide {
		return TextSide{Folder: "run", Files: map[string][]byte{name: []byte(text)}}
	}
	err := func(_ any, err error) error { return err }
	model := func(text string) error { return err(tokenizer.Parse([]byte(`{"model": ` + text + `}`))) }
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"llama", err(llama.ParseConfig([]byte("{\"model_type\": \"llama\",\n \"hidden_size\": \"64\"}"))), `config.json:2: hidden_size: "64" found; a whole number expected`},
		{"llama's setting", err(llama.ParseConfig([]byte("{\"model_type\": \"llama\",\n \"num_key_value_heads\": \"2\"}"))), `config.json:2: num_key_value_heads: "2" found; a whole number expected`},
		{"llama's rope", err(llama.ParseConfig([]byte(`{"model_type": "llama", "rope_scaling": {"factor": "2"}}`))), `config.json: rope_scaling: factor: "2" found; a number expected`},
		{"llama's rope, a text", err(llama.ParseConfig([]byte(`{"model_type": "llama", "rope_scaling": "linear"}`))), `config.json: rope_scaling: "linear" found; an object expected`},
		{"t5", err(t5.ParseConfig([]byte(`{"model_type": "t5", "d_model": []}`), nil)), "config.json:1: d_model: a list found; a whole number expected"},
		{"t5's generation", err(t5.ParseConfig([]byte(`{"model_type": "t5"}`), []byte(`{"decoder_start_token_id": "0"}`))), `generation_config.json:1: decoder_start_token_id: "0" found; a whole number expected`},
		{"bert", err(bert.ParseConfig([]byte(`{"model_type": "bert", "hidden_size": 1.5}`))), "config.json:1: hidden_size: 1.5 found; a whole number expected"},
		{"bert's rope", err(bert.ParseConfig([]byte(`{"model_type": "modernbert", "rope_parameters": 5}`))), "rope_parameters: 5 found; an object expected"},
		{"type of a generator", err(architectureOf([]byte(`{"model_type": ["llama"]}`), AnyKind)), "config.json:1: model_type: a list found; a text expected"},
		{"type of an encoder", err(encoderOf([]byte(`{"model_type": 1}`))), "config.json:1: model_type: 1 found; a text expected"},
		{"adapter", err(weights.ReadLoRA(t.Context(), folder("adapter_config.json", "{\n\"r\": \"8\"}"))), `adapter_config.json: line 2: r: "8" found; a whole number expected`},
		{"shards", err(weights.Open(t.Context(), shards(t))), "model.safetensors.index.json:1: weight_map.a: 1 found; a text expected"},
		{"chat template", err(weights.ChatTemplate(map[string][]byte{"tokenizer_config.json": []byte(`{"chat_template": 5}`)})), "chat_template is neither a text nor a list of named ones: 5 found; a list expected"},
		{"ends", err(TextSide{Folder: "run", Config: []byte(`{"text_config": []}`)}.Ends()), "run/config.json:1: text_config: a list found; an object expected"},
		{"prompt of a run", err(side(prompt.FileName, `{"version": "1"}`).saved()), `the saved prompt template does not read: version: "1" found; a whole number expected`},
		{"fid.json", new(fidFile).read([]byte("{\"version\": 1,\n\"k\": \"4\"}")), `line 2: k: "4" found; a whole number expected`},
		{"prompt in fid.json", new(fidFile).read([]byte(`{"version": 1, "prompt": {"format": []}}`)), "the saved prompt template does not read: format: a list found; an object expected"},
		{"pooling", err(embed.ReadSettings(pooled(t, `{"pooling_mode_cls_token": "yes"}`), "m")), `pooling_mode_cls_token: "yes" found; true or false expected`},
		{"pooling's mode", err(embed.ReadSettings(pooled(t, `{"pooling_mode": 3}`), "m")), "pooling_mode: 3 found; a list expected"},
		{"state of a checkpoint", err(train.ReadState(folder("trainer_state.json", "{\n\"global_step\": \"3\"}"))), "trainer_state.json: line 2: "},
		{"tokenizer", err(tokenizer.Parse([]byte("{\"model\": {},\n\"added_tokens\": {}}"))), "line 2: added_tokens: an object found; a list expected"},
		{"normaliser", err(tokenizer.Parse([]byte(`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "normalizer": "NFC"}`))), `normalizer: "NFC" found; an object expected`},
		{"vocabulary", model(`{"type": "BPE", "vocab": {"a": "0"}, "merges": []}`), `vocab: a: "0" found; a whole number expected`},
		{"merges", model(`{"type": "BPE", "vocab": {"a": 0}, "merges": {"a": 1}}`), "merges: an object found; a list expected"},
		{"unigram", model(`{"type": "Unigram", "vocab": {"a": 0}}`), "vocab: an object found; a list expected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
				t.Errorf("%v; expected %s", test.err, test.want)
			} else if text := test.err.Error(); strings.Contains(text, "Go ") || strings.Contains(text, "unmarshal") {
				t.Errorf("a Go name: %s", text)
			}
		})
	}
}

// shards is a model's folder whose index names no file.
func shards(t *testing.T) string {
	dir := t.TempDir()
	for name, value := range map[string]any{"config.json": map[string]any{"model_type": "llama"}, "model.safetensors.index.json": map[string]any{"weight_map": map[string]any{"a": 1}}} {
		data, err := json.Marshal(value)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pooled is the folder of an embedding model with settings of its pooling.
func pooled(t *testing.T, settings string) string {
	dir := t.TempDir()
	err := os.Mkdir(filepath.Join(dir, "1_Pooling"), 0o755)
	for name, text := range map[string]string{
		"modules.json":          `[{"path": "", "type": "sentence_transformers.models.Transformer"}, {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]`,
		"1_Pooling/config.json": settings,
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
