package weights

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"gorqa/files/whole"
)

// Q8_0 is a format of GGUF files: 32 values in 8 bits each, and a scale. In
// safetensors there is none of it.
const Q8_0 DType = "Q8_0"

// ggufAlignment is what the data and each tensor begin at a multiple of, where
// no key says otherwise.
const ggufAlignment = 32

// ggufKey is a key of the metadata with its value.
type ggufKey struct {
	name  string
	value ggufValue
}

func ggufText(s string) ggufValue { return ggufValue{kind: ggufString, strings: []string{s}} }

func ggufTexts(list []string) ggufValue {
	return ggufValue{kind: ggufString, array: true, strings: list}
}

func ggufCount(n int) ggufValue {
	return ggufValue{kind: ggufU32, raw: binary.LittleEndian.AppendUint32(nil, uint32(n))}
}

func ggufFloat(f float64) ggufValue {
	return ggufValue{kind: ggufF32, raw: binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(f)))}
}

func ggufFlag(on bool) ggufValue {
	v := ggufValue{kind: ggufBool, raw: []byte{0}}
	if on {
		v.raw[0] = 1
	}
	return v
}

func ggufFlags(list []bool) ggufValue {
	v := ggufValue{kind: ggufBool, array: true}
	for _, on := range list {
		v.raw = append(v.raw, ggufFlag(on).raw...)
	}
	return v
}

func ggufFloats(list []float32) ggufValue {
	v := ggufValue{kind: ggufF32, array: true}
	for _, f := range list {
		v.raw = binary.LittleEndian.AppendUint32(v.raw, math.Float32bits(f))
	}
	return v
}

func ggufInts(list []int32) ggufValue {
	v := ggufValue{kind: ggufI32, array: true}
	for _, n := range list {
		v.raw = binary.LittleEndian.AppendUint32(v.raw, uint32(n))
	}
	return v
}

// ggufOut is a tensor to write.
type ggufOut struct {
	name   string
	number uint32 // of its format
	shape  []int  // outermost first
	values func() ([]float32, error)
}

// ggufNumber is the number of a format in GGUF files.
func ggufNumber(dtype DType) (uint32, bool) {
	for number, format := range ggufFormats {
		if format.name == string(dtype) {
			return number, true
		}
	}
	return 0, false
}

func (t ggufOut) bytes() int64 {
	format := ggufFormats[t.number]
	return int64(Info{Shape: t.shape}.Elements()) / format.block * format.bytes
}

// aligned is n, or the next multiple of the alignment.
func aligned(n int64) int64 { return (n + ggufAlignment - 1) / ggufAlignment * ggufAlignment }

// writeGGUF writes a GGUF file of version 3, one tensor in memory at a time. The
// file appears under its name when it is whole and on the disk; on an error none
// does.
func writeGGUF(ctx context.Context, path string, keys []ggufKey, tensors []ggufOut) error {
	return whole.File(path, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, chunk)
		if _, err := out.Write(ggufHeader(keys, tensors)); err != nil {
			return err
		}
		for _, t := range tensors {
			if err := ctx.Err(); err != nil {
				return err
			}
			values, err := t.values()
			if err == nil {
				err = t.encode(out, values)
			}
			if err != nil {
				return fmt.Errorf("tensor %q: %w", t.name, err)
			}
		}
		return out.Flush()
	})
}

// ggufHeader is all that stands before the tensors.
func ggufHeader(keys []ggufKey, tensors []ggufOut) []byte {
	le := binary.LittleEndian
	b := append([]byte("GGUF"), 3, 0, 0, 0)
	b = le.AppendUint64(b, uint64(len(tensors)))
	b = le.AppendUint64(b, uint64(len(keys)))
	text := func(s string) { b = append(le.AppendUint64(b, uint64(len(s))), s...) }
	for _, key := range keys {
		text(key.name)
		if key.value.array {
			b = le.AppendUint32(b, ggufArray)
		}
		b = le.AppendUint32(b, key.value.kind)
		if key.value.array {
			b = le.AppendUint64(b, uint64(key.value.len()))
		}
		for _, s := range key.value.strings {
			text(s)
		}
		b = append(b, key.value.raw...)
	}
	var offset int64
	for _, t := range tensors {
		text(t.name)
		b = le.AppendUint32(b, uint32(len(t.shape)))
		for i := range t.shape {
			b = le.AppendUint64(b, uint64(t.shape[len(t.shape)-1-i]))
		}
		b = le.AppendUint32(b, t.number)
		b = le.AppendUint64(b, uint64(offset))
		offset += aligned(t.bytes())
	}
	return append(b, make([]byte, aligned(int64(len(b)))-int64(len(b)))...)
}

// encode writes a tensor's values and what fills up to the next one's place.
func (t ggufOut) encode(out io.Writer, values []float32) error {
	format := ggufFormats[t.number]
	plain := Tensor{Name: t.name, DType: format.plain, Shape: t.shape}
	if want := (Info{Shape: t.shape}).Elements(); len(values) != want {
		return fmt.Errorf("%d values; shape %v needs %d", len(values), t.shape, want)
	}
	if format.plain != "" {
		if err := encode(out, plain, values); err != nil {
			return err
		}
	}
	for from := 0; format.plain == "" && from < len(values); from += 32 {
		block, ok := appendQ8_0(make([]byte, 0, 34), values[from:from+32])
		if !ok {
			return fmt.Errorf("values %d to %d have a scale beyond what Q8_0 can hold; choose F32", from, from+31)
		}
		if _, err := out.Write(block); err != nil {
			return err
		}
	}
	_, err := out.Write(make([]byte, aligned(t.bytes())-t.bytes()))
	return err
}

// appendQ8_0 appends a block of 32 values: the scale that makes the largest 127, and
// each value in steps of it, rounded to nearest with halves away from zero, bit for
// bit as the Python package gguf does. It is false where the scale overflows.
func appendQ8_0(block []byte, values []float32) ([]byte, bool) {
	var most float32
	for _, v := range values {
		most = max(most, float32(math.Abs(float64(v))))
	}
	scale := most / 127
	steps := 1 / scale
	if math.IsInf(float64(steps), 0) { // of zeros, or of what the scale cannot tell from them
		steps = 0
	}
	half := f16FromFloat32(scale)
	block = binary.LittleEndian.AppendUint16(block, half)
	for _, v := range values {
		block = append(block, byte(int8(math.Round(float64(v*steps)))))
	}
	return block, half != 0x7c00
}
