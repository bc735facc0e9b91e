package replies

import (
	"os"
	"path/filepath"
	"testing"
)

type request struct{ Model, User string }

func TestKeptRepliesAreFound(t *testing.T) {
	f := Folder(filepath.Join(t.TempDir(), "replies"))
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	ask := request{"m", "<b> & \u2028 \"quoted\""}
	var got string
	if f.Find(ask, &got) {
		t.Fatal("found before it was kept")
	}
	if err := f.Keep(ask, "a < b"); err != nil {
		t.Fatal(err)
	}
	if !f.Find(ask, &got) || got != "a < b" {
		t.Fatalf("%q", got)
	}
	if f.Find(request{"n", ask.User}, &got) {
		t.Error("the reply of another model")
	}
	if err := f.Keep(ask, "another"); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(string(f))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v: one file expected", files, err)
	}
}

// What is no whole reply to this very request is as good as none.
func TestDamagedFilesAreNoReplies(t *testing.T) {
	f := Folder(t.TempDir())
	ask := request{"m", "u"}
	if err := f.Keep(ask, "reply"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(string(f), "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	for name, text := range map[string]string{
		"cut off":         `{"request":{"Model":"m","User":"u"},"rep`,
		"empty":           "",
		"another request": `{"request":{"Model":"m","User":"v"},"reply":"r"}`,
		"another type":    `{"request":{"Model":"m","User":"u"},"reply":{"a":1}}`,
	} {
		if err := os.WriteFile(files[0], []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var got string
		if f.Find(ask, &got) {
			t.Errorf("%s: %q found", name, got)
		}
	}
}

func TestNoFolderKeepsNothing(t *testing.T) {
	var f Folder
	var got string
	if f.Make() != nil || f.Keep("a", "b") != nil || f.Find("a", &got) {
		t.Error("something is kept without a folder")
	}
}
