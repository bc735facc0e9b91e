package tokenizer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/tokenizer"
)

func TestParseErrors(t *testing.T) {
	wordLevel := `"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}`
	for _, c := range []struct{ name, why, json, want string }{
		{"not JSON", "the line of the mistake helps", "{\n\"model\": }", "line 2: "},
		{"empty", "an empty file is a failed download", "", "line 1: "},
		{"no model", "truncated by hand", `{"version":"1.0"}`, "no model found"},
		{"unknown model", "a newer library", `{"model":{"type":"Mamba","vocab":{"a":0}}}`, `model: type "Mamba" is not known; one of BPE`},
		{"no vocab", "", `{"model":{"type":"BPE","merges":[]}}`, "model: no vocab found"},
		{"negative id", "ids index embeddings", `{"model":{"type":"WordLevel","vocab":{"a":-1}}}`, `token "a" has id -1`},
		{"id too big", "ids are 32 bits", `{"model":{"type":"WordLevel","vocab":{"a":99999999999}}}`, "model: vocab: "},
		{"merge out of vocab", "the library refuses it too", `{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}}`, `merges[0]: "ab": not in the vocabulary`},
		{"merge of three", "", `{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b c"]}}`, `merges[0]: "a b c"; two tokens`},
		{"no unknown token", "every WordPiece text may need it", `{"model":{"type":"WordPiece","vocab":{"a":0}}}`, `unk_token: "[UNK]" is not in the vocabulary`},
		{"unigram unknown", "", `{"model":{"type":"Unigram","vocab":[["a",0]],"unk_id":7}}`, "unk_id: 7; an index into the 1 tokens"},
		{"unigram score", "", `{"model":{"type":"Unigram","vocab":[["a","x"]]}}`, "vocab[0]: "},
		{"normalizer", "the place in the sequence is named", `{"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"NFX"}]},` + wordLevel + `}`, `normalizer: normalizers[1]: type "NFX" is not known`},
		{"two mistakes", "all are reported together", `{"normalizer":{"type":"X"},"decoder":{"type":"Y"},` + wordLevel + `}`, "normalizer: type \"X\" is not known; a type of Hugging Face tokenizers 0.23 is expected\ndecoder: type \"Y\""},
		{"charsmap", "a broken trie would read out of bounds", `{"normalizer":{"type":"Precompiled","precompiled_charsmap":"/////w=="},` + wordLevel + `}`, "precompiled_charsmap: "},
		{"pattern", "", `{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"},` + wordLevel + `}`, `pattern "("`},
		{"behavior", "", `{"pre_tokenizer":{"type":"Split","pattern":{"String":"x"},"behavior":"Merged"},` + wordLevel + `}`, `behavior "Merged" is not known`},
		{"prepend scheme", "", `{"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"last"},` + wordLevel + `}`, `prepend_scheme "last" is not known`},
		{"template", "its ids would be missing", `{"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{}},` + wordLevel + `}`, `single[0]: "<s>" is not in special_tokens`},
		{"template id", "ids index embeddings", `{"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"s"}},{"Sequence":{"id":"A"}}],"special_tokens":{"s":{"ids":[-3]}}},` + wordLevel + `}`, "id -3 of a special token"},
		{"deep", "nesting is bounded", `{"normalizer":` + strings.Repeat(`{"type":"Sequence","normalizers":[`, 40) + strings.Repeat(`]}`, 40) + `,` + wordLevel + `}`, "nested more than 32 deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := tokenizer.Parse([]byte(c.json))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it (%s)", err, c.want, c.why)
			}
		})
	}
}

func TestIDsAndTokens(t *testing.T) {
	tok := load(t, "smollm2")
	for _, c := range []struct {
		token string
		id    int32
	}{{"<|endoftext|>", 0}, {"<|im_start|>", 1}, {"<|im_end|>", 2}} {
		if id, ok := tok.ID(c.token); !ok || id != c.id {
			t.Errorf("ID(%q) = %d, %v, want %d", c.token, id, ok, c.id)
		}
		if token, ok := tok.Token(c.id); !ok || token != c.token {
			t.Errorf("Token(%d) = %q, %v, want %q", c.id, token, ok, c.token)
		}
	}
	if _, ok := tok.ID("no such token"); ok {
		t.Error("an unknown token has an id")
	}
	if _, ok := tok.Token(49152); ok {
		t.Error("an id past the vocabulary has a token")
	}
}

func TestLoadTakesSpecialTokensFromConfig(t *testing.T) {
	dir := t.TempDir()
	if _, err := tokenizer.Load(dir); err == nil || !strings.Contains(err.Error(), "no tokenizer.json, spiece.model or tokenizer.model found") {
		t.Errorf("an empty folder: %v", err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tokenizer.json", string(readFile(t, "minilm")))
	want := tokenizer.Special{BOS: 101, EOS: 102, PAD: 0, UNK: 100}
	for _, c := range []struct {
		name, config, specialMap, err string
		want                          tokenizer.Special
	}{
		{"no config: common names", "", "", "", want},
		{"names", `{"eos_token":"[MASK]","pad_token":null}`, "", "", tokenizer.Special{BOS: 101, EOS: 103, PAD: -1, UNK: 100}},
		{"objects", `{"bos_token":{"content":"[MASK]"}}`, "", "", tokenizer.Special{BOS: 103, EOS: 102, PAD: 0, UNK: 100}},
		{"map beside a config", `{"eos_token":"[MASK]"}`, `{"eos_token":"[UNK]","pad_token":{"content":"[CLS]"}}`, "", tokenizer.Special{BOS: 101, EOS: 100, PAD: 101, UNK: 100}},
		{"map beside a config with added tokens", `{"eos_token":"[MASK]","added_tokens_decoder":{}}`, `{"eos_token":"[UNK]"}`, "", tokenizer.Special{BOS: 101, EOS: 103, PAD: 0, UNK: 100}},
		{"map with a token that was never added", `{}`, `{"pad_token":"<pad>","eos_token":"[MASK]"}`, "", tokenizer.Special{BOS: 101, EOS: 103, PAD: 0, UNK: 100}},
		{"unknown", `{"bos_token":"<s>","eos_token":7}`, "", "bos_token: \"<s>\" is not in the vocabulary; a token of tokenizer.json is expected\neos_token: 7", tokenizer.Special{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, text := range map[string]string{"tokenizer_config.json": c.config, "special_tokens_map.json": c.specialMap} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				if text != "" {
					write(name, text)
				}
			}
			tok, err := tokenizer.Load(dir)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q in it", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, tok.Special()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestEncodesAlikeFromManyGoroutines(t *testing.T) {
	alone := load(t, "smollm2")
	tok, err := tokenizer.Parse(alone.JSON()) // nothing cached yet
	if err != nil {
		t.Fatal(err)
	}
	texts := readGolden(t).Texts
	want := make([][]int32, len(texts))
	for i, s := range texts {
		want[i] = alone.Encode(s, true)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				for i, s := range texts {
					if !slices.Equal(tok.Encode(s, true), want[i]) {
						t.Errorf("%q: other ids than alone", s)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestInvalidUTF8(t *testing.T) {
	tok := load(t, "roberta")
	for _, c := range []struct{ name, in, want string }{
		{"stray byte", "a\xffb", "a\uFFFDb"},
		{"cut rune", "a\xe2\x82", "a\uFFFD"},
		{"overlong", "\xc0\xaf", "\uFFFD\uFFFD"},
		{"surrogate", "\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
		{"four bytes cut", "\xf0\x9f\x98x", "\uFFFDx"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(tok.Encode(c.want, false), tok.Encode(c.in, false)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestFromGGUF(t *testing.T) {
	var file struct {
		Model struct {
			Vocab  map[string]int32
			Merges []string
		}
		Added []struct{ ID int } `json:"added_tokens"`
	}
	if err := json.Unmarshal(readFile(t, "smollm2"), &file); err != nil {
		t.Fatal(err)
	}
	v := tokenizer.GGUFVocab{
		Model: "gpt2", Pre: "smollm", Merges: file.Model.Merges, BOS: 1, EOS: 2, UNK: 0, PAD: 2,
		Tokens: make([]string, len(file.Model.Vocab)), Types: make([]int32, len(file.Model.Vocab)),
	}
	for token, id := range file.Model.Vocab {
		v.Tokens[id], v.Types[id] = token, 1
	}
	for _, a := range file.Added {
		v.Types[a.ID] = 3
	}
	data, err := tokenizer.FromGGUF(v)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	want := load(t, "smollm2")
	for _, text := range readGolden(t).Texts {
		if d := cmp.Diff(want.Encode(text, true), tok.Encode(text, true)); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}

	for _, c := range []struct {
		name, why, text, tokens, decoded string
		vocab                            tokenizer.GGUFVocab
	}{
		{"llama", "merges come from the scores, bytes from the byte tokens", "ab é", "<s> ▁ab ▁ <0xC3> <0xA9>", "ab é", tokenizer.GGUFVocab{
			Model: "llama", Tokens: []string{"<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "▁a", "ab", "▁ab", "▁", "a", "b"},
			Scores: []float32{0, 0, 0, 0, 0, -1, -0, -2, -3, -4, -5}, Types: []int32{2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1},
			BOS: 1, EOS: 2, UNK: 0, PAD: -1, AddBOS: true, AddSpacePrefix: true,
		}},
		{"bert", "llama.cpp marks the starts of words, BERT the rest", "Abb", "[CLS] a ##b ##b [SEP]", "abb", tokenizer.GGUFVocab{
			Model: "bert", Tokens: []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁a", "b"}, Types: []int32{3, 3, 3, 3, 1, 1},
			BOS: 2, EOS: 3, UNK: 1, PAD: 0, AddBOS: true, AddEOS: true,
		}},
		{"bert without types", "tokens that the file names by id are spelt as they are", "a <e>", "<s> a <e> <e>", "a", tokenizer.GGUFVocab{
			Model: "bert", Tokens: []string{"<u>", "<s>", "<e>", "▁a"}, BOS: 1, EOS: 2, UNK: 0, PAD: -1, AddBOS: true, AddEOS: true,
		}},
		{"t5", "unigram scores", "ab  a", "▁ab ▁a </s>", "ab a", tokenizer.GGUFVocab{
			Model: "t5", Tokens: []string{"<pad>", "</s>", "<unk>", "▁", "▁a", "a", "b", "▁ab"}, Scores: []float32{0, 0, 0, -3, -1, -2, -2, -1.5},
			BOS: -1, EOS: 1, UNK: 2, PAD: 0, AddEOS: true, AddSpacePrefix: true,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			data, err := tokenizer.FromGGUF(c.vocab)
			if err != nil {
				t.Fatal(err)
			}
			tok, err := tokenizer.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			ids := tok.Encode(c.text, true)
			var tokens []string
			for _, id := range ids {
				s, _ := tok.Token(id)
				tokens = append(tokens, s)
			}
			if got := strings.Join(tokens, " "); got != c.tokens {
				t.Errorf("tokens %q, want %q (%s)", got, c.tokens, c.why)
			}
			if got := tok.Decode(ids, true); got != c.decoded {
				t.Errorf("decoded %q, want %q", got, c.decoded)
			}
		})
	}
	one := []string{"a"}
	for _, c := range []struct {
		name  string
		vocab tokenizer.GGUFVocab
		want  string
	}{
		{"empty", tokenizer.GGUFVocab{Model: "gpt2"}, "tokenizer.ggml.tokens: none found"},
		{"model", tokenizer.GGUFVocab{Model: "rwkv", Tokens: one}, `tokenizer.ggml.model "rwkv" is not known`},
		{"pre", tokenizer.GGUFVocab{Model: "gpt2", Pre: "tekken", Tokens: one}, `tokenizer.ggml.pre "tekken" is not known`},
		{"types", tokenizer.GGUFVocab{Model: "gpt2", Tokens: one, Types: []int32{1, 1}}, "tokenizer.ggml.token_type: 2 found"},
		{"id", tokenizer.GGUFVocab{Model: "gpt2", Tokens: one, EOS: 5}, "tokenizer.ggml.eos_token_id: 5 found"},
		{"merge", tokenizer.GGUFVocab{Model: "gpt2", Pre: "gpt-2", Tokens: one, Merges: one}, `tokenizer.ggml.merges[0]: "a"`},
		{"scores", tokenizer.GGUFVocab{Model: "llama", Tokens: one}, "tokenizer.ggml.scores: 0 found"},
	} {
		t.Run("error "+c.name, func(t *testing.T) {
			if _, err := tokenizer.FromGGUF(c.vocab); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"_"},{"type":"BertNormalizer"}]},"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}`))
	f.Add([]byte(`{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithNext"},{"type":"Metaspace","replacement":"_","prepend_scheme":"first"},{"type":"FixedLength","length":2}]},"decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Strip","content":" ","start":1,"stop":1}]},"model":{"type":"BPE","vocab":{"<0x61>":0,"b":1},"merges":[],"byte_fallback":true}}`))
	f.Add([]byte(`{"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"s"}},{"Sequence":{"id":"A"}}],"special_tokens":{"s":{"ids":[1]}}},"model":{"type":"BPE","vocab":{"a":0},"merges":[],"end_of_word_suffix":"w"}}`))
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},"pre_tokenizer":{"type":"ByteLevel"}}`))
	f.Add([]byte(`{"model":{"type":"Unigram","vocab":[["a",-1],["",0]]},"normalizer":{"type":"Precompiled","precompiled_charsmap":"CAAAAAAAAAAAAAAA"}}`))
	f.Add([]byte(`{"added_tokens":[{"id":5,"content":"a b"}],"model":{"type":"WordPiece","vocab":{"[UNK]":0,"##":3}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := tokenizer.Parse(data)
		if err != nil {
			return
		}
		ids := tok.Encode("a b\u0301c\n\n1 <s> \xff", true)
		tok.Decode(ids, true)
		tok.Decode([]int32{-1, 0, 1, 1 << 30}, false)
		if n := tok.Size(); n < 0 {
			t.Errorf("size %d", n)
		}
	})
}

// FuzzParseNamed reads what lies beside a tokenizer.json: special tokens of its
// vocabulary, or an error.
func FuzzParseNamed(f *testing.F) {
	f.Add([]byte(`{"bos_token":"<s>","eos_token":{"content":"</s>","__type":"AddedToken"},"pad_token":null}`), []byte(`{"unk_token":"a"}`))
	f.Add([]byte(`{"added_tokens_decoder":{"1":{"content":"</s>"}},"eos_token":"</s>"}`), []byte(`{"eos_token":["a"]}`))
	f.Add([]byte(`{"eos_token":7}`), []byte(`null`))
	vocabulary := []byte(`{"added_tokens":[{"id":1,"content":"</s>","special":true}],"model":{"type":"WordLevel","vocab":{"a":0,"<s>":2},"unk_token":"a"}}`)
	f.Fuzz(func(t *testing.T, config, specialMap []byte) {
		tok, err := tokenizer.ParseNamed(vocabulary, config, specialMap)
		if err != nil {
			return
		}
		special := tok.Special()
		for _, id := range []int32{special.BOS, special.EOS, special.PAD, special.UNK} {
			if _, ok := tok.Token(id); !ok && id != -1 {
				t.Errorf("special tokens %+v; %d is none", special, id)
			}
		}
	})
}

// FuzzFromGGUF reads the vocabulary of a GGUF file, its lists given line by line:
// a tokenizer.json that Parse takes, or an error. Parse may refuse what only it
// can judge, such as merges and normalizers.
func FuzzFromGGUF(f *testing.F) {
	f.Add("gpt2", "gpt-2", "a\nb\nab\n</s>", "a b", []byte{1, 1, 1, 3}, []byte(nil), int32(3), int32(-1), uint8(0))
	f.Add("llama", "", "<unk>\n<s>\n</s>\n<0x61>\n\u2581a\na\n\u2581", "", []byte{2, 3, 3, 6, 1, 1, 1}, []byte(nil), int32(2), int32(0), uint8(5))
	f.Add("bert", "", "[UNK]\n[CLS]\n[SEP]\n\u2581a\nb", "", []byte(nil), []byte(nil), int32(2), int32(0), uint8(3))
	f.Add("t5", "", "<pad>\n</s>\n<unk>\n\u2581a\na", "", []byte{3, 3, 2, 1, 1}, []byte{8, 0, 0, 0}, int32(1), int32(2), uint8(7))
	f.Fuzz(func(t *testing.T, model, pre, tokens, merges string, types, charsmap []byte, eos, unk int32, flags uint8) {
		v := tokenizer.GGUFVocab{
			Model: model, Pre: pre, Tokens: strings.Split(tokens, "\n"), Merges: strings.Split(merges, "\n"), Charsmap: charsmap,
			BOS: -1, EOS: eos, UNK: unk, PAD: -1, AddBOS: flags&1 != 0, AddEOS: flags&2 != 0, AddSpacePrefix: flags&4 != 0,
		}
		if flags&8 != 0 {
			v.BOS, v.PAD = eos, unk
		}
		for i, kind := range types {
			v.Types = append(v.Types, int32(kind))
			v.Scores = append(v.Scores, -float32(i))
		}
		data, err := tokenizer.FromGGUF(v)
		if err != nil {
			return
		}
		tok, err := tokenizer.Parse(data)
		if err != nil {
			return
		}
		if n := tok.Size(); n > len(v.Tokens) {
			t.Errorf("%d tokens of %d", n, len(v.Tokens))
		}
		tok.Decode(tok.Encode("a b\u0301c\n\n1 <s> \xff aaaa", true), true)
	})
}

func FuzzEncode(f *testing.F) {
	byteLevel := load(f, "llama3")
	others := []*tokenizer.Tokenizer{load(f, "mistral"), load(f, "bertcased"), load(f, "xlmr"), load(f, "clip"), load(f, "unifallback")}
	for _, s := range []string{"", "Hello, world!", "\n\n 12 '\u017f", "e\u0301\r\n\u0915\u094d\u0937", "<|eot_id|></s>", "\xff\xe2\x82"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ids := byteLevel.Encode(s, false)
		text := byteLevel.Decode(ids, false)
		if utf8.ValidString(s) && text != s {
			t.Errorf("%q decodes as %q", s, text)
		}
		if again := byteLevel.Encode(text, false); !slices.Equal(ids, again) {
			t.Errorf("%q: ids %v, of its decoded text %v", s, ids, again)
		}
		for _, tok := range others {
			tok.Decode(tok.Encode(s, true), true)
		}
	})
}

// BenchmarkEncode reads the Faire texts, one core: compare the MB/s with
// parity/bench_tokenizer.py.
func BenchmarkEncode(b *testing.B) {
	texts := faireTexts(b)
	size := 0
	for _, s := range texts {
		size += len(s)
	}
	for _, name := range []string{"smollm2", "minilm", "llama2", "llama3", "qwen2", "xlmr"} {
		b.Run(name, func(b *testing.B) {
			tok := load(b, name)
			b.SetBytes(int64(size))
			for b.Loop() {
				for _, s := range texts {
					tok.Encode(s, true)
				}
			}
		})
	}
}
