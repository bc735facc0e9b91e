package weights

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"gorqa/files/modelfile"
)

// maxHeader is the longest header that the format's own reader takes
// (safetensors, src/tensor.rs).
const maxHeader = 100_000_000

// chunk is how much is read and converted, or converted and written, at once.
const chunk = 1 << 20

// Info describes a stored tensor.
type Info struct {
	DType DType
	Shape []int // outermost first; empty for a single number

	begin, end int64 // in the file
}

// Elements is the number of values.
func (i Info) Elements() int {
	n := 1
	for _, d := range i.Shape {
		n *= d
	}
	return n
}

// File is an open safetensors file. Its header is checked and in memory, its
// tensors are read when asked for. It is safe for concurrent use.
type File struct {
	path     string
	file     io.ReaderAt
	close    func() error
	metadata map[string]string
	tensors  map[string]Info
	names    []string // in the order of the data
}

// ReadSafetensors opens a safetensors file and checks its header: every tensor
// lies within the file, none overlaps another, none is missing bytes.
func ReadSafetensors(path string) (*File, error) {
	file, size, err := modelfile.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := parseSafetensors(path, file, size)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f.close = file.Close
	return f, nil
}

// damaged is the error of a safetensors file.
func damaged(path string, at int64, format string, args ...any) error {
	return fmt.Errorf("%s: byte %d: %s; the file is damaged or was cut short: fetch or save it again", path, at, fmt.Sprintf(format, args...))
}

func parseSafetensors(path string, file io.ReaderAt, size int64) (*File, error) {
	var head [8]byte
	if size < 8 {
		return nil, damaged(path, 0, "the file has %d bytes; expected at least the 8 of the header's length", size)
	}
	if _, err := file.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	length := binary.LittleEndian.Uint64(head[:])
	if length > maxHeader || length > uint64(size-8) {
		return nil, damaged(path, 0, "the header's length is %d; expected at most %d", length, min(size-8, maxHeader))
	}
	header := make([]byte, length)
	if _, err := file.ReadAt(header, 8); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &File{path: path, file: file, tensors: map[string]Info{}}
	data := 8 + int64(length)
	if err := f.parseHeader(header, data, size); err != nil {
		return nil, err
	}
	if err := f.checkPlaces(data, size); err != nil {
		return nil, err
	}
	return f, nil
}

// decodePart reads the next value.
func decodePart(from *json.Decoder, to any) error {
	var part json.RawMessage
	if err := from.Decode(&part); err != nil {
		return err
	}
	return modelfile.JSONPart(part, to)
}

// parseHeader reads the header's entries; data is where the tensors begin.
func (f *File) parseHeader(header []byte, data, size int64) error {
	decoder := json.NewDecoder(bytes.NewReader(header))
	fail := func(at int64, format string, args ...any) error { return damaged(f.path, at, format, args...) }
	at := func() int64 { return 8 + decoder.InputOffset() }
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return fail(at(), "no JSON object; expected the header")
	}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return fail(at(), "%v", err)
		}
		name, _ := token.(string)
		where := at()
		if name == "__metadata__" {
			if f.metadata != nil {
				return fail(where, "a second __metadata__")
			}
			if err := decodePart(decoder, &f.metadata); err != nil {
				return fail(where, "__metadata__: %v", err)
			}
			continue
		}
		var entry safetensorsEntry
		if err := decodePart(decoder, &entry); err != nil {
			return fail(where, "tensor %q: %v", name, err)
		}
		if _, twice := f.tensors[name]; twice {
			return fail(where, "tensor %q stands twice", name)
		}
		info, err := entry.info(data, size)
		if err != nil {
			return fail(where, "tensor %q: %v", name, err)
		}
		f.tensors[name] = info
		f.names = append(f.names, name)
	}
	if token, err := decoder.Token(); err != nil || token != json.Delim('}') {
		return fail(at(), "the header does not end")
	}
	if rest := bytes.TrimSpace(header[decoder.InputOffset():]); len(rest) > 0 {
		return fail(at(), "more after the header's object")
	}
	return nil
}

// safetensorsEntry is what the header says of one tensor.
type safetensorsEntry struct {
	DType   DType     `json:"dtype"`
	Shape   []uint64  `json:"shape"`
	Offsets *[]uint64 `json:"data_offsets"`
}

func (e safetensorsEntry) info(data, size int64) (Info, error) {
	width, ok := dtypeBytes[e.DType]
	if !ok {
		return Info{}, fmt.Errorf("format %q is not known", e.DType)
	}
	if e.Offsets == nil || len(*e.Offsets) != 2 {
		return Info{}, errors.New("no pair of data_offsets")
	}
	begin, end := (*e.Offsets)[0], (*e.Offsets)[1]
	if begin > end || end > uint64(size-data) {
		return Info{}, fmt.Errorf("data_offsets are %d and %d; expected them in order and at most %d", begin, end, size-data)
	}
	if bytes, ok := product(e.Shape, uint64(width)); !ok || bytes != end-begin {
		return Info{}, fmt.Errorf("%d bytes for shape %v of %s", end-begin, e.Shape, e.DType)
	}
	info := Info{DType: e.DType, begin: data + int64(begin), end: data + int64(end)}
	for _, d := range e.Shape {
		info.Shape = append(info.Shape, int(d))
	}
	return info, nil
}

// checkPlaces sorts the tensors by where they lie, and checks that they fill the
// file without gap or overlap.
func (f *File) checkPlaces(data, size int64) error {
	slices.SortStableFunc(f.names, func(a, b string) int {
		x, y := f.tensors[a], f.tensors[b]
		return cmp.Or(cmp.Compare(x.begin, y.begin), cmp.Compare(x.end, y.end))
	})
	reached := data
	for _, name := range f.names {
		info := f.tensors[name]
		if info.begin != reached {
			return damaged(f.path, reached, "tensor %q begins at byte %d; expected it where the one before ended", name, info.begin)
		}
		reached = info.end
	}
	if reached != size {
		return damaged(f.path, reached, "%d bytes after the last tensor; expected none", size-reached)
	}
	return nil
}

// product multiplies, and tells whether it stayed below 2^63.
func product(factors []uint64, n uint64) (uint64, bool) {
	if slices.Contains(factors, 0) {
		for _, f := range factors {
			if f > math.MaxInt32 { // or the shape itself could not be held
				return 0, false
			}
		}
		return 0, true
	}
	for _, f := range factors {
		if f > math.MaxInt64/n {
			return 0, false
		}
		n *= f
	}
	return n, true
}

// Metadata is the header's own text, nil where there is none.
func (f *File) Metadata() map[string]string { return f.metadata }

// Names lists the tensors in the order of their data.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Info describes a tensor; it is false where there is none of that name.
func (f *File) Info(name string) (Info, bool) {
	info, ok := f.tensors[name]
	info.Shape = slices.Clone(info.Shape)
	return info, ok
}

// Float32 reads a tensor of format F32, F16 or BF16.
func (f *File) Float32(name string) ([]float32, error) {
	info, ok := f.tensors[name]
	if !ok {
		return nil, f.missing(name)
	}
	if info.DType != F32 && info.DType != F16 && info.DType != BF16 {
		return nil, fmt.Errorf("%s: tensor %q: %w", f.path, name, decodeFloat32(info.DType, nil, nil))
	}
	values := make([]float32, info.Elements())
	err := f.chunks(name, info, func(i, n int, raw []byte) error { return decodeFloat32(info.DType, values[i:i+n], raw) })
	if err != nil {
		return nil, err
	}
	return values, nil
}

// BF16 gives the values of a tensor of format BF16 as they are stored, in
// little-endian order.
func (f *File) BF16(name string) ([]byte, error) {
	return f.stored(name, BF16)
}

// Bytes reads a tensor of format U8.
func (f *File) Bytes(name string) ([]byte, error) { return f.stored(name, U8) }

// stored gives the bytes of a tensor of this format.
func (f *File) stored(name string, dtype DType) ([]byte, error) {
	info, ok := f.tensors[name]
	if !ok {
		return nil, f.missing(name)
	}
	if info.DType != dtype {
		return nil, fmt.Errorf("%s: tensor %q: format %s; expected %s", f.path, name, info.DType, dtype)
	}
	raw := make([]byte, info.end-info.begin)
	if _, err := f.file.ReadAt(raw, info.begin); err != nil {
		return nil, fmt.Errorf("%s: byte %d: tensor %q: %w", f.path, info.begin, name, err)
	}
	return raw, nil
}

// Int32 reads a tensor of format I32.
func (f *File) Int32(name string) ([]int32, error) {
	return integers[int32](f, name, I32)
}

// Uint32 reads a tensor of format U32.
func (f *File) Uint32(name string) ([]uint32, error) {
	return integers[uint32](f, name, U32)
}

func integers[T int32 | uint32](f *File, name string, dtype DType) ([]T, error) {
	info, ok := f.tensors[name]
	if !ok {
		return nil, f.missing(name)
	}
	if info.DType != dtype {
		return nil, fmt.Errorf("%s: tensor %q: format %s; expected %s", f.path, name, info.DType, dtype)
	}
	values := make([]T, info.Elements())
	err := f.chunks(name, info, func(i, n int, raw []byte) error {
		for j := range n {
			values[i+j] = T(binary.LittleEndian.Uint32(raw[4*j:]))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// chunks hands the bytes of a tensor over, n values from the i-th on at a time.
func (f *File) chunks(name string, info Info, take func(i, n int, raw []byte) error) error {
	width := dtypeBytes[info.DType]
	buf := make([]byte, min(chunk, info.end-info.begin))
	i := 0
	for at := info.begin; at < info.end; {
		raw := buf[:min(int64(len(buf)), info.end-at)]
		if _, err := f.file.ReadAt(raw, at); err != nil {
			return fmt.Errorf("%s: byte %d: tensor %q: %w", f.path, at, name, err)
		}
		n := len(raw) / int(width)
		if err := take(i, n, raw); err != nil {
			return fmt.Errorf("%s: tensor %q: %w", f.path, name, err)
		}
		i += n
		at += int64(len(raw))
	}
	return nil
}

func (f *File) missing(name string) error {
	return fmt.Errorf("%s: no tensor %q among its %d", f.path, name, len(f.names))
}

// Close closes the file; tensors cannot be read after it.
func (f *File) Close() error { return f.close() }
