package tokenizer

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// bertClasses are the tokenizers of transformers that take letters as BERT's does, each
// by its model_type; their names can end in Fast.
var bertClasses = map[string]string{
	"bert": "BertTokenizer", "distilbert": "DistilBertTokenizer", "electra": "ElectraTokenizer", "mpnet": "MPNetTokenizer",
}

// takesLettersAsBERT goes by a class, or by a model_type where no class is given.
func takesLettersAsBERT(class *string, modelType string) bool {
	if class == nil {
		return bertClasses[modelType] != ""
	}
	return slices.Contains(slices.Collect(maps.Values(bertClasses)), strings.TrimSuffix(*class, "Fast"))
}

// likeBERT gives BERT's normalizer the settings of a tokenizer_config.json, which go
// before those of tokenizer.json in transformers 4 and 5 where the class is BERT's or
// one like it: said there, or by the model_type of the config.json beside it. What the
// configuration leaves out is BERT's default. A file that agrees stays as it is.
func likeBERT(data, config, model []byte) ([]byte, error) {
	c := struct {
		Class        *string `json:"tokenizer_class"`
		Lowercase    bool    `json:"do_lower_case"`
		StripAccents *bool   `json:"strip_accents"`
		Chinese      bool    `json:"tokenize_chinese_chars"`
	}{Lowercase: true, Chinese: true}
	if err := unmarshalFile(configName, config, &c); err != nil {
		return nil, err
	}
	var m struct {
		Type string `json:"model_type"`
	}
	if c.Class == nil {
		if err := unmarshalFile(modelName, model, &m); err != nil {
			return nil, err
		}
	}
	if !takesLettersAsBERT(c.Class, m.Type) {
		return data, nil
	}
	var file map[string]json.RawMessage
	var n component
	if json.Unmarshal(data, &file) != nil || json.Unmarshal(file["normalizer"], &n) != nil || n.Type != "BertNormalizer" {
		return data, nil // Parse says what is wrong with it
	}
	same := func(a, b *bool) bool { return a == b || a != nil && b != nil && *a == *b }
	if !isFalse(n.Lowercase) == c.Lowercase && !isFalse(n.HandleChineseChars) == c.Chinese && same(n.StripAccents, c.StripAccents) {
		return data, nil
	}
	var err error
	file["normalizer"], err = json.Marshal(map[string]any{
		"type": n.Type, "clean_text": !isFalse(n.CleanText), "handle_chinese_chars": c.Chinese, "strip_accents": c.StripAccents, "lowercase": c.Lowercase,
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(file)
}
