package dataset

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"gorqa/files/pickle"
)

func numpyMaker(c pickle.Class) maker {
	switch {
	case c.Module == "numpy" && (c.Name == "dtype" || c.Name == "ndarray"):
		return unnamed
	case strings.HasSuffix(c.Module, ".multiarray") && c.Name == "scalar":
		return numpyScalar
	case strings.HasSuffix(c.Module, ".multiarray") && c.Name == "_reconstruct",
		strings.HasSuffix(c.Module, ".numeric") && c.Name == "_frombuffer":
		return numpyArray
	}
	return nil
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
