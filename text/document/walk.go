package document

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/files/modelfile"
)

// Summary is what a reading came to.
type Summary struct {
	Read     int            // files with text
	Empty    int            // files without
	Problems []error        // one for each file that could not be read
	LeftOut  map[string]int // files of other formats, by extension
	Links    int            // links in folders, which were not followed
}

// Err is all problems, or nil.
func (s *Summary) Err() error { return errors.Join(s.Problems...) }

// reader reads files one after the other.
type reader struct {
	limits   Limits
	pdf      pdfReader
	summary  Summary
	each     func(File) error
	progress func(next string, done, total int)
	done     int
	total    int
}

// Read reads all files of paths, which are files, folders and archives, and hands
// each text over. What cannot be read is in the summary; an error is one of each, or
// the end of ctx. progress is told which file is read next, "" for none; it may be nil.
func Read(ctx context.Context, paths []string, limits Limits, progress func(next string, done, total int), each func(File) error) (_ *Summary, err error) {
	if err := limits.Validate(); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(string, int, int) {}
	}
	r := &reader{limits: limits, each: each, progress: progress, summary: Summary{LeftOut: map[string]int{}}}
	defer func() { err = errors.Join(err, r.pdf.close(context.WithoutCancel(ctx))) }()
	var files []string
	named := map[string]bool{}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil || !info.IsDir() {
			files = append(files, p) // an error of it is told when it is read
			named[p] = true
			continue
		}
		found, err := r.list(ctx, p)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	if len(files) > limits.Files {
		return nil, fmt.Errorf("%d files found; expected at most %d; give fewer at a time", len(files), limits.Files)
	}
	r.total = len(files)
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.progress(f, r.done, r.total)
		if err := r.file(ctx, f, named[f]); err != nil {
			return nil, err
		}
		r.done++
	}
	r.progress("", r.done, r.total)
	return &r.summary, nil
}

// list finds the files of a folder, in the order of their names. Links are not
// followed, so that nothing is read twice and no loop is walked.
func (r *reader) list(ctx context.Context, root string) (files []string, err error) {
	if real, err := filepath.EvalSymlinks(root); err == nil && real != root {
		root = strings.TrimSuffix(root, string(filepath.Separator)) + string(filepath.Separator) // of a link that was named, what it leads to
	}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r.summary.Problems = append(r.summary.Problems, fmt.Errorf("%s: %w", p, errors.Unwrap(err)))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
		case p != root && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type()&fs.ModeSymlink != 0:
			r.summary.Links++
		case d.Type().IsRegular():
			files = append(files, p)
		}
		if len(files) > r.limits.Files {
			return fmt.Errorf("%s: more than %d files; expected fewer; give a folder below it", root, r.limits.Files)
		}
		return nil
	})
	return files, err
}

// formats are the readers by extension.
var formats = map[string]string{
	".md": "markdown", ".markdown": "markdown", ".mdown": "markdown", ".mkd": "markdown",
	".html": "html", ".htm": "html", ".xhtml": "html",
	".txt": "text", ".text": "text",
	".rst": "rst", ".rest": "rst",
	".pdf": "pdf", ".docx": "docx", ".epub": "epub",
	".jsonl": "jsonl", ".ndjson": "jsonl",
	".zip": "zip", ".gz": "gzip",
}

// Extensions are those of the files that are read, in order.
func Extensions() []string {
	var names []string
	for e := range formats {
		names = append(names, e)
	}
	slices.Sort(names)
	return names
}

// file reads a file of the disk. A named one of another format is read as plain text.
func (r *reader) file(ctx context.Context, name string, named bool) error {
	format := formats[extensionOf(name)]
	if format == "" && !named {
		r.summary.LeftOut[extensionOf(name)]++
		return nil
	}
	data, err := modelfile.Read(name, r.limits.FileBytes)
	if err != nil {
		r.summary.Problems = append(r.summary.Problems, err)
		return nil
	}
	a := &archive{limits: r.limits, left: r.limits.ArchiveBytes}
	return r.read(ctx, filepath.ToSlash(name), data, named, a, 0)
}

func extensionOf(name string) string { return strings.ToLower(path.Ext(filepath.ToSlash(name))) }

// read reads the bytes of a file of that name, depth archives deep.
func (r *reader) read(ctx context.Context, source string, data []byte, named bool, a *archive, depth int) error {
	format := formats[extensionOf(source)]
	if format == "zip" || format == "gzip" {
		if depth >= r.limits.Depth {
			r.problem(problem(source, fmt.Sprintf("an archive %d archives deep", depth), fmt.Sprintf("at most %d", r.limits.Depth), "unpack it by hand"))
			return nil
		}
		if format == "zip" {
			return r.zip(ctx, source, data, a, depth)
		}
		inner := strings.TrimSuffix(source, path.Ext(source))
		if formats[extensionOf(inner)] == "" && !named {
			r.summary.LeftOut[extensionOf(inner)+".gz"]++
			return nil
		}
		data, err := a.gunzip(source, data)
		if err != nil {
			r.problem(err)
			return nil
		}
		return r.read(ctx, inner, data, named, a, depth+1)
	}
	if format == "jsonl" {
		files, err := readJSONL(source, data)
		if err != nil {
			r.problem(err)
		}
		for _, f := range files {
			if err := r.hand(f); err != nil {
				return err
			}
		}
		return nil
	}
	f, err := r.parse(ctx, format, source, data, a)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.problem(err)
		return nil
	}
	return r.hand(f)
}

// parse reads a file by one of the formats; "" is plain text.
func (r *reader) parse(ctx context.Context, format, source string, data []byte, a *archive) (File, error) {
	switch format {
	case "markdown":
		return readMarkdown(source, data)
	case "html":
		return readHTML(source, data)
	case "rst":
		return readRST(source, data)
	case "pdf":
		return r.pdf.read(ctx, source, data)
	case "docx":
		return readDOCX(source, data, a)
	case "epub":
		return readEPUB(source, data, a)
	}
	return readPlain(source, data)
}

// zip reads the files of an archive in the order of their names.
func (r *reader) zip(ctx context.Context, source string, data []byte, a *archive, depth int) error {
	files, err := a.open(source, data)
	if err != nil {
		r.problem(err)
		return nil
	}
	list := slices.Clone(files.zip.File)
	list = slices.DeleteFunc(list, func(f *zip.File) bool {
		return f.FileInfo().IsDir() || strings.HasPrefix(path.Base(f.Name), ".") || strings.HasPrefix(f.Name, "__MACOSX/")
	})
	slices.SortFunc(list, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	r.total += len(list)
	for _, f := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.done++
		name := source + "/" + cleanName(f.Name)
		r.progress(name, r.done, r.total)
		if formats[extensionOf(name)] == "" {
			r.summary.LeftOut[extensionOf(name)]++
			continue
		}
		data, err := files.unpack(f)
		if err != nil {
			r.problem(problem(name, fmt.Sprintf("a file that cannot be unpacked: %v", err), "a whole archive within the limits", "unpack it by hand, and give the folder"))
			if errors.Is(err, errTooMuch) && a.left < r.limits.FileBytes {
				return nil // the same would be said of each that follows
			}
			continue
		}
		if err := r.read(ctx, name, data, false, a, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// hand hands a file over that has text.
func (r *reader) hand(f File) error {
	if f.empty() {
		r.summary.Empty++
		return nil
	}
	if f.Title == "" {
		f.Title = titleOf(f)
	}
	r.summary.Read++
	return r.each(f)
}

// titleOf is a file's first heading of the highest level, or its name.
func titleOf(f File) string {
	title, level := "", 100
	for _, b := range f.Blocks {
		if b.Kind == Heading && b.Level < level {
			title, level = b.Text, b.Level
		}
	}
	if title != "" {
		return title
	}
	base := path.Base(f.Source)
	return strings.TrimSuffix(base, path.Ext(base))
}

func (r *reader) problem(err error) { r.summary.Problems = append(r.summary.Problems, err) }
