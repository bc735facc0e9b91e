package tape

import (
	"math"

	"gorqa/engine/cpu"
	"gorqa/tensor/nn"
)

// Holding says how weights are held, for a prediction of the memory that they take.
type Holding struct {
	BF16      bool // graphs read bf16
	Frozen    bool // nothing is trained: no gradients, no moments
	Adapter   int  // weights of an adapter, 0 for none
	Quantised int  // weights held in few bits
	Bits      int  // that such a weight takes beside its block's scale
	EightBit  int  // weights whose moments are in 8 bits
}

// Width is the bytes of a value that a graph reads or keeps.
func (h Holding) Width() int {
	if h.BF16 {
		return 2
	}
	return 4
}

// Bytes gives those of all n weights, with gradients, moments and, where graphs
// read bf16, what that lacks of f32 of those that are trained; and of one call of
// the head for so many terms, with the gradients that it makes.
func (h Holding) Bytes(n, vocabulary, model, terms int) (weights, head int64) {
	width, state := int64(h.Width()), int64(12)
	if h.BF16 {
		state = 14
	}
	head = int64(vocabulary) * 3 * int64(terms) * 4
	saved := int64(h.EightBit)*6 - int64(cpu.MomentBlocks(h.EightBit))*8
	if h.Adapter > 0 || h.Frozen {
		scales := int64(h.Quantised) / nn.QuantBlock * 4
		if h.Bits == 4 {
			scales *= 2
		}
		return int64(n-h.Quantised+h.Adapter)*width + int64(h.Quantised*h.Bits/8) + scales + int64(h.Adapter)*state - saved, head
	}
	return int64(n)*(width+state) - saved, head + int64(vocabulary)*int64(model)*4
}

// Bytes is the product of numbers, or what is far beyond any memory, of which a
// few can be added.
func Bytes(factors ...int) int64 {
	const beyond = math.MaxInt64 / 16
	p := 1.0
	for _, f := range factors {
		p *= float64(f)
	}
	return int64(min(p, beyond))
}
