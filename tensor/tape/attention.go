package tape

import (
	"gorqa/engine/cpu"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// Attention is attention in the host's memory as a part, of values in bf16 or
// f32: q [S, H, C], k and v [S, N, C] to o [S, H, C].
func Attention(s cpu.AttentionShape, bf16 bool) Part {
	if bf16 {
		return attention[bfloat16.BFloat16](s)
	}
	return attention[float32](s)
}

func attention[T cpu.Number](s cpu.AttentionShape) Part {
	n := Native[T]{
		Outputs: [][]int{{len(s.Reach), s.Heads, s.Width}},
		Kept:    [][]int{{s.Heads, len(s.Reach)}},
		Forward: func(in, out [][]T, kept [][]float32) error {
			return attended(s, in, out, kept).Forward()
		},
		Backward: func(in, out [][]T, kept [][]float32, dOut, dIn [][]T) error {
			return attended(s, in, out, kept).Backward(cpu.AttentionGrads[T]{DO: dOut[0], DQ: dIn[0], DK: dIn[1], DV: dIn[2]})
		},
	}
	return func(t *Tape, in []*Value) ([]*Value, error) { return n.Run(t, in...) }
}

func attended[T cpu.Number](s cpu.AttentionShape, in, out [][]T, kept [][]float32) cpu.Attention[T] {
	return cpu.Attention[T]{Shape: s, Q: in[0], K: in[1], V: in[2], O: out[0], LSE: kept[0]}
}
