package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"gorqa/files/modelfile"
	"gorqa/files/whole"
)

// sumsFile has a line for each other file of a checkpoint: its CRC-32C in eight
// digits, its size in bytes, its name. CRC-32C, since processors have an
// instruction for it: a checkpoint is checked at ten gigabytes a second, and what
// it is to find is damage, not forgery.
const sumsFile = "checksums.txt"

// sum is the checksum of a file.
type sum struct {
	name string
	size int64
	crc  uint32
}

func (s sum) String() string { return fmt.Sprintf("%08x %d %s\n", s.crc, s.size, s.name) }

// seal writes the checksums of a folder's files.
func seal(ctx context.Context, dir string) error {
	sums, err := sumsOf(ctx, dir)
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, s := range sums {
		out.WriteString(s.String())
	}
	return whole.Bytes(filepath.Join(dir, sumsFile), []byte(out.String()))
}

// Verify checks the files of a checkpoint against its checksums; all that is
// damaged, missing or too much is reported. A checkpoint of an older version has
// no checksums, which note says.
func Verify(ctx context.Context, checkpoint string) (note string, err error) {
	state, err := ReadState(checkpoint)
	if err != nil {
		return "", err
	}
	want, err := modelfile.Read(filepath.Join(checkpoint, sumsFile), maxSums)
	if errors.Is(err, fs.ErrNotExist) && state.Made == nil {
		return fmt.Sprintf("%s was made by an older gorqa, without checksums and a record of its settings, rows and model: that they are those of this run is not checked", checkpoint), nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: its checksums are gone: %w; take another checkpoint", checkpoint, err)
	}
	found, err := sumsOf(ctx, checkpoint)
	if err != nil {
		return "", err
	}
	is := map[string]string{}
	for _, s := range found {
		is[s.name] = s.String()
	}
	var problems []string
	for line := range bytes.Lines(want) {
		name := nameIn(string(line))
		switch got, there := is[name]; {
		case !there:
			problems = append(problems, fmt.Sprintf("%q is missing", name))
		case got != string(line):
			problems = append(problems, name+" is damaged")
		}
		delete(is, name)
	}
	for _, s := range found {
		if _, more := is[s.name]; more {
			problems = append(problems, s.name+" does not belong there")
		}
	}
	if len(problems) > 0 {
		return "", fmt.Errorf("%s: not as it was written: %s; take another checkpoint, or its copy", checkpoint, strings.Join(problems, ", "))
	}
	return "", nil
}

// maxSums bounds the checksums: a line for each file.
const maxSums = 16 << 20

// nameIn is the name in a line of the checksums.
func nameIn(line string) string {
	parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
	return parts[len(parts)-1]
}

// sumsOf reads a folder's files, but for hidden ones and the checksums, in the
// order of their names.
func sumsOf(ctx context.Context, dir string) ([]sum, error) {
	var sums []sum
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == sumsFile || strings.HasPrefix(e.Name(), ".") {
			return err
		}
		sums = append(sums, sum{name: filepath.ToSlash(name)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(sums))
	var all sync.WaitGroup
	room := make(chan struct{}, 4) // files at once
	for i := range sums {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			errs[i] = sums[i].read(ctx, filepath.Join(dir, filepath.FromSlash(sums[i].name)))
		})
	}
	all.Wait()
	slices.SortFunc(sums, func(a, b sum) int { return strings.Compare(a.name, b.name) })
	return sums, errors.Join(errs...)
}

// read takes the checksum of the file at path.
func (s *sum) read(ctx context.Context, path string) error {
	f, _, err := modelfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	table := crc32.MakeTable(crc32.Castagnoli)
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		s.crc = crc32.Update(s.crc, table, buf[:n])
		s.size += int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
}
