// Package flash is attention over trees, and over rows without an order, on the processor: softmax(q·kᵀ/√C)·v,
// forwards and backwards, tile by tile, without a matrix of scores in memory
// (FlashAttention, arXiv 2205.14135), and without work on tiles in which no
// query sees a key. XLA's graphs need static ranges of keys, so packed rows
// cost them blocks that are mostly masked; here the tree itself decides.
//
// It works on host slices and knows nothing of tensors, graphs or models.
package flash

/*
#cgo CFLAGS: -O3
#cgo LDFLAGS: -lm
#include "flash.h"
*/
import "C"

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"unsafe"

	"gorqa/internal/share"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

func init() { C.flash_share_by(share.Function()) }

const tile = C.TILE

// products is whether values in bf16 are multiplied as such.
var products = C.flash_products()

// Shape describes a batch: S packed positions of H query heads and N key and
// value heads, each C wide. Position q sees position k when Start[k] <= q <=
// Reach[k] and, with a sliding window, Depth[q] - Depth[k] < Slide. Every position
// sees one at least.
type Shape struct {
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
func newPlan(s Shape, half bool) (*plan, error) {
	n := len(s.Reach)
	if n == 0 || len(s.Depth) != n || s.Start != nil && len(s.Start) != n || s.KVHeads < 1 || s.Heads < s.KVHeads || s.Heads%s.KVHeads != 0 || s.Width < 1 {
		return nil, fmt.Errorf("flash: %d reaches, %d starts, %d depths, %d heads over %d of width %d", n, len(s.Start), len(s.Depth), s.Heads, s.KVHeads, s.Width)
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
		p.c.half, p.c.products = 1, products
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

// Number is what values are: f32, or bf16, of which probabilities and the cotangents of
// scores are rounded to bf16 too where the processor multiplies it (AVX512-BF16).
type Number interface{ float32 | bfloat16.BFloat16 }

func lengths[T Number](want int, slices ...[]T) error {
	for _, s := range slices {
		if len(s) != want {
			return fmt.Errorf("flash: %d values; expected %d", len(s), want)
		}
	}
	return nil
}

func isHalf[T Number](s []T) bool {
	_, half := any(s).([]bfloat16.BFloat16)
	return half
}

func values[T Number](s []T) unsafe.Pointer { return unsafe.Pointer(&s[0]) }
func floats(s []float32) *C.float           { return (*C.float)(&s[0]) }
func ints(s []int32) *C.int                 { return (*C.int)(&s[0]) }

// Forward fills o [S, H, C] and the log-sum-exp of each query's scores lse
// [H, S] from q [S, H, C], k and v [S, N, C].
func Forward[T Number](s Shape, q, k, v, o []T, lse []float32) error {
	p, err := newPlan(s, isHalf(q))
	if err != nil {
		return err
	}
	n := len(s.Reach)
	for _, err := range []error{lengths(n*s.Heads*s.Width, q, o), lengths(n*s.KVHeads*s.Width, k, v), lengths(n*s.Heads, lse)} {
		if err != nil {
			return err
		}
	}
	C.flash_forward(&p.c, ints(p.bounds), C.int(p.parts()), values(q), values(k), values(v), (*C.uchar)(&p.sees[0]), ints(p.depth), ints(p.start), ints(p.reach), values(o), floats(lse))
	return nil
}

// Backward fills the cotangents dq [S, H, C], dk and dv [S, N, C] for dO
// [S, H, C]; o and lse are Forward's. The probabilities are computed again.
// The sums over heads depend, in their last bits, on the number of workers.
func Backward[T Number](s Shape, q, k, v, o []T, lse []float32, dO, dq, dk, dv []T) error {
	p, err := newPlan(s, isHalf(q))
	if err != nil {
		return err
	}
	n := len(s.Reach)
	for _, err := range []error{lengths(n*s.Heads*s.Width, q, o, dO, dq), lengths(n*s.KVHeads*s.Width, k, v, dk, dv), lengths(n*s.Heads, lse)} {
		if err != nil {
			return err
		}
	}
	sums := make([]float32, p.parts()*2*s.KVHeads*len(p.reach)*int(C.flash_wide(&p.c)))
	C.flash_backward(&p.c, ints(p.bounds), C.int(p.parts()), values(q), values(k), values(v), values(o), floats(lse), values(dO), (*C.uchar)(&p.sees[0]), ints(p.depth), ints(p.start), ints(p.reach), floats(sums), values(dq), values(dk), values(dv))
	return nil
}
