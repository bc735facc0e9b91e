package convert

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"gorqa/files/modelfile"
	"gorqa/text/dataset"
)

// maxBytes bounds a file: it is held in memory.
const maxBytes = 4 << 30

// maxDepth bounds the nesting of JSON, which no format comes near.
const maxDepth = 100

// record is an object of a file.
type record struct {
	line   int // from 1; of a Parquet file the row
	fields map[string]any
}

// records reads the objects of a file: of JSON lines, of a JSON array or of a table. A
// JSON object that is a whole data set is the only record.
func records(ctx context.Context, path string) ([]record, error) {
	if strings.EqualFold(filepath.Ext(path), ".parquet") {
		return parquetRecords(ctx, path)
	}
	data, err := modelfile.Read(path, maxBytes)
	if err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, dataset.Problem{File: path, Found: "broken UTF-8", Expected: "UTF-8", Do: "save the file as UTF-8"}
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		return csvRecords(path, data, ',')
	case ".tsv", ".tab":
		return csvRecords(path, data, '\t')
	}
	return jsonRecords(ctx, path, data)
}

// wrong is what is wrong with a file's form.
func wrong(path string, line int, found, expected string) error {
	return dataset.Problem{File: path, Line: line, Found: found, Expected: expected, Do: "correct or convert the file"}
}

// jsonRecords reads a JSON array, JSON lines, or values one after the other.
func jsonRecords(ctx context.Context, path string, data []byte) (all []record, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	at, line := 0, 1
	lineOf := func(offset int64) int { // offsets rise
		line += bytes.Count(data[at:offset], []byte("\n"))
		at = int(offset)
		return line
	}
	skip := func() int64 { // to where the next value begins
		offset := d.InputOffset()
		for offset < int64(len(data)) && strings.IndexByte(" \t\r\n,", data[offset]) >= 0 {
			offset++
		}
		return offset
	}
	array := bytes.HasPrefix(bytes.TrimSpace(data), []byte("["))
	if array {
		if _, err := d.Token(); err != nil {
			return nil, wrong(path, 1, "no JSON", "a JSON array of objects")
		}
	}
	for d.More() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := lineOf(skip())
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, wrong(path, start, fmt.Sprintf("JSON that is wrong: %v", err), "JSON objects, in one array or one a line")
		}
		if nested(raw) > maxDepth {
			return nil, wrong(path, start, "JSON nested too deeply", fmt.Sprintf("at most %d levels", maxDepth))
		}
		var fields map[string]any
		inner := json.NewDecoder(bytes.NewReader(raw))
		inner.UseNumber()
		if err := inner.Decode(&fields); err != nil || fields == nil {
			return nil, wrong(path, start, fmt.Sprintf("%.40s", raw), "a JSON object")
		}
		all = append(all, record{start, fields})
	}
	if array {
		if _, err := d.Token(); err != nil {
			return nil, wrong(path, lineOf(int64(len(data))), "a JSON array without its end", "a whole file")
		}
	}
	if len(all) == 0 {
		return nil, wrong(path, 0, "no rows", "JSON objects, in one array or one a line")
	}
	return all, nil
}

// nested is the depth of a JSON text.
func nested(raw []byte) (most int) {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			most = max(most, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return most
}

// csvRecords reads a table whose first line names the columns.
func csvRecords(path string, data []byte, comma rune) (all []record, err error) {
	r := csv.NewReader(bufio.NewReader(bytes.NewReader(data)))
	r.Comma, r.LazyQuotes = comma, comma == '\t'
	head, err := r.Read()
	if err != nil {
		return nil, wrong(path, 1, fmt.Sprintf("no line of column names (%v)", err), "a table with a head")
	}
	var errs []error
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
			errs = append(errs, wrong(path, parse.StartLine, fmt.Sprintf("a row that cannot be read (%v)", parse.Err), fmt.Sprintf("%d cells, quoted where a quote or a comma is in them", len(head))))
			if len(errs) == 50 || !errors.Is(parse.Err, csv.ErrFieldCount) {
				break
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		fields := make(map[string]any, len(head))
		for i, c := range cells {
			fields[strings.TrimSpace(head[i])] = c
		}
		line, _ := r.FieldPos(0)
		all = append(all, record{line, fields})
	}
	if len(all) == 0 && len(errs) == 0 {
		errs = append(errs, wrong(path, 0, "no rows", "a table with a head and rows"))
	}
	return all, errors.Join(errs...)
}

// parquetRecords reads the rows of a Parquet file.
func parquetRecords(ctx context.Context, path string) (all []record, err error) {
	f, size, err := modelfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if size > maxBytes {
		return nil, wrong(path, 0, fmt.Sprintf("%d bytes", size), fmt.Sprintf("at most %d", int64(maxBytes)))
	}
	return readParquet(ctx, path, f, size)
}

func readParquet(ctx context.Context, path string, f *os.File, size int64) (all []record, err error) {
	file, err := parquet.OpenFile(f, size)
	if err != nil {
		return nil, wrong(path, 0, fmt.Sprintf("a Parquet file that cannot be read: %v", err), "a whole one")
	}
	r := parquet.NewGenericReader[map[string]any](file, file.Schema())
	defer func() { err = errors.Join(err, r.Close()) }()
	rows := make([]map[string]any, 64)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for i := range rows {
			rows[i] = map[string]any{}
		}
		n, err := r.Read(rows)
		for _, row := range rows[:n] {
			fields, _ := plain(row).(map[string]any)
			all = append(all, record{len(all) + 1, fields})
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, wrong(path, 0, fmt.Sprintf("a Parquet file that cannot be read behind row %d: %v", len(all), err), "a whole one")
		}
	}
	if len(all) == 0 {
		return nil, wrong(path, 0, "no rows", "a table with rows")
	}
	return all, nil
}

// plain makes values of a table what they are in JSON: lists, which Parquet wraps twice,
// are lists, and bytes are text.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if list, ok := v["list"].([]any); ok && len(v) == 1 {
			out := make([]any, len(list))
			for i, e := range list {
				if m, ok := e.(map[string]any); ok && len(m) == 1 {
					for _, inner := range m {
						e = inner
					}
				}
				out[i] = plain(e)
			}
			return out
		}
		for k, e := range v {
			v[k] = plain(e)
		}
		return v
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
		return v
	case []byte:
		return string(v)
	}
	return v
}
