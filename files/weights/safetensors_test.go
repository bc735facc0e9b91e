package weights

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSafetensorsRoundTrip(t *testing.T) {
	long := make([]float32, 3*chunk/4+5) // several chunks, the last one odd
	for i := range long {
		long[i] = float32(i) / 3
	}
	path := filepath.Join(t.TempDir(), "state.safetensors")
	give := func(v any) func() (any, error) { return func() (any, error) { return v, nil } }
	tensors := []Tensor{
		{"bits", BF16, []int{3}, give([]uint16{0x3f80, 0x7fc0, 1})},
		{"half", F16, []int{2, 1}, give([]uint16{0x3c00, 0x0001})},
		{"long", F32, []int{len(long)}, give(long)},
		{"rounded", BF16, []int{2, 2}, give([]float32{1, 1.00390625, 1.01171875, -3})}, // ties go to even
		{"step", U32, nil, give([]uint32{math.MaxUint32})},
		{"ids", I32, []int{3}, give([]int32{-1, 0, math.MaxInt32})},
		{"empty", F32, []int{0, 5}, give([]float32{})},
	}
	metadata := map[string]string{"epoch": "1", "note": "<&>\n\"ü\""}
	if err := WriteSafetensors(t.Context(), path, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	f, err := ReadSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if diff := cmp.Diff(metadata, f.Metadata()); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"long", "step", "ids", "empty", "bits", "half", "rounded"}, f.Names()); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	floats := map[string][]float32{
		"half": {1, 1.0 / (1 << 24)}, "long": long, "rounded": {1, 1, 1.015625, -3}, "empty": {},
	}
	for name, want := range floats {
		got, err := f.Float32(name)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	bits, err := f.Float32("bits")
	if err != nil || bits[0] != 1 || bits[1] == bits[1] || math.Float32bits(bits[2]) != 1<<16 {
		t.Errorf("bits are %v, %v", bits, err)
	}
	if got, err := f.Uint32("step"); err != nil || !cmp.Equal(got, []uint32{math.MaxUint32}) {
		t.Errorf("step is %v, %v", got, err)
	}
	if got, err := f.Int32("ids"); err != nil || !cmp.Equal(got, []int32{-1, 0, math.MaxInt32}) {
		t.Errorf("ids are %v, %v", got, err)
	}
	if info, ok := f.Info("rounded"); !ok || info.DType != BF16 || !cmp.Equal(info.Shape, []int{2, 2}) {
		t.Errorf("info is %+v, %v", info, ok)
	}
	for name, read := range map[string]func() error{
		"no tensor":          func() error { _, err := f.Float32("none"); return err },
		"expected I32":       func() error { _, err := f.Int32("step"); return err },
		"expected F32, F16":  func() error { _, err := f.Float32("ids"); return err },
		"format F32":         func() error { _, err := f.Uint32("long"); return err },
		"among its 7":        func() error { _, err := f.Uint32("none"); return err },
		"state.safetensors:": func() error { _, err := f.Int32("none"); return err },
	} {
		if err := read(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v; want %q", err, name)
		}
	}
}

func TestWriteSafetensorsErrors(t *testing.T) {
	give := func(v any) func() (any, error) { return func() (any, error) { return v, nil } }
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name, why string
		ctx       context.Context
		tensors   []Tensor
		want      string
	}{
		{"twice", "one would be lost", t.Context(), []Tensor{{"a", F32, nil, give(nil)}, {"a", F32, nil, give(nil)}}, `"a": stands twice`},
		{"name", "the header's own key", t.Context(), []Tensor{{"__metadata__", F32, nil, give(nil)}}, "is no name"},
		{"format", "not written", t.Context(), []Tensor{{"a", "F64", nil, give(nil)}}, `format "F64"`},
		{"shape", "negative", t.Context(), []Tensor{{"a", F32, []int{-1}, give(nil)}}, "[-1]"},
		{"no data", "a caller's slip", t.Context(), []Tensor{{"a", F32, nil, nil}}, "no Data"},
		{"count", "the header would lie", t.Context(), []Tensor{{"a", F32, []int{2}, give([]float32{1})}}, "returned 1 values; shape [2] needs 2"},
		{"type", "integers as floats", t.Context(), []Tensor{{"a", F32, []int{1}, give([]int32{1})}}, "[]int32, which is not stored as F32"},
		{"source", "its error comes through", t.Context(), []Tensor{{"a", F32, nil, func() (any, error) { return nil, errors.New("device lost") }}}, `"a": device lost`},
		{"cancelled", "Ctrl-C", cancelled, []Tensor{{"a", F32, nil, give([]float32{1})}}, "context canceled"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x.safetensors")
			err := WriteSafetensors(test.ctx, path, test.tensors, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v; want %q and the path in it (%s)", err, test.want, test.why)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

// st puts a header and data together.
func st(header string, data ...byte) []byte {
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), data...)
}

func TestReadSafetensorsErrors(t *testing.T) {
	tests := []struct {
		name, why string
		data      []byte
		want      string
	}{
		{"empty", "an interrupted copy", nil, "byte 0: the file has 0 bytes"},
		{"huge header", "must not be allocated", binary.LittleEndian.AppendUint64(nil, 1<<62), "byte 0: the header's length is 4611686018427387904"},
		{"cut header", "a truncated download", st(`{"a":{"dtype":"F32"`)[:20], "byte 0: the header's length"},
		{"no JSON", "some other file", st(`hello`), "byte 8: no JSON object"},
		{"unfinished", "no closing brace", st(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}`, 0, 0, 0, 0), "the header does not end"},
		{"trailing", "who wrote this?", st(`{} {}`), "more after"},
		{"twice", "which one counts?", st(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`), `tensor "a" stands twice`},
		{"metadata", "text only", st(`{"__metadata__":{"a":1}}`), "__metadata__"},
		{"format", "not in the format", st(`{"a":{"dtype":"F3","shape":[],"data_offsets":[0,4]}}`, 0, 0, 0, 0), `format "F3" is not known`},
		{"negative", "no such size", st(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 0, 0, 0, 0), `tensor "a"`},
		{"no offsets", "where is it?", st(`{"a":{"dtype":"F32","shape":[]}}`), "no pair of data_offsets"},
		{"order", "end before begin", st(`{"a":{"dtype":"F32","shape":[],"data_offsets":[4,0]}}`, 0, 0, 0, 0), "data_offsets are 4 and 0"},
		{"beyond", "a truncated download", st(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 0, 0, 0, 0), "at most 4"},
		{"size", "shape and bytes disagree", st(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 0, 0, 0, 0), "4 bytes for shape [2] of F32"},
		{"overflow", "sizes multiply past 64 bits", st(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`), "0 bytes for shape"},
		{"overlap", "two tensors in one place", st(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 0, 0, 0), `tensor "b" begins at byte`},
		{"hole", "bytes that are nobody's", st(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 0, 0), `tensor "a" begins at byte`},
		{"rest", "bytes that are nobody's", st(`{}`, 0), "1 bytes after the last tensor"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.safetensors")
			if err := os.WriteFile(path, test.data, 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := ReadSafetensors(path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), path+": byte ") {
				t.Errorf("error %v; want %q with path and byte (%s)", err, test.want, test.why)
			}
		})
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add(st(`{}`))
	f.Add(st(`{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]}}  `, 0, 0, 128, 63, 1, 2, 3, 4))
	f.Add(st(`{"a":{"dtype":"F32","shape":[4294967296,0,4294967296],"data_offsets":[0,0]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseSafetensors("fuzz", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for _, name := range file.Names() {
			info, _ := file.Info(name)
			values, err := file.Float32(name)
			switch info.DType {
			case F32, F16, BF16:
				if err != nil || len(values) != info.Elements() {
					t.Errorf("%q: %d values, %v; want %d", name, len(values), err, info.Elements())
				}
			default:
				if err == nil {
					t.Errorf("%q of %s came as float32", name, info.DType)
				}
			}
		}
	})
}

func TestBF16Rounding(t *testing.T) {
	tests := []struct {
		name, why string
		bits      uint32
		want      uint16
	}{
		{"one", "exact", 0x3f800000, 0x3f80},
		{"tie down", "to even", 0x3f808000, 0x3f80},
		{"tie up", "to even", 0x3f818000, 0x3f82},
		{"above tie", "up", 0x3f808001, 0x3f81},
		{"largest", "to infinity, as torch does", 0x7f7fffff, 0x7f80},
		{"infinity", "stays", 0xff800000, 0xff80},
		{"NaN in low bits", "must not become infinity", 0x7f800001, 0x7fc0},
		{"negative zero", "keeps its sign", 0x80000000, 0x8000},
		{"subnormal", "rounds too", 0x00018000, 0x0002},
	}
	for _, test := range tests {
		if got := bf16FromFloat32(math.Float32frombits(test.bits)); got != test.want {
			t.Errorf("%s: %#x becomes %#x; want %#x (%s)", test.name, test.bits, got, test.want, test.why)
		}
	}
}
