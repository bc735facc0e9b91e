package document

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// archive unpacks, within limits: what an archive says of its own sizes counts for
// nothing.
type archive struct {
	limits Limits
	left   int64 // bytes that may yet be unpacked of the file on the disk
}

// errTooMuch is more than the limits allow.
var errTooMuch = errors.New("too much is packed in it")

// entries are the files of a zip archive. Their names are names, not paths on the
// disk: nothing is written.
type entries struct {
	archive *archive
	zip     *zip.Reader
}

// open reads the list of a zip archive.
func (a *archive) open(source string, data []byte) (*entries, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, problem(source, fmt.Sprintf("a zip archive that cannot be read: %v", err), "a whole archive", "make or copy the file again")
	}
	if n := len(z.File); n > a.limits.Entries {
		return nil, problem(source, fmt.Sprintf("an archive of %d files", n), fmt.Sprintf("at most %d", a.limits.Entries), "unpack it, and give the folder")
	}
	return &entries{archive: a, zip: z}, nil
}

// read unpacks the file of a name.
func (e *entries) read(name string) ([]byte, error) {
	for _, f := range e.zip.File {
		if f.Name == name {
			return e.unpack(f)
		}
	}
	return nil, fmt.Errorf("%.80q is not in it", name)
}

func (e *entries) unpack(f *zip.File) (_ []byte, err error) {
	if f.Flags&1 != 0 {
		return nil, errors.New("it is encrypted")
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return e.archive.inflate(r)
}

// inflate reads all of r, as far as the limits go.
func (a *archive) inflate(r io.Reader) ([]byte, error) {
	most := min(a.limits.FileBytes, a.left)
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%w: more than %d bytes in a file, or %d in all", errTooMuch, a.limits.FileBytes, a.limits.ArchiveBytes)
	}
	a.left -= int64(len(data))
	return data, nil
}

// gunzip unpacks a file that gzip packed.
func (a *archive) gunzip(source string, data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err == nil {
		data, err = a.inflate(r)
	}
	if err != nil {
		return nil, problem(source, fmt.Sprintf("a gzip file that cannot be unpacked: %v", err), "a whole one within the limits", "unpack it by hand")
	}
	return data, nil
}

// cleanName is the name of a file in an archive as it is shown.
func cleanName(name string) string {
	return strings.TrimPrefix(strings.ReplaceAll(strings.ToValidUTF8(name, "\uFFFD"), `\`, "/"), "/")
}
