package whole

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range found {
		out = append(out, e.Name())
	}
	return out
}

func TestFile(t *testing.T) {
	full := errors.New("no space")
	for _, test := range []struct {
		name, why string
		before    func(t *testing.T, dir string)
		fail      error
		want      []string // in the folder
		out       string   // what lies at out
		precious  string   // what lies at precious
	}{
		{"new", "a file where nothing was", func(*testing.T, string) {}, nil, []string{"out"}, "new", ""},
		{"old", "the new file takes the old one's place", func(t *testing.T, dir string) { write(t, dir+"/out", "old") }, nil, []string{"out"}, "new", ""},
		{"failure", "the old file stays where the new one was not finished", func(t *testing.T, dir string) { write(t, dir+"/out", "old") }, full, []string{"out"}, "old", ""},
		{
			"link", "a link is replaced, and what it led to is left alone",
			func(t *testing.T, dir string) {
				write(t, dir+"/precious", "kept")
				if err := os.Symlink("precious", dir+"/out"); err != nil {
					t.Fatal(err)
				}
			},
			nil, []string{"out", "precious"}, "new", "kept",
		},
		{
			"files of like names", "they are the user's",
			func(t *testing.T, dir string) {
				write(t, dir+"/out.partial", "kept")
				write(t, dir+"/out.tmp", "kept")
				write(t, dir+"/.gorqa-tmp-1/file", "kept") // no marker
				write(t, dir+"/.gorqa-tmp-2", "kept")      // no folder
				write(t, dir+"/.gorqa-tmp-3/"+markerName, "another text")
			},
			nil, []string{".gorqa-tmp-1", ".gorqa-tmp-2", ".gorqa-tmp-3", "out", "out.partial", "out.tmp"}, "new", "",
		},
		{
			"an orphan", "a killed process cannot remove its own",
			func(t *testing.T, dir string) { write(t, dir+"/.gorqa-tmp-1/"+markerName, marker) },
			nil, []string{"out"}, "new", "",
		},
		{
			"orphans half made and half removed", "a process may be killed before its marker has its name, or after it is gone",
			func(t *testing.T, dir string) {
				write(t, dir+"/.gorqa-tmp-1/"+markerName+"123", marker[:9])
				if err := os.Mkdir(dir+"/.gorqa-tmp-2", 0o700); err != nil {
					t.Fatal(err)
				}
			},
			nil, []string{"out"}, "new", "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.before(t, dir)
			err := File(filepath.Join(dir, "out"), func(w io.Writer) error {
				_, err := io.WriteString(w, "new")
				return errors.Join(err, test.fail)
			})
			if !errors.Is(err, test.fail) {
				t.Fatalf("error %v; want %v (%s)", err, test.fail, test.why)
			}
			if diff := cmp.Diff(test.want, names(t, dir)); diff != "" {
				t.Errorf("%s: in the folder (-want +got):\n%s", test.why, diff)
			}
			if got := read(t, dir+"/out"); got != test.out {
				t.Errorf("%q in the file; want %q: %s", got, test.out, test.why)
			}
			if test.precious != "" && read(t, dir+"/precious") != test.precious {
				t.Errorf("what the link led to was changed: %s", test.why)
			}
			if info, err := os.Lstat(dir + "/out"); err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o600 != 0o600 || info.Mode().Perm()&0o111 != 0 {
				t.Errorf("%v %v: a plain file, as the umask has it, expected", info, err)
			}
		})
	}
}

// Folders that are made while others sweep are not lost: who makes one makes another where
// it was swept before it was marked.
func TestTempsMadeAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 100 {
				temp, err := NewTemp(dir)
				if err == nil {
					err = errors.Join(os.WriteFile(temp.Path("part"), []byte("half"), 0o600), temp.Remove())
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	if left := names(t, dir); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A temporary folder that somebody works in stays, whoever else comes by.
func TestTempInUse(t *testing.T) {
	dir := t.TempDir()
	first, err := NewTemp(dir)
	if err != nil {
		t.Fatal(err)
	}
	write(t, first.Path("part"), "half")
	second, err := NewTemp(dir)
	if err != nil {
		t.Fatal(err)
	}
	if read(t, first.Path("part")) != "half" {
		t.Error("the folder in use was touched")
	}
	for _, temp := range []*Temp{first, second} {
		if err := temp.Remove(); err != nil {
			t.Error(err)
		}
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What is wrong names the file that was to be written.
func TestFileNamesItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	path := filepath.Join(file, "out")
	if err := Bytes(path, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v; want one that names %s", err, path)
	}
}
