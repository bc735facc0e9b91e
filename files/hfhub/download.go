package hfhub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"gorqa/files/resume"
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

// download brings a file to blobs and returns its path there.
func (r *repo) download(ctx context.Context, commit string, f file, blobs string) (string, error) {
	blob := filepath.Join(blobs, f.id())
	if info, err := os.Stat(blob); err == nil && info.Size() == f.size() {
		return blob, nil
	}
	part := blob + ".gorqa.incomplete" // huggingface_hub has a name of its own
	address := r.Endpoint + "/" + r.id + "/resolve/" + commit + "/" + (&url.URL{Path: f.Name}).EscapedPath()
	from := resume.File{
		Name: f.Name, Size: f.size(), Sum: f.id(), Digest: f.digest,
		Get:     func(ctx context.Context, from int64) (*http.Response, error) { return r.get(ctx, address, from) },
		Refused: func(response *http.Response) error { return r.refused(response, f.Name) },
		Progress: func(done int64) {
			if r.Progress != nil {
				r.Progress(Progress{File: f.Name, Done: done, Total: f.size()})
			}
		},
	}
	if err := from.Into(ctx, part); err != nil {
		return "", err
	}
	return blob, os.Rename(part, blob)
}
