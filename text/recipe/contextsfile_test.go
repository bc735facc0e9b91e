package recipe

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorqa/text/dataset"

	"github.com/google/go-cmp/cmp"
)

func TestContextsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "contexts-train.jsonl")
	rows, pool := manyRows(30), letters(20)
	opt := ContextOptions{K: 3, Shuffle: true, GoldDropout: 0.3, Distractors: 2, AbstainAnswer: "<no>", Seed: 3}
	open := func(rows []dataset.Example, pool []dataset.Document, name string, opt ContextOptions) *ContextsFile {
		t.Helper()
		f, err := NewContextsFile(path, rows, pool, name, opt)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	read := func(f *ContextsFile) []Context {
		t.Helper()
		got, err := f.Read()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	f := open(rows, pool, "bm25", opt)
	if got := read(f); got != nil {
		t.Errorf("%d contexts without a file", len(got))
	}
	want, err := BuildContexts(t.Context(), rows, &ring{docs: pool}, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	opt.Progress = func(int, int) {} // changes nothing in the contexts
	if diff := cmp.Diff(want, read(open(rows, pool, "bm25", opt))); diff != "" {
		t.Errorf("the next run gets other contexts: %s", diff)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v files left, error %v", entries, err)
	}
	if !bytes.Contains(whole, []byte(`"answer":"<no>"`)) {
		t.Error("the answer to abstain with is escaped or missing")
	}

	answered := slices.Clone(rows)
	answered[29].GoldAnswer = "another"
	asked := slices.Clone(rows)
	asked[0].History = []dataset.Turn{{Speaker: "user", Message: "hi"}}
	seeded := opt
	seeded.Seed++
	for _, c := range []struct {
		name, why string
		f         *ContextsFile
	}{
		{"retriever", "it ranks otherwise", open(rows, pool, "dense", opt)},
		{"settings", "other passages are drawn", open(rows, pool, "bm25", seeded)},
		{"documents", "another one may be better", open(rows, append(pool[:19:19], doc("new")), "bm25", opt)},
		{"answer", "rows are other rows", open(answered, pool, "bm25", opt)},
		{"history", "so are their dialogues", open(asked, pool, "bm25", opt)},
		{"fewer rows", "the rest is not this split's", open(rows[:29], pool, "bm25", opt)},
	} {
		if got := read(c.f); got != nil {
			t.Errorf("%s: reused although %s", c.name, c.why)
		}
	}

	lines := strings.SplitAfter(string(whole), "\n")
	put := func(i int, line string) string {
		out := slices.Clone(lines)
		out[i] = line
		return strings.Join(out, "")
	}
	for _, c := range []struct{ name, why, content, want string }{
		{"cut", "a row is missing", strings.Join(lines[:30], ""), ":31: the file ends here; the contexts of 30 rows expected; delete the file"},
		{"cut inside", "or half of it", string(whole[:len(whole)-9]), ":31: unexpected EOF"},
		{"longer", "a row too many", string(whole) + lines[30], ":32: more rows found"},
		{"swapped", "rows are numbered", put(1, lines[2]), ":2: row 1 found; row 0 expected"},
		{"foreign passage", "no document is that", put(2, `{"row":1,"passages":[{"id":"x","from":"retrieved"}]}`+"\n"), `:3: no passage has the id "x"`},
		{"foreign origin", "no such place", put(2, `{"row":1,"passages":[{"id":"x","from":"heaven"}]}`+"\n"), `:3: a passage from "heaven" found`},
		{"no object", "not what was written", put(2, "7\n"), ":3: 7 found; an object expected"},
	} {
		if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Read(); err == nil || !strings.HasPrefix(err.Error(), path+c.want) {
			t.Errorf("%s: %v\nexpected %q, since %s", c.name, err, path+c.want, c.why)
		}
	}
	for _, content := range []string{"", "\n", "{}\n", "something else\n"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := read(f); got != nil {
			t.Errorf("%q gives %d contexts", content, len(got))
		}
	}
	// What cannot be written leaves the file as it was.
	want[3].Passages[0].Score = float32(math.NaN())
	if err := f.Write(want); err == nil {
		t.Error("NaN is written")
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v files left, error %v", entries, err)
	}
}

func FuzzReadContexts(f *testing.F) {
	rows := manyRows(2)
	file, err := NewContextsFile("contexts", rows, letters(20), "ring", DefaultContextOptions())
	if err != nil {
		f.Fatal(err)
	}
	contexts, err := BuildContexts(f.Context(), rows, &ring{docs: letters(20)}, DefaultContextOptions())
	if err != nil {
		f.Fatal(err)
	}
	var body bytes.Buffer
	if err := WriteContexts(&body, contexts); err != nil {
		f.Fatal(err)
	}
	f.Add(body.Bytes())
	f.Add([]byte(`{"row":0,"passages":null}` + "\n" + `{"row":1}`))
	f.Add([]byte("\xff\n[]"))
	head := fmt.Sprintf(`{"made_of":%q}`+"\n", file.head.Made)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := file.read(strings.NewReader(head + string(data)))
		if err != nil && !strings.HasPrefix(err.Error(), "contexts:") || err == nil && len(got) != 2 {
			t.Errorf("%d contexts, error %v", len(got), err)
		}
	})
}
