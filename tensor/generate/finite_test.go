package generate

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"gorqa/internal/golden"
)

var nan, inf = float32(math.NaN()), float32(math.Inf(1))

func TestNoNumber(t *testing.T) {
	for _, c := range []struct {
		name, why string
		logits    []float32
		want      int32
	}{
		{"largest", "the usual case", []float32{-3, 2, 1}, 1},
		{"first", "of several", []float32{1, 2, 2}, 1},
		{"negative", "none above zero", []float32{-3, -2, -1}, 2},
		{"all", "hidden states that are no numbers", []float32{nan, nan, nan}, noNumber},
		{"last", "compares as nothing", []float32{1, 2, nan}, noNumber},
		{"infinite", "an overflow", []float32{1, inf, 2}, noNumber},
		{"nothing", "no token is possible", []float32{-inf, -inf}, noNumber},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := likeliest(c.logits); got != c.want {
				t.Errorf("likeliest %d; want %d (%s)", got, c.want, c.why)
			}
			drawn := DefaultSampling().draw(c.logits, rand.New(rand.NewPCG(1, 2)))
			if (drawn == noNumber) != (c.want == noNumber) {
				t.Errorf("drawn %d; want noNumber only where it is the likeliest, %d (%s)", drawn, c.want, c.why)
			}
		})
	}
}

// A model whose weights are numbers and whose logits are none says so, and does not
// answer with token 0.
func TestGenerateNoNumber(t *testing.T) {
	folder := filepath.Join("..", "arch", "llama", "testdata", "llama")
	config, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	arrays := golden.Arrays(t, filepath.Join(folder, "model.safetensors"))
	m, r := place(t, config, false, func(name string) ([]float32, error) {
		values := arrays[name].Floats
		if name == "model.norm.weight" {
			for i := range values {
				values[i] = 3e38
			}
		}
		return values, nil
	})
	for _, way := range []string{"host", "graphs"} {
		for _, sample := range []*Sampling{nil, {Temperature: 1, TopP: 1}} {
			g := New(m, r)
			g.device.Native = g.device.Native && way != "graphs"
			opt := DefaultOptions()
			opt.MaxNewTokens, opt.Sample = 3, sample
			if _, err := g.Generate(t.Context(), Plain([][]int32{{1, 2, 3}}), opt); !errors.Is(err, errNoNumber) {
				t.Errorf("%s, sampling %v: error %v; want that logits are not finite", way, sample != nil, err)
			}
		}
	}
}

func TestSearchNoNumber(t *testing.T) {
	opt := DefaultBeams()
	opt.Beams = 2
	s := newSearch(opt)
	got := s.firsts([]float32{-1, -2, nan, nan})
	if len(got) != 2 || got[0] != -1 || got[1] == got[1] {
		t.Errorf("firsts %v; want -1 and NaN", got)
	}
}
