package dataset

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// WriteDocuments writes documents as JSONL, as ReadDocuments reads them.
func WriteDocuments(w io.Writer, docs []Document) error {
	return writeLines(w, docs, "document", func(d Document) any { return whole(d) })
}

// WriteExamples writes examples as JSONL, as ReadExamples reads them. Absent
// lists become empty ones, since the original asks for every field.
func WriteExamples(w io.Writer, examples []Example) error {
	return writeLines(w, examples, "example", func(ex Example) any {
		ex.GoldDocs = wholeAll(ex.GoldDocs)
		ex.HardNegDocs = wholeAll(ex.HardNegDocs)
		turns := make([]Turn, len(ex.History))
		for i, t := range ex.History {
			t.SourceDocuments = wholeAll(t.SourceDocuments)
			turns[i] = t
		}
		ex.History = turns
		return ex
	})
}

func writeLines[T any](w io.Writer, rows []T, what string, row func(T) any) error {
	bw := bufio.NewWriter(w)
	enc := json.NewEncoder(bw)
	enc.SetEscapeHTML(false)
	for i, r := range rows {
		if err := enc.Encode(row(r)); err != nil {
			return fmt.Errorf("writing %s %d: %w", what, i, err)
		}
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("writing %ss: %w", what, err)
	}
	return nil
}

func whole(d Document) Document {
	if d.Metadata == nil {
		d.Metadata = map[string]any{}
	}
	return d
}

func wholeAll(docs []Document) []Document {
	out := make([]Document, len(docs))
	for i, d := range docs {
		out[i] = whole(d)
	}
	return out
}
