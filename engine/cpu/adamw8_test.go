package cpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"gorqa/internal/golden"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

func newMoments8(n int) Moments8 {
	return Moments8{make([]uint8, n), make([]uint8, n), make([]float32, MomentBlocks(n)), make([]float32, MomentBlocks(n))}
}

// formula is that of parity/make_adamw8.py.
func formula(n, t int) []float32 {
	out := make([]float32, n)
	for i := range out {
		hashed := ((i+1)*2654435761 + (t+1)*40503*(i+3)) % 65536
		out[i] = float32(math.Ldexp(float64(hashed-32768)/32768, -(i+t)%9))
	}
	return out
}

// TestAdamW8StepsAsBitsandbytes holds codes, blocks' sizes and weights against those of bitsandbytes.
func TestAdamW8StepsAsBitsandbytes(t *testing.T) { withEachISA(t, testAdamW8) }

func testAdamW8(t *testing.T) {
	g := golden.LoadNamed(t, "testdata", "adamw8")
	g.Compare(t, "map.signed", DynamicMap(true))
	g.Compare(t, "map.unsigned", DynamicMap(false))
	var values struct {
		LR    float64 `json:"lr"`
		Decay float64 `json:"weight_decay"`
		Steps int     `json:"steps"`
		N     int     `json:"n"`
	}
	g.Decode(t, &values)
	w, m := formula(values.N, 0), newMoments8(values.N)
	for step := 1; step <= values.Steps; step++ {
		s := AdamWStep{
			Scale: 1, Rate: float32(values.LR / (1 - math.Pow(0.9, float64(step)))), Root: float32(1 / math.Sqrt(1-math.Pow(0.999, float64(step)))),
			Keep: float32(1 - values.LR*values.Decay), Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8,
		}
		if err := AdamW8(s, w, m, formula(values.N, step)); err != nil {
			t.Fatal(err)
		}
		if step != 1 && step != values.Steps {
			continue
		}
		for name, codes := range map[string][]uint8{"mean": m.Mean, "square": m.Square} {
			name = fmt.Sprintf("%s.%d", name, step)
			other := 0
			for i, want := range g.Ints(t, name) {
				if d := int32(codes[i]) - want; d < -1 || d > 1 {
					t.Fatalf("%s: code %d is %d; expected %d", name, i, codes[i], want)
				} else if d != 0 {
					other++
				}
			}
			t.Logf("%s: %d of %d codes are the next one", name, other, len(codes))
			if other > len(codes)/50 {
				t.Errorf("%s: %d of %d codes are the next one", name, other, len(codes))
			}
		}
		g.Compare(t, fmt.Sprintf("max.mean.%d", step), m.MeanMax)
		g.Compare(t, fmt.Sprintf("max.square.%d", step), m.SquareMax)
		g.Compare(t, fmt.Sprintf("weight.%d", step), w)
	}
}

// TestAdamW8IsTheSameOverProcessorsAndParts: blocks stand alone, so a weight moved by its
// parts is that moved as a whole, and a split one keeps to its bf16.
func TestAdamW8IsTheSameOverProcessorsAndParts(t *testing.T) { withEachISA(t, testAdamW8Parts) }

func testAdamW8Parts(t *testing.T) {
	const n, cut = 3*smallestSum + 5, 40 * MomentBlock
	s := AdamWStep{Scale: 0.5, Rate: 1e-2, Root: 1.5, Keep: 0.99, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
	whole, parts, split := formula(n, 0), formula(n, 0), SplitWeight{make([]bfloat16.BFloat16, n), make([]int16, n)}
	a, b, c := newMoments8(n), newMoments8(n), newMoments8(n)
	if err := split.Split(whole); err != nil {
		t.Fatal(err)
	}
	for step := range 3 {
		g := formula(n, step+1)
		first := Moments8{b.Mean[:cut], b.Square[:cut], b.MeanMax[:40], b.SquareMax[:40]}
		rest := Moments8{b.Mean[cut:], b.Square[cut:], b.MeanMax[40:], b.SquareMax[40:]}
		if err := errors.Join(AdamW8(s, whole, a, g), AdamW8(s, parts[cut:], rest, g[cut:]), AdamW8(s, parts[:cut], first, g[:cut]), AdamW8Split(s, split, c, g)); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(whole, parts) || !slices.Equal(a.Mean, b.Mean) || !slices.Equal(a.Square, b.Square) || !slices.Equal(a.SquareMax, b.SquareMax) {
		t.Error("parts are moved other than the whole")
	}
	joined := make([]float32, n)
	if err := split.Join(joined); err != nil || !slices.Equal(a.Mean, c.Mean) {
		t.Errorf("the moments of a split weight are others (%v)", err)
	}
	for i := range joined {
		if !golden.Near(joined[i], whole[i], 1e-6) {
			t.Fatalf("split weight %d is %v; expected %v", i, joined[i], whole[i])
		}
	}
	two := make([]float32, 2)
	if AdamW8(s, two, newMoments8(1), two) == nil || AdamW8(s, two, Moments8{Mean: make([]uint8, 2)}, two) == nil || AdamW8Split(s, SplitWeight{}, newMoments8(2), two) == nil {
		t.Error("moments that do not fit are taken")
	}
}

func BenchmarkAdamW8(b *testing.B) {
	const n = 1 << 23
	m, g := newMoments8(n), make([]float32, n)
	w := SplitWeight{make([]bfloat16.BFloat16, n), make([]int16, n)}
	b.SetBytes(n * (4 + 2*4 + 2*2))
	for b.Loop() {
		if err := AdamW8Split(AdamWStep{Scale: 1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}, w, m, g); err != nil {
			b.Fatal(err)
		}
	}
}
