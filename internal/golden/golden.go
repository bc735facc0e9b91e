// Package golden reads parity files made by the Python under parity/ and
// compares values with them. Only tests import it. Go never writes a golden: it
// knows nothing of models, and reads safetensors by itself so that the tests of
// every package, weights among them, can use it.
//
// A golden folder holds NAME.json, the header that says what made it, and
// NAME.safetensors, named arrays of float32 or int32.
package golden

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Header says what made a golden.
type Header struct {
	Maker     string               `json:"maker"`     // script, relative to the repository
	Versions  map[string]string    `json:"versions"`  // of the Python packages
	Seed      int64                `json:"seed"`      // of the random generators
	DType     string               `json:"dtype"`     // of the computation
	Tolerance map[string]Tolerance `json:"tolerance"` // by the array's name up to its first dot
	Values    json.RawMessage      `json:"values"`    // facts that are no arrays
}

// Check reports what a header lacks.
func (h Header) Check() error {
	var problems []error
	for _, field := range []struct {
		name    string
		missing bool
	}{
		{"maker", h.Maker == ""},
		{"versions", len(h.Versions) == 0},
		{"dtype", h.DType == ""},
		{"tolerance", len(h.Tolerance) == 0},
	} {
		if field.missing {
			problems = append(problems, fmt.Errorf("no %q in the header; expected what made the golden; make it again with parity/make_all.sh", field.name))
		}
	}
	return errors.Join(problems...)
}

// Tolerance is how far got may be from want: Absolute + Relative*|want|.
type Tolerance struct{ Absolute, Relative float64 }

// UnmarshalJSON reads [absolute, relative].
func (t *Tolerance) UnmarshalJSON(data []byte) error {
	var pair []float64
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if len(pair) != 2 || pair[0] < 0 || pair[1] < 0 {
		return fmt.Errorf("tolerance %s; expected [absolute, relative], neither negative", data)
	}
	t.Absolute, t.Relative = pair[0], pair[1]
	return nil
}

// Array is one named array in row-major order; one of Floats and Ints is set.
type Array struct {
	Shape  []int
	Floats []float32
	Ints   []int32
}

// Golden is one golden in memory.
type Golden struct {
	Header
	arrays map[string]Array
}

// Load reads golden.json and golden.safetensors of a folder, and fails the test
// if they cannot be read.
func Load(t testing.TB, folder string) *Golden {
	t.Helper()
	return LoadNamed(t, folder, "golden")
}

// LoadNamed is Load for folder/name.json and folder/name.safetensors.
func LoadNamed(t testing.TB, folder, name string) *Golden {
	t.Helper()
	g := &Golden{}
	ReadJSON(t, filepath.Join(folder, name+".json"), &g.Header)
	if err := g.Check(); err != nil {
		t.Fatalf("%s: %v", filepath.Join(folder, name+".json"), err)
	}
	g.arrays = Arrays(t, filepath.Join(folder, name+".safetensors"))
	return g
}

// Arrays reads the named arrays of a safetensors file, such as the weights of a
// tiny model, and fails the test if it cannot.
func Arrays(t testing.TB, path string) map[string]Array {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	arrays, err := parse(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return arrays
}

// Decode reads the header's values into v, a pointer to a struct.
func (g *Golden) Decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(g.Values, v); err != nil {
		t.Fatalf("golden values: %v", err)
	}
}

// Names gives the sorted names of the arrays that start with prefix.
func (g *Golden) Names(prefix string) []string {
	var names []string
	for name := range g.arrays {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Array gives a named array, and fails the test if there is none.
func (g *Golden) Array(t testing.TB, name string) Array {
	t.Helper()
	a, ok := g.arrays[name]
	if !ok {
		t.Fatalf("golden has no array %q; it has %q", name, g.Names(""))
	}
	return a
}

// Floats gives the values of a float32 array.
func (g *Golden) Floats(t testing.TB, name string) []float32 {
	t.Helper()
	a := g.Array(t, name)
	if a.Floats == nil {
		t.Fatalf("golden array %q holds int32; expected float32", name)
	}
	return a.Floats
}

// Ints gives the values of an int32 array.
func (g *Golden) Ints(t testing.TB, name string) []int32 {
	t.Helper()
	a := g.Array(t, name)
	if a.Ints == nil {
		t.Fatalf("golden array %q holds float32; expected int32", name)
	}
	return a.Ints
}

// ToleranceOf gives the header's tolerance for an array.
func (g *Golden) ToleranceOf(t testing.TB, name string) Tolerance {
	t.Helper()
	kind, _, _ := strings.Cut(name, ".")
	tolerance, ok := g.Tolerance[kind]
	if !ok {
		t.Fatalf("golden has no tolerance for %q (of array %q)", kind, name)
	}
	return tolerance
}

// Compare reports an error if got is further from the named array than the
// header's tolerance. It gives the share of the tolerance that the worst
// element uses.
func (g *Golden) Compare(t testing.TB, name string, got []float32) float64 {
	t.Helper()
	return Compare(t, name, got, g.Floats(t, name), g.ToleranceOf(t, name))
}

// Largest is the largest difference of got from the named array.
func (g *Golden) Largest(t testing.TB, name string, got []float32) (largest float64) {
	t.Helper()
	for i, want := range g.Floats(t, name) {
		largest = max(largest, math.Abs(float64(got[i])-float64(want)))
	}
	return largest
}

// Compare reports an error if an element of got is further from want's than the
// tolerance, and names the worst. It gives the share of the tolerance that the
// worst element uses.
func Compare(t testing.TB, name string, got, want []float32, tolerance Tolerance) float64 {
	t.Helper()
	worst, err := Diff(got, want, tolerance)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return worst.Used
}

// Worst is the element that uses most of its tolerance.
type Worst struct {
	Index     int
	Got, Want float32
	Used      float64 // |got-want| over the tolerance; +Inf where one of them is no number
	Beyond    int     // how many elements are outside the tolerance
}

// Diff finds the worst element. The error is nil if every element is within the
// tolerance.
func Diff(got, want []float32, tolerance Tolerance) (Worst, error) {
	if len(got) != len(want) {
		return Worst{Used: math.Inf(1)}, fmt.Errorf("got %d elements; want %d", len(got), len(want))
	}
	worst := Worst{Index: -1}
	for i := range want {
		used := share(float64(got[i]), float64(want[i]), tolerance)
		if used > 1 {
			worst.Beyond++
		}
		if worst.Index < 0 || used > worst.Used {
			worst.Index, worst.Got, worst.Want, worst.Used = i, got[i], want[i], used
		}
	}
	if worst.Beyond == 0 {
		return worst, nil
	}
	return worst, fmt.Errorf("%d of %d elements are outside the tolerance of %g + %g*|want|; worst at %d: got %g, want %g (%.3g times the tolerance)",
		worst.Beyond, len(want), tolerance.Absolute, tolerance.Relative, worst.Index, worst.Got, worst.Want, worst.Used)
}

// share is |got-want| over the tolerance at want.
func share(got, want float64, tolerance Tolerance) float64 {
	if got == want {
		return 0
	}
	used := math.Abs(got-want) / (tolerance.Absolute + tolerance.Relative*math.Abs(want))
	if math.IsNaN(used) {
		return math.Inf(1)
	}
	return used
}

// Near says whether got is want within a distance. What is no number is near
// nothing, itself not either, where |got-want| > within is false of it and such a
// check passes.
func Near[F float32 | float64](got, want F, within float64) bool {
	return got == want || math.Abs(float64(got)-float64(want)) <= within
}

// ReadJSON reads a JSON file, gzipped if its name ends in .gz, into v, and fails
// the test if it cannot.
func ReadJSON(t testing.TB, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// parse reads the arrays of a safetensors file.
// Format: https://huggingface.co/docs/safetensors, "Format".
func parse(data []byte) (map[string]Array, error) {
	if len(data) < 8 {
		return nil, fmt.Errorf("%d bytes; expected a safetensors file", len(data))
	}
	size := binary.LittleEndian.Uint64(data)
	if size > uint64(len(data)-8) {
		return nil, fmt.Errorf("header of %d bytes in a file of %d", size, len(data))
	}
	var header map[string]struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	raw, body := data[8:8+size], data[8+size:]
	if err := json.Unmarshal(raw, &header); err != nil {
		return nil, err
	}
	delete(header, "__metadata__")
	arrays := make(map[string]Array, len(header))
	for name, entry := range header {
		begin, end := entry.Offsets[0], entry.Offsets[1]
		if begin < 0 || begin > end || end > len(body) || (end-begin)%4 != 0 {
			return nil, fmt.Errorf("array %q at bytes %d to %d of %d", name, begin, end, len(body))
		}
		n := (end - begin) / 4
		if elements := elementsOf(entry.Shape, n); elements != n {
			return nil, fmt.Errorf("array %q of shape %v has %d elements", name, entry.Shape, n)
		}
		a := Array{Shape: entry.Shape}
		switch entry.DType {
		case "F32":
			a.Floats = make([]float32, n)
			for i := range a.Floats {
				a.Floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[begin+4*i:]))
			}
		case "I32":
			a.Ints = make([]int32, n)
			for i := range a.Ints {
				a.Ints[i] = int32(binary.LittleEndian.Uint32(body[begin+4*i:]))
			}
		default:
			return nil, fmt.Errorf("array %q has dtype %q; expected F32 or I32", name, entry.DType)
		}
		arrays[name] = a
	}
	return arrays, nil
}

// elementsOf is the product of a shape, or -1 if it is negative or above limit.
func elementsOf(shape []int, limit int) int {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return -1
		}
		if d > 0 && n > limit/d {
			return -1
		}
		n *= d
	}
	return n
}
