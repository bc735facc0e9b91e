package modelfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadRefusesWhatIsNoModelFile(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lfs := "version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 1017112\n"
	write("plain", "abc")
	write("empty", "")
	write("lfs", lfs)
	write("long", lfs+strings.Repeat("x", maxPointer))
	if err := errors.Join(os.Mkdir(path("folder"), 0o700), os.Symlink("gone", path("link")), os.Symlink("plain", path("good link")), syscall.Mkfifo(path("pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, why, file, want string }{
		{"plain", "what there should be", "plain", ""},
		{"empty", "its reader says what is missing", "empty", ""},
		{"link", "hub caches are links", "good link", ""},
		{"long", "a document about Git LFS is none of its pointers", "long", ""},
		{"lfs", "a repository cloned without git-lfs", "lfs", "a Git LFS pointer of 72 bytes"},
		{"folder", "a path one short", "folder", "is a folder"},
		{"pipe", "opening it would wait for ever", "pipe", "is a named pipe"},
		{"device", "reading it would never end", "/dev/zero", "is a device"},
		{"dangling", "a hub cache whose blobs are gone", "link", "a link to gone, which is not there"},
		{"large", "memory is bounded", "/proc/self/exe", "expected a file of at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := c.file
			if !filepath.IsAbs(file) {
				file = path(file)
			}
			data, err := Read(file, 4096)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%s: %v", c.why, err)
			case c.want == "" && c.name == "plain" && string(data) != "abc":
				t.Errorf("read %q", data)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%s: error %v; want one with %q", c.why, err, c.want)
			case c.want != "" && errors.Is(err, fs.ErrNotExist):
				t.Errorf("%s: %v is fs.ErrNotExist; want it told from a file that is not there", c.why, err)
			}
		})
	}
	if _, err := Read(path("nothing"), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v; want fs.ErrNotExist", err)
	}
}
