package tokenizer_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/tokenizer"
)

// offsets are spans in characters, as Python has them: a part of a character is
// the whole of it.
func offsets(text string, spans []tokenizer.Span) []int32 {
	before := make([]int32, len(text)+1) // characters that begin before a byte
	after := make([]int32, len(text)+1)  // characters that end at it or before, or hold it
	n := int32(0)
	for i, r := range text {
		for j := range utf8.RuneLen(r) {
			before[i+j] = n
			after[i+j] = n + min(1, int32(j))
		}
		n++
	}
	before[len(text)], after[len(text)] = n, n
	out := []int32{}
	for _, s := range spans {
		out = append(out, before[s.Lo], after[s.Hi])
	}
	return out
}

// TestSpansLikeTokenizers holds where tokens stand to parity/make_offsets.py.
func TestSpansLikeTokenizers(t *testing.T) {
	data, err := readZipped("testdata/offsets.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Texts   []string
		Fuzzed  int
		Offsets map[string][][]int32
	}
	if err := json.Unmarshal(data, &g); err != nil || len(g.Offsets) == 0 {
		t.Fatalf("%d tokenizers, %v", len(g.Offsets), err)
	}
	strange := fuzzed()[:g.Fuzzed]
	for name, want := range g.Offsets {
		t.Run(strings.ReplaceAll(name, "/", "-"), func(t *testing.T) {
			var tok *tokenizer.Tokenizer
			if strings.HasSuffix(name, ".model") {
				var err error
				if tok, err = tokenizer.Load(filepath.Join("testdata", name)); err != nil {
					t.Fatal(err)
				}
			} else {
				tok = load(t, name)
			}
			for i, text := range append(slices.Clone(g.Texts), strange...) {
				e := tok.EncodeSpans(text, false)
				if d := cmp.Diff(tok.Encode(text, false), e.IDs); d != "" {
					t.Errorf("%q: other ids (-Encode +EncodeSpans):\n%s", text, d)
				}
				if len(e.Spans) != len(e.IDs) {
					t.Fatalf("%q: %d spans of %d ids", text, len(e.Spans), len(e.IDs))
				}
				got := offsets(text, e.Spans)
				if !slices.Equal(want[i], got) && !isShifted(tok, name, text) {
					t.Errorf("%s of %q: offsets\n%v, those of tokenizers\n%v", name, text, got, want[i])
				}
			}
		})
	}
}

// isShifted says that the library's offsets of a text are wrong, so that there is
// nothing to hold ours to: it counts bytes that no token stands for as if they were
// not there (smollm2's vocabulary here lacks some), and so it does with characters
// that a compiled normalizer takes off the front.
func isShifted(tok *tokenizer.Tokenizer, name, text string) bool {
	switch name {
	case "smollm2":
		return tok.Decode(tok.Encode(text, false), false) != text
	case "t5", "t5strip", "xlmr", "sentencepiece/unigram.model":
		return strings.HasPrefix(text, "\x1d")
	}
	return false
}

// TestSpansAround places what the post-processor adds, and characters that are cut
// or not UTF-8.
func TestSpansAround(t *testing.T) {
	tok := load(t, "t5")
	e := tok.EncodeSpans("a\xff", true)
	if d := cmp.Diff(tok.Encode("a\xff", true), e.IDs); d != "" {
		t.Errorf("other ids (-Encode +EncodeSpans):\n%s", d)
	}
	if n := len("a\uFFFD"); e.Spans[len(e.Spans)-1] != (tokenizer.Span{Lo: n, Hi: n}) {
		t.Errorf("the end token stands for %v; the end of the text, %d, expected", e.Spans[len(e.Spans)-1], n)
	}
	before, after := load(t, "minilm").Around()
	if len(before) != 1 || len(after) != 1 {
		t.Errorf("%v and %v stand around a text; one token each expected", before, after)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if d := cmp.Diff(e, tok.EncodeSpans("a\xff", true)); d != "" {
					t.Errorf("at the same time (-alone +together):\n%s", d)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkEncodeSpans is beside BenchmarkEncode: rows of a training are encoded
// with it.
func BenchmarkEncodeSpans(b *testing.B) {
	for _, name := range []string{"smollm2", "llama2", "t5", "minilm"} {
		tok := load(b, name)
		text := strings.Repeat("The quick brown fox jumps over the lazy dog, and 17 more are there.\n", 200)
		for _, kind := range []struct {
			name   string
			encode func() int
		}{
			{"ids", func() int { return len(tok.Encode(text, false)) }},
			{"spans", func() int { return len(tok.EncodeSpans(text, false).IDs) }},
		} {
			b.Run(name+"/"+kind.name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					kind.encode()
				}
			})
		}
	}
}
