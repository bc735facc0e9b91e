package nn

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Relative says how distances between positions fall into T5's buckets (arXiv
// 1910.10683, section 2.1): half of them for single distances, the rest for
// ranges that grow logarithmically up to Limit, beyond which all is one.
type Relative struct {
	Buckets int
	Limit   int
	Causal  bool // keys behind the query only, as in a decoder; otherwise half of the buckets for either side
}

// Bucket is the bucket of a key that stands distance positions after the query
// (negative for before). It computes in f32 as transformers does, which decides
// where a range begins.
func (r Relative) Bucket(distance int) int {
	n, base := r.Buckets, 0
	if r.Causal {
		distance = max(0, -distance)
	} else {
		n /= 2
		if distance > 0 {
			base = n
		}
		distance = max(distance, -distance)
	}
	exact := n / 2
	if distance < exact {
		return base + distance
	}
	ratio := float32(math.Log(float64(float32(distance) / float32(exact))))
	share := ratio / float32(math.Log(float64(r.Limit)/float64(exact)))
	return base + min(n-1, exact+int(share*float32(n-exact)))
}

// Bias gives the bias [H, S, S] in f32 of keys (last axis) to queries in rows
// of s positions, from the table [Buckets, H].
func (r Relative) Bias(table *Node, s int) *Node {
	h := table.Shape().Dimensions[1]
	// One entry per diagonal: d at d mod 2S. Rows of 2S entries written one
	// after another and read in rows of 2S-1 shift by one each.
	hot := make([][]float32, 2*s)
	for i := range hot {
		d := i
		if i >= s {
			d = i - 2*s
		}
		hot[i] = make([]float32, r.Buckets)
		hot[i][r.Bucket(d)] = 1
	}
	diagonals := dot(cast(table, dtypes.Float32), Const(table.Graph(), hot), []int{0}, nil, []int{1}, nil) // [H, 2S]
	x := BroadcastToDims(InsertAxes(diagonals, 1), h, s, 2*s)
	x = SliceAxis(Reshape(x, h, 2*s*s), 1, AxisRange(0, s*(2*s-1)))
	return SliceAxis(Reshape(x, h, s, 2*s-1), 2, AxisRange(0, s))
}

// BiasAt gives the bias [H, 1, T] in f32 of the keys at 0 to t-1 to a query at
// place, an i32 scalar, where keys behind the query are not seen.
func (r Relative) BiasAt(table, place *Node, t int) *Node {
	buckets := make([]int32, t) // by the distance before the query
	for i := range buckets {
		buckets[i] = int32(r.Bucket(-i))
	}
	g := table.Graph()
	before := Sub(BroadcastToDims(place, t), Iota(g, shapes.Make(dtypes.Int32, t), 0))
	index := Gather(Const(g, buckets), InsertAxes(Max(before, ZerosLike(before)), -1))
	bias := Gather(cast(table, dtypes.Float32), InsertAxes(index, -1)) // [T, H]
	return InsertAxes(Transpose(bias, 0, 1), 1)
}
