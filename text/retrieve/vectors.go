package retrieve

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"gorqa/files/modelfile"
	"gorqa/files/whole"
)

// The file of vectors, little-endian: a header of whole pages, then a record for each text.
// docs/decisions/0017-index-files.md explains them.
//
//	header: vectorsMagic; uint32 byteOrder, typeF32, width, bytes of a record, bytes of the
//	    header, bytes of the embedder's name; uint64 generation; the name; zeros; uint32 CRC-32C
//	    of all before
//	record: width float32; zeros; then, at its end, recordTail bytes: the text's SHA-256; float32
//	    length; uint32 how many records of its chunk follow; uint32 CRC-32C of all before
const (
	vectorsMagic = "gorqa vectors 2\n"
	byteOrder    = 0x01020304
	typeF32      = 1
	headFields   = len(vectorsMagic) + 6*4 + 8
	page         = 4096
	recordAlign  = 64
	recordTail   = len(key{}) + 3*4
	maxWidth     = 1 << 16
	maxChunk     = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// layout says how a file of vectors is laid out.
type layout struct {
	name         string
	width        int
	record, head int // bytes
	generation   uint64
}

func newLayout(name string, width int, generation uint64) (layout, error) {
	if len(name) > maxNameBytes {
		return layout{}, fmt.Errorf("the embedder's name is %d bytes long; expected at most %d", len(name), maxNameBytes)
	}
	if width < 1 || width > maxWidth {
		return layout{}, fmt.Errorf("vectors of %d numbers; 1 to %d expected", width, maxWidth)
	}
	up := func(n, to int) int { return (n + to - 1) / to * to }
	return layout{name: name, width: width, generation: generation, record: up(4*width+recordTail, recordAlign), head: up(headFields+len(name)+4, page)}, nil
}

// header is the bytes before the records.
func (l layout) header() []byte {
	b := append(make([]byte, 0, l.head), vectorsMagic...)
	for _, x := range []int{byteOrder, typeF32, l.width, l.record, l.head, len(l.name)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	b = binary.LittleEndian.AppendUint64(b, l.generation)
	b = append(b, l.name...)
	b = append(b, make([]byte, l.head-4-len(b))...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readLayout reads a header.
func readLayout(r io.ReaderAt) (layout, error) {
	start := make([]byte, headFields)
	if _, err := r.ReadAt(start, 0); err != nil || string(start[:len(vectorsMagic)]) != vectorsMagic {
		return layout{}, errors.New("it does not begin as a file of vectors does")
	}
	fields := start[len(vectorsMagic):]
	at := func(i int) int { return int(binary.LittleEndian.Uint32(fields[4*i:])) }
	if order := at(0); order != byteOrder {
		if binary.BigEndian.Uint32(fields) == byteOrder {
			return layout{}, errors.New("it is of the other byte order; a little-endian file expected, as gorqa writes on every processor it runs on")
		}
		return layout{}, fmt.Errorf("its mark of the byte order is %#x", order)
	}
	if at(5) > maxNameBytes || at(4) > page+maxNameBytes+page || at(4) < headFields {
		return layout{}, errors.New("its header speaks of sizes that cannot be")
	}
	whole := make([]byte, at(4))
	if _, err := r.ReadAt(whole, 0); err != nil {
		return layout{}, errors.New("it ends inside its header")
	}
	body := whole[:len(whole)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(whole[len(body):]) {
		return layout{}, errors.New("the checksum of its header does not match")
	}
	if at(1) != typeF32 {
		return layout{}, fmt.Errorf("its vectors are of type %d; %d (float32) expected, which is all that this gorqa reads", at(1), typeF32)
	}
	if headFields+at(5) > len(body) {
		return layout{}, errors.New("its header speaks of sizes that cannot be")
	}
	l, err := newLayout(string(whole[headFields:headFields+at(5)]), at(2), binary.LittleEndian.Uint64(fields[24:]))
	if err == nil && (l.head != at(4) || l.record != at(3)) {
		err = fmt.Errorf("its header speaks of records of %d bytes; %d expected for %d numbers", at(3), l.record, l.width)
	}
	return l, err
}

// set makes a record.
func (l layout) set(record []byte, k key, v []float32, left int) {
	clear(record)
	var squares float64
	for i, x := range v {
		binary.LittleEndian.PutUint32(record[4*i:], math.Float32bits(x))
		squares += float64(x) * float64(x)
	}
	tail := record[len(record)-recordTail:]
	copy(tail, k[:])
	binary.LittleEndian.PutUint32(tail[len(k):], math.Float32bits(float32(math.Sqrt(squares))))
	binary.LittleEndian.PutUint32(tail[len(k)+4:], uint32(left))
	binary.LittleEndian.PutUint32(tail[len(k)+8:], crc32.Checksum(record[:len(record)-4], castagnoli))
}

// wholeRecord says whether a record is as it was written.
func wholeRecord(record []byte) bool {
	return crc32.Checksum(record[:len(record)-4], castagnoli) == binary.LittleEndian.Uint32(record[len(record)-4:])
}

// left is how many records of its chunk follow a record.
func left(record []byte) int {
	return int(binary.LittleEndian.Uint32(record[len(record)-8:]))
}

// vectorFile is a file of vectors in memory, as far as its chunks are complete.
type vectorFile struct {
	layout
	path string
	n    int
	data []byte // mapped
}

// openVectors maps the file of the embedder name; nil where there is none.
func openVectors(path, name string) (*vectorFile, error) {
	f, size, err := modelfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("retrieve: opening the index: %w", err)
	}
	defer f.Close()
	l, err := checkLayout(f, path, name)
	if err != nil {
		return nil, err
	}
	x := &vectorFile{layout: l, path: path}
	if x.n = int(size-int64(l.head)) / l.record; x.n <= 0 {
		x.n = 0
		return x, nil
	}
	if x.data, err = unix.Mmap(int(f.Fd()), 0, l.head+x.n*l.record, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("%s: mapping %d bytes into memory: %w", path, l.head+x.n*l.record, err)
	}
	runtime.AddCleanup(x, func(data []byte) { _ = unix.Munmap(data) }, x.data)
	// A writer may be about to append, or was killed: what counts ends with a chunk.
	for x.n > 0 && (left(x.at(x.n-1)) != 0 || !wholeRecord(x.at(x.n-1))) {
		x.n--
	}
	return x, nil
}

func checkLayout(f io.ReaderAt, path, name string) (layout, error) {
	l, err := readLayout(f)
	if err != nil {
		return l, fmt.Errorf("%s: the index is damaged: %w; expected a file as gorqa wrote it; delete it to embed the documents again", path, err)
	}
	if l.name != name {
		return l, fmt.Errorf("%s: the index belongs to embedder %q; expected %q; delete it to embed the documents again", path, l.name, name)
	}
	return l, nil
}

func (x *vectorFile) at(i int) []byte { return x.data[x.head+i*x.record : x.head+(i+1)*x.record] }

func (x *vectorFile) key(i int) key {
	r := x.at(i)
	return key(r[len(r)-recordTail:][:len(key{})])
}

func (x *vectorFile) length(i int) float32 {
	r := x.at(i)
	return math.Float32frombits(binary.LittleEndian.Uint32(r[len(r)-12:]))
}

// rows are the vectors where they lie.
func (x *vectorFile) rows() Rows {
	if x.n == 0 {
		return Rows{Width: x.width, Stride: x.record / 4}
	}
	values := unsafe.Slice((*float32)(unsafe.Pointer(&x.data[x.head])), x.n*x.record/4)
	return Rows{Values: values, Width: x.width, Stride: x.record / 4}
}

// prepareRows is how many rows are looked at at once, and dropped from memory again.
const prepareRows = 4096

// prepare reads all rows once: it checks them, and hands them on, some at a time. What is read
// counts as the process's memory no longer.
func (x *vectorFile) prepare(ctx context.Context, each func(first, last int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for first := 0; first < x.n; first += prepareRows {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			last := min(first+prepareRows, x.n)
			for i := first; i < last; i++ {
				if !wholeRecord(x.at(i)) {
					return damagedRecord(x.path, i)
				}
			}
			err := each(first, last)
			x.release(first, last)
			return err
		})
	}
	err := group.Wait()
	runtime.KeepAlive(x)
	return err
}

// release has some records count as the process's memory no longer; they may stay in the system's.
func (x *vectorFile) release(first, last int) {
	if from, to := (x.head+first*x.record)/page*page, (x.head+last*x.record)/page*page; from < to {
		_ = unix.Madvise(x.data[from:to], unix.MADV_DONTNEED) // where it fails, they stay
	}
}

func damagedRecord(path string, i int) error {
	return fmt.Errorf("%s: the index is damaged: the checksum of vector %d does not match; expected a file as gorqa wrote it; delete it to embed the documents again", path, i+1)
}

// vectorWriter appends chunks to a file of vectors. There is one at a time.
type vectorWriter struct {
	layout
	path string
	f    *os.File
	n    int
}

// newVectors makes the file that is to be appended to.
func newVectors(path string, l layout) (*vectorWriter, error) {
	if err := whole.Bytes(path, l.header()); err != nil {
		return nil, fmt.Errorf("retrieve: the index: %w", err)
	}
	return appendVectors(path, l.name)
}

// appendVectors opens a file of vectors at the end of its last chunk; what is behind it, from a
// writer that was killed, is cut off. nil: there is no such file.
func appendVectors(path, name string) (_ *vectorWriter, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("retrieve: opening the index to add to it: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: a regular file expected", path)
	}
	l, err := checkLayout(f, path, name)
	if err != nil {
		return nil, err
	}
	w := &vectorWriter{layout: l, path: path, f: f}
	if w.n, err = completeRecords(f, l, path, info.Size()); err != nil {
		return nil, err
	}
	return w, f.Truncate(w.end())
}

func (w *vectorWriter) end() int64 { return int64(w.head) + int64(w.n)*int64(w.record) }

// completeRecords checks all records and says how many belong to complete chunks. A record that
// is damaged is an error where a complete chunk follows, else it was being written.
func completeRecords(f io.ReaderAt, l layout, path string, size int64) (complete int, err error) {
	there := int((size - int64(l.head)) / int64(l.record))
	buffer := make([]byte, 256*l.record)
	damaged := -1
	for first := 0; first < there; first += 256 {
		some := buffer[:min(256, there-first)*l.record]
		if _, err := f.ReadAt(some, int64(l.head)+int64(first)*int64(l.record)); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		for i := 0; i < len(some)/l.record; i++ {
			record := some[i*l.record : (i+1)*l.record]
			switch whole := wholeRecord(record); {
			case !whole && damaged < 0:
				damaged = first + i
			case whole && left(record) == 0 && damaged >= 0:
				return 0, damagedRecord(path, damaged)
			case whole && left(record) == 0:
				complete = first + i + 1
			}
		}
	}
	return complete, nil
}

// chunk adds vectors, all or none of which will be there.
func (w *vectorWriter) chunk(keys []key, vectors [][]float32) error {
	data := make([]byte, len(keys)*w.record)
	for i, k := range keys {
		w.set(data[i*w.record:(i+1)*w.record], k, vectors[i], len(keys)-1-i)
	}
	if _, err := w.f.WriteAt(data, w.end()); err != nil {
		return fmt.Errorf("retrieve: adding to the index: %w", err)
	}
	if err := w.f.Sync(); err != nil {
		return fmt.Errorf("retrieve: adding to the index: %w", err)
	}
	w.n += len(keys)
	return nil
}

// compact writes the records of rows to a new file in place of the old one.
func compact(x *vectorFile, rows []int32) error {
	l, err := newLayout(x.name, x.width, x.generation+1)
	if err != nil {
		return err
	}
	return whole.File(x.path, func(w io.Writer) error {
		if _, err := w.Write(l.header()); err != nil {
			return err
		}
		record := make([]byte, l.record)
		for _, row := range rows {
			if !wholeRecord(x.at(int(row))) {
				return damagedRecord(x.path, int(row))
			}
			copy(record, x.at(int(row)))
			binary.LittleEndian.PutUint32(record[len(record)-8:], 0)
			binary.LittleEndian.PutUint32(record[len(record)-4:], crc32.Checksum(record[:len(record)-4], castagnoli))
			if _, err := w.Write(record); err != nil {
				return err
			}
		}
		runtime.KeepAlive(x)
		return nil
	})
}
