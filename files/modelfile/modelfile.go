// Package modelfile opens the files that commands read, and says of one that
// is something else what it is: a folder, a named pipe that nobody writes to, a
// device, a link to nothing, or the pointer that Git LFS leaves in a file's
// place. What is wrong with the JSON or the YAML in a file it tells by line and key.
// It knows nothing of what the files mean.
package modelfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// pointer begins the files that Git LFS leaves where it has not fetched the
// content (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md), which
// are of less than maxPointer bytes.
var pointer = []byte("version https://git-lfs.github.com/spec/")

const maxPointer = 1024

// Open opens a regular file and gives its size. Of a file that is not there the
// error is fs.ErrNotExist.
func Open(path string) (*os.File, int64, error) {
	if err := check(path); err != nil { // before opening, which waits at a pipe
		return nil, 0, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil {
		err = checkPointer(path, file, info.Size())
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// Read reads a regular file of at most limit bytes.
func Read(path string, limit int64) (_ []byte, err error) {
	file, size, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if size > limit {
		return nil, fmt.Errorf("%s: %d bytes; expected a file of at most %d", path, size, limit)
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: more than %d bytes; expected a file that does not grow beyond them", path, limit)
	}
	return data, err
}

// check reports what is no regular file.
func check(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if link, linkErr := os.Readlink(path); linkErr == nil {
			return fmt.Errorf("%s: a link to %s, which is not there; expected the file; fetch or copy it again", path, link)
		}
	}
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return &fs.PathError{Op: "open", Path: path, Err: pathErr.Err} // as if it had been opened
	}
	if err != nil {
		return err
	}
	kind := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%s: is a folder; expected a file; name one in it", path)
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	default:
		kind = "no file"
	}
	return fmt.Errorf("%s: is %s; expected a regular file, which can be read more than once: copy the content into one", path, kind)
}

// checkPointer reports what Git LFS has left in a file's place.
func checkPointer(path string, file io.ReaderAt, size int64) error {
	if size < int64(len(pointer)) || size >= maxPointer {
		return nil
	}
	head := make([]byte, len(pointer))
	if _, err := file.ReadAt(head, 0); err != nil {
		return err
	}
	if !bytes.Equal(head, pointer) {
		return nil
	}
	return fmt.Errorf("%s: a Git LFS pointer of %d bytes; expected the file that it stands for; run git lfs pull in its repository, or give the model's hub id", path, size)
}

// Exists tells whether something is at path.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) // below a file there is nothing
}
