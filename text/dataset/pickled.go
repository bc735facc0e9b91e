package dataset

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gorqa/files/pickle"
)

// maxNesting bounds how deep metadata may be.
const maxNesting = 32

// pickleConverter turns pickled values into what encoding/json would have read.
// Values in a pickle may be shared and may hold themselves, so that a small file
// can stand for a huge tree: left counts down the values that may still be made.
type pickleConverter struct{ left int }

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
	case pickle.Bytes:
		return bytesText(v), nil
	case int64:
		return json.Number(strconv.FormatInt(v, 10)), nil
	case *big.Int:
		return json.Number(v.String()), nil
	case float64:
		return floatNumber(v)
	case *pickle.List:
		return c.values(v.Items, depth)
	case pickle.Tuple:
		return c.values(v, depth)
	case *pickle.Set:
		return c.set(v.Items, depth)
	case *pickle.Dict:
		return c.dict(v.Entries, depth)
	case *pickle.Object:
		if make := makers(v.Class); make != nil {
			return make(c, v, depth)
		}
	}
	return nil, errors.New(pickleKind(v))
}

func floatNumber(f float64) (any, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, fmt.Errorf("the number %v", f)
	}
	b, err := json.Marshal(f)
	return json.Number(b), err
}

// bytesText is bytes as text where they are UTF-8, else in base64.
func bytesText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func (c *pickleConverter) dict(pairs []pickle.Entry, depth int) (any, error) {
	m := make(map[string]any, min(len(pairs), max(c.left, 0)))
	for _, e := range pairs {
		key, err := keyText(e.Key)
		if err != nil {
			return nil, err
		}
		item, err := c.value(e.Value, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%.40q: %w", key, err)
		}
		m[key] = item
	}
	return m, nil
}

// keyText is a key as Python's json writes it.
func keyText(key any) (string, error) {
	switch k := key.(type) {
	case string:
		if utf8.ValidString(k) {
			return k, nil
		}
	case int64:
		return strconv.FormatInt(k, 10), nil
	case bool:
		return strconv.FormatBool(k), nil
	case nil:
		return "null", nil
	}
	return "", fmt.Errorf("a key that is %s", pickleKind(key))
}

func (c *pickleConverter) values(items []any, depth int) (any, error) {
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

// set is a list in the order of its elements' JSON, since a set has none.
func (c *pickleConverter) set(items []any, depth int) (any, error) {
	list, err := c.values(items, depth)
	if err != nil {
		return nil, err
	}
	out := list.([]any)
	texts := make(map[int]string, len(out))
	order := make([]int, len(out))
	for i, v := range out {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		order[i], texts[i] = i, string(b)
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(texts[a], texts[b]) })
	sorted := make([]any, len(out))
	for i, from := range order {
		sorted[i] = out[from]
	}
	return sorted, nil
}

func first(args pickle.Tuple) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

func pickleKind(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return "a string"
	case pickle.Bytes:
		return "bytes"
	case bool:
		return "a boolean"
	case int64, float64, *big.Int:
		return "a number"
	case *pickle.List, pickle.Tuple:
		return "a list"
	case *pickle.Set:
		return "a set"
	case *pickle.Dict:
		return "a dict"
	case pickle.Class:
		return "the class " + v.String()
	case *pickle.Object:
		if isDocument(v.Class) {
			return "a document"
		}
		return "an object of " + v.Class.String()
	default:
		return "another kind of value"
	}
}
