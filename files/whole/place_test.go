package whole

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCheckPlaces(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "")
	for _, test := range []struct {
		name, path, folder, file string // what is wrong with a folder, and with a file, of that name
	}{
		{"a folder", dir, "", "is a folder; the name of a file expected"},
		{"nothing", filepath.Join(dir, "new"), "", ""},
		{"nothing in nothing", filepath.Join(dir, "new", "deep"), "", ""},
		{"a file", file, "file is a file; a folder", ""},
		{"below a file", filepath.Join(file, "in", "it"), "file is a file; a folder", "file is a file; a folder"},
		{"where nothing can be made", "/proc/none", "nothing can be written in /proc", "nothing can be written in /proc"},
		{"a device", "/dev/null", "null is a file; a folder", "is no regular file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, of := range []struct{ got, want error }{{CheckFolder(test.path), errors.New(test.folder)}, {CheckFile(test.path), errors.New(test.file)}} {
				if want := of.want.Error(); (of.got == nil) != (want == "") || of.got != nil && !strings.Contains(of.got.Error(), want) {
					t.Errorf("%v; expected %q", of.got, want)
				}
			}
		})
	}
	if len(names(t, dir)) != 1 {
		t.Errorf("looking left %v", names(t, dir))
	}
}

func TestReadyFileMakesTheFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "file")
	if err := ReadyFile(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, "x")
	if err := ReadyFile(filepath.Join(path, "c")); err == nil {
		t.Error("a place below a file is ready")
	}
}

func TestErrorsOfWritingSayWhatToDo(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{syscall.ENOSPC, "make room"}, {syscall.EDQUOT, "make room"}, {syscall.EFBIG, "ulimit -f"}, {syscall.EACCES, "a folder that can be written"},
		{syscall.EROFS, "a folder that can be written"}, {syscall.ENOTDIR, "choose another name"}, {errors.New("other"), "so far: other"},
	} {
		path := filepath.Join(t.TempDir(), "new", "out")
		err := File(path, func(io.Writer) error { return fmt.Errorf("so far: %w", test.err) })
		if err == nil || !strings.HasPrefix(err.Error(), "writing "+path+": so far: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v; expected %q", err, test.want)
		}
	}
}
