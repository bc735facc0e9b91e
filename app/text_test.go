package app

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/config"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/demodata"
)

// tinyBPE is a byte-level BPE of a few letters.
const tinyBPE = `{"version": "1.0", "added_tokens": [{"id": 3, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
 "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
 "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
  "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [3], "tokens": ["<s>"]}}},
 "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
 "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
  "vocab": {"a": 0, "b": 1, "Ġ": 2, "<s>": 3, "<": 4}, "merges": []}}`

func writeTokenizer(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTokenize(t *testing.T) {
	tests := []struct {
		name, why string
		change    func(*config.Tokenize)
		in, out   string
		problem   string
	}{
		{"texts", "one a line; the last may lack its end", func(*config.Tokenize) {}, "\"a b\"\n\"\"\n\"<s>\"", "[3,0,2,1]\n[3]\n[3,3]\n", ""},
		{"plain", "without special tokens", func(c *config.Tokenize) { c.AddSpecialTokens = false }, "\"a b\"\r\n", "[0,2,1]\n", ""},
		{"decode", "special tokens stay, and <> are not escaped", func(c *config.Tokenize) { c.Decode = true }, "[3,0,2,1]\n[]\n", "\"<s>a b\"\n\"\"\n", ""},
		{"decode plain", "or go", func(c *config.Tokenize) { c.Decode, c.SkipSpecialTokens = true, true }, "[3, 0, 2, 1]", "\"a b\"\n", ""},
		{"nothing", "gives nothing", func(*config.Tokenize) {}, "", "", ""},
		{"no string", "what went before is written", func(*config.Tokenize) {}, "\"a\"\n5\n", "[3,0]\n", `standard input:2: "5" found; a JSON string expected; put the text in double quotes`},
		{"null", "is no string", func(*config.Tokenize) {}, "null\n", "", `standard input:1: "null" found; a JSON string expected`},
		{"blank", "an empty line is no text", func(*config.Tokenize) {}, "\n", "", "standard input:1: an empty line found; a JSON string expected"},
		{"long", "the message stays short", func(*config.Tokenize) {}, strings.Repeat("x", 100000), "", "standard input:1: \"" + strings.Repeat("x", 40) + "\"... found; a JSON string"},
		{"no ids", "text where ids belong", func(c *config.Tokenize) { c.Decode = true }, "\"a\"\n", "", `standard input:1: "\"a\"" found; a JSON array of ids expected`},
		{"foreign id", "not of this vocabulary", func(c *config.Tokenize) { c.Decode = true }, "[0,99]\n", "", "standard input:1: id 99 found; an id of the vocabulary expected"},
		{"negative id", "nor this", func(c *config.Tokenize) { c.Decode = true }, "[-1]\n", "", "standard input:1: id -1 found"},
		{"large id", "32 bits are enough", func(c *config.Tokenize) { c.Decode = true }, "[5000000000]\n", "", `standard input:1: "[5000000000]" found; a JSON array of ids`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := config.DefaultTokenize()
			c.ModelNameOrPath = writeTokenizer(t, tinyBPE)
			test.change(&c)
			var out, talk bytes.Buffer
			err := Tokenize(t.Context(), c, Streams{In: strings.NewReader(test.in), Out: &out, Err: &talk})
			if diff := cmp.Diff(test.out, out.String()); diff != "" {
				t.Errorf("%s: %s", test.why, diff)
			}
			if (err == nil) != (test.problem == "") || err != nil && !strings.HasPrefix(err.Error(), test.problem) {
				t.Errorf("%s: %v; %q expected", test.why, err, test.problem)
			}
			if talk.Len() > 0 {
				t.Errorf("%s: said %q", test.why, talk.String())
			}
		})
	}
}

func TestTokenizeStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := config.DefaultTokenize()
	c.ModelNameOrPath = writeTokenizer(t, tinyBPE)
	if err := Tokenize(ctx, c, Streams{In: strings.NewReader(`"a"`), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The settings' defaults are the data set's.
func TestGodocDefaults(t *testing.T) {
	if diff := cmp.Diff(demodata.DefaultOptions(), godocOptions(config.DefaultGodoc())); diff != "" {
		t.Error(diff)
	}
}

func quiet(t *testing.T) *report.Run {
	t.Helper()
	r, err := report.Open("", report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLocateModel(t *testing.T) {
	folder, cache := t.TempDir(), t.TempDir()
	t.Setenv("GORQA_CACHE", t.TempDir())
	tests := []struct {
		name, why, model string
		want, problem    string
	}{
		{"folder", "as it is", folder, folder, ""},
		{"known", "to fetch, but not fetched", "SmolLM2-135M-Instruct", "", "SmolLM2-135M-Instruct: not in the cache, and nothing is fetched here; run gorqa fetch model SmolLM2-135M-Instruct once"},
		{"hub id", "package hub looks into its cache", "owner/name", "", `model "owner/name": `},
		{"nothing", "no model by any reading", "no such model", "", "model no such model: nothing is there"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := session{hub: config.Hub{CacheDir: cache, Offline: true}, show: quiet(t)}.locateModel(t.Context(),
				config.Model{ModelNameOrPath: test.model, ModelRevision: "main"})
			if (err == nil) != (test.problem == "") || err != nil && !strings.HasPrefix(err.Error(), test.problem) {
				t.Errorf("%s: %v; %q expected", test.why, err, test.problem)
			}
			if got != test.want {
				t.Errorf("%s: %q; %q expected", test.why, got, test.want)
			}
		})
	}
}

// What fid.json may say is what the settings that it is made from may: a run whose
// lengths are taken can be asked.
func TestFidBoundsAreTheSettings(t *testing.T) {
	if config.MostRows != qa.MostPassages || config.MostTokens != qa.MostTokens {
		t.Errorf("settings: %d passages, %d tokens; fid.json: %d, %d; the same expected", config.MostRows, config.MostTokens, qa.MostPassages, qa.MostTokens)
	}
}

// The hub is asked for a model once in a command.
func TestLocateModelOnce(t *testing.T) {
	folder := t.TempDir()
	s := session{located: map[string]string{}, show: quiet(t)}
	for range 2 {
		got, err := s.locateNamed(t.Context(), folder)
		if err != nil || got != folder {
			t.Fatal(got, err)
		}
		if err := os.RemoveAll(folder); err != nil { // asked again, nothing would be found
			t.Fatal(err)
		}
	}
	if _, err := s.locateModel(t.Context(), config.Model{ModelNameOrPath: folder, ModelRevision: "other"}); err == nil {
		t.Error("another revision is the same")
	}
}
