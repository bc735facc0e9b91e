package demodata

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSentences(t *testing.T) {
	for _, tc := range []struct {
		name, why, text string
		want            []string
	}{
		{"one", "no end needed", "Cut cuts", []string{"Cut cuts"}},
		{"two", "the usual case", "Cut cuts. It is fast.", []string{"Cut cuts.", "It is fast."}},
		{"abbreviation", "no sentence ends there", "Some forms, e.g. Base 16, or i.e. This one. Next.", []string{"Some forms, e.g. Base 16, or i.e. This one.", "Next."}},
		{"name", "initials", "See J. Smith. Next.", []string{"See J. Smith.", "Next."}},
		{"variable", "a parameter of one letter", "Close closes v. It panics.", []string{"Close closes v.", "It panics."}},
		{"version", "a number with a point", "As of Go 1.16 this works.", []string{"As of Go 1.16 this works."}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, sentences(tc.text)); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.why, d)
			}
		})
	}
}

func TestSignature(t *testing.T) {
	for _, tc := range []struct{ name, decl, params, results string }{
		{"function", "func Cut(s, sep string) (before, after string, found bool)", "(s, sep string)", "(before, after string, found bool)"},
		{"method", "func (b *Buffer) Grow(n int)", "(n int)", ""},
		{"generic", "func Map[K comparable, V any](m map[K]V, f func(K) bool) V", "(m map[K]V, f func(K) bool)", "V"},
		{"generic method", "func (x *Pointer[T]) Load() *T", "()", "*T"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			params, results := signature(tc.decl)
			if params != tc.params || results != tc.results {
				t.Errorf("takes %q and returns %q, want %q and %q", params, results, tc.params, tc.results)
			}
		})
	}
}

func TestRestated(t *testing.T) {
	for _, tc := range []struct{ name, why, symbol, qualified, sentence, want string }{
		{"function", "the full name for the bare one", "Cut", "strings.Cut", "Cut slices s around the first instance of sep.", "strings.Cut slices s around the first instance of sep."},
		{"method", "the last part is the bare name", "Buffer.Grow", "bytes.Buffer.Grow", "Grow grows the buffer's capacity by n.", "bytes.Buffer.Grow grows the buffer's capacity by n."},
		{"article", "it follows the new first letter", "Error", "ast.Error", "A Error represents an error of the parser.", "An ast.Error represents an error of the parser."},
		{"other beginning", "nothing to restate", "Cut", "strings.Cut", "This function slices s around sep somehow.", ""},
		{"short", "says nothing", "Cut", "strings.Cut", "Cut cuts.", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := restated(&entry{symbol: tc.symbol, name: tc.qualified, sentence: tc.sentence}); got != tc.want {
				t.Errorf("%q, want %q: %s", got, tc.want, tc.why)
			}
		})
	}
}

func TestReadAPI(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go1.txt":   "pkg fmt, func Print(...interface{}) (int, error)\n",
		"go1.1.txt": "pkg fmt, func Print(...any) (int, error)\npkg bytes, method (*Buffer) Available() int\npkg syscall (linux-386), type Stat struct\n",
		"go1.2.txt": "pkg bytes, method (*Buffer) Available() int\npkg sync/atomic, method (*Pointer[$0]) Load() *$0\npkg io, const SeekStart = 0\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readAPI(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"fmt Print":                "",
		"bytes Buffer.Available":   "Go 1.1",
		"syscall Stat":             "Go 1.1",
		"sync/atomic Pointer.Load": "Go 1.2",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if none, err := readAPI(filepath.Join(dir, "none")); err != nil || len(none) != 0 {
		t.Errorf("without the files: %v, %v; want nothing", none, err)
	}
}
