// Package resume downloads a file, goes on where an earlier try broke off, in this
// process or in one before it, and keeps nothing whose hash is another one. It knows
// no server: who asks for a download sends the requests.
package resume

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"time"

	"gorqa/files/modelfile"
)

// File is a file to download.
type File struct {
	Name   string // for messages
	Size   int64  // in bytes: no more is read
	Sum    string // its hash, in hexadecimal
	Digest func() hash.Hash

	Get      func(ctx context.Context, from int64) (*http.Response, error) // asks for the content from a byte on
	Refused  func(*http.Response) error                                    // what a status other than success means
	Progress func(done int64)                                              // may be nil
}

// Unreachable is the error of a server that does not answer now and may do later.
type Unreachable struct{ Err error }

func (u *Unreachable) Error() string { return u.Err.Error() }
func (u *Unreachable) Unwrap() error { return u.Err }

// attempts is how often a download that breaks off without a new byte is tried.
const attempts = 3

// stall is how long a download may bring nothing.
const stall = 60 * time.Second

const retryDelay = 200 * time.Millisecond

// Into downloads the file to path, of which what lies there already is the beginning.
// After an error what came is kept, unless its hash is another one.
func (f File) Into(ctx context.Context, path string) error {
	out, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer out.Close()
	reached, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if reached > f.Size {
		if reached, err = 0, out.Truncate(0); err != nil {
			return err
		}
	}
	for tries := 0; reached < f.Size; {
		n, err := f.stretch(ctx, out, reached)
		if n < reached {
			tries++ // the server began anew
		}
		if n > reached {
			tries = 0
		}
		reached = n
		if err == nil {
			continue
		}
		if away := new(Unreachable); !errors.As(err, &away) || ctx.Err() != nil {
			return err
		}
		if tries++; tries >= attempts {
			return &Unreachable{Err: fmt.Errorf("%s: broke off after %d of %d bytes, which are kept: %w", f.Name, reached, f.Size, err)}
		}
		select {
		case <-time.After(time.Duration(tries) * retryDelay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum, err := sumOf(ctx, out, f.Digest())
	if err != nil {
		return err
	}
	if sum != f.Sum {
		return errors.Join(fmt.Errorf("%s: its hash is %s; expected %s; the download is damaged and was removed: try again", f.Name, sum, f.Sum), os.Remove(path))
	}
	return out.Sync()
}

// stretch downloads from byte from on as far as one response carries, and returns how
// far the file reaches now.
func (f File) stretch(ctx context.Context, out *os.File, from int64) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("nothing came for %v", stall)) })
	defer watch.Stop()
	response, err := f.Get(ctx, from)
	if err != nil {
		return from, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusPartialContent && from > 0:
	case response.StatusCode == http.StatusOK: // the whole, asked for or not
		from = 0
	case response.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return 0, errors.Join(&Unreachable{Err: fmt.Errorf("the server has no byte %d of it", from)}, out.Truncate(0))
	default:
		return from, f.Refused(response)
	}
	if err := out.Truncate(from); err != nil {
		return from, err
	}
	if _, err := out.Seek(from, io.SeekStart); err != nil {
		return from, err
	}
	buf := make([]byte, 1<<20)
	body := io.LimitReader(response.Body, f.Size-from)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			watch.Reset(stall)
			if _, err := out.Write(buf[:n]); err != nil {
				return from, err
			}
			if from += int64(n); f.Progress != nil {
				f.Progress(from)
			}
		}
		if errors.Is(err, io.EOF) && from == f.Size {
			return from, nil
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return from, &Unreachable{Err: err}
		}
	}
}

// Sum is the hash of a file, in hexadecimal.
func Sum(ctx context.Context, path string, h hash.Hash) (string, error) {
	file, _, err := modelfile.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return sumOf(ctx, file, h)
}

func sumOf(ctx context.Context, file io.Reader, h hash.Hash) (string, error) {
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		_, err := io.CopyN(h, file, 16<<20)
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}
