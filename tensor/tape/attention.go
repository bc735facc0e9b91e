package tape

import (
	"gorqa/engine/cpu"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// Attention is attention in the host's memory as a part, of values in bf16 or
// f32: q [Q, H, C], k and v [Q, N, C] to o [Q, H, C]. Copies of these keys and values are
// those of the shape's positions that are no queries.
func Attention(s cpu.AttentionShape, copies cpu.Copies, bf16 bool) Part {
	if bf16 {
		return attention[bfloat16.BFloat16](s, copies)
	}
	return attention[float32](s, copies)
}

func attention[T cpu.Number](s cpu.AttentionShape, copies cpu.Copies) Part {
	queries := len(s.Reach) - copies.Count()
	s.Queries = queries
	heads := cpu.Heads{Count: s.KVHeads, Width: s.Width}
	room := func() []T { return make([]T, len(s.Reach)*s.KVHeads*s.Width) }
	// extended are keys and values with the copies.
	extended := func(in [][]T) [][]T {
		if len(copies) == 0 {
			return in
		}
		k, v := room(), room()
		cpu.Extend(copies, heads, in[1], in[2], k, v)
		return [][]T{in[0], k, v}
	}
	n := Native[T]{
		Outputs: [][]int{{queries, s.Heads, s.Width}},
		Kept:    [][]int{{s.Heads, queries}},
		Forward: func(in, out [][]T, kept [][]float32) error {
			return attended(s, extended(in), out, kept).Forward()
		},
		Backward: func(in, out [][]T, kept [][]float32, dOut, dIn [][]T) error {
			d := cpu.AttentionGrads[T]{DO: dOut[0], DQ: dIn[0], DK: dIn[1], DV: dIn[2]}
			if len(copies) > 0 {
				d.DK, d.DV = room(), room()
			}
			if err := attended(s, extended(in), out, kept).Backward(d); err != nil || len(copies) == 0 {
				return err
			}
			cpu.ExtendVJP(copies, heads, d.DK, d.DV, dIn[1], dIn[2])
			return nil
		},
	}
	return func(t *Tape, in []*Value) ([]*Value, error) { return n.Run(t, in...) }
}

func attended[T cpu.Number](s cpu.AttentionShape, in, out [][]T, kept [][]float32) cpu.Attention[T] {
	return cpu.Attention[T]{Shape: s, Q: in[0], K: in[1], V: in[2], O: out[0], LSE: kept[0]}
}

// AttentionBehind is Attention, forwards, of queries that see keys and values from
// elsewhere too: k and v [S, N, C], whose first Q positions it sets to the queries' own.
// The others may change between runs.
func AttentionBehind[T cpu.Number](s cpu.AttentionShape, k, v []T) Part {
	n := Native[T]{
		Outputs: [][]int{{s.Queries, s.Heads, s.Width}},
		Kept:    [][]int{{s.Heads, s.Queries}},
		Forward: func(in, out [][]T, kept [][]float32) error {
			copy(k, in[1])
			copy(v, in[2])
			return attended(s, [][]T{in[0], k, v}, out, kept).Forward()
		},
	}
	return func(t *Tape, in []*Value) ([]*Value, error) { return n.Run(t, in...) }
}
