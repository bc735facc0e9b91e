package weights

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/files/pickle"
)

// The names of PyTorch's files in a Hugging Face folder.
const (
	torchName      = "pytorch_model.bin"
	torchIndexName = "pytorch_model.bin.index.json"
)

// maxTorchPickle bounds the pickle of a checkpoint, in bytes: it names the tensors,
// whose numbers lie beside it.
const maxTorchPickle = 64 << 20

// torchFormats are the number formats of PyTorch's storages.
var torchFormats = map[string]DType{
	"FloatStorage": F32, "HalfStorage": F16, "BFloat16Storage": BF16, "DoubleStorage": "F64",
	"LongStorage": "I64", "IntStorage": I32, "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL",
}

// torchCalls are what a checkpoint's pickle makes tensors and their table of.
var torchCalls = []pickle.Class{
	{Module: "collections", Name: "OrderedDict"},
	{Module: "torch._utils", Name: "_rebuild_tensor_v2"},
	{Module: "torch._utils", Name: "_rebuild_parameter"},
	pickle.Persistent,
}

// readTorch opens a checkpoint of PyTorch (a zip archive since 1.6) as data: the pickle
// in it says where each tensor lies, and nothing of it is run.
func readTorch(path string) (*File, error) {
	file, size, err := modelfile.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := parseTorch(path, file, size)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f.close = file.Close
	return f, nil
}

func parseTorch(name string, file io.ReaderAt, size int64) (*File, error) {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...))
	}
	archive, err := zip.NewReader(file, size)
	if errors.Is(err, zip.ErrFormat) {
		return nil, fail("no zip archive; expected a checkpoint as torch.save writes since PyTorch 1.6; load it there and save the model with save_pretrained(…, safe_serialization=True)")
	}
	if err != nil {
		return nil, fail("%v; the file is damaged or was cut short: fetch or save it again", err)
	}
	entries := map[string]*zip.File{}
	table := ""
	for _, e := range archive.File {
		entries[e.Name] = e
		if path.Base(e.Name) == "data.pkl" && table == "" {
			table = e.Name
		}
	}
	if table == "" {
		return nil, fail("a zip archive without data.pkl; expected a checkpoint as torch.save writes; save the model again")
	}
	root := strings.TrimSuffix(table, "data.pkl")
	if order, ok := entries[root+"byteorder"]; ok {
		if text, err := readEntry(order, 16); err != nil || string(text) != "little" {
			return nil, fail("byteorder %q, %v; expected little; save the model on another machine", text, err)
		}
	}
	data, err := readEntry(entries[table], maxTorchPickle)
	if err != nil {
		return nil, fail("%s: %v", table, err)
	}
	value, err := pickle.Read(data, func(c pickle.Class) bool {
		return slices.Contains(torchCalls, c) || c.Module == "torch" && torchFormats[c.Name] != ""
	})
	if err != nil {
		return nil, fail("%s: %v; a table of tensors expected, as model.state_dict() is; save that, or the model with save_pretrained(…, safe_serialization=True)", table, err)
	}
	f := &File{path: name, file: file, tensors: map[string]Info{}}
	t := torchFile{root: root, size: size, entries: entries, starts: map[string]int64{}}
	if err := t.tensors(f, value); err != nil {
		return nil, fail("%s: %v", table, err)
	}
	return f, nil
}

// readEntry reads a small file of an archive.
func readEntry(e *zip.File, most int64) ([]byte, error) {
	if e.UncompressedSize64 > uint64(most) {
		return nil, fmt.Errorf("%d bytes; expected at most %d", e.UncompressedSize64, most)
	}
	in, err := e.Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	return data, errors.Join(err, in.Close())
}

// torchFile is a checkpoint whose tensors are looked up.
type torchFile struct {
	root    string // of the names in the archive
	size    int64  // of the file
	entries map[string]*zip.File
	starts  map[string]int64 // of the storages in the file
}

// tensors lists what a table of tensors holds; values of other kinds, such as the
// version of a module, are none of the model's.
func (t *torchFile) tensors(f *File, value any) error {
	var pairs []pickle.Entry
	switch v := value.(type) {
	case *pickle.Dict:
		pairs = v.Entries
	case *pickle.Object:
		if v.Class == torchCalls[0] {
			pairs = v.Pairs
		}
	}
	for _, pair := range pairs {
		name, ok := pair.Key.(string)
		if object, is := pair.Value.(*pickle.Object); ok && is {
			info, err := t.tensor(object)
			if err != nil {
				return fmt.Errorf("%q: %w", name, err)
			}
			if _, twice := f.tensors[name]; !twice {
				f.names = append(f.names, name)
			}
			f.tensors[name] = info
		}
	}
	if len(f.names) == 0 {
		return errors.New("no tensors; a table of them expected, as model.state_dict() is; save that")
	}
	return nil
}

// tensor reads _rebuild_tensor_v2(storage, offset, size, stride, …), which may stand in
// _rebuild_parameter.
func (t *torchFile) tensor(o *pickle.Object) (Info, error) {
	for depth := 0; o.Class.Name == "_rebuild_parameter" && depth < 2; depth++ {
		inner, ok := arg(o.Args, 0).(*pickle.Object)
		if !ok {
			return Info{}, errors.New("a parameter of no tensor; the file is damaged")
		}
		o = inner
	}
	storage, ok := arg(o.Args, 0).(*pickle.Object)
	offset, okOffset := arg(o.Args, 1).(int64)
	size, okSize := arg(o.Args, 2).(pickle.Tuple)
	stride, okStride := arg(o.Args, 3).(pickle.Tuple)
	if o.Class.Name != "_rebuild_tensor_v2" || !ok || !okOffset || !okSize || !okStride || len(size) != len(stride) || offset < 0 {
		return Info{}, fmt.Errorf("%s found; a plain tensor expected; save the model with save_pretrained(…, safe_serialization=True)", o.Class)
	}
	dtype, start, held, err := t.storage(storage)
	if err != nil {
		return Info{}, err
	}
	info := Info{DType: dtype}
	shape := make([]uint64, len(size))
	n := int64(1)
	for i := len(size) - 1; i >= 0; i-- {
		d, okD := size[i].(int64)
		s, okS := stride[i].(int64)
		if !okD || !okS || d < 0 || d > 1 && s != n {
			return Info{}, fmt.Errorf("size %v with strides %v; rows one after the other expected; save the tensors with .contiguous()", size, stride)
		}
		shape[i] = uint64(d)
		if d > math.MaxInt32 || n > math.MaxInt64/max(d, 1) {
			return Info{}, fmt.Errorf("size %v of %d values; the file is damaged", size, held)
		}
		n *= max(d, 1)
	}
	for _, d := range shape {
		info.Shape = append(info.Shape, int(d))
	}
	if slices.Contains(shape, 0) {
		n = 0
	}
	if offset > held || n > held-offset {
		return Info{}, fmt.Errorf("values %d to %d of %d; the file is damaged", offset, offset+n, held)
	}
	width := dtypeBytes[dtype]
	info.begin, info.end = start+offset*width, start+(offset+n)*width
	return info, nil
}

// storage finds the numbers of ("storage", class, key, place, count) in the file.
func (t *torchFile) storage(o *pickle.Object) (dtype DType, start, held int64, err error) {
	id, _ := arg(o.Args, 0).(pickle.Tuple)
	class, ok := arg(id, 1).(pickle.Class)
	key, okKey := arg(id, 2).(string)
	held, okHeld := arg(id, 4).(int64)
	dtype = torchFormats[class.Name]
	if o.Class != pickle.Persistent || arg(id, 0) != "storage" || !ok || !okKey || !okHeld || held < 0 || dtype == "" {
		return "", 0, 0, fmt.Errorf("a tensor without a storage that is known; one of PyTorch's plain formats expected")
	}
	entry, ok := t.entries[t.root+"data/"+key]
	if !ok {
		return "", 0, 0, fmt.Errorf("its numbers, data/%s, are not in the file; it is damaged: fetch or save it again", key)
	}
	width := dtypeBytes[dtype]
	if entry.Method != zip.Store || held > int64(entry.UncompressedSize64)/width {
		return "", 0, 0, fmt.Errorf("data/%s is compressed, or shorter than its %d values; numbers as torch.save writes them expected", key, held)
	}
	if start, ok = t.starts[key]; !ok {
		if start, err = entry.DataOffset(); err != nil {
			return "", 0, 0, fmt.Errorf("data/%s: %w", key, err)
		}
		t.starts[key] = start
	}
	if start > t.size || held > (t.size-start)/width {
		return "", 0, 0, fmt.Errorf("data/%s ends beyond the file; it was cut short: fetch or save it again", key)
	}
	return dtype, start, held, nil
}

func arg(t pickle.Tuple, i int) any {
	if i < len(t) {
		return t[i]
	}
	return nil
}
