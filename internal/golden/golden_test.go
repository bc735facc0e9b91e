package golden

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func file(header string, words ...uint32) []byte {
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	data = append(data, header...)
	for _, w := range words {
		data = binary.LittleEndian.AppendUint32(data, w)
	}
	return data
}

func TestDiff(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	tolerance := Tolerance{Absolute: 0.1, Relative: 0.01}
	tests := []struct {
		name, why string
		got, want []float32
		message   string // "" for within the tolerance
		index     int
	}{
		{"equal", "nothing to report", []float32{1, 2}, []float32{1, 2}, "", 0},
		{"empty", "no element is outside", nil, nil, "", -1},
		{"within", "absolute and relative add up", []float32{0.05, 101}, []float32{0, 100}, "", 1},
		{"outside", "the worst is named, not the first", []float32{0.2, 5, 1.3}, []float32{0, 1, 1}, "worst at 1: got 5, want 1", 1},
		{"nan", "a NaN is never near anything", []float32{1, nan}, []float32{1, 1}, "worst at 1: got NaN", 1},
		{"infinite", "infinities of one sign are equal, -Inf masks for one", []float32{inf}, []float32{inf}, "", 0},
		{"one infinite", "an overflow is no match", []float32{inf}, []float32{1}, "1 of 1 elements", 0},
		{"lengths", "a wrong shape must not pass", []float32{1}, []float32{1, 2}, "got 1 elements; want 2", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			worst, err := Diff(test.got, test.want, tolerance)
			if worst.Index != test.index {
				t.Errorf("worst at %d, want %d (%s)", worst.Index, test.index, test.why)
			}
			switch {
			case test.message == "" && err != nil:
				t.Errorf("%v (%s)", err, test.why)
			case test.message != "" && (err == nil || !strings.Contains(err.Error(), test.message)):
				t.Errorf("error %v, want %q (%s)", err, test.message, test.why)
			}
		})
	}
	if _, err := Diff([]float32{1}, []float32{2}, Tolerance{}); err == nil {
		t.Error("no tolerance at all must still see a difference")
	}
}

func TestNear(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, test := range []struct {
		name, why         string
		got, want, within float64
		near              bool
	}{
		{"within", "the distance itself counts", 1.5, 1, 0.5, true},
		{"beyond", "on either side", 0.4, 1, 0.5, false},
		{"got nan", "the fault that |got-want| > within passes", nan, 1, 0.5, false},
		{"want nan", "a golden that is broken", 1, nan, 0.5, false},
		{"both nan", "nothing was computed", nan, nan, 0.5, false},
		{"within nan", "a tolerance that was computed from what is no number", 1, 2, nan, false},
		{"one infinite", "an overflow", inf, 1, 0.5, false},
		{"infinities", "are equal where they have one sign", inf, inf, 0.5, true},
		{"other infinity", "and not where they have two", inf, -inf, 0.5, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if near := Near(test.got, test.want, test.within); near != test.near {
				t.Errorf("near is %t; expected %t: %s", near, test.near, test.why)
			}
		})
	}
	if Near(float32(nan), 1, 1e9) {
		t.Error("a float32 that is no number is near 1")
	}
}

func TestParse(t *testing.T) {
	got, err := parse(file(`{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"s":{"dtype":"I32","shape":[],"data_offsets":[8,12]}}`,
		math.Float32bits(1.5), math.Float32bits(-2), uint32(0xffffffff)))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Array{"a": {Shape: []int{1, 2}, Floats: []float32{1.5, -2}}, "s": {Shape: []int{}, Ints: []int32{-1}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, test := range []struct {
		name, why string
		data      []byte
	}{
		{"short", "not even a length", []byte{1, 2}},
		{"header", "longer than the file", file("{}")[:9]},
		{"json", "no JSON", file("{")},
		{"offsets", "beyond the file", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`)},
		{"shape", "shape and bytes disagree", file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,4]}}`, 0)},
		{"overflow", "the product of the shape overflows", file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, 0)},
		{"dtype", "no type of goldens", file(`{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}`, 0)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parse(test.data); err == nil {
				t.Errorf("no error, though: %s", test.why)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 7))
	f.Add(file(`{"a":{"dtype":"I32","shape":[0],"data_offsets":[0,0]}}`))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		arrays, err := parse(data)
		if err != nil {
			return
		}
		for name, a := range arrays {
			if n := len(a.Floats) + len(a.Ints); n*4 > len(data) {
				t.Errorf("%q has %d elements, the file %d bytes", name, n, len(data))
			}
		}
	})
}

func TestLoad(t *testing.T) {
	folder := t.TempDir()
	for name, data := range map[string][]byte{
		"golden.json":        []byte(`{"maker":"parity/x.py","versions":{"torch":"2.11.0"},"seed":3,"dtype":"float32","tolerance":{"grad":[0.5,0]},"values":{"steps":10}}`),
		"golden.safetensors": file(`{"grad.b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"grad.a":{"dtype":"I32","shape":[1],"data_offsets":[4,8]}}`, math.Float32bits(2), 9),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	g := Load(t, folder)
	if d := cmp.Diff([]string{"grad.a", "grad.b"}, g.Names("grad.")); d != "" {
		t.Error(d)
	}
	var values struct{ Steps int }
	if g.Decode(t, &values); values.Steps != 10 {
		t.Errorf("steps %d, want 10", values.Steps)
	}
	if got := g.Ints(t, "grad.a")[0]; got != 9 {
		t.Errorf("grad.a is %d, want 9", got)
	}
	if used := g.Compare(t, "grad.b", []float32{2.25}); used != 0.5 {
		t.Errorf("used %g of the tolerance, want 0.5", used)
	}
}

func TestHeaderCheck(t *testing.T) {
	err := Header{DType: "float32"}.Check()
	for _, missing := range []string{"maker", "versions", "tolerance"} {
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("error %v does not name %s", err, missing)
		}
	}
}

// Every golden in the tree says what made it and can be read.
func TestGoldensOfTheTree(t *testing.T) {
	headers, err := filepath.Glob("../../tensor/arch/*/testdata/*/*.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, path := range headers {
		if name := strings.TrimSuffix(filepath.Base(path), ".safetensors"); name != "model" {
			g := LoadNamed(t, filepath.Dir(path), name)
			for _, array := range g.Names("") {
				if a := g.Array(t, array); a.Floats != nil {
					g.ToleranceOf(t, array)
				}
			}
			read++
		}
	}
	if read == 0 {
		t.Error("no golden in tensor/arch/*/testdata")
	}
}
