package lock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// folderFile is the lock file of a folder. It is there while the folder is in
// use, and after a crash, when nobody holds it.
const folderFile = ".gorqa.lock"

// Busy says that another process works in a folder.
type Busy struct {
	Dir  string
	Whom string // who says so in the lock file; "" where it says nothing
}

func (e *Busy) Error() string {
	who := "another process"
	if e.Whom != "" {
		who += " (" + e.Whom + ")"
	}
	return fmt.Sprintf("%s: %s works in this folder; one at a time expected; wait for it, or choose another folder", e.Dir, who)
}

// Folder takes a folder that is there for this process alone, and returns how to
// give it back. Where another one has it, it does not wait: the error is a *Busy.
// The system gives the folder back when the process ends, however it ends. On a
// file system without locks everybody gets the folder.
func Folder(dir string) (unlock func() error, err error) {
	path := filepath.Join(dir, folderFile)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o666)
		if err != nil {
			return nil, err
		}
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case errors.Is(err, unix.EWOULDBLOCK):
			whom, _ := io.ReadAll(io.LimitReader(f, 200)) // best effort: it is for the message alone
			return nil, errors.Join(&Busy{Dir: dir, Whom: strings.ToValidUTF8(strings.TrimSpace(string(whom)), "?")}, f.Close())
		case errors.Is(err, unix.EINTR):
			_ = f.Close()
			continue
		}
		if same, err := stillThere(f, path); err != nil || !same { // its holder removed it just now
			if err := errors.Join(err, f.Close()); err != nil {
				return nil, err
			}
			continue
		}
		host, _ := os.Hostname()
		text := fmt.Sprintf("process %d on %s\n", os.Getpid(), host)
		if _, err := f.WriteAt([]byte(text), 0); err == nil {
			_ = f.Truncate(int64(len(text)))
		} // on a full disk the lock holds all the same
		return func() error { return errors.Join(os.Remove(path), f.Close()) }, nil
	}
}

// stillThere says whether path is the open file.
func stillThere(f *os.File, path string) (bool, error) {
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	now, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, now), err
}
