package tape

import (
	"gorqa/internal/flash"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// Attention is attention in the host's memory as a part, of values in bf16 (half) or
// f32: q [S, H, C], k and v [S, N, C] to o [S, H, C].
func Attention(s flash.Shape, half bool) Part {
	if half {
		return attention[bfloat16.BFloat16](s)
	}
	return attention[float32](s)
}

func attention[T flash.Number](s flash.Shape) Part {
	n := Native[T]{
		Outputs: [][]int{{len(s.Reach), s.Heads, s.Width}},
		Kept:    [][]int{{s.Heads, len(s.Reach)}},
		Forward: func(in, out [][]T, kept [][]float32) error {
			return flash.Forward(s, in[0], in[1], in[2], out[0], kept[0])
		},
		Backward: func(in, out [][]T, kept [][]float32, dOut, dIn [][]T) error {
			return flash.Backward(s, in[0], in[1], in[2], out[0], kept[0], dOut[0], dIn[0], dIn[1], dIn[2])
		},
	}
	return func(t *Tape, in []*Value) ([]*Value, error) { return n.Run(t, in...) }
}
