// Package replies keeps what language models replied, a file for each request, so
// that no request is made twice. It knows neither what was asked nor of whom.
package replies

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gorqa/files/modelfile"
)

// Folder is where replies are kept; "" keeps none.
type Folder string

// maxKept bounds a reply with what was asked.
const maxKept = 64 << 20

// kept is the file of a reply, named by the hash of its request.
type kept struct {
	Request json.RawMessage `json:"request"`
	Reply   json.RawMessage `json:"reply"`
}

// Make makes the folder where it is missing.
func (f Folder) Make() error {
	if f == "" {
		return nil
	}
	return os.MkdirAll(string(f), 0o777)
}

// Find reads the reply to a request. A file that is damaged or answers another request
// is as good as none: whoever is asked again replaces it.
func (f Folder) Find(request, reply any) bool {
	asked, path, err := f.path(request)
	if f == "" || err != nil {
		return false
	}
	data, err := modelfile.Read(path, maxKept)
	if err != nil {
		return false
	}
	var k kept
	var found bytes.Buffer
	return json.Unmarshal(data, &k) == nil && json.Compact(&found, k.Request) == nil && bytes.Equal(found.Bytes(), asked) && json.Unmarshal(k.Reply, reply) == nil
}

// Keep keeps a reply, whole or not at all.
func (f Folder) Keep(request, reply any) (err error) {
	if f == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("keeping a reply in %s: %w", string(f), err)
		}
	}()
	asked, path, err := f.path(request)
	if err != nil {
		return err
	}
	answered, err := marshal(reply)
	if err != nil {
		return err
	}
	data, err := marshal(kept{Request: asked, Reply: answered})
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(string(f), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = file.Write(append(data, '\n'))
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}

// path is a request as it is compared, and the file of its reply.
func (f Folder) path(request any) (asked []byte, path string, err error) {
	if asked, err = marshal(request); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(asked)
	return asked, filepath.Join(string(f), hex.EncodeToString(sum[:])+".json"), nil
}

// marshal is compact JSON in which text stands as it is.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
