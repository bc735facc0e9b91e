package rqa

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// Limits of a pickle. Everything in it is held in memory at once.
const (
	maxPickleBytes = 1 << 30
	maxMarks       = 64 // open MARKs; a list of documents has 4
	maxNesting     = 32 // of metadata values
)

const (
	pickleClassModule = "local_rqa.schema.document"
	pickleClassName   = "Document"
	repickle          = "write the documents as JSONL instead"
)

// readPickle reads a list of the original's documents.
func readPickle(ctx context.Context, name string, r io.Reader) ([]Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPickleBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxPickleBytes {
		return nil, Problem{File: name, Found: "a larger pickle", Expected: fmt.Sprintf("at most %d bytes", maxPickleBytes), Do: repickle}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := scanPickle(data); err != nil {
		return nil, Problem{File: name, Found: err.Error(), Expected: "a pickled list of documents", Do: repickle}
	}
	value, err := unpickle(data)
	if err != nil {
		return nil, Problem{File: name, Found: err.Error(), Expected: "a pickled list of documents", Do: repickle}
	}
	list, ok := value.(*types.List)
	if !ok {
		return nil, Problem{File: name, Found: "a pickle of " + pickleKind(value), Expected: "a list of documents", Do: repickle}
	}

	p := problems{file: name}
	c := pickleConverter{left: 1<<10 + 4*len(data)}
	docs := make([]Document, 0, list.Len())
	for i, item := range *list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := c.document(item)
		if err != nil {
			p.add(i+1, "document "+strconv.Itoa(i+1)+": "+err.Error(), "page_content and fmt_content as text, metadata as a dict of text and numbers", repickle)
			continue
		}
		docs = append(docs, d)
	}
	if len(docs) == 0 && p.bad.Count == 0 {
		p.add(0, "no documents", "at least one", "check that this is the right file")
	}
	return docs, p.err()
}

// unpickle runs gopickle, which indexes without looking in some places: what
// it panics with on a damaged file becomes an error here.
func unpickle(data []byte) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			value, err = nil, fmt.Errorf("a damaged pickle (%v)", r)
		}
	}()
	u := pickle.NewUnpickler(bytes.NewReader(data))
	u.FindClass = func(module, name string) (any, error) {
		if module == pickleClassModule && name == pickleClassName {
			return pickledClass{}, nil
		}
		return nil, fmt.Errorf("the class %.80q of module %.80q", name, module)
	}
	return u.Load()
}

// pickledClass is the one class that a pickle may hold instances of.
type pickledClass struct{}

// PyNew makes an instance without fields.
func (pickledClass) PyNew(args ...any) (any, error) {
	if len(args) > 0 {
		return nil, errors.New("a document that is made with arguments")
	}
	return &pickledDocument{}, nil
}

// pickledDocument is an instance as the pickle fills it.
type pickledDocument struct{ content, formatted, metadata any }

// PyDictSet sets one attribute.
func (d *pickledDocument) PyDictSet(key, value any) error {
	switch key {
	case "page_content":
		d.content = value
	case "fmt_content":
		d.formatted = value
	case "metadata":
		d.metadata = value
	}
	return nil
}

// pickleConverter turns pickled values into documents. Values in a pickle may
// be shared and may hold themselves, so that a small file can stand for a huge
// tree: left counts down the values that may still be made.
type pickleConverter struct{ left int }

func (c *pickleConverter) document(v any) (Document, error) {
	p, ok := v.(*pickledDocument)
	if !ok {
		return Document{}, fmt.Errorf("it is %s", pickleKind(v))
	}
	var d Document
	if d.Content, ok = p.content.(string); !ok {
		return Document{}, fmt.Errorf("page_content is %s", pickleKind(p.content))
	}
	if d.Formatted, ok = p.formatted.(string); !ok && p.formatted != nil {
		return Document{}, fmt.Errorf("fmt_content is %s", pickleKind(p.formatted))
	}
	if !utf8.ValidString(d.Content) || !utf8.ValidString(d.Formatted) {
		return Document{}, errors.New("text that is not UTF-8")
	}
	if p.metadata == nil {
		return d, nil
	}
	m, err := c.value(p.metadata, 0)
	if err != nil {
		return Document{}, fmt.Errorf("metadata: %w", err)
	}
	if d.Metadata, ok = m.(map[string]any); !ok {
		return Document{}, fmt.Errorf("metadata is %s", pickleKind(p.metadata))
	}
	return d, nil
}

// value converts to what encoding/json would have read, with json.Number.
func (c *pickleConverter) value(v any, depth int) (any, error) {
	if c.left--; c.left < 0 {
		return nil, errors.New("values that repeat others past any use")
	}
	if depth > maxNesting {
		return nil, fmt.Errorf("values nested more than %d deep", maxNesting)
	}
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, errors.New("text that is not UTF-8")
		}
		return v, nil
	case int:
		return json.Number(strconv.Itoa(v)), nil
	case *big.Int:
		return json.Number(v.String()), nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, fmt.Errorf("the number %v", v)
		}
		b, err := json.Marshal(v)
		return json.Number(b), err
	case *types.List:
		return c.values(*v, depth)
	case *types.Tuple:
		return c.values(*v, depth)
	case *types.Dict:
		m := make(map[string]any, min(v.Len(), max(c.left, 0)))
		for _, e := range *v {
			key, ok := e.Key.(string)
			if !ok || !utf8.ValidString(key) {
				return nil, fmt.Errorf("a key that is %s", pickleKind(e.Key))
			}
			item, err := c.value(e.Value, depth+1)
			if err != nil {
				return nil, fmt.Errorf("%.40q: %w", key, err)
			}
			m[key] = item
		}
		return m, nil
	default:
		return nil, errors.New(pickleKind(v))
	}
}

func (c *pickleConverter) values(items []any, depth int) ([]any, error) {
	out := make([]any, 0, min(len(items), max(c.left, 0)))
	for _, item := range items {
		v, err := c.value(item, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func pickleKind(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int, float64, *big.Int:
		return "a number"
	case *types.List, *types.Tuple:
		return "a list"
	case *types.Dict:
		return "a dict"
	case *pickledDocument:
		return "a document"
	default:
		return "another kind of value"
	}
}

// An opcode's argument: so many bytes, or a length in so many bytes and that
// many bytes after it, or two lines. The opcodes are those that Python's
// pickler writes for lists, dicts, text, numbers and plain instances in
// protocols 2 to 5 (https://docs.python.org/3/library/pickletools.html).
type pickleOp struct {
	fixed  int  // bytes of argument
	length int  // bytes of the length that precedes the argument
	lines  int  // lines of argument
	marks  int  // +1 opens a MARK, -1 closes one
	makes  bool // makes a container
}

var pickleOps = map[byte]pickleOp{
	'\x80': {fixed: 1},                                                    // PROTO
	'\x95': {fixed: 8},                                                    // FRAME
	'.':    {},                                                            // STOP
	'(':    {marks: 1, makes: true},                                       // MARK
	']':    {makes: true},                                                 // EMPTY_LIST
	'}':    {makes: true},                                                 // EMPTY_DICT
	')':    {makes: true},                                                 // EMPTY_TUPLE
	'\x85': {makes: true},                                                 // TUPLE1
	'\x86': {makes: true},                                                 // TUPLE2
	'\x87': {makes: true},                                                 // TUPLE3
	't':    {makes: true, marks: -1},                                      // TUPLE
	'a':    {},                                                            // APPEND
	'e':    {marks: -1},                                                   // APPENDS
	's':    {},                                                            // SETITEM
	'u':    {marks: -1},                                                   // SETITEMS
	'N':    {},                                                            // NONE
	'\x88': {},                                                            // NEWTRUE
	'\x89': {},                                                            // NEWFALSE
	'J':    {fixed: 4},                                                    // BININT
	'K':    {fixed: 1},                                                    // BININT1
	'M':    {fixed: 2},                                                    // BININT2
	'\x8a': {length: 1},                                                   // LONG1
	'G':    {fixed: 8},                                                    // BINFLOAT
	'\x8c': {length: 1},                                                   // SHORT_BINUNICODE
	'X':    {length: 4},                                                   // BINUNICODE
	'\x8d': {length: 8},                                                   // BINUNICODE8
	'c':    {lines: 2},                                                    // GLOBAL
	'\x93': {},                                                            // STACK_GLOBAL
	'\x81': {makes: true},                                                 // NEWOBJ
	'b':    {},                                                            // BUILD
	'\x94': {},                                                            // MEMOIZE
	'q':    {fixed: 1}, 'r': {fixed: 4}, 'h': {fixed: 1}, 'j': {fixed: 4}, // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
}

// scanPickle walks over the opcodes before gopickle runs them, because
// gopickle allocates what a length claims before it looks whether the bytes
// are there. It refuses opcodes that data does not need (those that call
// something above all), lengths past the end, and more containers than the
// file's size accounts for: each costs some 170 bytes of memory.
func scanPickle(data []byte) error {
	marks, made := 0, 0
	for i := 0; i < len(data); {
		at := i
		op, ok := pickleOps[data[i]]
		if !ok {
			if data[i] == 'R' || data[i] == 'i' || data[i] == 'o' || data[i] == '\x92' {
				return fmt.Errorf("a pickle that calls something, at byte %d", at)
			}
			return fmt.Errorf("the pickle opcode 0x%02x at byte %d", data[i], at)
		}
		code := data[i]
		i++
		if i+op.fixed > len(data) || i+op.length > len(data) {
			return fmt.Errorf("a pickle that ends in the middle of an opcode, after %d bytes", len(data))
		}
		var claimed uint64
		switch {
		case code == '.':
			return nil
		case code == '\x95':
			claimed = binary.LittleEndian.Uint64(data[i:])
			i += 8
		case op.length > 0:
			for k := op.length - 1; k >= 0; k-- {
				claimed = claimed<<8 | uint64(data[i+k])
			}
			i += op.length
			if code == '\x8a' && claimed == 0 {
				return fmt.Errorf("a number without digits at byte %d", at)
			}
		default:
			i += op.fixed
		}
		if claimed > uint64(len(data)-i) {
			return fmt.Errorf("a length of %d at byte %d, where %d bytes are left", claimed, at, len(data)-i)
		}
		if code != '\x95' { // a frame's bytes are opcodes
			i += int(claimed)
		}
		for range op.lines {
			n := bytes.IndexByte(data[i:], '\n')
			if n < 0 {
				return fmt.Errorf("a name without end at byte %d", at)
			}
			i += n + 1
		}
		marks += op.marks
		if op.makes {
			made++
		}
		if marks < 0 || marks > maxMarks {
			return fmt.Errorf("%d open marks at byte %d", marks, at)
		}
		if made > 1<<12+len(data)/8 {
			return fmt.Errorf("more than %d lists and dicts in %d bytes", made, len(data))
		}
	}
	return fmt.Errorf("a pickle without end, after %d bytes", len(data))
}
