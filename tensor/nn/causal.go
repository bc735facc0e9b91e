package nn

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"gorqa/engine/xla"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Causal is Attention over one row, by the backend's fused kernel (cuDNN's on CUDA,
// which holds no scores): q [S, H, C], k and v [S, N, C] in bf16 to o [S, H, C]. back
// gives their cotangents for that of o.
func Causal(q, k, v *Node) (o *Node, back func(dO *Node) []*Node) {
	options := &compute.ScaledDotProductAttentionConfig{Causal: true}
	fused, _ := BackendFusedScaledDotProductAttention(InsertAxes(q, 0), InsertAxes(k, 0), InsertAxes(v, 0),
		compute.AttentionAxesLayoutBSHD, options)
	o = Squeeze(fused, 0)
	return o, func(dO *Node) []*Node { return Pullback([]*Node{o}, []*Node{dO}, []*Node{q, k, v}) }
}

// CheckCausal says why Causal is not to be used for heads of that shape on an
// engine, after trying it there once: nil if its results are those of Attention.
func CheckCausal(e *xla.Engine, heads, kvHeads, width int) error {
	return e.Once(fmt.Sprintf("causal %d %d %d", heads, kvHeads, width), func() error {
		return checkCausal(e, heads, kvHeads, width)
	})
}

func checkCausal(e *xla.Engine, heads, kvHeads, width int) (err error) {
	const s = 512
	rnd := rand.New(rand.NewPCG(1, 2))
	var in []*tensors.Tensor
	defer func() { err = errors.Join(err, xla.Free(in...)) }()
	for _, n := range []int{heads, kvHeads, kvHeads, heads} {
		flat := make([]float32, s*n*width)
		for i := range flat {
			flat[i] = float32(rnd.NormFloat64())
		}
		t, err := xla.FromHost(e, flat, s, n, width)
		if err != nil {
			return err
		}
		in = append(in, t)
	}
	f, err := e.Func("check causal", func(in []*Node) []*Node { return causalErrors(in, kvHeads) })
	if err != nil {
		return err
	}
	out, err := f.Call(in...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, xla.Free(out...)) }()
	size, err := xla.ToHost[float32](out[0])
	if err != nil {
		return err
	}
	off, err := xla.ToHost[float32](out[1])
	if err != nil {
		return err
	}
	for i, what := range []string{"attention", "its gradient of q", "its gradient of k", "its gradient of v"} {
		// Both round to bf16, whose steps are 2⁻⁸ of a value; NaN is off too.
		if !(off[i] < 0.02*size[i]) {
			return fmt.Errorf("the device's fused kernel is wrong: %s is off by %.2g of %.2g", what, off[i], size[i])
		}
	}
	return nil
}

// causalErrors gives the sizes [4] of attention's outcome and gradients by a graph, for
// random q, k, v and cotangent [S, H, C] in bf16, and how far the device's own are from
// them: each the root of the mean square over all values.
func causalErrors(in []*Node, kvHeads int) []*Node {
	var q, k, v, dO = toBF16(in[0]), toBF16(in[1]), toBF16(in[2]), toBF16(in[3])
	o, back := Causal(q, k, v)
	d := back(dO)
	s := q.Shape().Dim(0)
	last := BroadcastToDims(Scalar(q.Graph(), dtypes.Int32, float64(s-1)), s)
	tree := Tree{Positions: last, Reach: last, Window: s, Block: 256}
	q, dO = Grouped(q, kvHeads), Grouped(dO, kvHeads)
	k, v = TransposeAllAxes(k, 1, 0, 2), TransposeAllAxes(v, 1, 0, 2)
	want, lse := Attention(tree, q, k, v)
	wantQ, wantK, wantV := AttentionVJP(tree, q, k, v, want, lse, dO)
	got := []*Node{Grouped(o, kvHeads), Grouped(d[0], kvHeads), TransposeAllAxes(d[1], 1, 0, 2), TransposeAllAxes(d[2], 1, 0, 2)}
	var size, off []*Node
	for i, w := range []*Node{want, wantQ, wantK, wantV} {
		w = cast(w, dtypes.Float32)
		size = append(size, Sqrt(ReduceAllMean(Square(w))))
		off = append(off, Sqrt(ReduceAllMean(Square(Sub(cast(got[i], dtypes.Float32), w)))))
	}
	return []*Node{Stack(size, 0), Stack(off, 0)}
}

func toBF16(x *Node) *Node { return cast(x, dtypes.BFloat16) }
