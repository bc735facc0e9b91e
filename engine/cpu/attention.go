package cpu

// #include "attention.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
)

const tile = C.TILE

// plan is a batch made ready for the kernels.
type plan struct {
	padded              int     // S, in whole tiles
	depth, start, reach []int32 // padded with keys that nobody sees
	sees                []uint8 // [tiles of queries, tiles] what a tile of queries sees of a tile of keys
	bounds              []int32 // between the parts that items are divided into
}

func (s AttentionShape) check() error {
	n := len(s.Reach)
	if n == 0 || len(s.Depth) != n || s.Queries < 0 || s.Queries > n || s.Start != nil && len(s.Start) != n || s.KVHeads < 1 || s.Heads < s.KVHeads || s.Heads%s.KVHeads != 0 || s.Width < 1 {
		return fmt.Errorf("attention: %d reaches, %d starts, %d depths, %d queries, %d heads over %d of width %d", n, len(s.Start), len(s.Depth), s.Queries, s.Heads, s.KVHeads, s.Width)
	}
	return nil
}

// queries is Q.
func (s AttentionShape) queries() int {
	if s.Queries == 0 {
		return len(s.Reach)
	}
	return s.Queries
}

// plan divides a batch's items by the tiles that they see.
func (s AttentionShape) plan() *plan {
	n := len(s.Reach)
	tiles := (n + tile - 1) / tile
	queryTiles := (s.queries() + tile - 1) / tile
	p := &plan{padded: tiles * tile, depth: make([]int32, tiles*tile), start: make([]int32, tiles*tile), reach: make([]int32, tiles*tile)}
	copy(p.depth, s.Depth)
	for i := copy(p.reach, s.Reach); i < len(p.reach); i++ {
		p.reach[i] = -1
	}
	for i := range p.start {
		p.start[i] = int32(i)
	}
	copy(p.start, s.Start)
	p.sees = make([]uint8, queryTiles*tiles)
	costs, total := make([]int, queryTiles), 0
	for kt := range tiles {
		start, reach := p.start[kt*tile:][:tile], p.reach[kt*tile:][:tile]
		first, last := int(slices.Min(start)), int(slices.Max(start))
		nearest, farthest := int(slices.Min(reach)), int(slices.Max(reach))
		for qt := range queryTiles {
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
	p.divide(costs, total, s.Heads)
	return p
}

// divide sets bounds between items, a tile of queries of each head, of about equal cost.
func (p *plan) divide(costs []int, total, heads int) {
	items := len(costs) * heads
	workers := min(runtime.GOMAXPROCS(0), items)
	p.bounds = []int32{0}
	for item, sum := 0, 0; item < items; item++ {
		sum += costs[item%len(costs)]
		if sum*workers >= total*len(p.bounds) {
			p.bounds = append(p.bounds, int32(item+1))
		}
	}
}

func lengths[T Number](want int, slices ...[]T) error {
	for _, s := range slices {
		if len(s) != want {
			return fmt.Errorf("attention: %d values; expected %d", len(s), want)
		}
	}
	return nil
}

// args checks the lengths and gives what C is told.
func (a Attention[T]) args(wide, narrow [][]T) (args C.attention, err error) {
	s, n, q := a.Shape, len(a.Shape.Reach), a.Shape.queries()
	if err := s.check(); err != nil {
		return args, err
	}
	err = errors.Join(lengths(q*s.Heads*s.Width, append(wide, a.Q, a.O)...), lengths(n*s.KVHeads*s.Width, append(narrow, a.K, a.V)...), lengths(q*s.Heads, a.LSE))
	if err != nil {
		return args, err
	}
	p := s.plan()
	return C.attention{
		queries: C.int(q), positions: C.int(n), padded: C.int(p.padded), heads: C.int(s.Heads), kv: C.int(s.KVHeads), width: C.int(s.Width), slide: C.int(s.Slide),
		bf16: truth(isBF16(a.Q)), scale: C.float(s.Scores.ScaleFor(s.Width)), cap: C.float(s.Scores.Cap),
		depth: ints(p.depth), start: ints(p.start), reach: ints(p.reach), sees: (*C.uchar)(&p.sees[0]), bounds: ints(p.bounds), parts: C.int(len(p.bounds) - 1),
		q: pointer(a.Q), k: pointer(a.K), v: pointer(a.V), o: pointer(a.O), lse: floats(a.LSE),
	}, nil
}

// Forward sets O and LSE.
func (a Attention[T]) Forward() error {
	args, err := a.args(nil, nil)
	if err != nil {
		return err
	}
	return done("attention", C.attention_forward(args))
}

// Backward sets DQ, DK and DV of Forward's O and LSE. The probabilities are computed
// again. The sums over heads depend, in their last bits, on the number of workers.
func (a Attention[T]) Backward(g AttentionGrads[T]) error {
	args, err := a.args([][]T{g.DO, g.DQ}, [][]T{g.DK, g.DV})
	if err != nil {
		return err
	}
	args.d_o, args.dq, args.dk, args.dv = pointer(g.DO), pointer(g.DQ), pointer(g.DK), pointer(g.DV)
	return done("attention", C.attention_backward(args))
}
