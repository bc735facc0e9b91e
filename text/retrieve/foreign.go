package retrieve

import (
	"bufio"
	"context"
	"crypto/sha1" // what LangChain names its files by
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/text/dataset"
)

// foreign are vectors that another program left in an index folder.
type foreign struct {
	file    string // where they stand
	width   int
	vectors map[key][]float32
}

// readForeign looks in dir for vectors of texts as LocalRQA and LangChain leave
// them: LangChain's FAISS (index.faiss with index.pkl), or its cache of embeddings
// (a file for each text, named by the text's hash). nil: there are none.
func readForeign(ctx context.Context, dir string, texts []entry) (*foreign, error) {
	path := filepath.Join(dir, "index.faiss")
	if _, err := os.Stat(path); err == nil {
		return readFAISS(ctx, dir, path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return readEmbeddingCache(dir, texts)
}

// readFAISS reads the vectors of a flat index with the texts of its docstore.
func readFAISS(ctx context.Context, dir, path string) (*foreign, error) {
	f, size, err := modelfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, width, err := decodeFlat(bufio.NewReaderSize(f, 1<<20), size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	texts, err := dataset.ReadDocstore(ctx, filepath.Join(dir, "index.pkl"))
	if err != nil {
		return nil, err
	}
	if len(texts)*width != len(rows) {
		return nil, fmt.Errorf("%s: %d vectors found beside %d documents in index.pkl; one for each expected", path, len(rows)/width, len(texts))
	}
	out := &foreign{file: path, width: width, vectors: make(map[key][]float32, len(texts))}
	for i, text := range texts {
		out.vectors[sha256.Sum256([]byte(text))] = rows[i*width : (i+1)*width]
	}
	return out, nil
}

// flatKinds are FAISS's names of indexes that hold their vectors as they are: by
// L2, by inner product, and an older one.
var flatKinds = []string{"IxF2", "IxFI", "IxFl"}

// decodeFlat reads FAISS's IndexFlat of size bytes, little-endian: four letters;
// int32 width; int64 count; two int64 that are not used; a byte that says it is
// trained; int32 metric, with a float32 behind it for metrics above 1; uint64
// numbers; float32 numbers.
func decodeFlat(r io.Reader, size int64) (rows []float32, width int, err error) {
	var head struct {
		Kind    [4]byte
		Width   int32
		Count   int64
		_       [2]int64
		Trained uint8
		Metric  int32
	}
	if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
		return nil, 0, errors.New("it ends inside its header; an index of FAISS expected")
	}
	flat := false
	for _, kind := range flatKinds {
		flat = flat || kind == string(head.Kind[:])
	}
	if !flat {
		return nil, 0, fmt.Errorf("an index of the kind %q; a flat one (IndexFlatL2 or IndexFlatIP) expected", head.Kind[:])
	}
	left := size - int64(binary.Size(head)) - 8
	if head.Metric > 1 {
		var argument float32
		if err := binary.Read(r, binary.LittleEndian, &argument); err != nil {
			return nil, 0, errors.New("it ends inside its header")
		}
		left -= 4
	}
	var numbers uint64
	if err := binary.Read(r, binary.LittleEndian, &numbers); err != nil {
		return nil, 0, errors.New("it ends inside its header")
	}
	if head.Width < 1 || head.Count < 1 || left < 0 || numbers != uint64(left)/4 || left%4 != 0 ||
		uint64(head.Count) > numbers || uint64(head.Count)*uint64(head.Width) != numbers {
		return nil, 0, fmt.Errorf("its header speaks of %d vectors of %d numbers, which does not fit its %d bytes", head.Count, head.Width, size)
	}
	rows = make([]float32, numbers)
	if err := binary.Read(r, binary.LittleEndian, rows); err != nil {
		return nil, 0, errors.New("it ends inside its vectors")
	}
	for _, x := range rows {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return nil, 0, fmt.Errorf("it holds the number %v", x)
		}
	}
	return rows, int(head.Width), nil
}

// maxCached bounds a file of LangChain's cache, which holds one vector as JSON.
const maxCached = 4 << 20

// readEmbeddingCache reads what LangChain's CacheBackedEmbeddings keeps, which is
// what LocalRQA's index_path is: a file NAMESPACE+UUID for each text, a JSON list
// of numbers.
func readEmbeddingCache(dir string, texts []entry) (*foreign, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	byID := map[string]string{}
	for _, e := range entries {
		name := e.Name()
		if at := len(name) - 36; at >= 0 && strings.Count(name[at:], "-") == 4 && name[at+8] == '-' {
			byID[name[at:]] = name
		}
	}
	if len(byID) == 0 {
		return nil, nil
	}
	out := &foreign{file: dir, vectors: map[key][]float32{}}
	for _, t := range texts {
		name, ok := byID[cacheName(t.text)]
		if !ok {
			continue
		}
		path := filepath.Join(dir, name)
		data, err := modelfile.Read(path, maxCached)
		if err != nil {
			return nil, err
		}
		var v []float32
		if err := json.Unmarshal(data, &v); err != nil || len(v) == 0 || out.width != 0 && len(v) != out.width {
			return nil, fmt.Errorf("%s: no list of %d numbers; what LangChain's cache of embeddings holds expected", path, max(out.width, 1))
		}
		out.width = len(v)
		out.vectors[t.key] = v
	}
	return out, nil
}

// cacheName is the UUID of a text in LangChain's cache: version 5 of the hex of
// its SHA-1, in a name space of LangChain's own.
func cacheName(text string) string {
	sum := sha1.Sum([]byte(text))
	space := make([]byte, 16)
	binary.BigEndian.PutUint16(space[14:], 1985)
	id := sha1.Sum(append(space, hex.EncodeToString(sum[:])...))
	id[6], id[8] = id[6]&0x0f|0x50, id[8]&0x3f|0x80
	h := hex.EncodeToString(id[:16])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// Texts that are embedded to see whether foreign vectors are this embedder's, and
// how far they may be apart: bf16 here and f32 there differ by about half of a
// percent, another model's by about all.
const (
	comparedTexts   = 3
	comparedWithin  = 0.03
	foreignMismatch = "these were made by another model, or of texts put otherwise"
)

// takeOver gives the vectors that another program left in dir of the missing
// texts, where they are this embedder's: a few are made here and compared. What
// was found is told, "" for nothing: what cannot be used is no error, since the
// texts can be embedded.
func (x *Index) takeOver(ctx context.Context, dir string, missing []entry) (map[key][]float32, string, error) {
	f, err := readForeign(ctx, dir, missing)
	if err != nil {
		if ctx.Err() != nil {
			return nil, "", err
		}
		return nil, fmt.Sprintf("vectors of another program are not taken over: %v", err), nil
	}
	if f == nil {
		return nil, "", nil
	}
	var sample []entry
	found := map[key][]float32{}
	for i := len(missing) - 1; i >= 0; i-- { // the short ones are last
		if v, ok := f.vectors[missing[i].key]; ok {
			found[missing[i].key] = v
			if len(sample) < comparedTexts {
				sample = append(sample, missing[i])
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Sprintf("%s: its vectors are not taken over: none is of a text of these documents", f.file), nil
	}
	texts := make([]string, len(sample))
	for i, s := range sample {
		texts[i] = s.text
	}
	vectors, err := embed(ctx, x.embedder, texts, Passage)
	if err != nil {
		return nil, "", err
	}
	for i, s := range sample {
		theirs := found[s.key]
		if len(theirs) != len(vectors[i]) {
			return nil, fmt.Sprintf("%s: its vectors are not taken over: they have %d numbers, those of %s %d", f.file, len(theirs), x.embedder.Name(), len(vectors[i])), nil
		}
		if d := x.apart(vectors[i], theirs); !(d <= comparedWithin) {
			return nil, fmt.Sprintf("%s: its vectors are not taken over: of the text %.40q they differ from those of %s by %.0f%%; %s", f.file, s.text, x.embedder.Name(), 100*d, foreignMismatch), nil
		}
	}
	return found, fmt.Sprintf("%s: %d vectors are taken over; %d of them were made again and are the same", f.file, len(found), len(sample)), nil
}

// apart is the distance of two vectors as a part of the first one's length, as
// the index compares them.
func (x *Index) apart(a, b []float32) float64 {
	if x.opt.Metric == Cosine {
		a, b = append([]float32(nil), a...), append([]float32(nil), b...)
		normalise(a, len(a))
		normalise(b, len(b))
	}
	var d, n float64
	for i := range a {
		d += (float64(a[i]) - float64(b[i])) * (float64(a[i]) - float64(b[i]))
		n += float64(a[i]) * float64(a[i])
	}
	return math.Sqrt(d / n)
}
