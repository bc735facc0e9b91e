package demodata_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
	"gorqa/text/demodata"
)

// built is the default data set of the Go installation that runs the tests,
// made once.
var built = sync.OnceValues(func() (*demodata.Set, error) {
	root, err := demodata.Goroot(context.Background())
	if err != nil {
		return nil, err
	}
	return demodata.Build(context.Background(), root, demodata.DefaultOptions())
})

func set(t *testing.T) *demodata.Set {
	t.Helper()
	s, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func all(s *demodata.Set) []dataset.Example {
	return append(append(append([]dataset.Example{}, s.Train...), s.Eval...), s.Test...)
}

func TestSetHasTheRowsAskedForAndShortPassages(t *testing.T) {
	s := set(t)
	opt := demodata.DefaultOptions()
	got := []int{len(s.Train), len(s.Eval), len(s.Test), len(s.Documents)}
	if d := cmp.Diff([]int{opt.Train, opt.Eval, opt.Test, opt.Documents}, got); d != "" {
		t.Errorf("rows and documents (-want +got):\n%s", d)
	}
	if !strings.HasPrefix(s.GoVersion, "go1.") {
		t.Errorf("Go version is %q", s.GoVersion)
	}
	// About four bytes make a token in English, three in declarations.
	var passage, answer int
	for _, d := range s.Documents {
		if n := len(d.Text()); n > 560 {
			t.Errorf("a passage of %d bytes; it should be short:\n%s", n, d.Text())
		} else {
			passage += n
		}
		if !strings.HasPrefix(d.Text(), "Source: pkg.go.dev/") || !strings.Contains(d.Text(), "\nContent:\n") {
			t.Errorf("passage lacks its source or content:\n%s", d.Text())
		}
	}
	for _, ex := range all(s) {
		if n := len(ex.GoldAnswer); n > 220 {
			t.Errorf("an answer of %d bytes: %s", n, ex.GoldAnswer)
		}
		answer += len(ex.GoldAnswer)
	}
	t.Logf("mean bytes: passage %d, answer %d", passage/len(s.Documents), answer/len(all(s)))
}

var words = regexp.MustCompile(`\w+`)

// TestAnswersAreSupported looks for every word of an answer in its passage,
// but for the few that every answer of a kind has.
func TestAnswersAreSupported(t *testing.T) {
	glue := map[string]bool{"returns": true, "takes": true, "was": true, "added": true, "in": true, "is": true, "package": true, "deprecated": true, "A": true, "An": true}
	for _, ex := range all(set(t)) {
		if len(ex.GoldDocs) != 1 {
			t.Fatalf("%q has %d gold passages", ex.Question, len(ex.GoldDocs))
		}
		if name := regexp.MustCompile(`^(package )?[\w/]+(\.\w+)*$`); !name.MatchString(ex.GoldDocs[0].Metadata["title"].(string)) {
			t.Errorf("a passage's title is %q", ex.GoldDocs[0].Metadata["title"])
		}
		there := map[string]bool{}
		for _, w := range words.FindAllString(ex.GoldDocs[0].Text(), -1) {
			there[w] = true
		}
		for _, w := range words.FindAllString(ex.GoldAnswer, -1) {
			if !there[w] && !glue[w] {
				t.Errorf("%q: the passage lacks %q of the answer %q:\n%s", ex.Question, w, ex.GoldAnswer, ex.GoldDocs[0].Text())
			}
		}
	}
}

func TestNoLeaks(t *testing.T) {
	s := set(t)
	database := map[string]int{}
	for _, d := range s.Documents {
		database[d.Text()]++
		if database[d.Text()] > 1 {
			t.Errorf("a passage stands twice:\n%s", d.Text())
		}
	}
	gold, asked := map[string]bool{}, map[string]bool{}
	for _, ex := range all(s) {
		text := ex.GoldDocs[0].Text()
		switch {
		case gold[text]:
			t.Errorf("a passage answers two rows:\n%s", text)
		case database[text] == 0:
			t.Errorf("the database lacks the passage of %q", ex.Question)
		case asked[ex.Question]:
			t.Errorf("%q stands twice", ex.Question)
		}
		gold[text], asked[ex.Question] = true, true
	}
	negatives := 0
	for _, ex := range all(s) {
		for _, d := range ex.HardNegDocs {
			negatives++
			if gold[d.Text()] {
				t.Errorf("a hard negative of %q answers another row", ex.Question)
			}
			if database[d.Text()] == 0 {
				t.Errorf("the database lacks a hard negative of %q", ex.Question)
			}
			path := func(d dataset.Document) string {
				path, _, _ := strings.Cut(d.Metadata["source"].(string), "#")
				return path
			}
			if path(d) != path(ex.GoldDocs[0]) {
				t.Errorf("a hard negative of %q is of another package: %s", ex.Question, path(d))
			}
		}
	}
	if negatives < len(all(s)) {
		t.Errorf("%d hard negatives for %d rows", negatives, len(all(s)))
	}
	for _, pair := range [][2][]dataset.Example{{s.Train, s.Eval}, {s.Train, s.Test}, {s.Eval, s.Test}} {
		if shared := dataset.Overlap(pair[0], pair[1]); len(shared) > 0 {
			t.Errorf("questions in two splits: %v", shared)
		}
	}
}

func TestSeedDecidesTheRows(t *testing.T) {
	root, err := demodata.Goroot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opt := demodata.DefaultOptions()
	again, err := demodata.Build(t.Context(), root, opt)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(set(t), again); d != "" {
		t.Errorf("the same seed gave another data set (-first +second):\n%.2000s", d)
	}
	opt.Seed++
	other, err := demodata.Build(t.Context(), root, opt)
	if err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(set(t).Train, other.Train) {
		t.Error("another seed gave the same rows")
	}
}

func TestWrittenRowsReadBack(t *testing.T) {
	s := set(t)
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 { // the second time over the first
		if err := s.Write(dir, false); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]dataset.Example{demodata.TrainFile: s.Train, demodata.EvalFile: s.Eval, demodata.TestFile: s.Test} {
		got, err := dataset.ReadExamples(t.Context(), filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s has %d rows, want %d", name, len(got), len(want))
		}
		for i := range want {
			if got[i].Question != want[i].Question || got[i].GoldAnswer != want[i].GoldAnswer || got[i].GoldDocs[0].Text() != want[i].GoldDocs[0].Text() {
				t.Errorf("%s: row %d came back as another", name, i)
			}
		}
	}
	docs, err := dataset.ReadDocuments(t.Context(), filepath.Join(dir, demodata.DocumentsFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) != len(s.Documents) {
		t.Errorf("%d documents came back of %d", len(docs), len(s.Documents))
	}
	listed, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(listed) != 4 {
		t.Errorf("the folder holds %v; want the four files alone", listed)
	}
}

func TestBuildRefuses(t *testing.T) {
	bare := t.TempDir()
	broken := t.TempDir()
	fmtDir := filepath.Join(broken, "src", "fmt")
	if err := os.MkdirAll(fmtDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(fmtDir, "fmt.go"), []byte("package fmt\nfunc {"), 0o644); err != nil {
		t.Fatal(err)
	}
	small := t.TempDir()
	if err := os.MkdirAll(filepath.Join(small, "src", "fmt"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(small, "src", "fmt", "fmt.go"), []byte("// Package fmt prints what it is told to print.\npackage fmt\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	few := demodata.Options{Train: 5, Eval: 5, Test: 5, Documents: 10}
	for _, tc := range []struct {
		name, why, root string
		opt             demodata.Options
		want            []string
	}{
		{"no source", "a Go without src, as some systems package it", bare, demodata.DefaultOptions(), []string{"found no source", "set GOROOT"}},
		{"not there", "a wrong GOROOT", filepath.Join(bare, "x"), demodata.DefaultOptions(), []string{"found no source"}},
		{"broken source", "half an installation", broken, demodata.DefaultOptions(), []string{"fmt.go:2", "install Go anew"}},
		{"too small", "not enough to ask about", small, demodata.DefaultOptions(), []string{"expected 304"}},
		{"few documents", "every row needs its own", small, few, []string{"10 documents for 15 rows"}},
		{"nothing asked", "all problems together", small, demodata.Options{HardNegs: -1}, []string{"train", "eval", "test", "hard negatives"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := demodata.Build(t.Context(), tc.root, tc.opt)
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error is %v; want %q in it: %s", err, want, tc.why)
				}
			}
		})
	}
}

// TestSourceMayBeALink reads an installation as Debian makes it: src is a link.
// This one lacks the api folder too, and so the releases of symbols.
func TestSourceMayBeALink(t *testing.T) {
	root, err := demodata.Goroot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	linked := t.TempDir()
	if err := os.Symlink(filepath.Join(root, "src"), filepath.Join(linked, "src")); err != nil {
		t.Fatal(err)
	}
	s, err := demodata.Build(t.Context(), linked, demodata.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(all(s)), len(all(set(t))); got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
	for _, d := range s.Documents {
		if strings.HasSuffix(d.Content, "Added in Go 1.18.") {
			t.Errorf("a release from nowhere: %s", d.Content)
		}
	}
}

func TestBuildStops(t *testing.T) {
	root, err := demodata.Goroot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := demodata.Build(ctx, root, demodata.DefaultOptions()); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want the context's", err)
	}
}

func ExampleBuild() {
	ctx := context.Background()
	root, err := demodata.Goroot(ctx)
	if err != nil {
		panic(err)
	}
	opt := demodata.DefaultOptions()
	opt.Train, opt.Documents = 100, 500
	data, err := demodata.Build(ctx, root, opt)
	if err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "godoc")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := data.Write(dir, false); err != nil {
		panic(err)
	}
}
