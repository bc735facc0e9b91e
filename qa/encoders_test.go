package qa

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorqa/files/modelfile"
	"gorqa/files/wheel"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/text/retrieve"
)

// encodersGolden are the vectors that sentence-transformers has for texts, by models of
// each family of encoders.
type encodersGolden struct {
	golden.Header
	Values struct {
		Texts  []string `json:"texts"`
		Models map[string]struct {
			Queries  [][]float32 `json:"queries"`
			Passages [][]float32 `json:"passages"`
		} `json:"models"`
	} `json:"values"`
}

// readEncoders reads the golden of the repository, or the larger one that
// parity/make_encoders.py --out has written.
func readEncoders(t *testing.T) (g encodersGolden) {
	t.Helper()
	path := "testdata/encoders.json"
	if other := os.Getenv("GORQA_ENCODERS"); other != "" {
		path = other
	}
	golden.ReadJSON(t, path, &g)
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	return g
}

// besideOr is a model's folder beside a golden that parity/check_embedder.py wrote, or in
// the repository.
func besideOr(file, kind, name string) string {
	if beside := filepath.Join(filepath.Dir(file), kind, name); file != "" && modelfile.Exists(beside) {
		return beside
	}
	return filepath.Join("testdata", kind, name)
}

// Each family has the vectors of sentence-transformers, on the host and in graphs.
func TestEncoderFamilies(t *testing.T) {
	g := readEncoders(t)
	e := enginetest.Open(t)
	for name, want := range g.Values.Models {
		t.Run(name, func(t *testing.T) {
			folder := besideOr(os.Getenv("GORQA_ENCODERS"), "encoders", name)
			x, err := OpenEmbedder(t.Context(), Device{Engine: e}, folder, name)
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			if len(x.unused) > 0 {
				t.Errorf("tensors left out: %v", x.unused)
			}
			worst := 0.0
			for _, c := range []struct {
				kind retrieve.Kind
				want [][]float32
			}{{retrieve.Query, want.Queries}, {retrieve.Passage, want.Passages}} {
				texts := g.Values.Texts[:len(c.want)]
				got, err := x.Embed(t.Context(), texts, c.kind)
				if err != nil {
					t.Fatal(err)
				}
				for i := range got {
					golden.Compare(t, fmt.Sprintf("%s %q", c.kind, texts[i]), got[i], c.want[i], g.Tolerance["vector"])
					worst = max(worst, apart(got[i], c.want[i]))
				}
			}
			t.Logf("| %s | %d texts, %d queries | %.1e |", name, len(want.Passages), len(want.Queries), worst)
		})
	}
}

// apart is the largest difference of two vectors' numbers, over the largest of these where
// that is above 1.
func apart(got, want []float32) float64 {
	worst, largest := 0.0, 1.0
	for j := range got {
		worst = max(worst, math.Abs(float64(got[j]-want[j])))
		largest = max(largest, math.Abs(float64(want[j])))
	}
	return worst / largest
}

func TestEncoderOf(t *testing.T) {
	var all []string
	for _, f := range encoders() {
		for _, kind := range f.types {
			if slices.Contains(all, kind) {
				t.Errorf("%s is listed twice", kind)
			}
			all = append(all, kind)
		}
	}
	for _, test := range []struct{ name, why, config, want string }{
		{"near", "the error names what is like it", `{"model_type":"deberta-v2"}`, `model_type is "deberta-v2"; expected one of albert, bert,`},
		{"nearest", "the error names what is like it", `{"model_type":"deberta-v2"}`, "near it is roberta"},
		{"none", "nothing is said", `{}`, `model_type is ""`},
		{"broken", "the file is named", `{`, "config.json"},
	} {
		if _, err := encoderOf([]byte(test.config)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v; want one with %q (%s)", test.name, err, test.want, test.why)
		}
	}
}

func TestCutRow(t *testing.T) {
	for _, test := range []struct {
		name, why     string
		row           []int32
		before, after int
		first         bool
		want          []int32
	}{
		{"fits", "nothing is cut", []int32{1, 5, 6, 2}, 1, 1, false, []int32{1, 5, 6, 2}},
		{"end", "the closing token stays", []int32{1, 5, 6, 7, 8, 2}, 1, 1, false, []int32{1, 5, 6, 2}},
		{"no opening token", "as T5 has it", []int32{5, 6, 7, 8, 2}, 0, 1, false, []int32{5, 6, 7, 2}},
		{"no closing token", "as some decoders have it", []int32{1, 5, 6, 7, 8}, 1, 0, false, []int32{1, 5, 6, 7}},
		{"beginning", "truncation_side left", []int32{1, 5, 6, 7, 8, 2}, 1, 1, true, []int32{1, 7, 8, 2}},
	} {
		if got := cutRow(slices.Clone(test.row), test.before, test.after, 4, test.first); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v; want %v (%s)", test.name, got, test.want, test.why)
		}
	}
}

// all-mpnet-base-v2 has the vectors of sentence-transformers, where it has been fetched.
func TestMPNet(t *testing.T) {
	var g struct {
		golden.Header
		Values struct {
			Texts   []string    `json:"texts"`
			Vectors [][]float32 `json:"vectors"`
		} `json:"values"`
	}
	golden.ReadJSON(t, cmp.Or(os.Getenv("GORQA_MPNET"), "testdata/mpnet.json"), &g)
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	cache, err := wheel.Cache()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "models", "all-mpnet-base-v2")
	if _, err := os.Stat(folder); err != nil {
		t.Skip("gorqa fetch model all-mpnet-base-v2 (404 MB) has not been run")
	}
	x, err := OpenEmbedder(t.Context(), Device{Engine: enginetest.Open(t)}, folder, "all-mpnet-base-v2")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	got, err := x.Embed(t.Context(), g.Values.Texts, retrieve.Passage)
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for i := range got {
		golden.Compare(t, g.Values.Texts[i], got[i], g.Values.Vectors[i], g.Tolerance["vector"])
		worst = max(worst, apart(got[i], g.Values.Vectors[i]))
	}
	t.Logf("| all-mpnet-base-v2 | %d texts | %.1e |", len(got), worst)
}
