package weights

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"gorqa/files/whole"
)

// Tensor is a tensor to write. Data is called once, when its turn comes, and
// returns Elements() values: []float32 for F32, BF16 and F16 (rounded to nearest
// even; one that becomes infinite is an error), []uint16 for the bits of BF16 and F16, []int32 for I32, []uint32 for
// U32. What it returns may be used again after the next call.
type Tensor struct {
	Name  string
	DType DType
	Shape []int // outermost first
	Data  func() (any, error)
}

// bytes is the size of the stored tensor.
func (t Tensor) bytes() int64 {
	n := dtypeBytes[t.DType]
	for _, d := range t.Shape {
		n *= int64(d)
	}
	return n
}

func checkTensors(tensors []Tensor) error {
	var problems []error
	seen := map[string]bool{}
	for _, t := range tensors {
		bad := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("tensor %q: %s", t.Name, fmt.Sprintf(format, args...)))
		}
		switch {
		case t.Name == "" || t.Name == "__metadata__":
			bad("is no name for a tensor")
		case seen[t.Name]:
			bad("stands twice")
		}
		seen[t.Name] = true
		if !slices.Contains([]DType{F32, F16, BF16, I32, U32, U8}, t.DType) {
			bad("format %q; expected F32, F16, BF16, I32, U32 or U8", t.DType)
		}
		if slices.ContainsFunc(t.Shape, func(d int) bool { return d < 0 }) {
			bad("shape %v; expected no negative size", t.Shape)
		}
		if t.Data == nil {
			bad("has no Data")
		}
	}
	return errors.Join(problems...)
}

// WriteSafetensors writes the tensors, one in memory at a time, and the
// metadata (may be nil) to a safetensors file. The file appears under its name
// when it is whole and on the disk; on an error none does.
func WriteSafetensors(ctx context.Context, path string, tensors []Tensor, metadata map[string]string) error {
	if err := checkTensors(tensors); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return whole.File(path, func(w io.Writer) error { return encodeSafetensors(ctx, w, tensors, metadata) })
}

func encodeSafetensors(ctx context.Context, w io.Writer, tensors []Tensor, metadata map[string]string) error {
	// Wide formats first, so that each tensor is aligned to its own format:
	// readers that map the file need that.
	tensors = slices.Clone(tensors)
	slices.SortStableFunc(tensors, func(a, b Tensor) int { return cmp.Compare(dtypeBytes[b.DType], dtypeBytes[a.DType]) })

	header, err := safetensorsHeader(tensors, metadata)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, chunk)
	if err := binary.Write(out, binary.LittleEndian, uint64(len(header))); err != nil {
		return err
	}
	if _, err := out.Write(header); err != nil {
		return err
	}
	for _, t := range tensors {
		if err := ctx.Err(); err != nil {
			return err
		}
		values, err := t.Data()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if err := encode(out, t, values); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	return out.Flush()
}

// safetensorsHeader says where each tensor lies, one after the other.
func safetensorsHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	header := []byte{'{'}
	entry := func(key string, value any) error {
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		v, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if len(header) > 1 {
			header = append(header, ',')
		}
		header = append(append(append(header, k...), ':'), v...)
		return nil
	}
	if len(metadata) > 0 {
		if err := entry("__metadata__", metadata); err != nil {
			return nil, err
		}
	}
	var offset int64
	for _, t := range tensors {
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		end := offset + t.bytes()
		err := entry(t.Name, struct {
			DType   DType    `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}{t.DType, shape, [2]int64{offset, end}})
		if err != nil {
			return nil, err
		}
		offset = end
	}
	header = append(header, '}')
	for len(header)%8 != 0 {
		header = append(header, ' ')
	}
	if len(header) > maxHeader {
		return nil, fmt.Errorf("the header has %d bytes; the format allows %d", len(header), maxHeader)
	}
	return header, nil
}

// encode writes the values of a tensor in its format.
func encode(out io.Writer, t Tensor, values any) error {
	p := putter(t.DType, values)
	if p.put == nil {
		return fmt.Errorf("its Data returned %T, which is not stored as %s", values, t.DType)
	}
	if want := (Info{Shape: t.Shape}).Elements(); p.n != want {
		return fmt.Errorf("its Data returned %d values; shape %v needs %d", p.n, t.Shape, want)
	}
	width := int(dtypeBytes[t.DType])
	buf := make([]byte, min(chunk, p.n*width))
	for from := 0; from < p.n; {
		part := buf[:min(len(buf), (p.n-from)*width)]
		if beyond := p.put(part, from); beyond >= 0 {
			return fmt.Errorf("value %d is %g, which becomes infinite in %s; expected values that the format can hold; choose F32", beyond, values.([]float32)[beyond], t.DType)
		}
		if _, err := out.Write(part); err != nil {
			return err
		}
		from += len(part) / width
	}
	return nil
}

// puts are n values; put fills buf with those from from on and returns the first
// that the format cannot hold, or -1. It is nil where they are not stored so.
type puts struct {
	n   int
	put func(buf []byte, from int) (beyond int)
}

// putter puts values as they are stored.
func putter(dtype DType, values any) puts {
	switch v := values.(type) {
	case []float32:
		switch dtype {
		case F32:
			return puts{len(v), words(v, math.Float32bits)}
		case BF16:
			return puts{len(v), rounded(v, bf16FromFloat32, 0x7f80)}
		case F16:
			return puts{len(v), rounded(v, f16FromFloat32, 0x7c00)}
		}
	case []uint16:
		if dtype == BF16 || dtype == F16 {
			return puts{len(v), func(buf []byte, from int) int {
				for i, u := range v[from : from+len(buf)/2] {
					binary.LittleEndian.PutUint16(buf[2*i:], u)
				}
				return -1
			}}
		}
	case []uint8:
		if dtype == U8 {
			return puts{len(v), func(buf []byte, from int) int {
				copy(buf, v[from:])
				return -1
			}}
		}
	case []int32:
		if dtype == I32 {
			return puts{len(v), words(v, func(x int32) uint32 { return uint32(x) })}
		}
	case []uint32:
		if dtype == U32 {
			return puts{len(v), words(v, func(x uint32) uint32 { return x })}
		}
	}
	return puts{}
}

// rounded puts numbers of 16 bits, with the bits that an infinite one has.
func rounded(v []float32, bits func(float32) uint16, infinite uint16) func(buf []byte, from int) int {
	return func(buf []byte, from int) int {
		beyond := -1
		for i, f := range v[from : from+len(buf)/2] {
			u := bits(f)
			if u&0x7fff == infinite && !math.IsInf(float64(f), 0) && beyond < 0 {
				beyond = from + i
			}
			binary.LittleEndian.PutUint16(buf[2*i:], u)
		}
		return beyond
	}
}

// words puts numbers of 32 bits.
func words[T any](v []T, bits func(T) uint32) func(buf []byte, from int) int {
	return func(buf []byte, from int) int {
		for i, x := range v[from : from+len(buf)/4] {
			binary.LittleEndian.PutUint32(buf[4*i:], bits(x))
		}
		return -1
	}
}

// DefaultMaxShardBytes is the size above which Save begins another file.
const DefaultMaxShardBytes = 5_000_000_000

// Saved is a model to save as a Hugging Face folder.
type Saved struct {
	Config  []byte            // config.json; its dtype is set to DType
	DType   DType             // F32, BF16 or F16, for every tensor
	Tensors []Tensor          // under Hugging Face names; their own DType is not read
	Files   map[string][]byte // to lie beside: tokenizer.json, generation_config.json …; see Model.Files

	MaxShardBytes int64 // 0 means DefaultMaxShardBytes
}

// Validate reports everything that is wrong with s.
func (s Saved) Validate() error {
	var problems []error
	if s.DType != F32 && s.DType != BF16 && s.DType != F16 {
		problems = append(problems, fmt.Errorf("DType is %q; expected F32, BF16 or F16", s.DType))
	}
	if s.MaxShardBytes < 0 {
		problems = append(problems, fmt.Errorf("MaxShardBytes is %d; expected 0 or more", s.MaxShardBytes))
	}
	if len(s.Tensors) == 0 {
		problems = append(problems, errors.New("no tensors"))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		if !filepath.IsLocal(name) || name == "." {
			problems = append(problems, fmt.Errorf("file %q would land outside the folder", name))
		}
	}
	return errors.Join(append(problems, checkTensors(s.typed()))...)
}

// typed gives the tensors the format of the folder.
func (s Saved) typed() []Tensor {
	typed := slices.Clone(s.Tensors)
	for i := range typed {
		typed[i].DType = s.DType
	}
	return typed
}

// Save writes a Hugging Face folder: config.json, model.safetensors (or shards
// and their index) and the other files. Where dir does not exist or is empty, it
// appears whole or not at all. Where it exists, what else lies there stays, the
// model in it is replaced file by file, and config.json comes last: until then
// the folder does not open as a model. Every tensor is written; config.json says
// tie_word_embeddings where there is no "lm_head.weight" among them, and has its
// settings in the spellings of transformers 4 and 5.
func Save(ctx context.Context, dir string, s Saved) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	tensors := s.typed()
	var names []string
	for _, t := range tensors {
		names = append(names, t.Name)
	}
	config, copied, err := exported(s.Config, s.DType, names)
	if err == nil {
		config, s.Files, err = shareStart(config, s.Files)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, configName), err)
	}
	if copied {
		head := tensors[slices.Index(names, sharedName)]
		head.Name = outputName
		tensors = append(tensors, head)
	}
	files := maps.Clone(s.Files)
	if files == nil {
		files = map[string][]byte{}
	}
	limit := s.MaxShardBytes
	if limit == 0 {
		limit = DefaultMaxShardBytes
	}
	parts := split(tensors, limit)
	shards := make([]shard, len(parts))
	index := struct {
		Metadata  map[string]int64  `json:"metadata"`
		WeightMap map[string]string `json:"weight_map"`
	}{map[string]int64{"total_size": 0}, map[string]string{}}
	for i, part := range parts {
		name := singleName
		if len(parts) > 1 {
			name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(parts))
		}
		shards[i] = shard{name, part}
		for _, t := range part {
			index.Metadata["total_size"] += t.bytes()
			index.WeightMap[t.Name] = name
		}
	}
	if len(shards) > 1 {
		if files[indexName], err = json.MarshalIndent(index, "", "  "); err != nil {
			return err
		}
	}
	return publish(ctx, dir, folder{
		mark: configName, config: config, files: files, shards: shards,
		old: []string{adapterConfigName, "model*.safetensors", indexName, adapterName},
	})
}

// folder is a model's folder to write.
type folder struct {
	mark   string // the file that makes it a model's: written last
	config []byte // what it holds
	files  map[string][]byte
	shards []shard
	old    []string // patterns of files of the model before, which must not stay
}

// shard is a safetensors file to write.
type shard struct {
	name    string
	tensors []Tensor
}

// publish writes the folder dir; see Save for what is there when.
func publish(ctx context.Context, dir string, f folder) (err error) {
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	// Within the folder, where it holds something: it may be another file system.
	place := dir
	if there, err := os.ReadDir(dir); len(there) == 0 {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		place = filepath.Dir(dir)
	}
	temp, err := whole.NewTemp(place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.Remove()) }()
	part := temp.Path("model")
	if err := os.Mkdir(part, 0o777); err != nil {
		return err
	}

	for _, s := range f.shards {
		if err := WriteSafetensors(ctx, filepath.Join(part, s.name), s.tensors, map[string]string{"format": "pt"}); err != nil {
			return err
		}
	}
	write := func(name string, data []byte) error {
		path := filepath.Join(part, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		return whole.Bytes(path, data)
	}
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		if err := write(name, f.files[name]); err != nil {
			return err
		}
	}
	if err := write(f.mark, f.config); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.Rename(part, dir); err == nil { // dir was absent or empty
		return whole.Sync(filepath.Dir(dir))
	}
	return replace(part, dir, f)
}

// replace moves the model in the folder part into the folder dir.
func replace(part, dir string, f folder) error {
	if err := os.Remove(filepath.Join(dir, f.mark)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := whole.Sync(dir); err != nil {
		return err
	}
	for _, pattern := range f.old {
		old, err := filepath.Glob(filepath.Join(escapeGlob(dir), pattern))
		if err != nil {
			return err
		}
		for _, name := range old {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	move := func(name string) error {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		return os.Rename(filepath.Join(part, name), to)
	}
	err := filepath.WalkDir(part, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(part, path)
		if err != nil || name == f.mark {
			return err
		}
		return move(name)
	})
	if err != nil {
		return err
	}
	if err := whole.Sync(dir); err != nil {
		return err
	}
	if err := move(f.mark); err != nil {
		return err
	}
	return whole.Sync(dir)
}

// escapeGlob makes a path match itself.
func escapeGlob(path string) string {
	var b []byte
	for i := range len(path) {
		if c := path[i]; c == '*' || c == '?' || c == '[' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}

// split deals the tensors into shards of at most limit bytes; a larger tensor
// has one to itself.
func split(tensors []Tensor, limit int64) [][]Tensor {
	var shards [][]Tensor
	var size int64
	for _, t := range tensors {
		if n := t.bytes(); len(shards) == 0 || size+n > limit {
			shards = append(shards, nil)
			size = 0
		}
		size += t.bytes()
		last := len(shards) - 1
		shards[last] = append(shards[last], t)
	}
	return shards
}
