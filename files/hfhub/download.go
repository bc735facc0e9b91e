package hfhub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// id is the name of the file's blob: SHA-256 for large files, git's SHA-1 for
// the others; "" where the hub gives neither.
func (f file) id() string {
	id := f.Blob
	if f.LFS != nil {
		id = f.LFS.SHA256
	}
	if !hashPattern.MatchString(id) {
		return ""
	}
	return id
}

func (f file) size() int64 {
	if f.LFS != nil {
		return f.LFS.Size
	}
	return f.Size
}

// digest is an empty hash of the kind that id is.
func (f file) digest() hash.Hash {
	if len(f.id()) == 64 {
		return sha256.New()
	}
	h := sha1.New() // what git calls blobs
	fmt.Fprintf(h, "blob %d\x00", f.size())
	return h
}

// attempts is how often a download that breaks off without a new byte is tried.
const attempts = 3

// stall is how long a download may bring nothing.
const stall = 60 * time.Second

// download brings a file to blobs and returns its path there.
func (r *repo) download(ctx context.Context, commit string, f file, blobs string) (string, error) {
	blob := filepath.Join(blobs, f.id())
	if info, err := os.Stat(blob); err == nil && info.Size() == f.size() {
		return blob, nil
	}
	part := blob + ".gorqa.incomplete" // huggingface_hub has a name of its own
	out, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return "", err
	}
	defer out.Close()
	address := r.Endpoint + "/" + r.id + "/resolve/" + commit + "/" + (&url.URL{Path: f.Name}).EscapedPath()
	reached, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	if reached > f.size() {
		if reached, err = 0, out.Truncate(0); err != nil {
			return "", err
		}
	}
	for tries := 0; reached < f.size(); {
		n, err := r.stretch(ctx, address, f, out, reached)
		if n < reached {
			tries++ // the server began anew
		}
		if n > reached {
			tries = 0
		}
		reached = n
		var away *unreachable
		if err != nil && (!errors.As(err, &away) || ctx.Err() != nil) {
			return "", err
		}
		if err != nil {
			if tries++; tries >= attempts {
				return "", &unreachable{fmt.Errorf("%s: broke off after %d of %d bytes, which are kept: %w", f.Name, reached, f.size(), err)}
			}
			select {
			case <-time.After(time.Duration(tries) * retryDelay):
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	h := f.digest()
	if _, err := io.Copy(h, out); err != nil {
		return "", err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != f.id() {
		return "", errors.Join(fmt.Errorf("%s: its hash is %s; expected %s; the download is damaged and was removed: try again", f.Name, sum, f.id()), os.Remove(part))
	}
	if err := out.Sync(); err != nil {
		return "", err
	}
	return blob, os.Rename(part, blob)
}

const retryDelay = 200 * time.Millisecond

// stretch downloads from byte from on as far as one response carries, and
// returns how far the file reaches now.
func (r *repo) stretch(ctx context.Context, address string, f file, out *os.File, from int64) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("nothing came for %v", stall)) })
	defer watch.Stop()
	response, err := r.get(ctx, address, from)
	if err != nil {
		return from, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusPartialContent && from > 0:
	case response.StatusCode == http.StatusOK: // the whole, asked for or not
		from = 0
	case response.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return 0, errors.Join(&unreachable{fmt.Errorf("the hub has no byte %d of it", from)}, out.Truncate(0))
	default:
		return from, r.refused(response, f.Name)
	}
	if err := out.Truncate(from); err != nil {
		return from, err
	}
	if _, err := out.Seek(from, io.SeekStart); err != nil {
		return from, err
	}
	buf := make([]byte, 1<<20)
	body := io.LimitReader(response.Body, f.size()-from)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			watch.Reset(stall)
			if _, err := out.Write(buf[:n]); err != nil {
				return from, err
			}
			from += int64(n)
			if r.Progress != nil {
				r.Progress(Progress{File: f.Name, Done: from, Total: f.size()})
			}
		}
		if errors.Is(err, io.EOF) && from == f.size() {
			return from, nil
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return from, &unreachable{err}
		}
	}
}
