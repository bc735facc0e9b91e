package recipe

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"gorqa/files/modelfile"
	"gorqa/files/whole"
	"gorqa/text/dataset"
)

// maxContextBytes bounds a line of a contexts file.
const maxContextBytes = 16 << 20

// contextsHead is the first line of a contexts file.
type contextsHead struct {
	Made      string         `json:"made_of"` // hash of all that the contexts depend on
	Retriever string         `json:"retriever"`
	Settings  ContextOptions `json:"settings"`
	Rows      int            `json:"rows"`
}

// ContextsFile is a file of contexts, JSONL: a line that says what they were
// made of, then a line for each row. It serves only the rows, documents,
// retriever and settings that it was made of.
type ContextsFile struct {
	path     string
	head     contextsHead
	examples []dataset.Example
	docs     map[string]dataset.Document // by key
}

// NewContextsFile is the file at path of contexts of examples, retrieved by the
// retriever of this name from docs. Nothing is read or written yet.
func NewContextsFile(path string, examples []dataset.Example, docs []dataset.Document, retriever string, opt ContextOptions) (*ContextsFile, error) {
	f := &ContextsFile{
		path: path, head: contextsHead{Retriever: retriever, Settings: opt, Rows: len(examples)},
		examples: examples, docs: byKey(docs),
	}
	h := sha256.New()
	enc := json.NewEncoder(h)
	if err := errors.Join(enc.Encode(f.head), dataset.WriteExamples(h, examples), dataset.WriteDocuments(h, docs)); err != nil {
		return nil, fmt.Errorf("contexts: %w", err)
	}
	f.head.Made = hex.EncodeToString(h.Sum(nil)[:16])
	return f, nil
}

// byKey gives the first document of each key.
func byKey(docs []dataset.Document) map[string]dataset.Document {
	out := make(map[string]dataset.Document, len(docs))
	for _, d := range docs {
		k := d.Key()
		if _, known := out[k]; !known {
			out[k] = d
		}
	}
	return out
}

// Path is where the file lies.
func (f *ContextsFile) Path() string { return f.path }

// Read reads the contexts. Without a file, or with one that was made of
// something else, it returns nil and no error.
func (f *ContextsFile) Read() ([]Context, error) {
	file, _, err := modelfile.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("contexts: %w", err)
	}
	defer file.Close()
	return f.read(file)
}

func (f *ContextsFile) read(r io.Reader) ([]Context, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxContextBytes)
	if !lines.Scan() {
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("%s:1: %w; a contexts file expected; delete it to build it again", f.path, err)
		}
		return nil, nil
	}
	var head contextsHead
	if json.Unmarshal(lines.Bytes(), &head) != nil || head.Made != f.head.Made {
		return nil, nil
	}
	contexts := make([]Context, 0, len(f.examples))
	bad := func(err error) error {
		return fmt.Errorf("%s:%d: %w; the contexts of %d rows expected; delete the file to build it again", f.path, len(contexts)+2, err, len(f.examples))
	}
	for lines.Scan() {
		row := len(contexts)
		if row == len(f.examples) {
			return nil, bad(errors.New("more rows found"))
		}
		c, err := f.parse(lines.Bytes(), row)
		if err != nil {
			return nil, bad(err)
		}
		contexts = append(contexts, c)
	}
	if err := lines.Err(); err != nil {
		return nil, bad(err)
	}
	if len(contexts) < len(f.examples) {
		return nil, bad(errors.New("the file ends here"))
	}
	return contexts, nil
}

// parse reads the line of a row.
func (f *ContextsFile) parse(line []byte, row int) (c Context, err error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, modelfile.JSONError(line, err)
	}
	if c.Row != row {
		return c, fmt.Errorf("row %d found; row %d expected", c.Row, row)
	}
	gold, hard := byKey(f.examples[row].GoldDocs), byKey(f.examples[row].HardNegDocs)
	for i, p := range c.Passages {
		var ok bool
		switch p.From {
		case Gold:
			p.Document, ok = gold[p.ID]
		case HardNegative:
			p.Document, ok = hard[p.ID]
		case Retrieved:
			p.Document, ok = f.docs[p.ID]
		default:
			return c, fmt.Errorf("a passage from %q found; %s, %s or %s expected", p.From, Gold, Retrieved, HardNegative)
		}
		if !ok {
			return c, fmt.Errorf("no passage has the id %q", p.ID)
		}
		c.Passages[i] = p
	}
	return c, nil
}

// Write writes the contexts in place of the file, whole or not at all.
func (f *ContextsFile) Write(contexts []Context) error {
	err := os.MkdirAll(filepath.Dir(f.path), 0o777)
	if err == nil {
		err = whole.File(f.path, func(w io.Writer) error {
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			return errors.Join(enc.Encode(f.head), WriteContexts(w, contexts))
		})
	}
	if err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	return nil
}

// WriteContexts writes a line of JSON for each context.
func WriteContexts(w io.Writer, contexts []Context) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, c := range contexts {
		if c.Passages == nil {
			c.Passages = []Passage{}
		}
		if err := enc.Encode(c); err != nil {
			return fmt.Errorf("row %d: %w", c.Row, err)
		}
	}
	return nil
}
