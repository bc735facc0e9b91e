// Package whole makes files and folders that appear under their name complete
// or not at all. What is being made lies in a temporary folder beside the name:
// its own name is new, a marker in it says that gorqa made it, and a lock on the
// marker that somebody still works there. So a folder of somebody else is never
// taken for one of ours, and what a killed process left behind is removed by the
// next one that makes something in the same place. It knows nothing of what is
// made.
package whole

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	prefix     = ".gorqa-tmp-"
	markerName = "gorqa-temporary"
	marker     = "A temporary folder of gorqa. It may be removed when no gorqa runs.\n"
)

// Temp is a temporary folder, on the same file system as its parent.
type Temp struct {
	root string
	lock *os.File // the marker, locked
}

// NewTemp makes a temporary folder in parent, and removes those in it that
// killed processes left behind.
func NewTemp(parent string) (*Temp, error) {
	Sweep(parent)
	for try := 1; ; try++ {
		root, err := os.MkdirTemp(parent, prefix)
		if err != nil {
			return nil, err
		}
		t := &Temp{root: root}
		if err = t.mark(); err == nil {
			return t, nil
		}
		swept := errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) // by another process, before it was locked
		if !swept || try == 10 {
			return nil, errors.Join(err, os.RemoveAll(root))
		}
	}
}

// mark puts the marker into the folder, locked before it has its name. Where the
// file system has no locks, the folder is taken for an orphan only while it is empty.
func (t *Temp) mark() error {
	f, err := os.CreateTemp(t.root, markerName)
	if err != nil {
		return err
	}
	t.lock = f
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errors.Join(err, f.Close())
	}
	if _, err := f.WriteString(marker); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := os.Rename(f.Name(), filepath.Join(t.root, markerName)); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// Path is the path of a name in the folder.
func (t *Temp) Path(name string) string { return filepath.Join(t.root, name) }

// Remove removes the folder with what is still in it.
func (t *Temp) Remove() error { return errors.Join(remove(t.root), t.lock.Close()) }

// remove removes a folder, the marker last: a process that is killed on the way leaves an
// orphan.
func remove(root string) error {
	found, err := os.ReadDir(root)
	for _, e := range found {
		if e.Name() != markerName {
			err = errors.Join(err, os.RemoveAll(filepath.Join(root, e.Name())))
		}
	}
	return errors.Join(err, os.RemoveAll(root))
}

// Sweep removes the temporary folders in parent that nobody works in. One that
// cannot be removed is in nobody's way.
func Sweep(parent string) {
	found, _ := os.ReadDir(parent)
	for _, e := range found {
		root := filepath.Join(parent, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		if os.Remove(root) == nil { // an empty one was not marked yet, or not any more
			continue
		}
		if lock := orphan(root); lock != nil {
			_ = remove(root)
			_ = lock.Close()
		}
	}
}

// orphan takes the lock of a folder that is one of ours, where nobody holds it; nil of
// another. Its marker may not have got its name yet, nor all of its text.
func orphan(root string) *os.File {
	name, named := markerName, true
	if found, err := os.ReadDir(root); err == nil && len(found) == 1 && strings.HasPrefix(found[0].Name(), markerName) {
		name, named = found[0].Name(), found[0].Name() == markerName
	}
	f, err := os.OpenFile(filepath.Join(root, name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil // not ours, or somebody else removes it just now
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(len(marker)+1)))
	ours := string(data) == marker || !named && strings.HasPrefix(marker, string(data))
	if err == nil && ours && unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		return f
	}
	_ = f.Close()
	return nil
}

// File writes the file at path, in a folder that it makes where there is none, in place
// of whatever has that name: a link is replaced, not followed. On an error path is
// as it was.
func File(path string, write func(io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w%s", path, err, advice(err))
		}
	}()
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	t, err := NewTemp(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Remove()) }()
	part := t.Path(filepath.Base(path))
	if err := create(part, write); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return Sync(dir)
}

// create writes a new file and puts it on the disk.
func create(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	if err = write(w); err == nil {
		err = errors.Join(w.Flush(), f.Sync())
	}
	return errors.Join(err, f.Close())
}

// Bytes writes a file that holds data; see File.
func Bytes(path string, data []byte) error {
	return File(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Sync makes the names in a folder last.
func Sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
