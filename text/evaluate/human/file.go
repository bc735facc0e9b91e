package human

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// File is a file of annotations that is added to.
type File struct {
	mu sync.Mutex
	f  *os.File
}

// Open opens a file to add to, which is made where it is not there; what a kill left of
// a last line is cut off.
func Open(path string) (_ *File, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: no regular file found; one to add annotations to, or a new name, expected", path)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err == nil && len(text) > 0 && text[len(text)-1] != '\n' {
		err = f.Truncate(int64(bytes.LastIndexByte(text, '\n') + 1))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &File{f: f}, nil
}

// Add writes an annotation, and returns once it is on the disk.
func (f *File) Add(a Annotation) error {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(a); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.f.Write(line.Bytes()); err != nil {
		return err
	}
	return f.f.Sync()
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }
