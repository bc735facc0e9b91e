package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEachPartIsLikeTokenizers checks each component against parity/make_tokenizer_parts.py.
func TestEachPartIsLikeTokenizers(t *testing.T) {
	f, err := os.Open("testdata/parts.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Texts       []string
		Tokens      [][]string
		Normalizers []struct {
			Part json.RawMessage
			Want []string
		}
		PreTokenizers []struct {
			Part json.RawMessage
			Want [][]string
		} `json:"pre_tokenizers"`
		Decoders []struct {
			Part json.RawMessage
			Want []string
		}
	}
	if err := json.NewDecoder(z).Decode(&g); err != nil {
		t.Fatal(err)
	}
	for _, c := range g.Normalizers {
		tok := Tokenizer{watch: &watch{limit: textTime}}
		if err := tok.addNormalizer(c.Part, 0); err != nil {
			t.Errorf("%.100s: %v", c.Part, err)
			continue
		}
		for i, text := range g.Texts {
			p := piece{s: text, first: true, id: -1}
			for _, n := range tok.normalize {
				p = n.run(p)
			}
			if p.s != c.Want[i] {
				t.Errorf("%.100s of %q: %q, want %q", c.Part, text, p.s, c.Want[i])
			}
		}
	}
	for _, c := range g.PreTokenizers {
		pre := preBuilder{watch: &watch{limit: textTime}}
		if err := pre.add(c.Part, 0); err != nil {
			t.Errorf("%s: %v", c.Part, err)
			continue
		}
		if pre.bytes {
			pre.list = append(pre.list, mapBytes)
		}
		for i, text := range g.Texts {
			pieces := []piece{{s: text, first: true, id: -1}}
			for _, f := range pre.list {
				var next []piece
				for _, p := range pieces {
					if p.s != "" {
						next = f(next, p)
					}
				}
				pieces = next
			}
			got := []string{}
			for _, p := range pieces {
				if p.s != "" {
					got = append(got, p.s)
				}
			}
			if d := cmp.Diff(c.Want[i], got); d != "" {
				t.Errorf("%s of %q (-want +got):\n%s", c.Part, text, d)
			}
		}
	}
	for _, c := range g.Decoders {
		tok := Tokenizer{watch: &watch{limit: textTime}}
		if err := tok.addDecoder(c.Part, 0); err != nil {
			t.Errorf("%s: %v", c.Part, err)
			continue
		}
		for i, tokens := range g.Tokens {
			got := slices.Clone(tokens)
			for _, d := range tok.decoders {
				got = d(got)
			}
			if s := strings.Join(got, ""); s != c.Want[i] {
				t.Errorf("%s of %q: %q, want %q", c.Part, tokens, s, c.Want[i])
			}
		}
	}
}

// A tokenizer.json would not give the scores of a SentencePiece model back to
// the last bit, see libraryFloat.
func TestSentencePieceScores(t *testing.T) {
	tok, err := Load("testdata/sentencepiece/unigram.model")
	if err != nil {
		t.Fatal(err)
	}
	for id, score := range tok.model.(*unigram).scores {
		if score != float64(float32(score)) {
			t.Errorf("score %v of id %d; a float32 expected", score, id)
		}
	}
}
