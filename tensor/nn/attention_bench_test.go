package nn_test

import (
	"fmt"
	"testing"

	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/tensor/nn"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// BenchmarkAttention measures one layer's attention, forwards and backwards,
// at the shape of SmolLM2-135M over packs of rows.
func BenchmarkAttention(b *testing.B) {
	const n, g, c = 3, 3, 64
	for _, k := range []struct{ s, window int }{{1024, 512}, {1024, 1024}, {2048, 2048}} {
		b.Run(fmt.Sprintf("S=%d/window=%d", k.s, k.window), func(b *testing.B) {
			e := enginetest.Open(b)
			put := func(dims ...int) *tensors.Tensor {
				size := 1
				for _, d := range dims {
					size *= d
				}
				flat := make([]float32, size)
				for i := range flat {
					flat[i] = float32(i%97)/97 - 0.5
				}
				t, err := xla.FromHost(e, flat, dims...)
				if err != nil {
					b.Fatal(err)
				}
				return t
			}
			reach := make([]int32, k.s)
			for i := range reach {
				reach[i] = int32(min((i/360+1)*360, k.s) - 1)
			}
			r, err := xla.FromHost(e, reach, k.s)
			if err != nil {
				b.Fatal(err)
			}
			tree := func(reach *graph.Node) nn.Tree {
				return nn.Tree{Positions: reach, Reach: reach, Window: k.window, Block: 256}
			}
			q, kv, d := put(n, g, k.s, c), put(n, k.s, c), put(n, g, k.s, c)
			forward, err := e.Func("attention", func(in []*graph.Node) []*graph.Node {
				o, lse := nn.Attention(tree(in[2]), in[0], in[1], in[1])
				return []*graph.Node{o, lse}
			})
			if err != nil {
				b.Fatal(err)
			}
			backward, err := e.Func("attention back", func(in []*graph.Node) []*graph.Node {
				dq, dk, dv := nn.AttentionVJP(tree(in[2]), in[0], in[1], in[1], in[3], in[4], in[5])
				return []*graph.Node{dq, dk, dv}
			})
			if err != nil {
				b.Fatal(err)
			}
			kept, err := forward.Call(q, kv, r)
			if err != nil {
				b.Fatal(err)
			}
			for _, run := range []struct {
				name string
				call func() ([]*tensors.Tensor, error)
			}{
				{"forward", func() ([]*tensors.Tensor, error) { return forward.Call(q, kv, r) }},
				{"backward", func() ([]*tensors.Tensor, error) { return backward.Call(q, kv, r, kept[0], kept[1], d) }},
			} {
				b.Run(run.name, func(b *testing.B) {
					for b.Loop() {
						out, err := run.call()
						if err != nil {
							b.Fatal(err)
						}
						if err := xla.Free(out...); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}
