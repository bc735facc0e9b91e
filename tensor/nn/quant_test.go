package nn_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gorqa/internal/golden"
	"gorqa/tensor/nn"
)

// TestQuantise8: what is quantised is at most half a step off, and blocks as
// Q8_0 has them (a half-precision scale, the largest value 127) come out as
// they are.
func TestQuantise8(t *testing.T) {
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

	eight, scales := nn.Quantise8(free)
	for i, got := range nn.Dequantised8(eight, scales) {
		if step := scales[i/nn.QuantBlock]; !golden.Near(got, free[i], float64(step)*0.5001) {
			t.Fatalf("value %d: %v; expected %v within half of %v", i, got, free[i], step)
		}
	}
	for i, got := range nn.Dequantised8(nn.Quantise8(blocks)) {
		if got != blocks[i] {
			t.Fatalf("value %d of a Q8_0 block: %v; expected %v as it was", i, got, blocks[i])
		}
	}
}

// TestQuantise4: what is quantised is at most half a step off, and blocks that
// were quantised before come out as they were, even those that do not use every
// value: Q4_K's steps and minima are products of an f16 and six bits.
func TestQuantise4(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 9))
	var free, blocks []float32
	for used := range 16 {
		step, lowest := float32(rnd.IntN(2048)+1)/(1<<18)*float32(1+rnd.IntN(63)), -float32(rnd.IntN(2048)+1)/(1<<16)*float32(rnd.IntN(64))
		for range nn.QuantBlock {
			free = append(free, float32(rnd.NormFloat64()))
			blocks = append(blocks, step*float32(15-rnd.IntN(used+1))+lowest)
		}
	}

	pairs, scales := nn.Quantise4(free)
	for i, got := range nn.Dequantised4(pairs, scales) {
		if step := scales[i/nn.QuantBlock*2]; !golden.Near(got, free[i], float64(step)*0.5001) {
			t.Fatalf("value %d: %v; expected %v within half of %v", i, got, free[i], step)
		}
	}
	for i, got := range nn.Dequantised4(nn.Quantise4(blocks)) {
		var largest float32
		for _, v := range blocks[i/nn.QuantBlock*nn.QuantBlock:][:nn.QuantBlock] {
			largest = max(largest, float32(math.Abs(float64(v))))
		}
		if !golden.Near(got, blocks[i], 3e-7*float64(largest)) {
			t.Fatalf("value %d of a block of 4 bits: %v; expected %v as it was", i, got, blocks[i])
		}
	}
}
