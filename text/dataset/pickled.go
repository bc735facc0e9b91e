package dataset

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"gorqa/files/pickle"
)

// maxNesting bounds how deep metadata may be.
const maxNesting = 32

// pickleConverter turns pickled values into what encoding/json would have read.
// Values in a pickle may be shared and may hold themselves, so that a small file
// can stand for a huge tree: left counts down the values that may still be made.
type pickleConverter struct{ left int }

// maker makes a value of an object of a class.
type maker func(c *pickleConverter, o *pickle.Object, depth int) (any, error)

// makers gives what a class's objects become in metadata, nil for a class that is
// not known.
func makers(c pickle.Class) maker {
	switch c.Module {
	case "builtins", "__builtin__":
		switch c.Name {
		case "set", "frozenset":
			return func(c *pickleConverter, o *pickle.Object, depth int) (any, error) {
				return c.set(append(sequence(o.Args), o.Items...), depth)
			}
		case "list", "tuple":
			return func(c *pickleConverter, o *pickle.Object, depth int) (any, error) {
				return c.values(append(sequence(o.Args), o.Items...), depth)
			}
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
			return func(_ *pickleConverter, o *pickle.Object, _ int) (any, error) {
				b, ok := rawBytes(o)
				if !ok {
					return nil, errors.New(pickleKind(o))
				}
				return bytesText(b), nil
			}
		}
	case "_codecs":
		if c.Name == "encode" { // how protocols before 3 write bytes
			return func(_ *pickleConverter, o *pickle.Object, _ int) (any, error) {
				b, ok := rawBytes(o)
				if !ok {
					return nil, errors.New(pickleKind(o))
				}
				return bytesText(b), nil
			}
		}
	case "collections":
		switch c.Name {
		case "OrderedDict", "defaultdict", "Counter":
			return (*pickleConverter).pairs
		case "deque":
			return func(c *pickleConverter, o *pickle.Object, depth int) (any, error) {
				return c.values(append(sequence(o.Args), o.Items...), depth)
			}
		}
	case "datetime":
		if slices.Contains([]string{"datetime", "date", "time", "timedelta", "timezone"}, c.Name) {
			return func(_ *pickleConverter, o *pickle.Object, _ int) (any, error) { return moment(o) }
		}
	case "pytz":
		if c.Name == "_UTC" || c.Name == "_p" || c.Name == "utc" {
			return unnamed
		}
	case "zoneinfo":
		if c.Name == "ZoneInfo._unpickle" || c.Name == "ZoneInfo" {
			return unnamed
		}
	case "dateutil.tz.tz", "dateutil.tz":
		if c.Name == "tzutc" {
			return unnamed
		}
	case "pandas._libs.tslibs.timestamps":
		if c.Name == "_unpickle_timestamp" || c.Name == "Timestamp" {
			return func(_ *pickleConverter, o *pickle.Object, _ int) (any, error) { return timestamp(o) }
		}
	case "pathlib", "pathlib._local":
		switch c.Name {
		case "PosixPath", "PurePosixPath", "Path", "PurePath":
			return func(_ *pickleConverter, o *pickle.Object, _ int) (any, error) { return pathText(o, "/") }
		case "WindowsPath", "PureWindowsPath":
			return func(_ *pickleConverter, o *pickle.Object, _ int) (any, error) { return pathText(o, `\`) }
		}
	case "decimal", "_decimal", "_pydecimal":
		if c.Name == "Decimal" {
			return decimal
		}
	case "uuid":
		if c.Name == "UUID" {
			return uuid
		}
		if c.Name == "SafeUUID" {
			return unnamed
		}
	case "numpy":
		if c.Name == "dtype" || c.Name == "ndarray" {
			return unnamed
		}
	case "numpy.core.multiarray", "numpy._core.multiarray":
		switch c.Name {
		case "scalar":
			return numpyScalar
		case "_reconstruct":
			return numpyArray
		}
	case "numpy.core.numeric", "numpy._core.numeric":
		if c.Name == "_frombuffer" {
			return numpyArray
		}
	}
	return nil
}

// unnamed is for classes that stand only inside the objects of others.
func unnamed(_ *pickleConverter, o *pickle.Object, _ int) (any, error) {
	return nil, errors.New(pickleKind(o))
}

func isValue(c pickle.Class) bool { return makers(c) != nil }

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

// moment writes date and time as their isoformat does, and a time span in
// seconds.
func moment(o *pickle.Object) (any, error) {
	wrong := errors.New(pickleKind(o))
	if o.Class.Name == "timedelta" {
		d, ok := duration(o)
		if !ok {
			return nil, wrong
		}
		return floatNumber(d.Seconds())
	}
	if o.Class.Name == "timezone" || len(o.Args) == 0 {
		return nil, wrong
	}
	b, ok := rawBytes(o.Args[0])
	if !ok {
		return nil, wrong
	}
	clock := func(b []byte) string {
		s := fmt.Sprintf("%02d:%02d:%02d", b[0]&0x7f, b[1], b[2])
		if micro := int(b[3])<<16 | int(b[4])<<8 | int(b[5]); micro > 0 {
			s += fmt.Sprintf(".%06d", micro)
		}
		return s
	}
	date := func(b []byte) (string, bool) {
		year, month, day := int(b[0])<<8|int(b[1]), int(b[2]&0x7f), int(b[3])
		t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
		return fmt.Sprintf("%04d-%02d-%02d", year, month, day), t.Year() == year && int(t.Month()) == month && t.Day() == day
	}
	var text string
	switch {
	case o.Class.Name == "date" && len(b) == 4:
		if text, ok = date(b); !ok {
			return nil, wrong
		}
		return text, nil
	case o.Class.Name == "time" && len(b) == 6:
		text = clock(b)
	case o.Class.Name == "datetime" && len(b) == 10:
		if text, ok = date(b); !ok || b[4] > 23 || b[5] > 59 || b[6] > 59 {
			return nil, wrong
		}
		text += "T" + clock(b[4:])
	default:
		return nil, wrong
	}
	if len(o.Args) > 1 && o.Args[1] != nil {
		offset, err := zone(o.Args[1], b)
		if err != nil {
			return nil, err
		}
		text += offset
	}
	return text, nil
}

// duration is a timedelta: days, seconds, microseconds.
func duration(v any) (time.Duration, bool) {
	o, ok := v.(*pickle.Object)
	if !ok || o.Class.Name != "timedelta" || len(o.Args) > 3 {
		return 0, false
	}
	var total time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Second, time.Microsecond} {
		if i < len(o.Args) {
			n, ok := o.Args[i].(int64)
			if !ok || n > 100_000 && i == 0 || n < -100_000 || n > 1_000_000 {
				return 0, false
			}
			total += time.Duration(n) * unit
		}
	}
	return total, true
}

// zone is the end of a time's isoformat: its distance from UTC, at the date and
// time b for zones that have a summer.
func zone(v any, b []byte) (string, error) {
	o, ok := v.(*pickle.Object)
	if !ok {
		return "", errors.New("a time zone that is " + pickleKind(v))
	}
	var offset time.Duration
	switch {
	case o.Class.Module == "datetime" && o.Class.Name == "timezone" && len(o.Args) > 0:
		if offset, ok = duration(o.Args[0]); !ok {
			return "", errors.New("a damaged time zone")
		}
	case o.Class.Name == "_UTC", o.Class.Name == "utc", o.Class.Name == "tzutc":
	case o.Class.Module == "zoneinfo" && len(o.Args) > 0 && len(b) == 10:
		name, _ := o.Args[0].(string)
		place, err := time.LoadLocation(name)
		if err != nil || name == "" {
			return "", fmt.Errorf("the time zone %.40q, which this machine does not know", name)
		}
		year, month, day := int(b[0])<<8|int(b[1]), time.Month(b[2]&0x7f), int(b[3])
		_, seconds := time.Date(year, month, day, int(b[4]), int(b[5]), int(b[6]), 0, place).Zone()
		offset = time.Duration(seconds) * time.Second
	default:
		return "", fmt.Errorf("the time zone %s", o.Class)
	}
	sign := "+"
	if offset < 0 {
		sign, offset = "-", -offset
	}
	text := fmt.Sprintf("%s%02d:%02d", sign, int(offset.Hours()), int(offset.Minutes())%60)
	if s := int(offset.Seconds()) % 60; s > 0 {
		text += fmt.Sprintf(":%02d", s)
	}
	return text, nil
}

// timestamp is pandas' Timestamp without a zone, as its isoformat.
func timestamp(o *pickle.Object) (any, error) {
	n, ok := first(o.Args).(int64)
	if !ok || len(o.Args) > 2 && o.Args[2] != nil {
		return nil, errors.New(pickleKind(o))
	}
	unit := time.Nanosecond // of resolution 10
	if len(o.Args) > 3 {
		u, known := map[any]time.Duration{int64(7): time.Second, int64(8): time.Millisecond, int64(9): time.Microsecond, int64(10): time.Nanosecond}[o.Args[3]]
		if !known {
			return nil, errors.New(pickleKind(o))
		}
		unit = u
	}
	per := int64(time.Second / unit)
	t := time.Unix(n/per, n%per*int64(unit)).UTC()
	text := t.Format("2006-01-02T15:04:05")
	switch ns := t.Nanosecond(); {
	case ns%1000 > 0:
		text += fmt.Sprintf(".%09d", ns)
	case ns > 0:
		text += fmt.Sprintf(".%06d", ns/1000)
	}
	return text, nil
}

func first(args pickle.Tuple) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
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

// dtype is what numpy's numbers are of: a kind, a width in bytes, an order.
type dtype struct {
	kind  byte
	width int
	order binary.ByteOrder
}

func readDtype(v any) (dtype, bool) {
	o, ok := v.(*pickle.Object)
	if !ok || o.Class.Module != "numpy" || o.Class.Name != "dtype" {
		return dtype{}, false
	}
	name, _ := first(o.Args).(string)
	if len(name) < 2 {
		return dtype{}, false
	}
	width, err := strconv.Atoi(name[1:])
	if err != nil || width < 1 || width > 1<<20 {
		return dtype{}, false
	}
	d := dtype{kind: name[0], width: width, order: binary.LittleEndian}
	if state, _ := o.State.(pickle.Tuple); len(state) > 1 && state[1] == ">" {
		d.order = binary.BigEndian
	}
	if d.kind == 'U' {
		d.width *= 4
	}
	return d, true
}

// number reads one element.
func (d dtype) number(b []byte) (any, error) {
	var x uint64
	for i := range b {
		at := i
		if d.order == binary.LittleEndian {
			at = len(b) - 1 - i
		}
		x = x<<8 | uint64(b[at])
	}
	switch {
	case d.kind == 'b' && d.width == 1:
		return x != 0, nil
	case d.kind == 'i' && d.width <= 8:
		shift := 64 - 8*d.width
		return json.Number(strconv.FormatInt(int64(x<<shift)>>shift, 10)), nil
	case d.kind == 'u' && d.width <= 8:
		return json.Number(strconv.FormatUint(x, 10)), nil
	case d.kind == 'f' && d.width == 8:
		return floatNumber(math.Float64frombits(x))
	case d.kind == 'f' && d.width == 4:
		f := math.Float32frombits(uint32(x))
		if f != f || math.IsInf(float64(f), 0) {
			return floatNumber(float64(f))
		}
		return json.Number(shortest(float64(f), 32)), nil
	case d.kind == 'f' && d.width == 2:
		return floatNumber(float16(uint16(x)))
	case d.kind == 'S':
		return bytesText([]byte(strings.TrimRight(string(b), "\x00"))), nil
	case d.kind == 'U':
		var out strings.Builder
		for i := 0; i+4 <= len(b); i += 4 {
			r := rune(d.order.Uint32(b[i:]))
			if r < 0 || !utf8.ValidRune(r) || utf16.IsSurrogate(r) {
				return nil, errors.New("text that is not UTF-8")
			}
			out.WriteRune(r)
		}
		return strings.TrimRight(out.String(), "\x00"), nil
	}
	return nil, fmt.Errorf("a numpy value of type %c%d", d.kind, d.width)
}

// shortest is a number as json writes floats.
func shortest(f float64, bits int) string {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(f, 'e', -1, bits)
	}
	return strconv.FormatFloat(f, 'f', -1, bits)
}

// float16 reads a number of 16 bits.
func float16(x uint16) float64 {
	exponent, fraction := int(x>>10&0x1f), float64(x&0x3ff)
	var f float64
	switch exponent {
	case 0:
		f = fraction / 1024 * math.Pow(2, -14)
	case 31:
		f = math.Inf(1)
		if fraction > 0 {
			return math.NaN()
		}
	default:
		f = (1 + fraction/1024) * math.Pow(2, float64(exponent-15))
	}
	if x&0x8000 != 0 {
		f = -f
	}
	return f
}

// numpyScalar is numpy.core.multiarray.scalar(dtype, bytes).
func numpyScalar(_ *pickleConverter, o *pickle.Object, _ int) (any, error) {
	if len(o.Args) == 2 {
		d, ok := readDtype(o.Args[0])
		if b, raw := rawBytes(o.Args[1]); ok && raw && len(b) == d.width {
			return d.number(b)
		}
		if ok && d.width == 0 {
			return "", nil
		}
	}
	return nil, errors.New(pickleKind(o))
}

// numpyArray is an array of numbers or text as nested lists: of _reconstruct with
// the state (version, shape, dtype, is Fortran's order, bytes), or of
// _frombuffer(bytes, dtype, shape, order).
func numpyArray(c *pickleConverter, o *pickle.Object, depth int) (any, error) {
	wrong := errors.New(pickleKind(o))
	var shape pickle.Tuple
	var kind, data any
	fortran := false
	if state, ok := o.State.(pickle.Tuple); ok && len(state) == 5 {
		shape, _ = state[1].(pickle.Tuple)
		kind, data = state[2], state[4]
		fortran, _ = state[3].(bool)
	} else if o.Class.Name == "_frombuffer" && len(o.Args) == 4 {
		data, kind = o.Args[0], o.Args[1]
		shape, _ = o.Args[2].(pickle.Tuple)
		fortran = o.Args[3] == "F"
	} else {
		return nil, wrong
	}
	d, ok := readDtype(kind)
	b, raw := rawBytes(data)
	if !ok || !raw || shape == nil || depth+len(shape) > maxNesting {
		return nil, wrong
	}
	sizes, count := make([]int, len(shape)), 1
	for i, s := range shape {
		n, ok := s.(int64)
		if !ok || n < 0 || n > int64(len(b)) {
			return nil, wrong
		}
		if sizes[i], count = int(n), count*int(n); count > len(b) {
			return nil, wrong
		}
	}
	if count*d.width != len(b) || fortran && len(shape) > 1 {
		return nil, wrong
	}
	var build func(level, at, span int) (any, error)
	build = func(level, at, span int) (any, error) {
		if c.left--; c.left < 0 {
			return nil, errors.New("values that repeat others past any use")
		}
		if level == len(sizes) {
			return d.number(b[at*d.width : (at+1)*d.width])
		}
		out := make([]any, sizes[level])
		for i := range out {
			inner := span / sizes[level]
			var err error
			if out[i], err = build(level+1, at+i*inner, inner); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return build(0, 0, count)
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
