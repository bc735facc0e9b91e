package nn_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gorqa/nn"
)

// TestQuantise: what is quantised is at most half a step off, and blocks as
// Q8_0 has them (a half-precision scale, the largest value 127) come out as
// they are.
func TestQuantise(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 7))
	var free, blocks []float32
	for range 20 {
		scale := float32(rnd.IntN(2048)+1) / (1 << 18) // 11 bits, as f16 has
		for i := range nn.QuantBlock {
			free = append(free, float32(rnd.NormFloat64()))
			v := rnd.IntN(255) - 127
			if i == 5 {
				v = -127
			}
			blocks = append(blocks, scale*float32(v))
		}
	}
	free = append(free, make([]float32, nn.QuantBlock)...) // zeros have no scale

	eight, scales := nn.Quantise(free)
	for i, got := range nn.Dequantised(eight, scales) {
		if step := scales[i/nn.QuantBlock]; math.Abs(float64(got-free[i])) > float64(step)*0.5001 {
			t.Fatalf("value %d: %v; expected %v within half of %v", i, got, free[i], step)
		}
	}
	for i, got := range nn.Dequantised(nn.Quantise(blocks)) {
		if got != blocks[i] {
			t.Fatalf("value %d of a Q8_0 block: %v; expected %v as it was", i, got, blocks[i])
		}
	}
}
