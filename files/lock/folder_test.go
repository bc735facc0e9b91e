package lock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	var busy *Busy
	if _, err := Folder(dir); !errors.As(err, &busy) || !strings.Contains(err.Error(), fmt.Sprintf("process %d on ", os.Getpid())) {
		t.Errorf("error %v; want a Busy that names this process", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v %v: an empty folder expected once it is given back", left, err)
	}

	// A killed process leaves its file, which holds nobody.
	if err := os.WriteFile(filepath.Join(dir, folderFile), []byte("process 1 on elsewhere, with a long name\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if unlock, err = Folder(dir); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, folderFile)); err != nil || strings.Contains(string(data), "elsewhere") {
		t.Errorf("%q %v: the new holder's name alone expected", data, err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	if _, err := Folder(filepath.Join(dir, "missing")); err == nil {
		t.Error("no error for a folder that is missing")
	}
}

// A link under the lock's name leads to a file that is not ours to write.
func TestLinkUnderTheLocksNameIsNotWrittenThrough(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, filepath.Join(dir, folderFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Folder(dir); err == nil {
		t.Error("no error for a link in the place of the lock")
	}
	if data, err := os.ReadFile(precious); err != nil || string(data) != "kept" {
		t.Errorf("%q %v: the file that the link leads to was changed", data, err)
	}
}

// However many come and go, at most one is in.
func TestFolderOneAtATime(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	in, times := 0, 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				unlock, err := Folder(dir)
				if err != nil {
					if !errors.As(err, new(*Busy)) {
						t.Error(err)
					}
					continue
				}
				mu.Lock()
				if in++; in > 1 {
					t.Error("two in one folder")
				}
				times++
				mu.Unlock()
				mu.Lock()
				in--
				mu.Unlock()
				if err := unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if times == 0 {
		t.Error("nobody ever got the folder")
	}
}
