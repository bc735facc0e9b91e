package retrieve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
)

// encodeStore is how gorqa wrote such files: it writes the store in the order of its keys, so that equal stores
// are equal files.
func encodeStore(w io.Writer, s *store) error {
	if len(s.name) > maxNameBytes {
		return fmt.Errorf("the embedder's name is %d bytes long; expected at most %d", len(s.name), maxNameBytes)
	}
	h := sha256.New()
	body := io.MultiWriter(w, h)
	head := []byte(storeMagic)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(s.name)))
	head = append(head, s.name...)
	head = binary.LittleEndian.AppendUint32(head, uint32(s.width))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(s.vectors)))
	if _, err := body.Write(head); err != nil {
		return err
	}
	var entry []byte
	for _, k := range slices.SortedFunc(maps.Keys(s.vectors), func(a, b key) int { return bytes.Compare(a[:], b[:]) }) {
		entry = append(entry[:0], k[:]...)
		for _, f := range s.vectors[k] {
			entry = binary.LittleEndian.AppendUint32(entry, math.Float32bits(f))
		}
		if _, err := body.Write(entry); err != nil {
			return err
		}
	}
	_, err := w.Write(h.Sum(nil))
	return err
}

func FuzzDecodeStore(f *testing.F) {
	for _, s := range []*store{
		{name: "", vectors: map[key][]float32{}},
		{name: "m", width: 2, vectors: map[key][]float32{{}: {1, 2}, {1}: {3, 4}}},
	} {
		var b bytes.Buffer
		if err := encodeStore(&b, s); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte(storeMagic + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeStore(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := encodeStore(&b, s); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), data) {
			t.Error("what was read is not what would be written")
		}
	})
}

// Vectors that gorqa kept before its files of vectors are taken over once.
func TestConvertStore(t *testing.T) {
	dir := t.TempDir()
	old := &store{name: "m", width: 2, vectors: map[key][]float32{}}
	var docs []dataset.Document
	for i := range 5 {
		docs = append(docs, dataset.Document{Formatted: fmt.Sprint("document ", i)})
		old.vectors[sha256.Sum256([]byte(docs[i].Text()))] = []float32{float32(i), 1}
	}
	old.vectors[key{9}] = []float32{7, 7} // of no document
	var b bytes.Buffer
	if err := encodeStore(&b, old); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(storePath(dir, "m"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	opt := DefaultOptions()
	opt.Metric = Dot
	for i, said := range []string{"older gorqa", ""} {
		x, err := Build(t.Context(), dir, docs, one{}, opt)
		if err != nil {
			t.Fatal(err)
		}
		if s := x.Stats(); s.Cached != 5 || s.Embedded != 0 || s.Dropped != 1-i || !strings.Contains(s.Said, said) || said == "" && s.Said != "" {
			t.Errorf("build %d: %+v", i+1, s)
		}
		hits, err := x.TopK(t.Context(), []string{"q"}, 5)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Hit{{4, 5}, {3, 4}, {2, 3}, {1, 2}, {0, 1}}, hits[0]); diff != "" {
			t.Errorf("build %d (-want +got)\n%s", i+1, diff)
		}
	}
	if _, err := os.Stat(storePath(dir, "m")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old file is still there: %v", err)
	}
}

// one embeds queries alone.
type one struct{}

func (one) Name() string { return "m" }
func (one) Width() int   { return 2 }
func (one) Embed(_ context.Context, texts []string, kind Kind) ([][]float32, error) {
	if kind == Passage {
		return nil, errors.New("a passage was embedded")
	}
	return slices.Repeat([][]float32{{1, 1}}, len(texts)), nil
}
