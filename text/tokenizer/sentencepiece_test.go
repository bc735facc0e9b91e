package tokenizer_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"gorqa/text/tokenizer"
)

const sentencePieces = "testdata/sentencepiece"

// spmGolden is testdata/sentencepiece/golden.json, made by
// parity/make_sentencepiece.py.
type spmGolden struct {
	Strings int                  `json:"strings"`
	Texts   []string             `json:"texts"`
	Folders map[string]spmFolder `json:"folders"`
}

type spmFolder struct {
	Model   string            `json:"model"`
	File    string            `json:"file"`
	Why     string            `json:"why"`
	Files   map[string]string `json:"files"`
	Size    int               `json:"size"`
	Special [4]int32          `json:"special"` // bos, eos, pad, unk; -1 where there is none
	Torture []goldenTorture   `json:"torture"`
	Fuzzed  goldenHashes      `json:"fuzzed"`
}

func readSPMGolden(t testing.TB) *spmGolden {
	t.Helper()
	data, err := readZipped(filepath.Join(sentencePieces, "golden.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	var g spmGolden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return &g
}

func readModel(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(sentencePieces, name+".model"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSentencePiece(t *testing.T) {
	g := readSPMGolden(t)
	readGolden(t) // the seed of the fuzzed strings
	for name, want := range g.Folders {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name string, data []byte) {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(want.File, readModel(t, want.Model))
			for name, text := range want.Files {
				write(name, []byte(text))
			}
			tok, err := tokenizer.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if tok.Size() != want.Size {
				t.Errorf("size %d, want %d", tok.Size(), want.Size)
			}
			s := tok.Special()
			for i, got := range []int32{s.BOS, s.EOS, s.PAD, s.UNK} {
				// What no file names may be guessed.
				if w := want.Special[i]; w >= 0 && got != w {
					t.Errorf("special tokens %+v, want %v", s, want.Special)
				}
			}
			for i, text := range g.Texts {
				w := want.Torture[i]
				got := goldenTorture{tok.Encode(text, true), tok.Encode(text, false), tok.Decode(w.IDs, false), tok.Decode(w.IDs, true)}
				if d := cmp.Diff(w, got); d != "" {
					t.Errorf("%q (-want +got, %s):\n%s", text, want.Why, d)
				}
			}
			got := goldenHashes{Plain: []string{}}
			hashBlock(tok, fuzzed()[:g.Strings], false, &got)
			if d := cmp.Diff(want.Fuzzed, got); d != "" {
				t.Errorf("fuzzed (-want +got):\n%s", d)
			}
		})
	}
}

// spmPiece is a piece of a model file.
func spmPiece(token string, score float32, kind uint64) []byte {
	var m []byte
	m = protowire.AppendString(protowire.AppendTag(m, 1, protowire.BytesType), token)
	m = protowire.AppendFixed32(protowire.AppendTag(m, 2, protowire.Fixed32Type), math.Float32bits(score))
	m = protowire.AppendVarint(protowire.AppendTag(m, 3, protowire.VarintType), kind)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), m)
}

// spmTrainer is the trainer_spec of a model file.
func spmTrainer(kind uint64) []byte {
	m := protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), kind)
	return protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), m)
}

func TestSentencePieceErrors(t *testing.T) {
	unk, a := spmPiece("<unk>", 0, 2), spmPiece("a", -1, 1)
	unigram, bpe := slices.Concat(unk, a), slices.Concat(unk, a, spmTrainer(2))
	var run []byte // every piece of this run of one letter merges in every way
	for n := range 2000 {
		run = append(run, spmPiece(strings.Repeat("b", n+1), 0, 1)...)
	}
	for _, c := range []struct {
		name, why, want        string
		model                  []byte
		config, special, added string
	}{
		{"empty", "a failed download", "no pieces found; a SentencePiece model is expected", []byte{}, "", "", ""},
		{"tiktoken", "Llama 3's original tokenizer.model is one", "a SentencePiece model is expected", []byte("IQ== 0\nIg== 1\n"), "", "", ""},
		{"cut", "half a file", "unexpected EOF; a SentencePiece model", unigram[:len(unigram)-3], "", "", ""},
		{"no token", "an id without a token", `pieces[1]: "" of 0 bytes; UTF-8 of 1 to`, slices.Concat(unk, spmPiece("", 0, 1)), "", "", ""},
		{"long", "its merges would be many", "of 3000 bytes; UTF-8 of 1 to", spmPiece(strings.Repeat("a", 3000), 0, 1), "", "", ""},
		{"bytes", "JSON could not hold them", `pieces[0]: "\xff" of 1 bytes; UTF-8`, spmPiece("\xff", 0, 1), "", "", ""},
		{"twice", "a token has one id", `pieces[2]: "a" is there twice`, slices.Concat(unk, a, a), "", "", ""},
		{"score", "JSON could not hold it", `pieces[0]: "a" has score NaN`, spmPiece("a", float32(math.NaN()), 1), "", "", ""},
		{"no unknown", "every unigram text may need it", "no piece of type unknown", a, "", "", ""},
		{"word", "the library knows two kinds", "model_type 3; 1 (unigram) or 2 (BPE) is expected", slices.Concat(unk, spmTrainer(3)), "", "", ""},
		{"runs", "memory is bounded", "pieces that merge in more than", append(run, spmTrainer(2)...), "", "", ""},
		{"class", "its ids would be others", `tokenizer_config.json: tokenizer_class "XLMRobertaTokenizer" over a model_type 1;`, unigram, `{"tokenizer_class":"XLMRobertaTokenizer"}`, "", ""},
		{"class of the other kind", "transformers would take scores for merges", `tokenizer_class "LlamaTokenizerFast" over a model_type 1;`, unigram, `{"tokenizer_class":"LlamaTokenizerFast"}`, "", ""},
		{"and the other way", "", `tokenizer_class "T5Tokenizer" over a model_type 2;`, bpe, `{"tokenizer_class":"T5Tokenizer"}`, "", ""},
		{"sentinels", "memory is bounded", "tokenizer_config.json: extra_ids 1000000; 0 to", unigram, `{"extra_ids":1000000}`, "", ""},
		{"config", "the file is named", "tokenizer_config.json:1: the end found", unigram, `{`, "", ""},
		{"special tokens", "and this", "special_tokens_map.json:1: the end found", unigram, "", `{`, ""},
		{"added tokens", "and this", "added_tokens.json:1: a list found", unigram, "", "", `[]`},
		{"token", "", "tokenizer_config.json: pad_token: 7; a token, or an object", unigram, "", `{"pad_token":7}`, ""},
		{"extra", "", "tokenizer_config.json: additional_special_tokens[1]: 7; a token", unigram, `{"additional_special_tokens":["b",7]}`, "", ""},
		{"extra object", "of later models", "tokenizer_config.json: extra_special_tokens: ", unigram, `{"extra_special_tokens":{"image_token":"<i>"}}`, "", ""},
		{"decoder id", "", `tokenizer_config.json: added_tokens_decoder: "x"; an id is expected`, unigram, `{"added_tokens_decoder":{"x":"a"}}`, "", ""},
		{"decoder token", "", "tokenizer_config.json: added_tokens_decoder: 3: 7; a token", unigram, `{"added_tokens_decoder":{"3":7}}`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := func(text string) []byte {
				if text == "" {
					return nil
				}
				return []byte(text)
			}
			_, err := tokenizer.ParseSentencePiece(tokenizer.SentencePiece{
				Model: c.model, Config: file(c.config), SpecialTokens: file(c.special), AddedTokens: file(c.added),
			})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it (%s)", err, c.want, c.why)
			}
		})
	}
}

func FuzzParseSentencePiece(f *testing.F) {
	for _, name := range []string{"unigram", "bpe", "symbols"} {
		f.Add(readModel(f, name), []byte(`{"add_bos_token":true,"extra_special_tokens":["a"]}`), []byte(`{"pad_token":{"content":"<p>"}}`), []byte(`{"b":7}`))
	}
	tiny := slices.Concat(spmPiece("<unk>", 0, 2), spmPiece("a", -1, 1), spmPiece("aa", -2, 4), spmPiece("<s>", 0, 3))
	f.Add(tiny, []byte(`{"added_tokens_decoder":{"3":{"content":"b","normalized":true}},"extra_ids":3}`), []byte(nil), []byte(nil))
	f.Add(slices.Concat(tiny, spmTrainer(2)), []byte(`{"add_prefix_space":false,"add_eos_token":true,"eos_token":null}`), []byte(`null`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, model, config, special, added []byte) {
		tok, err := tokenizer.ParseSentencePiece(tokenizer.SentencePiece{Model: model, Config: config, SpecialTokens: special, AddedTokens: added})
		if err != nil {
			return
		}
		if _, err := tokenizer.Parse(tok.JSON()); err != nil {
			t.Errorf("its tokenizer.json is refused: %v", err)
		}
		tok.Decode(tok.Encode("a b\u0301c\n\n1 <s> <extra_id_0> \xff aaaa", true), true)
	})
}

func ExampleParseSentencePiece() {
	model, err := os.ReadFile("testdata/sentencepiece/bpe.model")
	if err != nil {
		panic(err)
	}
	tok, err := tokenizer.ParseSentencePiece(tokenizer.SentencePiece{Model: model})
	if err != nil {
		panic(err)
	}
	ids := tok.Encode("Package json", true)
	fmt.Println(tok.Decode(ids, false))
	// Output:
	// <s> Package json
}
