package tokenizer_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"gorqa/text/tokenizer"
)

// A vocabulary as GGUF holds it stands for the tokenizer that it was made of: read
// again, it gives the same ids.
func TestGGUFThereAndBack(t *testing.T) {
	for _, c := range []struct {
		name, model, pre string
		notes            int
	}{
		{"smollm2", "gpt2", "smollm", 0},
		{"llama3", "gpt2", "llama-bpe", 0},
		{"qwen2", "gpt2", "qwen2", 1},        // composes characters
		{"bpe.model", "llama", "default", 1}, // a space before a text alone
	} {
		t.Run(c.name, func(t *testing.T) {
			var was *tokenizer.Tokenizer
			if model, ok := strings.CutSuffix(c.name, ".model"); ok {
				var err error
				if was, err = tokenizer.ParseFiles(map[string][]byte{"tokenizer.model": readModel(t, model)}); err != nil {
					t.Fatal(err)
				}
			} else {
				was = load(t, c.name)
			}
			v, notes, err := was.GGUF(was.Size() + 3)
			if err != nil {
				t.Fatal(err)
			}
			if v.Model != c.model || v.Pre != c.pre || len(notes) != c.notes {
				t.Errorf("model %q, pre %q, notes %q; want %q, %q and %d", v.Model, v.Pre, notes, c.model, c.pre, c.notes)
			}
			if n := len(v.Tokens); n != was.Size()+3 || v.Types[n-1] != 5 {
				t.Errorf("%d tokens, the last of type %d; want %d and 5", n, v.Types[n-1], was.Size()+3)
			}
			file, err := tokenizer.FromGGUF(v)
			if err != nil {
				t.Fatal(err)
			}
			is, err := tokenizer.Parse(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range readGolden(t).Texts {
				if c.notes > 0 && (!ascii(text) || strings.Contains(text, "<") || strings.HasPrefix(text, " ")) {
					continue // what the note tells of
				}
				for _, special := range []bool{true, false} {
					if want, got := was.Encode(text, special), is.Encode(text, special); !slices.Equal(got, want) {
						t.Fatalf("%q: ids %v; want %v", text, got, want)
					}
				}
			}
		})
	}
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 126 })
}

// What llama.cpp would tokenize otherwise is refused.
func TestGGUFRefuses(t *testing.T) {
	spm := func(change func(file map[string]any)) string {
		file := map[string]any{
			"added_tokens":  []any{map[string]any{"id": 0, "content": "<unk>", "special": true}},
			"normalizer":    map[string]any{"type": "Sequence", "normalizers": []any{map[string]any{"type": "Prepend", "prepend": "▁"}, map[string]any{"type": "Replace", "pattern": map[string]any{"String": " "}, "content": "▁"}}},
			"pre_tokenizer": nil,
			"model": map[string]any{
				"type": "BPE", "byte_fallback": true, "unk_token": "<unk>", "fuse_unk": true,
				"vocab":  map[string]any{"<unk>": 0, "▁": 1, "a": 2, "b": 3, "c": 4, "ab": 5, "bc": 6, "abc": 7},
				"merges": []any{"a b", "b c", "a bc", "ab c"},
			},
		}
		change(file)
		text, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	merges := func(list ...any) func(map[string]any) {
		return func(file map[string]any) { file["model"].(map[string]any)["merges"] = list }
	}
	for _, c := range []struct{ name, why, json, want string }{
		{"as it is", "the others differ by one thing", spm(func(map[string]any) {}), ""},
		{"missing merge", "llama.cpp joins whatever makes a token", spm(merges("a b", "b c", "a bc")), `"ab" and "c" make "abc", but are not among them`},
		{"merges apart", "a token has one score", spm(merges("a b", "a bc", "b c", "ab c")), `those that make "abc" stand apart`},
		{"normalizer", "llama.cpp has none", spm(func(file map[string]any) { file["normalizer"] = map[string]any{"type": "Lowercase"} }), `normalizer and pre_tokenizer: ["Lowercase"]`},
		{"two before", "llama.cpp puts one token there", spm(func(file map[string]any) {
			file["post_processor"] = map[string]any{"type": "TemplateProcessing", "single": []any{map[string]any{"SpecialToken": map[string]any{"id": "x"}}, map[string]any{"Sequence": map[string]any{"id": "A"}}}, "special_tokens": map[string]any{"x": map[string]any{"id": "x", "ids": []int{2, 3}, "tokens": []string{"a", "b"}}}}
		}), "post_processor: tokens [2 3] before a text"},
		{"unigram", "llama.cpp's decoders have BPE", `{"model":{"type":"Unigram","vocab":[["a",0]],"unk_id":0}}`, "a tokenizer of type Unigram"},
		{"characters", "neither kind", `{"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`, "BPE over characters"},
		{"pre-tokenizer", "no name in llama.cpp for it", `{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Punctuation"},{"type":"ByteLevel","add_prefix_space":false}]},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`, `pre_tokenizer: ["Punctuation"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			parsed, err := tokenizer.Parse([]byte(c.json))
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = parsed.GGUF(10)
			if c.want == "" && err == nil {
				return
			}
			if err == nil || c.want == "" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v; want %q", c.why, err, c.want)
			}
		})
	}
	for _, name := range []string{"llama2", "mistral", "gemma"} { // small ones, that SentencePiece did not make
		if _, _, err := load(t, name).GGUF(1 << 17); err == nil || !strings.Contains(err.Error(), "not those of a SentencePiece model") {
			t.Errorf("%s: %v", name, err)
		}
	}
	parsed := load(t, "smollm2")
	if _, _, err := parsed.GGUF(100); err == nil || !strings.Contains(err.Error(), "the embedding has 100 rows") {
		t.Errorf("tokens beyond the embedding: %v", err)
	}
}
