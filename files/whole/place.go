package whole

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CheckFile says, before the work begins, what keeps a file from being written at path:
// something else has the name, or its folder can neither be written nor made.
func CheckFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s: is a folder; the name of a file expected, %s for instance", path, filepath.Join(path, "NAME"))
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s: is no regular file; the name of one, or a new name, expected", path)
	}
	return checkFolder(path, filepath.Dir(path))
}

// ReadyFile is CheckFile, and makes the folder: for a file that is added to.
func ReadyFile(path string) error {
	if err := CheckFile(path); err != nil {
		return err
	}
	return os.MkdirAll(filepath.Dir(path), 0o777)
}

// CheckFolder says what keeps files from being made in a folder, which may have to
// be made first.
func CheckFolder(dir string) error { return checkFolder(dir, dir) }

// checkFolder says it of what is to be written at path, in a folder.
func checkFolder(path, dir string) error {
	at, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for {
		info, err := os.Stat(at)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%s: %s is a file; a folder, or a path where one can be made, expected; choose another path", path, at)
		case err == nil:
			f, err := os.CreateTemp(at, ".gorqa-*") // rights alone do not tell: a file system may be full, or read-only
			if err == nil {
				err = errors.Join(f.Close(), os.Remove(f.Name()))
			}
			if err != nil {
				return fmt.Errorf("%s: nothing can be written in %s (%w); a folder that can be written expected; choose another path, or make room", path, at, err)
			}
			return nil
		case !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			return fmt.Errorf("%s: %w", path, err)
		}
		at = filepath.Dir(at)
	}
}

// advice says what to do about an error of writing, "" of one that says so itself.
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "; make room, or choose a folder of another file system"
	case errors.Is(err, syscall.EFBIG):
		return "; files of that size are not allowed here: raise the limit (ulimit -f), or choose another file system"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "; choose a folder that can be written"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist), errors.Is(err, syscall.EISDIR):
		return "; choose another name"
	}
	return ""
}
