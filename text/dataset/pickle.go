package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"gorqa/files/pickle"
)

// maxPickleBytes bounds a pickle: everything in it is held in memory at once.
const maxPickleBytes = 1 << 30

const repickle = "write the documents as JSONL instead"

// documentModules are the modules that the class Document was or is in: those of
// LocalRQA, which was OpenRQA once, and of LangChain.
var documentModules = []string{
	"local_rqa.schema.document", "localrqa.schema.document", "open_rqa.schema.document", "openrqa.schema.document",
	"langchain_core.documents.base", "langchain_core.documents", "langchain.schema.document", "langchain.schema",
	"langchain.docstore.document", "langchain_community.docstore.document", "langchain_classic.schema.document", "langchain_classic.docstore.document",
}

func isDocument(c pickle.Class) bool {
	return c.Name == "Document" && slices.Contains(documentModules, c.Module)
}

// readPickle reads a list of documents.
func readPickle(ctx context.Context, name string, r io.Reader) ([]Document, error) {
	wrong := func(found string) error {
		return Problem{File: name, Found: found, Expected: "a pickled list of documents", Do: repickle}
	}
	value, size, err := unpickle(ctx, name, r, func(c pickle.Class) bool { return isDocument(c) || isValue(c) })
	if err != nil {
		if _, read := errors.AsType[pickleError](err); read {
			return nil, wrong(err.Error())
		}
		return nil, err
	}
	var items []any
	switch v := value.(type) {
	case *pickle.List:
		items = v.Items
	case pickle.Tuple:
		items = v
	default:
		return nil, wrong("a pickle of " + pickleKind(value))
	}
	p := problems{file: name}
	c := pickleConverter{left: 1<<10 + 4*size}
	docs := make([]Document, 0, len(items))
	for i, item := range items {
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

// pickleError is what is wrong with a pickle's bytes.
type pickleError struct{ error }

// unpickle reads the one value of a pickle, and tells its size.
func unpickle(ctx context.Context, name string, r io.Reader, known func(pickle.Class) bool) (value any, size int, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPickleBytes+1))
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxPickleBytes {
		return nil, 0, Problem{File: name, Found: "a larger pickle", Expected: fmt.Sprintf("at most %d bytes", maxPickleBytes), Do: repickle}
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	value, err = pickle.Read(data, known)
	if err != nil {
		return nil, 0, pickleError{err}
	}
	return value, len(data), nil
}

// document makes a document of an instance of a class Document, or of a dict with
// its fields.
func (c *pickleConverter) document(v any) (Document, error) {
	var fields map[string]any
	switch v := v.(type) {
	case *pickle.Object:
		if !isDocument(v.Class) {
			return Document{}, fmt.Errorf("it is %s", pickleKind(v))
		}
		if len(v.Args) > 0 {
			return Document{}, errors.New("a document that is made with arguments")
		}
		state, ok := v.State.(*pickle.Dict)
		if !ok && v.State != nil {
			return Document{}, fmt.Errorf("a document whose state is %s", pickleKind(v.State))
		}
		fields = entries(state)
		// pydantic, which LangChain's class is made with, has the fields a level below.
		if inner, ok := fields["__dict__"].(*pickle.Dict); ok {
			fields = entries(inner)
		}
	case *pickle.Dict:
		fields = entries(v)
		if _, ok := fields["page_content"]; !ok {
			return Document{}, errors.New("it is a dict without page_content")
		}
	default:
		return Document{}, fmt.Errorf("it is %s", pickleKind(v))
	}
	var d Document
	var ok bool
	if d.Content, ok = fields["page_content"].(string); !ok {
		return Document{}, fmt.Errorf("page_content is %s", pickleKind(fields["page_content"]))
	}
	if d.Formatted, ok = fields["fmt_content"].(string); !ok && fields["fmt_content"] != nil {
		return Document{}, fmt.Errorf("fmt_content is %s", pickleKind(fields["fmt_content"]))
	}
	if !utf8.ValidString(d.Content) || !utf8.ValidString(d.Formatted) {
		return Document{}, errors.New("text that is not UTF-8")
	}
	if fields["metadata"] == nil {
		return d, nil
	}
	m, err := c.value(fields["metadata"], 0)
	if err != nil {
		return Document{}, fmt.Errorf("metadata: %w", err)
	}
	if d.Metadata, ok = m.(map[string]any); !ok {
		return Document{}, fmt.Errorf("metadata is %s", pickleKind(fields["metadata"]))
	}
	// LocalRQA's retriever keeps both texts in the metadata of LangChain's
	// document, whose page_content is the formatted one.
	content, hasContent := d.Metadata["page_content"].(string)
	formatted, hasFormatted := d.Metadata["fmt_content"].(string)
	if hasContent && hasFormatted && d.Formatted == "" {
		d.Content, d.Formatted = content, formatted
		delete(d.Metadata, "page_content")
		delete(d.Metadata, "fmt_content")
	}
	return d, nil
}

// entries are those of a dict that have a name.
func entries(d *pickle.Dict) map[string]any {
	m := map[string]any{}
	if d != nil {
		for _, e := range d.Entries {
			if key, ok := e.Key.(string); ok {
				m[key] = e.Value
			}
		}
	}
	return m
}
