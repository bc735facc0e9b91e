package retrieve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"runtime"

	"golang.org/x/sys/unix"

	"gorqa/files/modelfile"
	"gorqa/files/whole"
	"gorqa/text/dataset"
)

// Documents is the list of documents that hits point into. It does not change.
type Documents interface {
	// Len is how many there are.
	Len() int
	// Read gives the documents at some places, in that order.
	Read(ctx context.Context, places ...int) ([]dataset.Document, error)
}

// List is documents in memory.
type List []dataset.Document

// Len implements Documents.
func (l List) Len() int { return len(l) }

// Read implements Documents.
func (l List) Read(_ context.Context, places ...int) ([]dataset.Document, error) {
	docs := make([]dataset.Document, len(places))
	for i, place := range places {
		docs[i] = l[place]
	}
	return docs, nil
}

// readAtOnce is how many documents ReadAll asks for at once.
const readAtOnce = 1024

// ReadAll gives all documents.
func ReadAll(ctx context.Context, from Documents) (List, error) {
	if l, ok := from.(List); ok {
		return l, nil
	}
	all := make(List, 0, from.Len())
	places := make([]int, 0, readAtOnce)
	for len(all) < from.Len() {
		places = places[:0]
		for i := len(all); i < min(len(all)+readAtOnce, from.Len()); i++ {
			places = append(places, i)
		}
		docs, err := from.Read(ctx, places...)
		if err != nil {
			return nil, err
		}
		all = append(all, docs...)
	}
	return all, nil
}

// ReadHits gives the documents of hits, in their order.
func ReadHits(ctx context.Context, from Documents, hits []Hit) ([]dataset.Document, error) {
	places := make([]int, len(hits))
	for i, h := range hits {
		places[i] = h.Index
	}
	return from.Read(ctx, places...)
}

// The file of documents, little-endian: documentsMagic; a line of JSON for each document; then a
// table with the uint64 end of each line, the uint32 place of its vector and the uint32 CRC-32C
// of the line; then documentsTail bytes: uint64 documents, where the table begins, generation of
// the vectors and how many of them there are at least; SHA-256 of all lines; uint32 CRC-32C of
// the table and of the tail before it.
const (
	documentsMagic = "gorqa documents\n"
	documentsEntry = 16
	documentsTail  = 4*8 + sha256.Size + 2*4
)

// documentFile is a file of documents in memory.
type documentFile struct {
	path               string
	data, table        []byte
	n                  int
	generation, needed uint64
	digest             [sha256.Size]byte
}

// openDocuments maps a file of documents; nil where there is none.
func openDocuments(path string) (*documentFile, error) {
	f, size, err := modelfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("retrieve: opening the documents of the index: %w", err)
	}
	defer f.Close()
	damaged := func(what string) error {
		return fmt.Errorf("%s: the documents of the index are damaged: %s; expected a file as gorqa wrote it; delete it and give full_dataset_file_path once more", path, what)
	}
	if size < int64(len(documentsMagic)+documentsTail) {
		return nil, damaged("it is too short")
	}
	x := &documentFile{path: path}
	if x.data, err = unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("%s: mapping %d bytes into memory: %w", path, size, err)
	}
	runtime.AddCleanup(x, func(data []byte) { _ = unix.Munmap(data) }, x.data)
	tail := x.data[len(x.data)-documentsTail:]
	if string(x.data[:len(documentsMagic)]) != documentsMagic || crc32.Checksum(tail[:documentsTail-4], castagnoli) != binary.LittleEndian.Uint32(tail[documentsTail-4:]) {
		return nil, damaged("it does not begin or end as such a file does")
	}
	at := func(i int) uint64 { return binary.LittleEndian.Uint64(tail[8*i:]) }
	n, from := at(0), at(1)
	x.generation, x.needed, x.digest = at(2), at(3), [sha256.Size]byte(tail[32:])
	if n > uint64(size)/documentsEntry || from != uint64(size)-documentsTail-n*documentsEntry || from < uint64(len(documentsMagic)) {
		return nil, damaged("its sizes do not fit")
	}
	x.n, x.table = int(n), x.data[from:from+n*documentsEntry]
	if crc32.Checksum(x.table, castagnoli) != binary.LittleEndian.Uint32(tail[documentsTail-8:]) {
		return nil, damaged("the checksum of its table does not match")
	}
	return x, nil
}

// row is the place of a document's vector.
func (x *documentFile) row(i int) int32 {
	return int32(binary.LittleEndian.Uint32(x.table[documentsEntry*i+8:]))
}

// Len implements Documents.
func (x *documentFile) Len() int { return x.n }

// Read implements Documents.
func (x *documentFile) Read(ctx context.Context, places ...int) ([]dataset.Document, error) {
	docs := make([]dataset.Document, len(places))
	for i, place := range places {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		from := uint64(len(documentsMagic))
		if place > 0 {
			from = binary.LittleEndian.Uint64(x.table[documentsEntry*(place-1):])
		}
		entry := x.table[documentsEntry*place:]
		to := binary.LittleEndian.Uint64(entry)
		if from > to || to > uint64(len(x.data)) || crc32.Checksum(x.data[from:to], castagnoli) != binary.LittleEndian.Uint32(entry[12:]) {
			return nil, fmt.Errorf("%s: the documents of the index are damaged: the checksum of document %d does not match; delete the file and give full_dataset_file_path once more", x.path, place+1)
		}
		var err error
		if docs[i], err = ParseLine(x.data[from:to]); err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", x.path, place+1, err)
		}
	}
	runtime.KeepAlive(x)
	return docs, nil
}

// ParseLine reads what Line has written.
func ParseLine(line []byte) (doc dataset.Document, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	return doc, modelfile.JSONError(line, d.Decode(&doc))
}

// Line is a document as indexes keep it: a line of JSON.
func Line(d dataset.Document) ([]byte, error) {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	err := e.Encode(d)
	return line.Bytes(), err
}

// Digest is the SHA-256 of the lines of documents.
func Digest(docs []dataset.Document) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	for _, d := range docs {
		line, err := Line(d)
		if err != nil {
			return sum, err
		}
		h.Write(line)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// writeDocuments writes the file of documents, whose vectors stand at rows.
func writeDocuments(path string, docs []dataset.Document, rows []int32, generation uint64, needed int) error {
	err := whole.File(path, func(to io.Writer) error {
		w := bufio.NewWriterSize(to, 1<<20)
		h := sha256.New()
		table := make([]byte, 0, documentsEntry*len(docs))
		at := uint64(len(documentsMagic))
		w.WriteString(documentsMagic) // what fails shows at Flush
		for i, d := range docs {
			line, err := Line(d)
			if err != nil {
				return err
			}
			w.Write(line)
			h.Write(line)
			at += uint64(len(line))
			table = binary.LittleEndian.AppendUint64(table, at)
			table = binary.LittleEndian.AppendUint32(table, uint32(rows[i]))
			table = binary.LittleEndian.AppendUint32(table, crc32.Checksum(line, castagnoli))
		}
		w.Write(table)
		var tail []byte
		for _, x := range []uint64{uint64(len(docs)), at, generation, uint64(needed)} {
			tail = binary.LittleEndian.AppendUint64(tail, x)
		}
		tail = h.Sum(tail)
		tail = binary.LittleEndian.AppendUint32(tail, crc32.Checksum(table, castagnoli))
		w.Write(binary.LittleEndian.AppendUint32(tail, crc32.Checksum(tail, castagnoli)))
		return w.Flush()
	})
	if err != nil {
		return fmt.Errorf("retrieve: the documents of the index: %w", err)
	}
	return nil
}
