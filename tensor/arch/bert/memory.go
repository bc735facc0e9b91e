package bert

import "gorqa/tensor/tape"

// StateBytes are those that the layers hold of a batch of so many positions, in values of
// so many bytes: queries, keys, values, what attention makes of them, and the layer's
// outcome.
func (c Config) StateBytes(positions, width int) int64 {
	return tape.Bytes(positions, 4*c.Heads*c.HeadWidth+c.Width, c.Layers, width)
}
