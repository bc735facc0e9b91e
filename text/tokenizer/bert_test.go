package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Where both say something of BERT's tokenizer, transformers 5.23.0 and 4.46.3 go by
// tokenizer_config.json; with another class they do not look at it.
func TestLikeBERT(t *testing.T) {
	const (
		upper, lower = `"lowercase":false`, `"lowercase":true`
		model        = `,"handle_chinese_chars":true,"clean_text":true,"strip_accents":null},"pre_tokenizer":{"type":"BertPreTokenizer"},` +
			`"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"the":1,"The":2,"à":3,"a":4,"漢":5,"漢a":6}}}`
	)
	for _, c := range []struct {
		name, why, normalizer, tokenizer, config, text string
		want                                           []int32
	}{
		{"cased", "though tokenizer.json lowers", lower, `{"tokenizer_class":"BertTokenizer","do_lower_case":false}`, "", "The à", []int32{2, 3}},
		{"lowered", "though tokenizer.json does not", upper, `{"tokenizer_class":"BertTokenizerFast","do_lower_case":true}`, "", "The à", []int32{1, 4}},
		{"by default", "do_lower_case is true where it is left out", upper, `{"tokenizer_class":"BertTokenizer"}`, "", "The", []int32{1}},
		{"accents stay", "strip_accents goes its own way", lower, `{"tokenizer_class":"BertTokenizer","strip_accents":false}`, "", "The à", []int32{1, 3}},
		{"Chinese", "not cut into characters", lower, `{"tokenizer_class":"BertTokenizer","tokenize_chinese_chars":false}`, "", "漢a", []int32{6}},
		{"a class like it", "of another encoder", lower, `{"tokenizer_class":"MPNetTokenizerFast","do_lower_case":false}`, "", "The", []int32{2}},
		{"class by model", "tokenizer_class is left out", lower, `{"do_lower_case":false}`, `{"model_type":"bert"}`, "The", []int32{2}},
		{"no configuration", "the model's type says it", upper, "", `{"model_type":"bert"}`, "The", []int32{1}},
		{"another class", "takes tokenizer.json as it is", upper, `{"tokenizer_class":"PreTrainedTokenizerFast","do_lower_case":true}`, `{"model_type":"bert"}`, "The", []int32{2}},
		{"another model", "takes tokenizer.json as it is", upper, `{"do_lower_case":true}`, `{"model_type":"llama"}`, "The", []int32{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{"tokenizer.json": `{"normalizer":{"type":"BertNormalizer",` + c.normalizer + model, configName: c.tokenizer, modelName: c.config} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			k, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := k.Encode(c.text, false); !slices.Equal(got, c.want) {
				t.Errorf("%q is %v; want %v: %s", c.text, got, c.want, c.why)
			}
		})
	}
}
