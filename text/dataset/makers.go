package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"gorqa/files/pickle"
)

// maker makes a value of an object of a class.
type maker func(c *pickleConverter, o *pickle.Object, depth int) (any, error)

// makers gives what a class's objects become in metadata, nil for a class that is
// not known.
func makers(c pickle.Class) maker {
	switch c.Module {
	case "builtins", "__builtin__":
		return builtinMaker(c.Name)
	case "collections":
		return collectionMaker(c.Name)
	case "datetime", "pytz", "zoneinfo", "dateutil.tz.tz", "dateutil.tz", "pandas._libs.tslibs.timestamps":
		return timeMaker(c)
	case "numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric":
		return numpyMaker(c)
	case "pathlib", "pathlib._local":
		return pathMaker(c.Name)
	case "_codecs":
		if c.Name == "encode" { // how protocols before 3 write bytes
			return rawText
		}
	case "decimal", "_decimal", "_pydecimal":
		if c.Name == "Decimal" {
			return decimal
		}
	case "uuid":
		switch c.Name {
		case "UUID":
			return uuid
		case "SafeUUID":
			return unnamed
		}
	}
	return nil
}

func isValue(c pickle.Class) bool { return makers(c) != nil }

// unnamed is for classes that stand only inside the objects of others.
func unnamed(_ *pickleConverter, o *pickle.Object, _ int) (any, error) {
	return nil, errors.New(pickleKind(o))
}

func builtinMaker(name string) maker {
	switch name {
	case "set", "frozenset":
		return func(c *pickleConverter, o *pickle.Object, depth int) (any, error) {
			return c.set(append(sequence(o.Args), o.Items...), depth)
		}
	case "list", "tuple":
		return (*pickleConverter).elements
	case "dict":
		return (*pickleConverter).pairs
	case "str", "int", "float", "bool":
		return func(c *pickleConverter, o *pickle.Object, depth int) (any, error) {
			if len(o.Args) != 1 {
				return nil, errors.New(pickleKind(o))
			}
			return c.value(o.Args[0], depth+1)
		}
	case "bytes", "bytearray":
		return rawText
	}
	return nil
}

func collectionMaker(name string) maker {
	switch name {
	case "OrderedDict", "defaultdict", "Counter":
		return (*pickleConverter).pairs
	case "deque":
		return (*pickleConverter).elements
	}
	return nil
}

func pathMaker(name string) maker {
	separator := "/"
	switch name {
	case "PosixPath", "PurePosixPath", "Path", "PurePath":
	case "WindowsPath", "PureWindowsPath":
		separator = `\`
	default:
		return nil
	}
	return func(_ *pickleConverter, o *pickle.Object, _ int) (any, error) { return pathText(o, separator) }
}

// elements is an object like a list.
func (c *pickleConverter) elements(o *pickle.Object, depth int) (any, error) {
	return c.values(append(sequence(o.Args), o.Items...), depth)
}

// pairs is an object like a dict.
func (c *pickleConverter) pairs(o *pickle.Object, depth int) (any, error) {
	pairs := o.Pairs
	for _, arg := range o.Args {
		switch arg := arg.(type) {
		case *pickle.Dict:
			pairs = append(slices.Clone(arg.Entries), pairs...)
		case *pickle.List: // of pairs
			for _, item := range arg.Items {
				if pair := sequence(pickle.Tuple{item}); len(pair) == 2 {
					pairs = append(pairs, pickle.Entry{Key: pair[0], Value: pair[1]})
				}
			}
		}
	}
	return c.dict(pairs, depth)
}

// sequence is what the first of the arguments holds.
func sequence(args pickle.Tuple) []any {
	if len(args) > 0 {
		switch v := args[0].(type) {
		case *pickle.List:
			return slices.Clone(v.Items)
		case pickle.Tuple:
			return slices.Clone(v)
		case *pickle.Set:
			return slices.Clone(v.Items)
		}
	}
	return nil
}

// rawText is bytes of any protocol as text.
func rawText(_ *pickleConverter, o *pickle.Object, _ int) (any, error) {
	b, ok := rawBytes(o)
	if !ok {
		return nil, errors.New(pickleKind(o))
	}
	return bytesText(b), nil
}

// rawBytes are bytes as any protocol writes them.
func rawBytes(v any) ([]byte, bool) {
	switch v := v.(type) {
	case pickle.Bytes:
		return v, true
	case *pickle.Object:
		switch {
		case len(v.Args) == 0:
			return nil, v.Class.Name == "bytes" || v.Class.Name == "bytearray"
		case v.Class.Module == "_codecs", v.Class.Name == "bytes", v.Class.Name == "bytearray":
			if text, ok := v.Args[0].(string); ok { // in Latin-1: a byte a character
				b := make([]byte, 0, len(text))
				for _, r := range text {
					if r > 0xff {
						return nil, false
					}
					b = append(b, byte(r))
				}
				return b, true
			}
			if b, ok := v.Args[0].(pickle.Bytes); ok {
				return b, true
			}
			// bytearray of bytes that an older protocol writes by _codecs.
			if inner, ok := v.Args[0].(*pickle.Object); ok && inner.Class.Module == "_codecs" && v.Class.Module != "_codecs" {
				return rawBytes(inner)
			}
		}
	}
	return nil, false
}

// pathText joins the parts of a path.
func pathText(o *pickle.Object, separator string) (any, error) {
	var out strings.Builder
	for i, arg := range o.Args {
		part, ok := arg.(string)
		if !ok || !utf8.ValidString(part) {
			return nil, errors.New(pickleKind(o))
		}
		if i > 0 && !strings.HasSuffix(out.String(), separator) {
			out.WriteString(separator)
		}
		out.WriteString(part)
	}
	if out.Len() == 0 {
		return ".", nil
	}
	return out.String(), nil
}

// decimal is a number, or text for those that JSON has not.
func decimal(_ *pickleConverter, o *pickle.Object, _ int) (any, error) {
	text, ok := first(o.Args).(string)
	if !ok || len(text) > 4096 || !utf8.ValidString(text) {
		return nil, errors.New(pickleKind(o))
	}
	if !json.Valid([]byte(text)) {
		return text, nil // NaN, Infinity
	}
	return json.Number(text), nil
}

// uuid is written in its five groups.
func uuid(_ *pickleConverter, o *pickle.Object, _ int) (any, error) {
	state, _ := o.State.(*pickle.Dict)
	n := new(big.Int)
	switch v := entries(state)["int"].(type) {
	case int64:
		n.SetInt64(v)
	case *big.Int:
		n = v
	default:
		return nil, errors.New(pickleKind(o))
	}
	if n.Sign() < 0 || n.BitLen() > 128 {
		return nil, errors.New(pickleKind(o))
	}
	h := fmt.Sprintf("%032x", n)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), nil
}
