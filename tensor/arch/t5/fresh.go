package t5

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
)

// Fresh is a source of random weights, for a model that is trained from nothing.
// Their scales are those of transformers' T5PreTrainedModel._init_weights. Each
// weight is drawn by its name and the seed alone.
type Fresh struct {
	Config Config
	Seed   int64
}

// Shape gives a weight's dimensions.
func (f Fresh) Shape(name string) ([]int, bool) {
	for _, w := range f.Config.Weights() {
		if w.Name == name {
			return w.Dims, true
		}
	}
	return nil, false
}

// Float32 draws a weight.
func (f Fresh) Float32(name string) ([]float32, error) {
	dims, ok := f.Shape(name)
	if !ok {
		return nil, fmt.Errorf("no weight %s in the configuration", name)
	}
	n := 1
	for _, d := range dims {
		n *= d
	}
	values := make([]float32, n)
	if len(dims) == 1 { // a norm
		for i := range values {
			values[i] = float32(f.Config.InitFactor)
		}
		return values, nil
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	random := rand.New(rand.NewPCG(uint64(f.Seed), h.Sum64()))
	deviation := f.deviation(name)
	for i := range values {
		values[i] = float32(random.NormFloat64() * deviation)
	}
	return values, nil
}

// deviation is the standard deviation of a matrix.
func (f Fresh) deviation(name string) float64 {
	c := f.Config
	name = strings.TrimSuffix(name, ".weight")
	over := 1.0
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "q":
		over = float64(c.Width * c.HeadWidth) // scores are not scaled otherwise
	case "k", "v", "wi", "wi_0", "wi_1", "relative_attention_bias":
		over = float64(c.Width)
	case "o":
		over = float64(c.Heads * c.HeadWidth)
	case "wo":
		over = float64(c.Inner)
	}
	return c.InitFactor / math.Sqrt(over)
}
