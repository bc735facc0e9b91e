package generate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"gorqa/files/modelfile"
	"gorqa/files/whole"
	"gorqa/tensor/arch/llama"
)

// blockFiles keeps blocks on disk, a file for each: a head that says what it is, the
// values, and a hash of both.
type blockFiles struct {
	dir   string // of one model
	model [sha256.Size]byte
	tell  func(error) // of a file that cannot be written or read
}

// blockMagic begins a file, and says how it is made.
const blockMagic = "gorqa kv block 1\n"

// UseFolder keeps blocks in a folder too, under the model's identity, which says all that
// keys and values depend on beside tokens. Files that cannot be read or written, or that
// are not whole, are told of and computed anew.
func (b *Blocks) UseFolder(dir string, model [sha256.Size]byte, tell func(error)) error {
	dir = filepath.Join(dir, hex.EncodeToString(model[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("kv_cache_dir: %w", err)
	}
	b.disk = &blockFiles{dir, model, tell}
	return nil
}

func (f *blockFiles) path(id blockID) string {
	return filepath.Join(f.dir, hex.EncodeToString(id[:])+".kv")
}

// head is what a block's file begins with.
func (f *blockFiles) head(id blockID) []byte {
	return bytes.Join([][]byte{[]byte(blockMagic), f.model[:], id[:]}, nil)
}

// write keeps a block.
func (f *blockFiles) write(id blockID, kv *llama.KVBlock) {
	err := whole.File(f.path(id), func(w io.Writer) error {
		h := sha256.New()
		both := io.MultiWriter(w, h)
		if _, err := both.Write(f.head(id)); err != nil {
			return err
		}
		if err := kv.Write(both); err != nil {
			return err
		}
		_, err := w.Write(h.Sum(nil))
		return err
	})
	if err != nil {
		f.tell(fmt.Errorf("kv_cache_dir: a passage's keys and values are not kept: %w", err))
	}
}

// read sets a block to what its file holds, and says whether there is one that is whole.
func (f *blockFiles) read(id blockID, kv *llama.KVBlock) bool {
	err := f.readFile(id, kv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.tell(fmt.Errorf("%s: %w; it is computed anew and written again", f.path(id), err))
	}
	return err == nil
}

func (f *blockFiles) readFile(id blockID, kv *llama.KVBlock) (err error) {
	file, size, err := modelfile.Open(f.path(id))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	head := f.head(id)
	want := int64(len(head)) + kv.Bytes() + sha256.Size
	if size != want {
		return fmt.Errorf("%d bytes found; %d expected, the keys and values of a passage", size, want)
	}
	h := sha256.New()
	both := io.TeeReader(file, h)
	found := make([]byte, len(head))
	if _, err := io.ReadFull(both, found); err != nil {
		return err
	}
	if !bytes.Equal(found, head) {
		return errors.New("the file is of another model or passage; expected this one's")
	}
	if err := kv.Read(both); err != nil {
		return err
	}
	sum := make([]byte, sha256.Size)
	if _, err := io.ReadFull(file, sum); err != nil {
		return err
	}
	if !bytes.Equal(sum, h.Sum(nil)) {
		return errors.New("the file is damaged: its hash is another one than at its end")
	}
	return nil
}
