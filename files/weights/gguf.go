package weights

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"gorqa/files/modelfile"
)

// The value types of GGUF's metadata (ggml/docs/gguf.md).
const (
	ggufU8 = iota
	ggufI8
	ggufU16
	ggufI16
	ggufU32
	ggufI32
	ggufF32
	ggufBool
	ggufString
	ggufArray
	ggufU64
	ggufI64
	ggufF64
)

var ggufWidth = map[uint32]int64{
	ggufU8: 1, ggufI8: 1, ggufBool: 1, ggufU16: 2, ggufI16: 2, ggufU32: 4, ggufI32: 4, ggufF32: 4, ggufU64: 8, ggufI64: 8, ggufF64: 8,
}

// ggufValue is one value of the metadata, numbers as they lie in the file.
type ggufValue struct {
	kind    uint32 // of the value, or of the elements of an array
	array   bool
	raw     []byte   // numbers, little-endian
	strings []string // strings
}

func (v ggufValue) len() int {
	if v.kind == ggufString {
		return len(v.strings)
	}
	return len(v.raw) / int(ggufWidth[v.kind])
}

// number is the i-th number.
func (v ggufValue) number(i int) float64 {
	w := int(ggufWidth[v.kind])
	b := v.raw[i*w:]
	switch v.kind {
	case ggufU8, ggufBool:
		return float64(b[0])
	case ggufI8:
		return float64(int8(b[0]))
	case ggufU16:
		return float64(binary.LittleEndian.Uint16(b))
	case ggufI16:
		return float64(int16(binary.LittleEndian.Uint16(b)))
	case ggufU32:
		return float64(binary.LittleEndian.Uint32(b))
	case ggufI32:
		return float64(int32(binary.LittleEndian.Uint32(b)))
	case ggufF32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case ggufU64:
		return float64(binary.LittleEndian.Uint64(b))
	case ggufI64:
		return float64(int64(binary.LittleEndian.Uint64(b)))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// ggufTensor is one tensor of the file.
type ggufTensor struct {
	name   string
	shape  []int // outermost first, which is the reverse of the file's order
	format *ggufFormat
	offset int64 // in the file
	bytes  int64
}

// ggufFile is a parsed GGUF header.
type ggufFile struct {
	path    string
	file    io.ReaderAt
	meta    map[string]ggufValue
	tensors []ggufTensor
}

// ggufReader reads a header. It never allocates more than the rest of the file
// could fill.
type ggufReader struct {
	path string
	in   *bufio.Reader
	at   int64
	size int64
	err  error // the first one; all later reads return zero values
}

func (r *ggufReader) fail(at int64, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: byte %d: %s", r.path, at, fmt.Sprintf(format, args...))
	}
}

func (r *ggufReader) bytes(n uint64, what string) []byte {
	if r.err != nil {
		return nil
	}
	if left := uint64(r.size - r.at); n > left {
		r.fail(r.at, "%s needs %d bytes but %d are left; the file is damaged or was cut short: fetch it again", what, n, left)
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r.in, b); err != nil {
		r.fail(r.at, "%s: %v", what, err)
		return nil
	}
	r.at += int64(n)
	return b
}

func (r *ggufReader) u32(what string) uint32 {
	if b := r.bytes(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *ggufReader) u64(what string) uint64 {
	if b := r.bytes(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *ggufReader) string(what string) string { return string(r.bytes(r.u64(what), what)) }

func (r *ggufReader) value(key string) ggufValue {
	at := r.at
	v := ggufValue{kind: r.u32(key)}
	n := uint64(1)
	if v.kind == ggufArray {
		v.array = true
		v.kind = r.u32(key)
		n = r.u64(key)
	}
	if v.kind == ggufString {
		for i := uint64(0); i < n && r.err == nil; i++ {
			v.strings = append(v.strings, r.string(key))
		}
		return v
	}
	width, ok := ggufWidth[v.kind]
	if !ok {
		r.fail(at, "%s: value type %d; expected a number, a string or an array of them", key, v.kind)
		return v
	}
	if n > uint64(r.size)/uint64(width) {
		r.fail(at, "%s: an array of %d; the file has %d bytes; it is damaged or was cut short: fetch it again", key, n, r.size)
		return v
	}
	v.raw = r.bytes(n*uint64(width), key)
	return v
}

// parseGGUF reads the header of a GGUF file of version 2 or 3.
func parseGGUF(path string, file io.ReaderAt, size int64) (*ggufFile, error) {
	r := &ggufReader{path: path, in: bufio.NewReaderSize(io.NewSectionReader(file, 0, size), 1<<16), size: size}
	r.version()
	tensors, keys := r.u64("the number of tensors"), r.u64("the number of keys")
	f := &ggufFile{path: path, file: file, meta: map[string]ggufValue{}}
	for i := uint64(0); i < keys && r.err == nil; i++ {
		at := r.at
		key := r.string(fmt.Sprintf("key %d of %d", i+1, keys))
		if _, twice := f.meta[key]; twice {
			r.fail(at, "key %q stands twice", key)
		}
		f.meta[key] = r.value(fmt.Sprintf("key %q", key))
	}
	seen := map[string]bool{}
	var starts []int64 // where the header tells of each tensor
	for i := uint64(0); i < tensors && r.err == nil; i++ {
		starts = append(starts, r.at)
		f.tensors = append(f.tensors, r.tensor(fmt.Sprintf("tensor %d of %d", i+1, tensors), seen))
	}
	alignment := r.alignment(f.meta)
	if r.err != nil {
		return nil, r.err
	}
	data := (uint64(r.at) + alignment - 1) / alignment * alignment
	for i := range f.tensors {
		t := &f.tensors[i]
		offset := uint64(t.offset)
		if offset > uint64(size) || data+offset+uint64(t.bytes) > uint64(size) {
			r.fail(starts[i], "tensor %q of %d bytes at %d of the data ends beyond the file's %d bytes; the file was cut short: fetch it again", t.name, t.bytes, offset, size)
			return nil, r.err
		}
		t.offset = int64(data + offset)
	}
	return f, nil
}

// version reads the magic number and the version.
func (r *ggufReader) version() {
	if magic := r.bytes(4, "the magic number"); r.err == nil && string(magic) != "GGUF" {
		r.fail(0, "begins with %q; expected a GGUF file", magic)
	}
	version := r.u32("the version")
	switch {
	case r.err != nil:
	case version&0xffff == 0:
		r.fail(4, "a big-endian file; expected little-endian: convert it with gguf_convert_endian.py of llama.cpp")
	case version != 2 && version != 3:
		r.fail(4, "version %d; expected 2 or 3", version)
	}
}

// tensor reads what the header says of one tensor; its offset counts from the
// beginning of the data.
func (r *ggufReader) tensor(name string, seen map[string]bool) (t ggufTensor) {
	at := r.at
	t.name = r.string(name)
	what := fmt.Sprintf("tensor %q", t.name)
	if seen[t.name] {
		r.fail(at, "%s stands twice", what)
	}
	seen[t.name] = true
	rank := r.u32(what)
	if rank > 4 {
		r.fail(at, "%s has %d dimensions; expected at most 4", what, rank)
		return t
	}
	dims := make([]uint64, rank)
	for i := range dims {
		dims[i] = r.u64(what)
	}
	kind := r.u32(what)
	t.offset = int64(r.u64(what))
	if r.err != nil {
		return t
	}
	format, ok := ggufFormats[kind]
	if !ok {
		name := ggufRefused[kind]
		if name == "" {
			name = fmt.Sprintf("%d", kind)
		}
		r.fail(at, "%s: quantisation type %s; expected one of %s: take a GGUF of one of these", what, name, ggufReadNames())
		return t
	}
	n, ok := product(dims, 1)
	switch {
	case !ok || n > uint64(r.size)*256: // no format puts more than 2 values in a byte
		r.fail(at, "%s: shape %v is larger than the file", what, dims)
		return t
	case slices.Contains(dims, 0):
		r.fail(at, "%s: shape %v has a size of 0; expected none; the file is damaged: fetch or convert it again", what, dims)
		return t
	case rank == 0 || dims[0]%uint64(format.block) != 0:
		r.fail(at, "%s: shape %v; expected the first size in blocks of %d for %s", what, dims, format.block, format.name)
		return t
	}
	t.format, t.bytes = format, int64(n)/format.block*format.bytes
	for i := range dims {
		t.shape = append(t.shape, int(dims[len(dims)-1-i]))
	}
	return t
}

// alignment is what the data and each tensor begin at a multiple of.
func (r *ggufReader) alignment(meta map[string]ggufValue) uint64 {
	v, ok := meta["general.alignment"]
	if !ok || r.err != nil {
		return 32
	}
	if v.array || v.kind != ggufU32 || v.number(0) < 1 || v.number(0) > 1<<20 {
		r.fail(r.at, "general.alignment is no small number of type uint32")
		return 32
	}
	return uint64(v.number(0))
}

// blocks reads a tensor, and hands on so many of its blocks at a time, the first of
// them the i-th.
func (f *ggufFile) blocks(t ggufTensor, each func(i, n int64, raw []byte) error) error {
	size := chunk / t.format.bytes * t.format.bytes
	buf := make([]byte, min(size, t.bytes))
	for done := int64(0); done < t.bytes; {
		raw := buf[:min(size, t.bytes-done)]
		if _, err := f.file.ReadAt(raw, t.offset+done); err != nil {
			return fmt.Errorf("%s: byte %d: tensor %q: %w", f.path, t.offset+done, t.name, err)
		}
		if err := each(done/t.format.bytes, int64(len(raw))/t.format.bytes, raw); err != nil {
			return err
		}
		done += int64(len(raw))
	}
	return nil
}

// float32s reads and dequantises a tensor, its rows in the file's order.
func (f *ggufFile) float32s(t ggufTensor) ([]float32, error) {
	values := make([]float32, Info{Shape: t.shape}.Elements())
	format := t.format
	err := f.blocks(t, func(i, n int64, raw []byte) error {
		if format.plain != "" {
			return decodeFloat32(format.plain, values[i:i+n], raw)
		}
		var q quants
		for b := range n {
			format.split(&q, raw[b*format.bytes:(b+1)*format.bytes])
			format.dequantise(values[(i+b)*format.block:(i+b+1)*format.block], &q)
		}
		return nil
	})
	return values, err
}

// quantised reads a tensor as Model.Quantised gives it, its rows in the file's order.
func (f *ggufFile) quantised(t ggufTensor) (numbers []int8, scales, lowest []float32, err error) {
	numbers = make([]int8, Info{Shape: t.shape}.Elements())
	format := t.format
	groups := int(format.block) / format.group
	scales = make([]float32, len(numbers)/format.group)
	if format.lowest {
		lowest = make([]float32, len(scales))
	}
	err = f.blocks(t, func(i, n int64, raw []byte) error {
		var q quants
		for b := range n {
			format.split(&q, raw[b*format.bytes:(b+1)*format.bytes])
			at := int(i + b)
			copy(numbers[at*int(format.block):(at+1)*int(format.block)], q.numbers[:])
			copy(scales[at*groups:(at+1)*groups], q.scale[:])
			if format.lowest {
				copy(lowest[at*groups:(at+1)*groups], q.lowest[:])
			}
		}
		return nil
	})
	return numbers, scales, lowest, err
}

// raw reads a tensor's bytes, its rows in the file's order.
func (f *ggufFile) raw(t ggufTensor) ([]byte, error) {
	all := make([]byte, 0, t.bytes)
	err := f.blocks(t, func(_, _ int64, raw []byte) error {
		all = append(all, raw...)
		return nil
	})
	return all, err
}

// openGGUF opens the GGUF file at m.path.
func (m *Model) openGGUF() error {
	file, size, err := modelfile.Open(m.path)
	if err != nil {
		return err
	}
	m.closers = append(m.closers, file)
	parsed, err := parseGGUF(m.path, file, size)
	if err != nil {
		return err
	}
	return m.fromGGUF(parsed)
}
