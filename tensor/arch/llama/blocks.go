package llama

import (
	"gorqa/batch"
	"gorqa/engine/cpu"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes"
)

// native is attention over a micro-batch's trees in the host's memory, with what its rows
// see of passages from other places.
func (m *Model) native(b *batch.Decoder, a attends) tape.Part {
	rope := m.Config.ropeKinds()[a.turns]
	s := m.seen(b, a)
	var copies cpu.Copies
	for _, c := range b.Copies {
		x := cpu.Copy{From: int(c.From), Length: int(c.Length)}
		if rope.Theta != 0 && c.By != 0 {
			x.Cos, x.Sin = rope.Turn(int(c.By))
		}
		copies = append(copies, x)
		for i := range c.Length {
			s.Depth = append(s.Depth, b.Positions[c.From+i]+c.By)
			s.Start, s.Reach = append(s.Start, c.First), append(s.Reach, c.Last)
		}
	}
	return tape.Attention(s, copies, m.dtype == dtypes.BFloat16)
}

// seen says who sees whom of a micro-batch's own positions; what is appended to its slices
// is the shape's alone.
func (m *Model) seen(b *batch.Decoder, a attends) cpu.AttentionShape {
	s := cpu.AttentionShape{
		Heads: m.Config.Heads, KVHeads: m.Config.KVHeads, Width: m.Config.HeadWidth, Slide: a.slide, Scores: m.Config.Scores,
		Depth: b.Positions[:len(b.Positions):len(b.Positions)], Reach: b.Reach[:len(b.Reach):len(b.Reach)],
	}
	if len(b.Copies) > 0 {
		s.Start = counted(0, len(b.Reach))
	}
	return s
}

// counted is n numbers from one on.
func counted(from, n int) []int32 {
	numbers := make([]int32, n)
	for i := range numbers {
		numbers[i] = int32(from + i)
	}
	return numbers
}
