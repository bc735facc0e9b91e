package dataset

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"gorqa/files/modelfile"
)

// maxLineBytes is the length at which a line of a JSONL file is refused.
const maxLineBytes = 64 << 20

// ReadExamples reads a split from a JSONL file (.jsonl, .json or .ndjson), one
// example a line; blank lines are ignored. A field that is not known is
// ignored too.
//
// All problems of the file are reported together, as a *BadData; the
// sound rows are returned beside it, for a caller that is told to go on
// without the others. With any other error the rows are nil.
func ReadExamples(ctx context.Context, path string) ([]Example, error) {
	if err := isFolder(path, "a split as .jsonl, one example a line", "name a file of rows"); err != nil {
		return nil, err
	}
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".jsonl", ".json", ".ndjson":
		return readFile(ctx, path, readExamples)
	default:
		return nil, Problem{File: path, Found: fmt.Sprintf("the extension %q", ext), Expected: "a split as .jsonl, one example a line", Do: "convert or rename the file"}
	}
}

// ReadDocuments reads a document database: JSONL (.jsonl, .json or .ndjson),
// one document a line, or a pickle (.pkl or .pickle), a list of LocalRQA's or
// LangChain's documents. Nothing in a pickle is run. Dates, paths, numpy's numbers
// and the like in metadata become text and numbers; any other class is refused by
// name.
//
// Errors are as in ReadExamples.
func ReadDocuments(ctx context.Context, path string) ([]Document, error) {
	if err := isFolder(path, "documents as .jsonl or .pkl", "name the file of documents, or make one of the texts in the folder with gorqa data docs"); err != nil {
		return nil, err
	}
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".jsonl", ".json", ".ndjson":
		return readFile(ctx, path, readDocuments)
	case ".pkl", ".pickle":
		return readFile(ctx, path, readPickle)
	default:
		return nil, Problem{File: path, Found: fmt.Sprintf("the extension %q", ext), Expected: "documents as .jsonl or .pkl", Do: "convert or rename the file"}
	}
}

// isFolder is the problem of a folder in the place of a file, with the names of a few
// files in it that may be meant; nil of anything else.
func isFolder(path, expected, do string) error {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil
	}
	found := "a folder"
	if names, err := filepath.Glob(filepath.Join(path, "*.jsonl")); err == nil && len(names) > 0 { // an error is of a pattern among the path's letters
		found += " (with " + strings.Join(names[:min(len(names), 4)], ", ") + ")"
	}
	return Problem{File: path, Found: found, Expected: expected, Do: do}
}

// maxTurnsBytes bounds a file of one conversation.
const maxTurnsBytes = 64 << 20

// ReadTurns reads the turns before a question, a JSON array of objects as in the
// chat_history of an example. Errors are as in ReadExamples.
func ReadTurns(path string) ([]Turn, error) {
	data, err := modelfile.Read(path, maxTurnsBytes)
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	return readTurns(path, data)
}

func readTurns(name string, data []byte) ([]Turn, error) {
	c := &checker{problems: problems{file: name}}
	var turns []Turn
	const array = "a JSON array of turns, each with a speaker and a message"
	switch {
	case invalidUTF8(data) >= 0:
		c.add(0, fmt.Sprintf("broken UTF-8 at byte %d", invalidUTF8(data)+1), "UTF-8", "save the file as UTF-8")
	case loneSurrogate(data) >= 0:
		c.add(0, fmt.Sprintf("half of a surrogate pair at byte %d", loneSurrogate(data)+1), `both halves (\ud8xx\udcxx) or the character itself`, "correct the escape")
	case !json.Valid(data):
		c.add(0, "no JSON", array, "correct the file")
	case bytes.TrimSpace(data)[0] != '[':
		c.add(0, kind(data), array, "put the turns in [ ]")
	default:
		turns = c.turns(object{"chat_history": data}, "chat_history")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return turns, nil
}

func readFile[T any](ctx context.Context, path string, read func(context.Context, string, io.Reader) ([]T, error)) ([]T, error) {
	f, _, err := modelfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	defer f.Close()
	return read(ctx, path, f)
}

func readExamples(ctx context.Context, name string, r io.Reader) ([]Example, error) {
	return readLines(ctx, name, r, func(c *checker, o object) Example {
		if c.line == 1 && o.has("page_content") && !o.has("question") {
			c.add(c.line, "a document (page_content)", "a question with its answer on each line", DocumentsUse)
			c.stop = true
			return Example{}
		}
		return Example{
			Question:     c.nonEmpty(o, "question", "question"),
			GoldDocs:     c.documents(o, "gold_docs", "gold_docs", true),
			GoldAnswer:   c.nonEmpty(o, "gold_answer", "gold_answer"),
			History:      c.turns(o, "chat_history"),
			HardNegDocs:  c.documents(o, "hard_neg_docs", "hard_neg_docs", false),
			Unanswerable: c.flag(o, "unanswerable"),
			Line:         c.line,
		}
	})
}

func readDocuments(ctx context.Context, name string, r io.Reader) ([]Document, error) {
	return readLines(ctx, name, r, func(c *checker, o object) Document {
		if c.line == 1 && o.has("question") && !o.has("page_content") {
			c.add(c.line, "a row (question)", "a document with its page_content on each line", "give the documents that the rows ask about; gorqa data docs makes them of files, and gorqa data convert writes those of other formats beside the rows")
			c.stop = true
			return Document{}
		}
		return c.document(o, "")
	})
}

// DocumentsUse is what to do with documents in the place of rows.
const DocumentsUse = "documents are taken as they are by --full_dataset_file_path of gorqa train, eval, ask, serve and index; gorqa data qa writes questions about them"

// readLines gives the object of each line to row and keeps the rows in which
// nothing was wrong.
func readLines[T any](ctx context.Context, name string, r io.Reader, row func(*checker, object) T) ([]T, error) {
	c := &checker{problems: problems{file: name}}
	var rows []T
	br := bufio.NewReaderSize(r, 1<<16)
	for c.line = 1; ; c.line++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		line, size, err := readLine(br)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s:%d: %w", name, c.line, err)
		}
		before := c.bad.Count
		if size >= maxLineBytes {
			c.add(c.line, fmt.Sprintf("a line of %d bytes", size), fmt.Sprintf("less than %d, one row a line", maxLineBytes), "check that the file has a newline after every row")
		} else if o, ok := c.parse(line); ok {
			if v := row(c, o); c.bad.Count == before {
				rows = append(rows, v)
			}
		}
		if err == io.EOF || c.stop {
			break
		}
	}
	if len(rows) == 0 && c.bad.Count == 0 {
		c.add(0, "no rows", "one JSON object a line", "check that this is the right file")
	}
	return rows, c.err()
}

// readLine reads up to a newline, which it drops, and gives the line's length.
// Of a line that reaches maxLineBytes only the length is right.
func readLine(br *bufio.Reader) (line []byte, size int, err error) {
	for {
		part, err := br.ReadSlice('\n')
		size += len(part)
		if size <= maxLineBytes+1 { // a newline is dropped below
			line = append(line, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if n := len(part); n > 0 && part[n-1] == '\n' {
			size--
			line = line[:min(size, len(line))]
		}
		return line, size, err
	}
}

// object is a JSON object whose values are still text.
type object map[string]json.RawMessage

func (o object) has(key string) bool { _, ok := o[key]; return ok }

// checker turns the JSON of one line after the other into values and notes
// what is wrong.
type checker struct {
	problems
	line int
	stop bool // the rest of the file is of no use
}

const quoteIt = "write the text in double quotes"

// parse reads the line's object; false where the line is blank or wrong.
func (c *checker) parse(line []byte) (object, bool) {
	if c.line == 1 {
		if bytes.HasPrefix(line, []byte("\xff\xfe")) || bytes.HasPrefix(line, []byte("\xfe\xff")) {
			c.add(c.line, "a UTF-16 byte order mark", "UTF-8", "save the file as UTF-8")
			c.stop = true
			return nil, false
		}
		if rest, ok := bytes.CutPrefix(line, []byte("\xef\xbb\xbf")); ok {
			c.add(c.line, "a byte order mark", "the first row at the first byte", "save the file as UTF-8 without BOM")
			line = rest
		}
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil, false
	}
	if c.line == 1 && bytes.TrimSpace(line)[0] == '[' {
		c.add(c.line, "the beginning of a JSON array", "one JSON object a line", "convert the file, for example with jq -c '.[]'")
		c.stop = true
		return nil, false
	}
	if at := invalidUTF8(line); at >= 0 {
		c.add(c.line, fmt.Sprintf("broken UTF-8 at byte %d (0x%02x)", at+1, line[at]), "UTF-8", "save the file as UTF-8, or remove the row")
		return nil, false
	}
	if at := loneSurrogate(line); at >= 0 {
		c.add(c.line, fmt.Sprintf("half of a surrogate pair at byte %d (%s)", at+1, line[at:at+6]), `both halves (\ud8xx\udcxx) or the character itself`, "correct the escape, or remove the row")
		return nil, false
	}
	var o object
	if err := json.Unmarshal(line, &o); err != nil {
		var syntax *json.SyntaxError
		switch {
		case errors.As(err, &syntax) && strings.HasPrefix(syntax.Error(), "unexpected end"):
			c.add(c.line, fmt.Sprintf("JSON that ends too early, after %d bytes", len(line)), "a whole JSON object on one line", "make or copy the file again")
		case errors.As(err, &syntax):
			c.add(c.line, fmt.Sprintf("wrong JSON at byte %d: %v", syntax.Offset, syntax), "one JSON object a line", "correct the line")
		default:
			c.add(c.line, kind(line), "one JSON object a line", "write each row as {…} on its own line")
		}
		return nil, false
	}
	if o == nil {
		c.add(c.line, "null", "one JSON object a line", "remove the line")
		return nil, false
	}
	return o, true
}

func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// loneSurrogate finds a \uXXXX escape that is half of a pair without the other
// half, which encoding/json would silently replace.
func loneSurrogate(b []byte) int {
	for i := 0; i < len(b); {
		at := bytes.IndexByte(b[i:], '\\')
		if at < 0 {
			return -1
		}
		i += at
		switch half(b[i:]) {
		case high:
			if half(b[i+6:]) != low {
				return i
			}
			i += 12
		case low:
			return i
		default:
			i += 2 // \n, \\, \u0041 and the like
		}
	}
	return -1
}

const (
	none = iota
	high
	low
)

// half says whether b begins with an escaped half of a surrogate pair.
func half(b []byte) int {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' || b[2]|0x20 != 'd' {
		return none
	}
	for _, h := range b[4:6] {
		if !strings.ContainsRune("0123456789abcdefABCDEF", rune(h)) {
			return none
		}
	}
	switch b[3] {
	case '8', '9', 'a', 'b', 'A', 'B':
		return high
	case 'c', 'd', 'e', 'f', 'C', 'D', 'E', 'F':
		return low
	}
	return none
}

// kind names a JSON value's type, with its beginning where that is short.
func kind(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	short := ""
	if len(raw) <= 40 {
		short = fmt.Sprintf(" (%s)", raw)
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string" + short
	case 't', 'f':
		return "a boolean" + short
	case 'n':
		return "null"
	default:
		return "a number" + short
	}
}

// missing notes that a required field is null, or absent, and then names the row's fields,
// since a misspelt one is among them.
func (c *checker) missing(o object, key, path, expected string) {
	if _, there := o[key]; there {
		c.add(c.line, path+" is null", expected, "fill it in, or remove the row")
		return
	}
	have := make([]string, 0, len(o))
	for k := range o {
		have = append(have, fmt.Sprintf("%.40q", k))
	}
	slices.Sort(have)
	if len(have) > 8 {
		have = append(have[:8], "…")
	}
	found := "no " + path
	if len(have) > 0 {
		found += " among the fields " + strings.Join(have, ", ")
	}
	c.add(c.line, found, expected, "add it, or remove the row")
}

// text is a string field; null and absent are the same.
func (c *checker) text(o object, key, path string, required bool) string {
	raw, ok := o[key]
	if !ok || string(raw) == "null" {
		if required {
			c.missing(o, key, path, "a string")
		}
		return ""
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		c.add(c.line, path+" is "+kind(raw), "a string", quoteIt)
	}
	return s
}

func (c *checker) nonEmpty(o object, key, path string) string {
	before := c.bad.Count
	s := c.text(o, key, path, true)
	if c.bad.Count == before && strings.TrimFunc(s, isSpace) == "" {
		c.add(c.line, "an empty "+path, "text", "fill it in, or remove the row")
	}
	return s
}

// list is an array field of objects; null and absent are the same.
func (c *checker) list(o object, key, path string, required bool) []object {
	raw, ok := o[key]
	if !ok || string(raw) == "null" {
		if required {
			c.missing(o, key, path, "an array of objects")
		}
		return nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		c.add(c.line, path+" is "+kind(raw), "an array of objects", "put it in [ ]")
		return nil
	}
	objects := make([]object, len(items))
	for i, item := range items {
		if err := json.Unmarshal(item, &objects[i]); err != nil || objects[i] == nil {
			c.add(c.line, fmt.Sprintf("%s[%d] is %s", path, i, kind(item)), "an object", "write it as {…}")
		}
	}
	return objects
}

// flag reads a field that may be missing.
func (c *checker) flag(o object, key string) (yes bool) {
	if raw, ok := o[key]; ok && json.Unmarshal(raw, &yes) != nil {
		c.add(c.line, key+" is "+kind(raw), "true or false", "correct it, or remove it")
	}
	return yes
}

func (c *checker) documents(o object, key, path string, required bool) []Document {
	objects := c.list(o, key, path, required)
	if len(objects) == 0 {
		return nil
	}
	docs := make([]Document, len(objects))
	for i, d := range objects {
		if d != nil {
			docs[i] = c.document(d, fmt.Sprintf("%s[%d].", path, i))
		}
	}
	return docs
}

func (c *checker) document(o object, path string) Document {
	return Document{
		Content:   c.text(o, "page_content", path+"page_content", true),
		Formatted: c.text(o, "fmt_content", path+"fmt_content", false),
		Metadata:  c.metadata(o, path+"metadata"),
	}
}

func (c *checker) metadata(o object, path string) map[string]any {
	raw, ok := o["metadata"]
	if !ok || string(raw) == "null" {
		return nil
	}
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		c.add(c.line, path+" is "+kind(raw), "an object", "write it as {…}")
	}
	return m
}

func (c *checker) turns(o object, key string) []Turn {
	if string(o[key]) == `""` { // how LocalRQA's scripts write that there is none
		return nil
	}
	objects := c.list(o, key, key, false)
	if len(objects) == 0 {
		return nil
	}
	turns := make([]Turn, len(objects))
	for i, t := range objects {
		if t == nil {
			continue
		}
		path := fmt.Sprintf("%s[%d].", key, i)
		turns[i] = Turn{
			Speaker:         c.nonEmpty(t, "speaker", path+"speaker"),
			Message:         c.text(t, "message", path+"message", true),
			SourceDocuments: c.documents(t, "source_documents", path+"source_documents", false),
		}
	}
	return turns
}
