package modelfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

// JSON reads what a file holds into a value. Errors tell what is wrong in it by line and
// key: `config.json:3: rope_scaling.factor: "2" found; a number expected`. The name is ""
// where the caller says which file it is.
func JSON(name string, data []byte, to any) error {
	err := json.Unmarshal(data, to)
	if err == nil {
		return nil
	}
	line, err := explained(data, err)
	if name == "" {
		return fmt.Errorf("line %d: %w", line, err)
	}
	return fmt.Errorf("%s:%d: %w", name, line, err)
}

// JSONObject reads the object that a file holds, its numbers as they are written; null is
// nil.
func JSONObject(name string, data []byte) (fields map[string]any, err error) {
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	err = in.Decode(&fields)
	if _, more := in.Token(); err != nil || more != io.EOF {
		return nil, JSON(name, data, &fields) // which knows the place
	}
	return fields, nil
}

// JSONPart is JSON for a value whose place the caller says: a line of a file, or a field.
func JSONPart(data []byte, to any) error { return JSONError(data, json.Unmarshal(data, to)) }

// JSONError words what encoding/json says of a value by the names in it: "question: 3
// found; a text expected". Other errors are as they are.
func JSONError(data []byte, err error) error {
	_, err = explained(data, err)
	return err
}

// explained says in which line something is wrong, and what.
func explained(data []byte, err error) (line int, _ error) {
	line = 1
	if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		v := find(data, typed)
		if v.end > 0 {
			line = lineAt(data, v.end)
		}
		what := fmt.Errorf("%s found; %s expected", v.text, wanted(typed))
		if v.key != "" {
			what = fmt.Errorf("%s: %w", v.key, what)
		}
		return line, what
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		line = lineAt(data, syntax.Offset)
		switch text := syntax.Error(); {
		case strings.HasPrefix(text, "unexpected end"):
			return line, errors.New("the end found; more JSON expected")
		case strings.HasSuffix(text, "after top-level value"):
			return line, errors.New("more found after the closing } or ]; nothing expected")
		}
		return line, fmt.Errorf("%w; JSON expected", err)
	}
	if at, ok := errors.AsType[*time.ParseError](err); ok {
		return line, fmt.Errorf("%q found; a time such as %q expected", at.Value, time.RFC3339)
	}
	return line, err
}

// wanted is what a type reads: of a number that is one of its kind and does not fit, a
// smaller one.
func wanted(err *json.UnmarshalTypeError) string {
	number, outside := strings.CutPrefix(err.Value, "number ")
	want := JSONType(err.Type)
	if outside && (want == "a number" || !strings.ContainsAny(number, ".eE")) {
		want += " nearer to 0"
	}
	return want
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), int64(len(data)))], []byte("\n"))
}

// value is one that stands in a JSON text.
type value struct {
	key  string // with those of what it stands in: "layers[2].size"
	text string // as an error quotes it
	end  int64  // of its first token; 0 where it is not found
}

// find is the value that has the wrong type. The error's own offset is that of another
// value where the type reads itself, and the error's field has names of Go's types in it
// and none of a map's, so both are only a help.
func find(data []byte, err *json.UnmarshalTypeError) value {
	field := err.Field[strings.LastIndex(err.Field, ".")+1:]
	near := value{key: field, text: err.Value}
	walk := walker{in: json.NewDecoder(bytes.NewReader(data))}
	walk.in.UseNumber()
	for walk.next() {
		keys := walk.keys()
		switch end := walk.in.InputOffset(); {
		case end == err.Offset && (field == "" || slices.Contains(keys, field)):
			return walk.value()
		case near.end == 0 && len(keys) > 0 && keys[len(keys)-1] == field && strings.HasPrefix(err.Value, kind(walk.token)):
			near = walk.value()
		}
	}
	return near
}

// walker goes from value to value.
type walker struct {
	in    *json.Decoder
	token json.Token // the first of the value
	path  []step
}

// step is one into an object or a list.
type step struct {
	list  bool
	index int
	key   string
	named bool // the key is read, its value is not
}

// next goes to the next value, and is false where there is none.
func (w *walker) next() bool {
	if _, opened := w.token.(json.Delim); opened {
		w.path = append(w.path, step{list: w.token == json.Delim('['), index: -1})
	}
	for {
		token, err := w.in.Token()
		if err != nil {
			return false
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			w.path = w.path[:len(w.path)-1]
			continue
		}
		if len(w.path) > 0 {
			switch last := &w.path[len(w.path)-1]; {
			case last.list:
				last.index++
			case last.named:
				last.named = false
			default:
				last.key, last.named = token.(string), true
				continue
			}
		}
		w.token = token
		return true
	}
}

// keys are those that lead to the value, without places in lists.
func (w *walker) keys() (keys []string) {
	for _, s := range w.path {
		if !s.list {
			keys = append(keys, s.key)
		}
	}
	return keys
}

func (w *walker) value() value {
	v := value{end: w.in.InputOffset()}
	for _, s := range w.path {
		switch {
		case s.list:
			v.key += fmt.Sprintf("[%d]", s.index)
		case v.key == "":
			v.key = s.key
		default:
			v.key += "." + s.key
		}
	}
	switch t := w.token.(type) {
	case json.Delim:
		v.text = map[json.Delim]string{'{': "an object", '[': "a list"}[t]
	case string:
		if text := []rune(t); len(text) > 40 {
			t = string(text[:40]) + "…"
		}
		v.text = fmt.Sprintf("%q", t)
	default:
		v.text = fmt.Sprint(t)
	}
	return v
}

// kind is what encoding/json calls a value that begins with a token.
func kind(token json.Token) string {
	switch token {
	case json.Delim('{'):
		return "object"
	case json.Delim('['):
		return "array"
	}
	switch token.(type) {
	case string:
		return "string"
	case bool:
		return "bool"
	}
	return "number"
}

// JSONType is what a type is called in JSON.
func JSONType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return JSONType(t.Elem())
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a text"
	}
	return "a whole number"
}
