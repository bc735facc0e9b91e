package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// GGUFVocab is the vocabulary of a GGUF file: its tokenizer.ggml.* keys.
type GGUFVocab struct {
	Model  string // "gpt2", "llama", "bert" or "t5"
	Pre    string // the name of the pre-tokenizer of a "gpt2" model
	Tokens []string
	Scores []float32 // of "llama" and "t5"
	Types  []int32   // 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
	Merges []string  // of "gpt2"; "left right"

	BOS, EOS, UNK, PAD int32 // ids, -1 where there is none
	AddBOS, AddEOS     bool
	AddSpacePrefix     bool // of "llama" and "t5"
	Charsmap           []byte
}

// Token types of GGUF, which took SentencePiece's numbers.
const (
	typeNormal      = 1
	typeUnknown     = 2
	typeControl     = 3
	typeUserDefined = 4
	typeUnused      = 5
	typeByte        = 6
)

// object keeps the order in which encoding/json writes maps: by key.
type object = map[string]any

// pre-tokenizers of byte-level models, by their name in llama.cpp
// (src/llama-vocab.cpp). The models' own tokenizer.json files are followed.
func ggufPreTokenizer(pre string) (normalizer, preTokenizer object, ignoreMerges bool, err error) {
	byteLevel := func(regex bool) object {
		return object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex}
	}
	split := func(pattern string) object {
		return object{"type": "Sequence", "pretokenizers": []object{
			{"type": "Split", "pattern": object{"Regex": pattern}, "behavior": "Isolated", "invert": false},
			byteLevel(false),
		}}
	}
	switch pre {
	case "gpt-2", "phi-2":
		return nil, byteLevel(true), false, nil
	case "smollm", "starcoder", "refact", "command-r":
		if pre == "command-r" {
			normalizer = object{"type": "NFC"}
		}
		return normalizer, object{"type": "Sequence", "pretokenizers": []object{
			{"type": "Digits", "individual_digits": true}, byteLevel(true),
		}}, false, nil
	case "llama-bpe", "llama3", "llama-v3":
		return nil, split(patternLlama3), true, nil
	case "dbrx", "smaug-bpe": // the same, but merges count within words of the vocabulary
		return nil, split(patternLlama3), false, nil
	case "qwen2", "deepseek-r1-qwen":
		return object{"type": "NFC"}, split(patternQwen2), false, nil
	}
	return nil, nil, false, fmt.Errorf("tokenizer.ggml.pre %q is not known; one of gpt-2, smollm, starcoder, llama-bpe, dbrx, qwen2 is expected; take the tokenizer.json of the model instead", pre)
}

// FromGGUF writes the tokenizer.json that the vocabulary of a GGUF file stands
// for.
func FromGGUF(v GGUFVocab) ([]byte, error) {
	if len(v.Tokens) == 0 {
		return nil, errors.New("tokenizer.ggml.tokens: none found; the vocabulary is expected")
	}
	if v.Types != nil && len(v.Types) != len(v.Tokens) {
		return nil, fmt.Errorf("tokenizer.ggml.token_type: %d found; one for each of the %d tokens is expected", len(v.Types), len(v.Tokens))
	}
	for _, f := range []struct {
		name string
		id   int32
	}{{"bos", v.BOS}, {"eos", v.EOS}, {"unknown", v.UNK}, {"padding", v.PAD}} {
		if int(f.id) >= len(v.Tokens) || f.id < -1 {
			return nil, fmt.Errorf("tokenizer.ggml.%s_token_id: %d found; an id below %d, or -1 for none, is expected", f.name, f.id, len(v.Tokens))
		}
	}
	file := object{
		"version": "1.0", "truncation": nil, "padding": nil,
		"added_tokens": v.addedTokens(), "post_processor": v.template(),
		"normalizer": nil, "pre_tokenizer": nil,
	}
	var err error
	switch v.Model {
	case "gpt2":
		err = v.byteLevelBPE(file)
	case "llama":
		err = v.metaspaceBPE(file)
	case "bert":
		err = v.wordPiece(file)
	case "t5":
		err = v.unigram(file)
	default:
		err = fmt.Errorf("tokenizer.ggml.model %q is not known; one of gpt2, llama, bert, t5 is expected", v.Model)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(file)
}

func (v *GGUFVocab) kind(id int) int32 {
	if v.Types == nil {
		return 1
	}
	return v.Types[id]
}

// special says whether a token is one by its type or because the file names its
// id.
func (v *GGUFVocab) special(id int) bool {
	kind := v.kind(id)
	return kind == typeControl || kind == typeUnknown || slices.Contains([]int32{v.BOS, v.EOS, v.UNK, v.PAD}, int32(id))
}

func (v *GGUFVocab) addedTokens() []object {
	added := []object{}
	for id, token := range v.Tokens {
		special := v.special(id)
		if !special && v.kind(id) != typeUserDefined || token == "" {
			continue
		}
		added = append(added, object{
			"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
			"normalized": false, "special": special,
		})
	}
	return added
}

// template is the post-processor that adds the tokens of add_bos and add_eos.
func (v *GGUFVocab) template() object {
	var bos, eos string
	if v.AddBOS && v.BOS >= 0 {
		bos = v.Tokens[v.BOS]
	}
	if v.AddEOS && v.EOS >= 0 {
		eos = v.Tokens[v.EOS]
	}
	return template(bos, v.BOS, eos, v.EOS)
}

// template is the post-processor that puts bos before and eos after a text,
// where they are not empty.
func template(bos string, bosID int32, eos string, eosID int32) object {
	single, specials := []object{}, object{}
	add := func(token string, id int32) {
		if token == "" {
			return
		}
		single = append(single, object{"SpecialToken": object{"id": token, "type_id": 0}})
		specials[token] = object{"id": token, "ids": []int32{id}, "tokens": []string{token}}
	}
	add(bos, bosID)
	single = append(single, object{"Sequence": object{"id": "A", "type_id": 0}})
	add(eos, eosID)
	if len(single) == 1 {
		return nil
	}
	pair := append(slices.Clone(single), object{"Sequence": object{"id": "B", "type_id": 1}})
	return object{"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": specials}
}

func tokenIDs(tokens []string) map[string]int {
	ids := make(map[string]int, len(tokens))
	for id, token := range tokens {
		ids[token] = id
	}
	return ids
}

func (v *GGUFVocab) byteLevelBPE(file object) error {
	normalizer, pre, ignore, err := ggufPreTokenizer(v.Pre)
	if err != nil {
		return err
	}
	if normalizer != nil {
		file["normalizer"] = normalizer
	}
	file["pre_tokenizer"] = pre
	file["decoder"] = object{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}
	merges := make([][]string, len(v.Merges))
	for i, m := range v.Merges {
		left, right, ok := strings.Cut(m, " ")
		if !ok || left == "" || right == "" || strings.Contains(right, " ") {
			return fmt.Errorf("tokenizer.ggml.merges[%d]: %q; two tokens with one space between are expected", i, m)
		}
		merges[i] = []string{left, right}
	}
	file["model"] = object{
		"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
		"fuse_unk": false, "byte_fallback": false, "ignore_merges": ignore, "vocab": tokenIDs(v.Tokens), "merges": merges,
	}
	return nil
}

// metaspaceBPE rebuilds the merges of a SentencePiece BPE model: every way to
// make a token of two others, best score first (as transformers' converter).
func (v *GGUFVocab) metaspaceBPE(file object) error {
	if len(v.Scores) != len(v.Tokens) {
		return fmt.Errorf("tokenizer.ggml.scores: %d found; one for each of the %d tokens is expected", len(v.Scores), len(v.Tokens))
	}
	var normalizers []object
	if v.AddSpacePrefix {
		normalizers = append(normalizers, object{"type": "Prepend", "prepend": metaRune})
	}
	normalizers = append(normalizers, object{"type": "Replace", "pattern": object{"String": " "}, "content": metaRune})
	file["normalizer"] = object{"type": "Sequence", "normalizers": normalizers}
	file["decoder"] = metaspaceBPEDecoder(v.AddSpacePrefix)
	model := metaspaceBPEModel(v.Tokens, scoredMerges(v.Tokens, v.Scores, v.kind))
	if v.UNK >= 0 {
		model["unk_token"] = v.Tokens[v.UNK]
	}
	file["model"] = model
	return nil
}

// metaspaceBPEDecoder undoes ▁ and byte tokens, and takes the space off the
// front that the encoder put there.
func metaspaceBPEDecoder(prefixed bool) object {
	decoders := []object{
		{"type": "Replace", "pattern": object{"String": metaRune}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
	}
	if prefixed {
		decoders = append(decoders, object{"type": "Strip", "content": " ", "start": 1, "stop": 0})
	}
	return object{"type": "Sequence", "decoders": decoders}
}

func metaspaceBPEModel(tokens []string, merges [][2]string) object {
	return object{
		"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
		"fuse_unk": true, "byte_fallback": true, "ignore_merges": false, "vocab": tokenIDs(tokens), "merges": merges,
	}
}

// metaspaceOf is the pre-tokenizer, and the decoder, of that name.
func metaspaceOf(scheme string, split bool) object {
	return object{"type": "Metaspace", "replacement": metaRune, "prepend_scheme": scheme, "split": split}
}

// scoredMerges lists the merges that a SentencePiece BPE model implies.
func scoredMerges(tokens []string, scores []float32, kind func(id int) int32) [][2]string {
	ids := tokenIDs(tokens)
	type scored struct {
		pair  [2]string
		score float32
		left  int
		right int
		id    int
	}
	var found []scored
	for _, token := range slices.Sorted(maps.Keys(ids)) {
		id := ids[token]
		if kind(id) == typeControl || kind(id) == typeUnknown {
			continue
		}
		for pair := range halves(token, ids) {
			found = append(found, scored{pair, scores[id], ids[pair[0]], ids[pair[1]], id})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id), cmp.Compare(a.left, b.left), cmp.Compare(a.right, b.right))
	})
	merges := make([][2]string, len(found))
	for i, f := range found {
		merges[i] = f.pair
	}
	return merges
}

// halves yields every way to make a token of two others, shortest left one
// first.
func halves(token string, ids map[string]int) iter.Seq[[2]string] {
	return func(yield func([2]string) bool) {
		for i := range token {
			if i == 0 {
				continue
			}
			_, left := ids[token[:i]]
			_, right := ids[token[i:]]
			if left && right && !yield([2]string{token[:i], token[i:]}) {
				return
			}
		}
	}
}

// wordPiece turns llama.cpp's spelling, ▁ before a word's first token, back
// into BERT's, ## before the others.
func (v *GGUFVocab) wordPiece(file object) error {
	ids := make(map[string]int, len(v.Tokens))
	for id, token := range v.Tokens {
		if !v.special(id) && v.kind(id) != typeUserDefined {
			if rest, ok := strings.CutPrefix(token, "▁"); ok {
				token = rest
			} else if !strings.HasPrefix(token, "[") || !strings.HasSuffix(token, "]") {
				token = "##" + token
			}
		}
		ids[token] = id
	}
	if v.UNK < 0 {
		return errors.New("tokenizer.ggml.unknown_token_id: none found; a WordPiece model needs one")
	}
	file["normalizer"] = object{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": nil, "lowercase": true}
	file["pre_tokenizer"] = object{"type": "BertPreTokenizer"}
	file["decoder"] = object{"type": "WordPiece", "prefix": "##", "cleanup": true}
	file["model"] = object{
		"type": "WordPiece", "unk_token": v.Tokens[v.UNK], "continuing_subword_prefix": "##",
		"max_input_chars_per_word": 100, "vocab": ids,
	}
	return nil
}

func (v *GGUFVocab) unigram(file object) error {
	if len(v.Scores) != len(v.Tokens) {
		return fmt.Errorf("tokenizer.ggml.scores: %d found; one for each of the %d tokens is expected", len(v.Scores), len(v.Tokens))
	}
	vocab := make([][]any, len(v.Tokens))
	for i, token := range v.Tokens {
		vocab[i] = []any{token, v.Scores[i]}
	}
	scheme := "never"
	if v.AddSpacePrefix {
		scheme = "always"
	}
	metaspace := metaspaceOf(scheme, true)
	normalizers := []object{}
	if len(v.Charsmap) > 0 {
		normalizers = append(normalizers, object{"type": "Precompiled", "precompiled_charsmap": v.Charsmap})
	}
	normalizers = append(normalizers,
		object{"type": "Strip", "strip_left": false, "strip_right": true},
		object{"type": "Replace", "pattern": object{"Regex": " {2,}"}, "content": "▁"})
	file["normalizer"] = object{"type": "Sequence", "normalizers": normalizers}
	file["pre_tokenizer"], file["decoder"] = metaspace, metaspace
	model := object{"type": "Unigram", "vocab": vocab, "unk_id": nil, "byte_fallback": false}
	if v.UNK >= 0 {
		model["unk_id"] = v.UNK
	}
	file["model"] = model
	return nil
}
