package report

import (
	"fmt"
	"io"
	"os"
)

// appendFile is a file of whole lines that is added to. Lines that cannot be
// written, on a full disk say, wait, and are written before the next one that can;
// half a line is taken back.
type appendFile struct {
	name string
	f    interface {
		io.WriteCloser
		Truncate(size int64) error
	}
	size    int64 // of the whole lines in the file
	waiting []byte
	err     error // why they wait
}

func openAppend(name, path string) (*appendFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &appendFile{name: name, f: f, size: info.Size()}, nil
}

// mostWaiting bounds the lines that wait. What is beyond is lost, and close tells.
const mostWaiting = 64 << 20

// add writes lines. The error is given once, when lines begin to wait.
func (a *appendFile) add(lines []byte) (begins error) {
	if len(a.waiting)+len(lines) <= mostWaiting {
		a.waiting = append(a.waiting, lines...)
	}
	was := a.err
	n, err := a.f.Write(a.waiting)
	if a.err = err; err == nil {
		a.size, a.waiting = a.size+int64(n), a.waiting[:0]
		return nil
	}
	if n > 0 {
		if err := a.f.Truncate(a.size); err != nil { // the half stays; the rest follows it
			a.size, a.waiting = a.size+int64(n), a.waiting[n:]
		}
	}
	if was == nil {
		return fmt.Errorf("%s: %w", a.name, err)
	}
	return nil
}

// close writes what waits, and says if it cannot.
func (a *appendFile) close() error {
	if len(a.waiting) > 0 {
		_ = a.add(nil)
	}
	err := a.f.Close()
	if len(a.waiting) > 0 {
		return fmt.Errorf("%s lacks its last lines: %w", a.name, a.err)
	}
	return err
}
