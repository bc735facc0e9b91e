package weights

import "slices"

// GGUFVocab is the vocabulary in a GGUF file: its tokenizer.ggml.* keys. What they mean
// knows who makes a tokenizer of them.
type GGUFVocab struct {
	Model  string // "gpt2", "llama", "bert" or "t5"
	Pre    string // the name of the pre-tokenizer of a "gpt2" model
	Tokens []string
	Scores []float32 // of "llama" and "t5"
	Types  []int32
	Merges []string // of "gpt2"

	BOS, EOS, UNK, PAD int32 // ids, -1 where there is none
	AddBOS, AddEOS     bool
	AddSpacePrefix     bool // of "llama" and "t5"
	Charsmap           []byte
}

// Vocabulary is that of a GGUF file, of which a tokenizer.json is yet to be made; a
// folder has none.
func (m *Model) Vocabulary() (v GGUFVocab, ok bool) {
	if m.vocab == nil {
		return v, false
	}
	return *m.vocab, true
}

// SetTokenizer gives the model the tokenizer.json that its vocabulary stands for.
func (m *Model) SetTokenizer(data []byte) { m.files[tokenizerName] = data }

// vocab is the tokenizer's part of the metadata.
func (k *ggufKeys) vocab() GGUFVocab {
	model := k.text("tokenizer.ggml.model", "")
	pre := k.text("tokenizer.ggml.pre", "")
	v := GGUFVocab{
		Model:  model,
		Pre:    pre,
		Tokens: k.texts("tokenizer.ggml.tokens"),
		Merges: k.texts("tokenizer.ggml.merges"),
		BOS:    k.tokenID("bos"), EOS: k.tokenID("eos"), UNK: k.tokenID("unknown"), PAD: k.tokenID("padding"),
		AddBOS:         k.flag("tokenizer.ggml.add_bos_token", model == "llama" || model == "gpt2" && pre == "llama-bpe"),
		AddEOS:         k.flag("tokenizer.ggml.add_eos_token", model == "t5"),
		AddSpacePrefix: k.flag("tokenizer.ggml.add_space_prefix", model == "llama" || model == "t5"),
	}
	for _, n := range k.numbers("tokenizer.ggml.scores") {
		v.Scores = append(v.Scores, float32(n))
	}
	for _, n := range k.numbers("tokenizer.ggml.token_type") {
		v.Types = append(v.Types, int32(n))
	}
	for _, n := range k.numbers("tokenizer.ggml.precompiled_charsmap") {
		v.Charsmap = append(v.Charsmap, byte(n))
	}
	return v
}

// tokenizerConfig is the tokenizer_config.json, with the chat template.
func (k *ggufKeys) tokenizerConfig(v GGUFVocab) map[string]any {
	config := map[string]any{
		"tokenizer_class":              "PreTrainedTokenizerFast",
		"model_max_length":             k.count("context_length"),
		"clean_up_tokenization_spaces": false,
		"add_bos_token":                v.AddBOS,
		"add_eos_token":                v.AddEOS,
	}
	for _, t := range []struct {
		name string
		id   int32
	}{{"bos_token", v.BOS}, {"eos_token", v.EOS}, {"unk_token", v.UNK}, {"pad_token", v.PAD}} {
		if t.id >= 0 && int(t.id) < len(v.Tokens) {
			config[t.name] = v.Tokens[t.id]
		}
	}
	if template := k.text("tokenizer.chat_template", ""); template != "" {
		config["chat_template"] = template
	}
	return config
}

// generationConfig is the generation_config.json: where to begin and to stop.
func (k *ggufKeys) generationConfig(v GGUFVocab) map[string]any {
	config := map[string]any{"_from_model_config": true}
	if v.BOS >= 0 {
		config["bos_token_id"] = v.BOS
	}
	var ends []int32
	for _, id := range []int32{v.EOS, k.tokenID("eot"), k.tokenID("eom")} {
		if id >= 0 && !slices.Contains(ends, id) {
			ends = append(ends, id)
		}
	}
	switch len(ends) {
	case 0:
	case 1:
		config["eos_token_id"] = ends[0]
	default:
		config["eos_token_id"] = ends
	}
	if v.PAD >= 0 {
		config["pad_token_id"] = v.PAD
	}
	return config
}
