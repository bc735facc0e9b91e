package qa

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorqa/files/weights"
	"gorqa/tensor/tape"
)

// What transformers would train otherwise is told where something is trained.
func TestNotesOfDropout(t *testing.T) {
	for _, test := range []struct {
		name, why, config string
		trained           bool
		want              []string
	}{
		{"dropout", "is not applied", `{"model_type": "llama", "attention_dropout": 0.1}`, true, []string{"attention_dropout 0.1, which transformers trains with"}},
		{"asked", "nothing drops out", `{"model_type": "llama", "attention_dropout": 0.1}`, false, nil},
		{"none", "as most have it", `{"model_type": "llama", "attention_dropout": 0.0}`, true, nil},
		{"left out", "as most have it", `{"model_type": "llama"}`, true, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(test.config), 0o644); err != nil {
				t.Fatal(err)
			}
			w := weights.Tensor{Name: "w", DType: weights.F32, Shape: []int{1}, Data: func() (any, error) { return []float32{1}, nil }}
			if err := weights.WriteSafetensors(t.Context(), filepath.Join(dir, "model.safetensors"), []weights.Tensor{w}, nil); err != nil {
				t.Fatal(err)
			}
			source, err := OpenModel(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			got := notes(source, []tape.Weight{{Name: "w"}}, test.trained)
			if len(got) != len(test.want) || len(got) > 0 && !strings.Contains(got[0], test.want[0]) {
				t.Errorf("%s: %q; %q expected", test.why, got, test.want)
			}
		})
	}
}

func TestArchitectureOf(t *testing.T) {
	for _, test := range []struct {
		name, why, config string
		kind              Kind
		want              bool
		problem           string
	}{
		{"t5", "for any command", `{"model_type": "t5"}`, AnyKind, true, ""},
		{"t5 by its recipe", "trains it", `{"model_type": "t5"}`, EncoderDecoder, true, ""},
		{"decoder", "for any command", `{"model_type": "qwen2"}`, AnyKind, false, ""},
		{"decoder by its recipe", "trains it", `{"model_type": "qwen2"}`, DecoderOnly, false, ""},
		{"t5 by another", "the right command is named", `{"model_type": "t5"}`, DecoderOnly, false, "gorqa train fid"},
		{"decoder by another", "the right commands are named", `{"model_type": "qwen2"}`, EncoderDecoder, false, "gorqa train sft or gorqa train swr"},
		{"unknown", "all that are known are named", `{"model_type": "mt5"}`, AnyKind, false, `"mt5"; expected one of gemma, gemma2, gemma3_text, granite, llama, ministral, ministral3, mistral, olmo2, olmo3, phi3, qwen2, qwen3, smollm3, t5`},
		{"broken", "is no configuration", `{`, AnyKind, false, "config.json:1: the end found; more JSON expected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := architectureOf([]byte(test.config), test.kind)
			if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%s: %v; %q expected", test.why, err, test.problem)
			}
			if err == nil && (got.kind == EncoderDecoder) != test.want {
				t.Errorf("%s: %v", test.why, got.types)
			}
		})
	}
}

// FuzzGenerationConfig reads generation_config.json and config.json: tokens that
// end an answer, listed in the file that an export gets; or an error.
func FuzzGenerationConfig(f *testing.F) {
	for _, config := range []string{`null`, `{"eos_token_id": 2}`, `{"text_config": {"eos_token_id": [2, 3]}}`, `[]`} {
		f.Add([]byte(`{"eos_token_id": [1, 1, -1], "do_sample": false, "temperature": 0.6, "num_beams": 1, "early_stopping": true}`), []byte(config))
		f.Add([]byte(`{"eos_token_id": 1e9, "pad_token_id": -1, "_from_model_config": true}`), []byte(config))
		f.Add([]byte(`null`), []byte(config))
	}
	tok := wordy(f)
	f.Fuzz(func(t *testing.T, generation, config []byte) {
		s := TextSide{Folder: "m", Tokenizer: tok, Config: config, Files: map[string][]byte{generationFile: generation}}
		ends, err := s.Ends()
		if err != nil {
			return
		}
		for _, id := range ends {
			if id < 0 {
				t.Errorf("ends %v", ends)
			}
		}
		files := map[string][]byte{generationFile: generation}
		if err := s.exportEnds(files, nil); err != nil || len(ends) == 0 {
			return
		}
		s.Files, s.Config = files, nil
		if again, err := s.Ends(); err != nil || !slices.Equal(again, ends) {
			t.Errorf("ends %v, exported %v: %v\n%s", ends, again, err, files[generationFile])
		}
	})
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
		if file.Template == nil || file.K < 0 || file.K > MostPassages || file.MaxTokens < 0 || file.MaxTokens > MostTokens || file.MaxAnswer < 0 || file.MaxAnswer > MostTokens {
			t.Errorf("%+v passed", file)
		}
	})
}
