package retrieve

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"
	"path/filepath"

	"gorqa/files/modelfile"
)

// The cache file of gorqa before its files of vectors, little-endian: storeMagic; uint32 length of the embedder's
// name and the name; uint32 width; uint64 count; count entries of a 32-byte key
// and width float32, by rising key; SHA-256 of all that came before.
const storeMagic = "gorqa vectors 1\n"

// maxNameBytes bounds the embedder's name, so that a damaged length is found out
// before anything is allocated for it.
const maxNameBytes = 1 << 16

// key is the SHA-256 of a text.
type key = [sha256.Size]byte

// store holds the vectors of one embedder by the content of their texts.
type store struct {
	name    string
	width   int
	vectors map[key][]float32
}

// storePath returns the file in dir that holds the vectors of the embedder name.
func storePath(dir, name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(dir, "vectors-"+hex.EncodeToString(sum[:6])+".gorqa")
}

// readStore reads the cache file of the embedder name; nil where there is none.
func readStore(path, name string) (*store, error) {
	f, size, err := modelfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("retrieve: opening the vector cache: %w", err)
	}
	defer f.Close()
	s, err := decodeStore(bufio.NewReaderSize(f, 1<<20), size)
	if err != nil {
		return nil, fmt.Errorf("%s: the vector cache is damaged: %w; expected a file as gorqa wrote it; delete it to embed the documents again", path, err)
	}
	if s.name != name {
		return nil, fmt.Errorf("%s: the vector cache belongs to embedder %q; expected %q; delete it to embed the documents again", path, s.name, name)
	}
	return s, nil
}

// decodeStore reads a store of size bytes. It allocates no more than a small
// multiple of size.
func decodeStore(r io.Reader, size int64) (*store, error) {
	h := sha256.New()
	body := io.TeeReader(r, h)
	magic := make([]byte, len(storeMagic))
	if _, err := io.ReadFull(body, magic); err != nil || string(magic) != storeMagic {
		return nil, errors.New("it does not begin as a vector cache does")
	}
	var nameBytes, width uint32
	var count uint64
	if err := binary.Read(body, binary.LittleEndian, &nameBytes); err != nil {
		return nil, errors.New("it ends inside its header")
	}
	if nameBytes > maxNameBytes {
		return nil, fmt.Errorf("the name in its header is %d bytes long", nameBytes)
	}
	name := make([]byte, nameBytes)
	_, err := io.ReadFull(body, name)
	if err == nil {
		err = binary.Read(body, binary.LittleEndian, &width)
	}
	if err == nil {
		err = binary.Read(body, binary.LittleEndian, &count)
	}
	if err != nil {
		return nil, errors.New("it ends inside its header")
	}
	entryBytes := uint64(sha256.Size) + 4*uint64(width)
	left := size - int64(len(storeMagic)) - 4 - int64(nameBytes) - 4 - 8 - sha256.Size
	if left < 0 || (width == 0 && count > 0) || count > uint64(left)/entryBytes || count*entryBytes != uint64(left) {
		return nil, fmt.Errorf("its header speaks of %d vectors of %d numbers, which does not fit its %d bytes", count, width, size)
	}
	s := &store{name: string(name), width: int(width), vectors: make(map[key][]float32, count)}
	entry := make([]byte, entryBytes)
	var last key
	for i := range count {
		if _, err := io.ReadFull(body, entry); err != nil {
			return nil, fmt.Errorf("it ends inside entry %d of %d", i+1, count)
		}
		var k key
		copy(k[:], entry)
		if i > 0 && bytes.Compare(last[:], k[:]) >= 0 {
			return nil, fmt.Errorf("entry %d is out of order", i+1)
		}
		last = k
		v := make([]float32, width)
		for j := range v {
			v[j] = math.Float32frombits(binary.LittleEndian.Uint32(entry[sha256.Size+4*j:]))
		}
		s.vectors[k] = v
	}
	return s, checkSum(r, h)
}

// checkSum compares the checksum at the end of r with that of what was read.
func checkSum(r io.Reader, h hash.Hash) error {
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(r, want); err != nil {
		return errors.New("it ends inside its checksum")
	}
	if !bytes.Equal(h.Sum(nil), want) {
		return errors.New("its checksum does not match its content")
	}
	return nil
}
