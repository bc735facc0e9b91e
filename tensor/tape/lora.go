package tape

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
)

// Adapters lists the two matrices of a low-rank adapter (arXiv 2106.09685) for
// each of the given weights: A [rank, in] and B [out, rank], under PEFT's names.
// Runner.Adapter says how their product is scaled.
func Adapters(of []Weight, rank int) []Weight {
	var ws []Weight
	for _, w := range of {
		module := strings.TrimSuffix(w.Name, ".weight")
		ws = append(ws,
			Weight{Name: module + loraA, Dims: []int{rank, w.Dims[1]}},
			Weight{Name: module + loraB, Dims: []int{w.Dims[0], rank}})
	}
	return ws
}

const (
	loraA = ".lora_A.weight"
	loraB = ".lora_B.weight"
)

// NewAdapters is the source of adapters that are not trained yet, as PEFT
// initialises them: A uniform between ±1/sqrt(in) (Kaiming, a = sqrt(5)), B
// zero, so that the model is what it was. The values of a weight depend on its
// name and the seed alone.
func NewAdapters(ws []Weight, seed int64) Source {
	s := newAdapters{seed, map[string][]int{}}
	for _, w := range ws {
		s.dims[w.Name] = w.Dims
	}
	return s
}

type newAdapters struct {
	seed int64
	dims map[string][]int
}

func (s newAdapters) Shape(name string) ([]int, bool) {
	dims, ok := s.dims[name]
	return dims, ok
}

func (s newAdapters) Float32(name string) ([]float32, error) {
	dims, ok := s.dims[name]
	if !ok {
		return nil, fmt.Errorf("no adapter %s", name)
	}
	values := make([]float32, dims[0]*dims[1])
	if strings.HasSuffix(name, loraB) {
		return values, nil
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	random, bound := rand.New(rand.NewPCG(uint64(s.seed), h.Sum64())), 1/math.Sqrt(float64(dims[1]))
	for i := range values {
		values[i] = float32(bound * (2*random.Float64() - 1))
	}
	return values, nil
}
