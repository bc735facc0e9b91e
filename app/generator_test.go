package app

import (
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

// FuzzFidFile reads fid.json: a prompt and numbers within bounds, or an error.
func FuzzFidFile(f *testing.F) {
	f.Add([]byte(`{"version": 1, "k": 4, "max_encoder_seq_length": 512, "max_decoder_seq_length": 256, "prompt": {"kind": "default"}}`))
	f.Add([]byte(`{"version": 1, "k": -1, "max_encoder_seq_length": 1e18, "prompt": null}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var file fidFile
		if err := file.read(data); err != nil {
			return
		}
		if file.Template == nil || file.K < 0 || file.K > config.MostRows || file.MaxTokens < 0 || file.MaxTokens > config.MostTokens || file.MaxAnswer < 0 || file.MaxAnswer > config.MostTokens {
			t.Errorf("%+v passed", file)
		}
	})
}
