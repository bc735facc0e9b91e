package tokenizer

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// What a tokenizer file could make slow or large is refused when it is read, with
// what is too much of it.
func TestSlowAndLargeFilesAreRefused(t *testing.T) {
	replace := func(pattern, content string) string {
		data, err := json.Marshal(map[string]any{"type": "Replace", "pattern": map[string]string{"String": pattern}, "content": content})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	sequence := func(parts ...string) string {
		return `{"type":"Sequence","normalizers":[` + strings.Join(parts, ",") + `]}`
	}
	split := func(pattern string) string {
		data, err := json.Marshal(map[string]any{"type": "Split", "pattern": map[string]string{"Regex": pattern}, "behavior": "Isolated"})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, test := range []struct{ name, why, normalizer, pretokenizer, want string }{
		{"long pattern", "time to compile", "null", split(strings.Repeat("a", maxPattern+1)), "4097 bytes; at most 4096 are expected"},
		{"nested pattern", "depth of the parser", "null", split(strings.Repeat("(", maxPatternNesting+1) + "a" + strings.Repeat(")", maxPatternNesting+1)), "more than 50 brackets within each other"},
		{"brackets after each other", "these are not within each other", "null", split(strings.Repeat("(a)", maxPatternNesting+1)), ""},
		{"escaped brackets", "are characters", "null", split(strings.Repeat(`\(`, maxPatternNesting+1)), ""},
		{"slow pattern", "it tries all ways to divide a run", "null", split("(a|aa)+$"), "it takes more than 2s on 512 characters"},
		{"quick pattern", "as GPT-2's", "null", split(`'(?:[sdmt]|ll|ve|re)|\s+(?!\S)|\s+|\w+`), ""},
		{"growing", "memory", replace("a", strings.Repeat("b", maxGrowth+1)), "null", "make more than 4096 bytes of one"},
		{"growing together", "each makes more of the other's", sequence(replace("a", strings.Repeat("b", 100)), replace("b", strings.Repeat("c", 100))), "null", "make more than 4096 bytes of one"},
		{"not growing", "as many models replace a space", sequence(replace(" ", "▁"), replace("``", `"`), replace("▁", "▁")), "null", ""},
		{"long prefix", "memory", `{"type":"Prepend","prepend":"` + strings.Repeat("a", maxReplacement+1) + `"}`, "null", "prepend of 1025 bytes; at most 1024 are expected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(`{"normalizer":` + test.normalizer + `,"pre_tokenizer":` + test.pretokenizer + `,"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}`))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v; want %q: %s", err, test.want, test.why)
			}
		})
	}
	if _, err := newCharsmap(make([]byte, maxCharsmap+1)); err == nil || !strings.Contains(err.Error(), "at most 16777216 are expected") {
		t.Errorf("a charsmap that is too large: %v", err)
	}
}

// A pattern that is quick on the probe's texts and slow on others is stopped by its
// time for a text, which is next to nothing here; a part of every kind is named.
func TestTimeForAText(t *testing.T) {
	const pattern, text = `[^ ]+ ?`, "a b a b"
	for _, test := range []struct {
		name, file string
		decode     bool
		want       string
	}{
		{"pre_tokenizer", `"pre_tokenizer":{"type":"Split","pattern":{"Regex":"` + pattern + `"},"behavior":"Isolated"}`, false, "the tokenizer's Split with pattern"},
		{"normalizer", `"normalizer":{"type":"Replace","pattern":{"Regex":"` + pattern + `"},"content":"a"}`, false, "the tokenizer's Replace with pattern"},
		{"decoder", `"decoder":{"type":"Replace","pattern":{"Regex":"` + pattern + `"},"content":"b"}`, true, "the tokenizer's Replace with pattern"},
		{"a text in a sequence", `"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"` + pattern + `"},"behavior":"Isolated"}]}`, false, "the tokenizer's Split with pattern"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, limit := range []time.Duration{textTime, time.Nanosecond} {
				tok, err := parse([]byte(`{`+test.file+`,"model":{"type":"WordLevel","vocab":{"a":0,"b":1},"unk_token":"a"}}`), limit)
				if err != nil {
					t.Fatal(err)
				}
				for range 2 { // the first one stays
					if test.decode {
						tok.Decode([]int32{0, 1}, false)
					} else {
						tok.Encode(text, false)
					}
				}
				switch err := tok.Err(); {
				case limit == textTime && err != nil:
					t.Errorf("with %v for a text: %v", limit, err)
				case limit < textTime && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "more than 1ns for a text of ")):
					t.Errorf("with %v for a text: %v; %q expected", limit, err, test.want)
				}
			}
		})
	}
}
