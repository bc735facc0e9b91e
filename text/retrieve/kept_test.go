package retrieve_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// small are options with chunks of two texts.
func small() retrieve.Options {
	opt := retrieve.DefaultOptions()
	opt.ChunkTexts = 2
	return opt
}

// indexFile is the one file in dir with some ending.
func indexFile(t *testing.T, dir, ending string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "index-*"+ending))
	if err != nil || len(found) != 1 {
		t.Fatalf("files %q, %v; one expected", found, err)
	}
	return found[0]
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, dir string, docs []dataset.Document, e *fake, opt retrieve.Options) *retrieve.Index {
	t.Helper()
	x, err := retrieve.Build(t.Context(), dir, docs, e, opt)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// search gives the ranking of all documents for two queries.
func search(t *testing.T, x *retrieve.Index) [][]retrieve.Hit {
	t.Helper()
	hits, err := x.TopK(t.Context(), []string{"one", "two"}, x.Documents().Len())
	if err != nil {
		t.Fatal(err)
	}
	return hits
}

// A build that is stopped, wherever in a chunk, goes on there, and leaves the bytes of one that
// was not.
func TestIndexGoesOn(t *testing.T) {
	t.Parallel()
	docs := numbered(9)
	whole := t.TempDir()
	want := search(t, build(t, whole, docs, &fake{name: "m", width: 5}, small()))
	vectors, documents := readFile(t, indexFile(t, whole, ".vectors")), readFile(t, indexFile(t, whole, ".documents"))
	const chunk = 2 * 64
	head := len(vectors) - 9*chunk/2
	for size := head; size < len(vectors); size += 19 {
		dir := t.TempDir()
		path := filepath.Join(dir, filepath.Base(indexFile(t, whole, ".vectors")))
		writeFile(t, path, append(slices.Clone(vectors[:size]), make([]byte, size%3*30)...)) // zeros: space that was not written yet
		e := &fake{name: "m", width: 5}
		x := build(t, dir, docs, e, small())
		if kept := (size - head) / chunk * 2; e.texts() != len(docs)-kept {
			t.Errorf("cut at %d: %d texts were embedded; %d of %d were there", size, e.texts(), kept, len(docs))
		}
		if !bytes.Equal(readFile(t, path), vectors) || !bytes.Equal(readFile(t, indexFile(t, dir, ".documents")), documents) {
			t.Errorf("cut at %d: other bytes than of an undisturbed build", size)
		}
		if diff := cmp.Diff(want, search(t, x)); diff != "" {
			t.Errorf("cut at %d (-want +got)\n%s", size, diff)
		}
	}
}

// Whatever byte is damaged: an error that names the file, or the same hits.
func TestIndexDamage(t *testing.T) {
	t.Parallel()
	docs := numbered(5)
	dir := t.TempDir()
	want := search(t, build(t, dir, docs, &fake{name: "m", width: 3}, small()))
	for _, ending := range []string{".vectors", ".documents"} {
		path := indexFile(t, dir, ending)
		good := readFile(t, path)
		said := 0
		look := func(why string, data []byte) {
			t.Helper()
			for _, open := range []func() (*retrieve.Index, error){
				func() (*retrieve.Index, error) {
					return retrieve.Open(t.Context(), dir, &fake{name: "m", width: 3}, small())
				},
				func() (*retrieve.Index, error) {
					return retrieve.Build(t.Context(), dir, docs, &fake{name: "m", width: 3}, small())
				},
			} {
				writeFile(t, path, data)
				x, err := open()
				var hits [][]retrieve.Hit
				if err == nil {
					hits, err = x.TopK(t.Context(), []string{"one", "two"}, len(docs))
				}
				var read []dataset.Document
				if err == nil {
					read, err = x.Documents().Read(t.Context(), 0, 1, 2, 3, 4)
				}
				switch {
				case err != nil && !strings.Contains(err.Error(), dir):
					t.Errorf("%s: error %q does not name the folder", why, err)
				case err != nil:
					said++
				case cmp.Diff(want, hits) != "" || read[3].Text() != "document 3":
					t.Errorf("%s: other hits or documents, and no error", why)
				}
			}
		}
		for i := 0; i < len(good); i += 1 + 20*(i%5) {
			bad := slices.Clone(good)
			bad[i] ^= 0x10
			look(fmt.Sprintf("%s: byte %d turned", ending, i), bad)
			look(fmt.Sprintf("%s: cut at %d", ending, i), good[:i])
		}
		look(ending+": something behind the end", append(slices.Clone(good), 0))
		if said == 0 {
			t.Errorf("%s: no damage was ever told", ending)
		}
		writeFile(t, path, good)
		build(t, dir, docs, &fake{name: "m", width: 3}, small())
	}
}

func TestIndexOfAnother(t *testing.T) {
	t.Parallel()
	docs := numbered(3)
	tests := []struct {
		name, why string
		change    func(header []byte)
		e         *fake
		want      []string
	}{
		{"width", "the model's width changed under one name", func([]byte) {}, &fake{name: "m", width: 4}, []string{"3 numbers", "expected 4", "delete"}},
		{"unknown width", "an embedder that does not know its width beforehand", func([]byte) {}, &fake{name: "m", set: map[string][]float32{"document 3": {1, 2}}}, []string{"3 numbers", "expected 2"}},
		{"byte order", "a file of a big-endian machine", func(h []byte) { slices.Reverse(h[16:20]) }, &fake{name: "m", width: 3}, []string{"the other byte order"}},
		{"type", "of a later gorqa", func(h []byte) { h[20] = 2 }, &fake{name: "m", width: 3}, []string{"type 2; 1 (float32) expected"}},
		{"embedder", "a file that was renamed", func(h []byte) { h[48] = 'n' }, &fake{name: "m", width: 3}, []string{`belongs to embedder "n"; expected "m"`}},
		{"old format", "which has a name of its own", func(h []byte) { copy(h, "gorqa vectors 1\n") }, &fake{name: "m", width: 3}, []string{"does not begin as a file of vectors does"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			build(t, dir, docs, &fake{name: "m", width: 3}, small())
			path := indexFile(t, dir, ".vectors")
			data := readFile(t, path)
			tt.change(data)
			binary.LittleEndian.PutUint32(data[4092:], crc32.Checksum(data[:4092], crc32.MakeTable(crc32.Castagnoli)))
			writeFile(t, path, data)
			_, err := retrieve.Build(t.Context(), dir, numbered(4), tt.e, small())
			wantError(t, tt.why, err, append(tt.want, path))
		})
	}
}

// Documents come, go, change their place and stand twice: hits are those of an index in memory.
func TestIndexChanges(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	var docs []dataset.Document
	set := map[string][]float32{"one": {1, 0.5}, "two": {-0.3, 1}}
	for round := range 30 {
		for range random.IntN(20) + 1 {
			text := fmt.Sprintf("text %d", random.IntN(60))
			if _, known := set["Content:\n"+text]; !known {
				set["Content:\n"+text] = []float32{float32(random.IntN(3)), float32(random.IntN(3) - 1)} // many of one score
			}
			docs = slices.Insert(docs, random.IntN(len(docs)+1), dataset.Document{Content: text, Metadata: map[string]any{"round": round}})
		}
		for len(docs) > 60 {
			docs = slices.Delete(docs, 3, 3+random.IntN(len(docs)-4))
		}
		list := slices.Clone(docs)
		e := &fake{name: "m", width: 2, set: set}
		if round%7 == 3 {
			e.name = "n" // whose index is beside the other one
		}
		opt := retrieve.DefaultOptions()
		opt.Metric = retrieve.Dot
		kept, plain := build(t, dir, list, e, opt), build(t, "", list, e, opt)
		opened, err := retrieve.Open(t.Context(), dir, e, opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []int{1, 2, len(list)} {
			want, err := plain.TopK(t.Context(), []string{"one", "two"}, min(k, len(list)))
			if err != nil {
				t.Fatal(err)
			}
			for name, x := range map[string]*retrieve.Index{"built": kept, "opened": opened} {
				got, err := x.TopK(t.Context(), []string{"one", "two"}, min(k, len(list)))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("round %d, the best %d, %s (-in memory +kept)\n%s", round, k, name, diff)
				}
			}
		}
		read, err := retrieve.ReadAll(t.Context(), opened.Documents())
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			if read[i].Content != list[i].Content || fmt.Sprint(read[i].Metadata) != fmt.Sprint(list[i].Metadata) {
				t.Fatalf("round %d: document %d is %v; expected %v", round, i, read[i], list[i])
			}
		}
	}
}

// One of several that begin at the same time embeds; the others wait and read.
func TestIndexOneWriter(t *testing.T) {
	t.Parallel()
	dir, docs := t.TempDir(), numbered(40)
	var all sync.WaitGroup
	embedders := make([]*fake, 4)
	for i := range embedders {
		embedders[i] = &fake{name: "m", width: 8}
		all.Go(func() {
			if _, err := retrieve.Build(t.Context(), dir, docs, embedders[i], small()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	texts := 0
	for _, e := range embedders {
		texts += e.texts()
	}
	if texts != len(docs) {
		t.Errorf("%d texts were embedded; expected each of %d once", texts, len(docs))
	}
}

// slow lets go of its embedder when told to.
type slow struct {
	*fake
	begun, go_ chan struct{}
}

func (s slow) Embed(ctx context.Context, texts []string, kind retrieve.Kind) ([][]float32, error) {
	if kind == retrieve.Passage && slices.Contains(texts, "document 9") {
		close(s.begun)
		<-s.go_
	}
	return s.fake.Embed(ctx, texts, kind)
}

// Who lacks nothing reads while another process adds; who lacks something waits, until its
// context ends.
func TestIndexReadersBesideAWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := search(t, build(t, dir, numbered(8), &fake{name: "m", width: 3}, small()))
	writer := slow{&fake{name: "m", width: 3}, make(chan struct{}), make(chan struct{})}
	done := make(chan error)
	go func() {
		_, err := retrieve.Build(context.WithoutCancel(t.Context()), dir, numbered(10), writer, small())
		done <- err
	}()
	<-writer.begun
	e := &fake{name: "m", width: 3, fail: 1}
	if diff := cmp.Diff(want, search(t, build(t, dir, numbered(8), e, small()))); diff != "" {
		t.Errorf("a reader beside a writer (-want +got)\n%s", diff)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	opt := small()
	opt.Waiting = cancel
	if _, err := retrieve.Build(ctx, dir, numbered(9), e, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a second writer; expected that of its context", err)
	}
	close(writer.go_)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestOpenNothing(t *testing.T) {
	t.Parallel()
	_, err := retrieve.Open(t.Context(), filepath.Join(t.TempDir(), "none"), &fake{name: "m", width: 2}, retrieve.DefaultOptions())
	wantError(t, "no such folder", err, []string{`embedder "m"`, "full_dataset_file_path"})
}
