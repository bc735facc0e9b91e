package retrieve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gorqa/files/lock"
	"gorqa/text/dataset"
)

// Build returns an index over docs, each embedded by its Text as a [Passage].
//
// dir, if not empty, is a folder that keeps vectors and documents between runs, for each
// embedder name: only texts that it lacks are embedded. Vectors are added to a file as they
// are made, so that a process that is killed loses one chunk; those of texts that are gone stay
// there until they are a fifth of the file. One process at a time adds; others wait for it if
// they lack something, and read what is there if they do not. A file that is damaged, or whose
// vectors are not as wide as the embedder's, is an error that names it. Vectors that LocalRQA or
// LangChain left in dir, or an older gorqa, are taken over where they are this embedder's; see
// BuildStats.Said.
func Build(ctx context.Context, dir string, docs []dataset.Document, e Embedder, opt Options) (*Index, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, errors.New("retrieve: there are no documents to index; expected at least one; check the document file")
	}
	b := &builder{dir: dir, docs: docs, keys: make([]key, len(docs)), index: &Index{docs: List(docs), embedder: e, opt: opt}}
	for i, d := range docs {
		b.keys[i] = sha256.Sum256([]byte(d.Text()))
	}
	if dir == "" {
		return b.index, b.inMemory(ctx)
	}
	return b.index, b.kept(ctx)
}

// Open returns the index over the documents that dir keeps for the embedder, as Build left it.
// It reads neither documents nor vectors before they are asked for.
func Open(ctx context.Context, dir string, e Embedder, opt Options) (*Index, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	vectors, documents := indexPaths(dir, e.Name())
	for again := false; ; again = true {
		file, err := openVectors(vectors, e.Name())
		if err != nil {
			return nil, err
		}
		docs, err := openDocuments(documents)
		if err != nil {
			return nil, err
		}
		switch {
		case docs == nil || file == nil:
			return nil, fmt.Errorf("%s: no documents with vectors of embedder %q found; an index expected as gorqa index makes it; give the documents (full_dataset_file_path)", dir, e.Name())
		case docs.generation == file.generation && docs.needed <= uint64(file.n):
			if w := e.Width(); w != 0 && w != file.width {
				return nil, widthError(vectors, file.width, w, e)
			}
			x := &Index{docs: docs, embedder: e, opt: opt, rows: file.rows(), file: file, rowOf: make([]int32, docs.n)}
			for i := range x.rowOf {
				if x.rowOf[i] = docs.row(i); int(x.rowOf[i]) >= file.n {
					return nil, fmt.Errorf("%s: the documents of the index are damaged: document %d has the vector %d of %d; delete the file and give full_dataset_file_path once more", documents, i+1, x.rowOf[i], file.n)
				}
			}
			x.stats.Cached = file.n
			return x, nil
		case again:
			return nil, fmt.Errorf("%s: documents and vectors do not belong together: the process that wrote them was stopped in between; give the documents (full_dataset_file_path) once more", dir)
		}
		unlock, err := lock.Take(ctx, vectors+".lock", opt.Waiting) // another process is about to replace them
		if err != nil {
			return nil, fmt.Errorf("retrieve: the folder of the index: %w", err)
		}
		unlock()
	}
}

// Keeps says whether dir keeps vectors of some embedder.
func Keeps(dir string) bool {
	for _, pattern := range []string{"index-*.vectors", "vectors-*.gorqa"} {
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 {
			return true
		}
	}
	return false
}

// indexPaths are the files in dir for the embedder name.
func indexPaths(dir, name string) (vectors, documents string) {
	sum := sha256.Sum256([]byte(name))
	base := filepath.Join(dir, "index-"+hex.EncodeToString(sum[:6]))
	return base + ".vectors", base + ".documents"
}

// builder makes an index.
type builder struct {
	dir     string
	docs    []dataset.Document
	keys    []key // of the documents' texts
	index   *Index
	missing []entry // the texts that there is no vector of, each once
}

// place finds the vector of each document in a file, nil for none, and lists those that it lacks.
func (b *builder) place(file *vectorFile) error {
	x := b.index
	rows := map[key]int32{}
	if file != nil {
		if w := x.embedder.Width(); w != 0 && file.n > 0 && w != file.width {
			return widthError(file.path, file.width, w, x.embedder)
		}
		rows = make(map[key]int32, file.n)
		for i := range file.n {
			rows[file.key(i)] = int32(i)
		}
		x.file, x.rows = file, file.rows()
	}
	there := len(rows)
	used := make([]bool, there)
	x.rowOf, b.missing = make([]int32, len(b.docs)), nil
	for i, k := range b.keys {
		row, ok := rows[k]
		if !ok {
			row = int32(len(rows))
			rows[k] = row
			b.missing = append(b.missing, entry{k, b.docs[i].Text()})
		}
		if x.rowOf[i] = row; int(row) < there {
			used[row] = true
		}
	}
	x.stats.Cached = 0
	for _, is := range used {
		if is {
			x.stats.Cached++
		}
	}
	x.stats.Dropped = there - x.stats.Cached
	return nil
}

// inMemory embeds all texts and keeps nothing.
func (b *builder) inMemory(ctx context.Context) error {
	if err := b.place(nil); err != nil {
		return err
	}
	b.index.stats.Embedded = len(b.missing)
	return b.embed(ctx, b.missing, b.remember)
}

// remember adds vectors to those in memory.
func (b *builder) remember(_ []key, vectors [][]float32) error {
	r := &b.index.rows
	if r.Width == 0 {
		r.Width = len(vectors[0])
		r.Stride = (r.Width + 15) / 16 * 16
		r.Values = make([]float32, 0, len(b.missing)*r.Stride)
	}
	for _, v := range vectors {
		r.Values = append(r.Values, v...)
		r.Values = append(r.Values, make([]float32, r.Stride-r.Width)...)
	}
	return nil
}

// kept makes the index over what the folder keeps, which it adds to where something is missing.
func (b *builder) kept(ctx context.Context) error {
	vectors, documents := indexPaths(b.dir, b.index.embedder.Name())
	file, err := openVectors(vectors, b.index.embedder.Name())
	if err != nil {
		return err
	}
	if err := b.place(file); err != nil {
		return err
	}
	if len(b.missing) == 0 && !b.wasteful() {
		current, err := b.documentsAreCurrent(documents)
		if err != nil || current {
			return err
		}
	}
	err = os.MkdirAll(b.dir, 0o777)
	var unlock func()
	if err == nil {
		unlock, err = lock.Take(ctx, vectors+".lock", b.index.opt.Waiting)
	}
	if err != nil {
		if len(b.missing) == 0 && ctx.Err() == nil {
			return nil // a folder that cannot be written is read all the same
		}
		return fmt.Errorf("retrieve: the folder of the index: %w", err)
	}
	defer unlock()
	return b.add(ctx, vectors, documents)
}

// wasteful says whether a fifth of the vectors are of no document's text.
func (b *builder) wasteful() bool {
	s := b.index.stats
	return 4*s.Dropped > s.Cached
}

func (b *builder) documentsAreCurrent(path string) (bool, error) {
	there, err := openDocuments(path)
	if err != nil || there == nil || there.n != len(b.docs) || there.generation != b.index.file.generation {
		return false, err
	}
	digest, err := Digest(b.docs)
	return digest == there.digest, err
}

// add brings the folder up to date. The lock is held.
func (b *builder) add(ctx context.Context, vectors, documents string) error {
	x := b.index
	w, err := appendVectors(vectors, x.embedder.Name())
	if err != nil {
		return err
	}
	if err := b.fill(ctx, vectors, w); err != nil {
		return err
	}
	stats := x.stats
	for range 2 {
		file, err := openVectors(vectors, x.embedder.Name())
		if err != nil {
			return err
		}
		if err := b.place(file); err != nil {
			return err
		}
		if !b.wasteful() {
			break
		}
		if err := compact(file, b.inOrder()); err != nil {
			return err
		}
	}
	x.stats = stats
	if current, err := b.documentsAreCurrent(documents); err != nil || current {
		return err
	}
	return writeDocuments(documents, b.docs, x.rowOf, x.file.generation, x.file.n)
}

// inOrder are the rows that documents have, in their order.
func (b *builder) inOrder() []int32 {
	seen := make([]bool, b.index.file.n)
	var rows []int32
	for _, row := range b.index.rowOf {
		if !seen[row] {
			seen[row] = true
			rows = append(rows, row)
		}
	}
	return rows
}

// fill adds the vectors that are missing from a file, which is made where w is nil.
func (b *builder) fill(ctx context.Context, path string, w *vectorWriter) (err error) {
	x := b.index
	defer func() {
		if w != nil {
			err = errors.Join(err, w.f.Close())
		}
	}()
	var file *vectorFile // what it has now, of which another process may have added some
	if w != nil {
		if file, err = openVectors(path, x.embedder.Name()); err != nil {
			return err
		}
	}
	if err := b.place(file); err != nil {
		return err
	}
	write := func(keys []key, vectors [][]float32) error {
		if w == nil {
			l, err := newLayout(x.embedder.Name(), len(vectors[0]), 0)
			if err == nil {
				w, err = newVectors(path, l)
			}
			if err != nil {
				return err
			}
		}
		if len(vectors[0]) != w.width {
			return widthError(path, w.width, len(vectors[0]), x.embedder)
		}
		return w.chunk(keys, vectors)
	}
	old, done, err := b.convert(write)
	if err == nil {
		err = b.takeOver(ctx, write)
	}
	if err == nil {
		x.stats.Embedded = len(b.missing)
		err = b.embed(ctx, b.missing, write)
	}
	if err == nil && done {
		err = os.Remove(old)
	}
	return err
}

// convert adds the vectors that an older gorqa kept in a file of its own.
func (b *builder) convert(write func([]key, [][]float32) error) (path string, done bool, err error) {
	x := b.index
	path = storePath(b.dir, x.embedder.Name())
	s, err := readStore(path, x.embedder.Name())
	if err != nil || s == nil {
		return path, false, err
	}
	if w := x.embedder.Width(); w != 0 && len(s.vectors) > 0 && w != s.width {
		return path, false, widthError(path, s.width, w, x.embedder)
	}
	n, err := b.taken(s.vectors, write)
	x.stats.Cached += n
	x.stats.Dropped += len(s.vectors) - n
	x.stats.say(fmt.Sprintf("%s: the vectors of an older gorqa are kept in the form of this one from now on", path))
	return path, true, err
}

// takeOver adds what another program left in the folder.
func (b *builder) takeOver(ctx context.Context, write func([]key, [][]float32) error) error {
	if len(b.missing) == 0 {
		return nil
	}
	found, said, err := b.index.takeOver(ctx, b.dir, b.missing)
	if err != nil {
		return err
	}
	b.index.stats.say(said)
	b.index.stats.Taken, err = b.taken(found, write)
	return err
}

// taken adds those of the vectors that are missing, and says how many they are.
func (b *builder) taken(found map[key][]float32, write func([]key, [][]float32) error) (n int, err error) {
	var keys []key
	var vectors [][]float32
	var missing []entry
	for _, m := range b.missing {
		v, ok := found[m.key]
		if !ok {
			missing = append(missing, m)
			continue
		}
		n++
		keys, vectors = append(keys, m.key), append(vectors, v)
		if len(keys) == b.index.opt.ChunkTexts {
			if err := write(keys, vectors); err != nil {
				return n, err
			}
			keys, vectors = nil, nil
		}
	}
	b.missing = missing
	if len(keys) > 0 {
		err = write(keys, vectors)
	}
	return n, err
}

// embed embeds texts, chunk by chunk.
func (b *builder) embed(ctx context.Context, texts []entry, write func([]key, [][]float32) error) error {
	keys, bodies := make([]key, len(texts)), make([]string, len(texts))
	for i, m := range texts {
		keys[i], bodies[i] = m.key, m.text
	}
	return EmbedChunks(ctx, b.index.embedder, bodies, b.index.opt, func(first int, vectors [][]float32) error {
		return write(keys[first:first+len(vectors)], vectors)
	})
}

// EmbedChunks embeds passages in the chunks that opt says, and gives each to write, with the place
// of its first text, before the next one is embedded.
func EmbedChunks(ctx context.Context, e Embedder, texts []string, opt Options, write func(first int, vectors [][]float32) error) error {
	progress := func(done int) {
		if opt.Progress != nil && len(texts) > 0 {
			opt.Progress(done, len(texts))
		}
	}
	progress(0)
	for done := 0; done < len(texts); {
		chunk := chunkOf(texts[done:], opt)
		vectors, err := embed(ctx, e, chunk, Passage)
		if err != nil {
			return err
		}
		if err := write(done, vectors); err != nil {
			return err
		}
		done += len(chunk)
		progress(done)
	}
	return nil
}

// chunkOf is the texts that are embedded next.
func chunkOf(texts []string, opt Options) []string {
	bytes := 0
	for i, text := range texts {
		if bytes += len(text); i == opt.ChunkTexts || i > 0 && bytes > opt.ChunkBytes {
			return texts[:i]
		}
	}
	return texts
}
