package cpu

/*
#include "attention.h"
#include "gemm.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
)

const tile = C.TILE

// bf16Products is whether values in bf16 are multiplied as such.
var bf16Products = C.gemm_usable()

// AttentionShape describes a batch: S packed positions of H query heads and N key and
// value heads, each C wide. Position q sees position k when Start[k] <= q <=
// Reach[k] and, with a sliding window, Depth[q] - Depth[k] < Slide. Every position
// sees one at least.
type AttentionShape struct {
	Heads, KVHeads, Width int
	Slide                 int     // 0 for none
	Depth                 []int32 // S depths in the row
	Start                 []int32 // S; nil: each position itself, so that none sees what comes after it
	Reach                 []int32 // S
}

// plan is a batch made ready for the kernels.
type plan struct {
	c                   C.shape
	depth, start, reach []int32 // padded to whole tiles with keys that nobody sees
	sees                []uint8 // [tiles, tiles] what a tile of queries sees of a tile of keys
	bounds              []int32 // between the parts that items are divided into
}

// newPlan checks a batch and divides its items by the tiles that they see.
func newPlan(s AttentionShape, half bool) (*plan, error) {
	n := len(s.Reach)
	if n == 0 || len(s.Depth) != n || s.Start != nil && len(s.Start) != n || s.KVHeads < 1 || s.Heads < s.KVHeads || s.Heads%s.KVHeads != 0 || s.Width < 1 {
		return nil, fmt.Errorf("attention: %d reaches, %d starts, %d depths, %d heads over %d of width %d", n, len(s.Start), len(s.Depth), s.Heads, s.KVHeads, s.Width)
	}
	tiles := (n + tile - 1) / tile
	p := &plan{depth: make([]int32, tiles*tile), start: make([]int32, tiles*tile), reach: make([]int32, tiles*tile)}
	copy(p.depth, s.Depth)
	for i := copy(p.reach, s.Reach); i < len(p.reach); i++ {
		p.reach[i] = -1
	}
	p.c = C.shape{
		positions: C.int(n), padded: C.int(tiles * tile), heads: C.int(s.Heads), kv: C.int(s.KVHeads),
		width: C.int(s.Width), slide: C.int(s.Slide), scale: C.float(1 / math.Sqrt(float64(s.Width))),
	}
	if half {
		p.c.half, p.c.products = 1, bf16Products
	}
	for i := range p.start {
		p.start[i] = int32(i)
	}
	copy(p.start, s.Start)
	p.sees = make([]uint8, tiles*tiles)
	costs, total := make([]int, tiles), 0
	for kt := range tiles {
		start, reach := p.start[kt*tile:][:tile], p.reach[kt*tile:][:tile]
		first, last := int(slices.Min(start)), int(slices.Max(start))
		nearest, farthest := int(slices.Min(reach)), int(slices.Max(reach))
		for qt := range tiles {
			low, high := qt*tile, (qt+1)*tile-1
			switch {
			case farthest < low || first > high:
				continue
			case s.Slide == 0 && last <= low && nearest >= high:
				p.sees[qt*tiles+kt] = C.ALL
			default:
				p.sees[qt*tiles+kt] = C.PART
			}
			costs[qt]++
			total += s.Heads
		}
	}
	workers, items := min(runtime.GOMAXPROCS(0), tiles*s.Heads), tiles*s.Heads
	p.bounds = []int32{0}
	for item, sum := 0, 0; item < items; item++ {
		sum += costs[item%tiles]
		if sum*workers >= total*len(p.bounds) {
			p.bounds = append(p.bounds, int32(item+1))
		}
	}
	return p, nil
}

// parts is how many parts items are divided into.
func (p *plan) parts() int { return len(p.bounds) - 1 }

func lengths[T Number](want int, slices ...[]T) error {
	for _, s := range slices {
		if len(s) != want {
			return fmt.Errorf("attention: %d values; expected %d", len(s), want)
		}
	}
	return nil
}

// Attention is softmax(q·kᵀ/√C)·v over trees, or over rows without an order, forwards
// and backwards, tile by tile, without a matrix of scores in memory (FlashAttention,
// arXiv 2205.14135), and without work on tiles in which no query sees a key. XLA's
// graphs need static ranges of keys, so packed rows cost them blocks that are mostly
// masked; here the tree itself decides.
type Attention[T Number] struct {
	Shape AttentionShape
	Q, O  []T       // [S, H, C]
	K, V  []T       // [S, N, C]
	LSE   []float32 // [H, S], the log-sum-exp of each query's scores
}

// AttentionGrads are cotangents: DO is given, the others are set.
type AttentionGrads[T Number] struct {
	DO, DQ []T // [S, H, C]
	DK, DV []T // [S, N, C]
}

// plan checks the lengths and makes ready.
func (a Attention[T]) plan(wide, narrow [][]T) (*plan, error) {
	p, err := newPlan(a.Shape, isBF16(a.Q))
	if err != nil {
		return nil, err
	}
	s, n := a.Shape, len(a.Shape.Reach)
	return p, errors.Join(lengths(n*s.Heads*s.Width, append(wide, a.Q, a.O)...), lengths(n*s.KVHeads*s.Width, append(narrow, a.K, a.V)...), lengths(n*s.Heads, a.LSE))
}

// Forward sets O and LSE.
func (a Attention[T]) Forward() error {
	p, err := a.plan(nil, nil)
	if err != nil {
		return err
	}
	C.attention_forward(&p.c, ints(p.bounds), C.int(p.parts()), pointer(a.Q), pointer(a.K), pointer(a.V), (*C.uchar)(&p.sees[0]), ints(p.depth), ints(p.start), ints(p.reach), pointer(a.O), floats(a.LSE))
	return nil
}

// Backward sets DQ, DK and DV of Forward's O and LSE. The probabilities are computed
// again. The sums over heads depend, in their last bits, on the number of workers.
func (a Attention[T]) Backward(g AttentionGrads[T]) error {
	p, err := a.plan([][]T{g.DO, g.DQ}, [][]T{g.DK, g.DV})
	if err != nil {
		return err
	}
	sums := make([]float32, p.parts()*2*a.Shape.KVHeads*len(p.reach)*int(C.attention_wide(&p.c)))
	C.attention_backward(&p.c, ints(p.bounds), C.int(p.parts()), pointer(a.Q), pointer(a.K), pointer(a.V), pointer(a.O), floats(a.LSE), pointer(g.DO), (*C.uchar)(&p.sees[0]), ints(p.depth), ints(p.start), ints(p.reach), floats(sums), pointer(g.DQ), pointer(g.DK), pointer(g.DV))
	return nil
}
