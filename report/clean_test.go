package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, why, text, want string }{
		{"plain", "words of all scripts stay", "Grüße, 世界 שלום 🙂 \u200d\n\tx", "Grüße, 世界 שלום 🙂 \u200d\n\tx"},
		{"escape", "colours, titles, cursor", "\x1b[2J\x1b]0;title\a", `\x1b[2J\x1b]0;title\x07`},
		{"rewritten line", "what stood there would be gone", "bad\rok", `bad\rok`},
		{"backspace", "likewise", "no\b\byes\x7f", `no\x08\x08yes\x7f`},
		{"Latin 1", "a CSI of one character", "\u009b31m", `\u009b31m`},
		{"bidi", "what is read is not what is there", "user\u202etxt.exe\u2066", `user\u202etxt.exe\u2066`},
		{"no UTF-8", "a terminal may take it for a control", "a\x9b\xff�", `a\x9b\xff�`},
		{"password", "in an address", "at https://me:hunter2@host/x", "at https://***@host/x"},
	} {
		if got := Clean(test.text); got != test.want {
			t.Errorf("%s: %q; want %q (%s)", test.name, got, test.want, test.why)
		}
	}
}

// The console and the log show no control character of what they are told, and
// JSON stays what it is.
func TestCleanConsole(t *testing.T) {
	var out bytes.Buffer
	r, err := Open(t.TempDir(), Options{Console: &out})
	if err != nil {
		t.Fatal(err)
	}
	r.Say("model %s", "\x1b[31mred\u202e")
	r.Table("t\x1b", []string{"a\r"}, [][]string{{"b\a"}})
	r.Task("files\x1b", 1).Done()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\r\a\u202e") || !strings.Contains(out.String(), `model \x1b[31mred\u202e`) {
		t.Errorf("%q", out.String())
	}
}

func FuzzCleanJSON(f *testing.F) {
	f.Add("a\u009b\u202e\x7f\x1b\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		data, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		clean := &CleanJSON{Out: &out}
		for i := range data { // the worst parts
			if n, err := clean.Write(data[i : i+1]); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		var want, got string
		if json.Unmarshal(data, &want) != nil || json.Unmarshal(out.Bytes(), &got) != nil || got != want {
			t.Errorf("%q is %q", want, out.Bytes())
		}
		if strings.ContainsFunc(out.String(), controls) || strings.ContainsFunc(Clean(text), func(r rune) bool { return controls(r) && r != '\n' && r != '\t' }) {
			t.Errorf("controls in %q", out.String())
		}
	})
}
