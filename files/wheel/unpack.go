package wheel

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gorqa/files/modelfile"
)

// unpack writes what is wanted of the wheel into the new folder out.
func (w wheel) unpack(ctx context.Context, file, out string, report func(done, total int64)) error {
	name := filepath.Base(file)
	archive, err := zip.OpenReader(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer archive.Close()

	take, err := w.entries(archive.File)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var total, done int64
	for f := range take {
		total += int64(f.UncompressedSize64)
		if f.UncompressedSize64 > uint64(w.unzip) || total > w.unzip {
			return fmt.Errorf("%s: unpacks to more than the %d MiB expected of it", name, w.unzip/mib)
		}
	}
	for f, to := range take {
		err := extract(ctx, f, filepath.Join(out, filepath.FromSlash(to)), func(n int) {
			done += int64(n)
			report(done, total)
		})
		if err != nil {
			return fmt.Errorf("%s: %s: %w", name, f.Name, err)
		}
	}
	return nil
}

// entries are what is wanted of a wheel, with the path below out of each.
func (w wheel) entries(files []*zip.File) (map[*zip.File]string, error) {
	take := map[*zip.File]string{}
	found := 0
	root := ""
	for _, f := range files {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) || strings.Contains(f.Name, `\`) {
			return nil, fmt.Errorf("entry %q would land outside its folder", f.Name)
		}
		if w.folder != "" && path.Base(f.Name) == w.folder {
			root = path.Dir(f.Name) + "/"
			found++
		}
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		base := path.Base(f.Name)
		switch {
		case w.under != "" && strings.HasPrefix(f.Name, w.under):
			take[f], found = f.Name, 1
		case root != "" && strings.HasPrefix(f.Name, root):
			take[f] = strings.TrimPrefix(f.Name, root)
		case w.file != "" && base == w.file:
			found++
			if take[f] = base; w.rename != "" {
				take[f] = w.rename
			}
		case strings.Contains(f.Name, ".dist-info/") && isLicence(base):
			if take[f] = base; w.under != "" { // one of many
				take[f] = path.Join("licences", w.pkg, base)
			}
		}
	}
	if found != 1 {
		return nil, fmt.Errorf("holds %d of %s; expected one", found, w.file+w.folder+w.under)
	}
	return take, nil
}

func isLicence(base string) bool {
	for _, word := range []string{"LICENSE", "LICENCE", "NOTICE", "COPYING"} {
		if strings.Contains(strings.ToUpper(base), word) {
			return true
		}
	}
	return false
}

// extract writes one entry, of which archive/zip checks size and CRC, and
// syncs it.
func extract(ctx context.Context, f *zip.File, to string, report func(n int)) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	mode := fs.FileMode(0o666)
	if f.Mode()&0o100 != 0 { // a program
		mode = 0o777
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer file.Close()
	buf := make([]byte, 4*mib)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := file.Write(buf[:n]); err != nil {
				return err
			}
			report(n)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

// join makes one file of the pieces that lie in out, and puts what is wanted of it in
// their place.
func (w wheel) join(ctx context.Context, out, work string, report func(done, total int64)) error {
	parts, err := os.ReadDir(out) // by name
	if err != nil {
		return err
	}
	var names []string
	for _, part := range parts {
		names = append(names, part.Name())
	}
	zip := filepath.Join(work, w.name+".zip")
	if err := joinFiles(ctx, out, names, zip); err != nil {
		return err
	}
	return w.pieces.unpack(ctx, zip, out, report)
}

// partNames are the files that the libraries hold, in their order.
func (w wheel) partNames() []string {
	var names []string
	for _, part := range w.libraries {
		names = append(names, part.file)
	}
	return names
}

// joinFiles makes one file of those in a folder, which it removes.
func joinFiles(ctx context.Context, dir string, names []string, to string) error {
	joined, err := os.Create(to)
	if err != nil {
		return err
	}
	defer joined.Close()
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		piece, _, err := modelfile.Open(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(joined, piece)
		if err := errors.Join(err, piece.Close(), os.Remove(path)); err != nil {
			return err
		}
	}
	return errors.Join(joined.Sync(), joined.Close())
}
