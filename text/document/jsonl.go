package document

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"gorqa/text/dataset"
)

// readJSONL reads a file of texts, one JSON object a line: text (or page_content or
// content), and if they are there title, source (or url) and metadata.
func readJSONL(source string, data []byte) (files []File, err error) {
	var errs []error
	wrong := func(line int, found string) {
		errs = append(errs, dataset.Problem{File: source, Line: line, Found: found, Expected: `one JSON object a line, such as {"text": "…", "title": "…"}`, Do: "correct the line, or remove it"})
	}
	plain, err := decode(source, data)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReader(strings.NewReader(plain))
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if f, found := jsonFile(line); found != "" {
				wrong(n, found)
			} else {
				if f.Source == "" {
					f.Source = fmt.Sprintf("%s:%d", source, n)
				}
				files = append(files, f)
			}
		}
		if err != nil {
			break
		}
	}
	const most = 20 // of a file
	if len(errs) > most {
		errs = append(errs[:most], fmt.Errorf("%s: and %d more of the kind", source, len(errs)-most))
	}
	return files, errors.Join(errs...)
}

// jsonFile is the text of a line, or what is found in its place.
func jsonFile(line []byte) (f File, found string) {
	var row map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&row); err != nil {
		return f, "no JSON object"
	}
	text := ""
	for _, name := range []string{"text", "page_content", "content"} {
		if s, ok := row[name].(string); ok && text == "" {
			text = s
		}
	}
	if strings.TrimSpace(text) == "" {
		return f, "no field text, page_content or content with text"
	}
	meta, _ := row["metadata"].(map[string]any)
	pick := func(names ...string) string {
		for _, name := range names {
			for _, from := range []map[string]any{row, meta} {
				if s, ok := from[name].(string); ok && s != "" {
					return s
				}
			}
		}
		return ""
	}
	f = File{Source: pick("source", "url"), Title: pick("title"), Metadata: meta}
	f.Blocks = paragraphs(strings.ReplaceAll(text, "\r\n", "\n"))
	return f, ""
}
