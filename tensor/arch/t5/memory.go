package t5

import "gorqa/tensor/tape"

// KeptBytes are those that the encoder's layers keep of a micro-batch's passages,
// so many positions, until the backward pass, and each decoder layer of their
// states, in values of so many bytes.
func (c Config) KeptBytes(positions, width int) int64 {
	heads := c.Heads * c.HeadWidth
	perLayer := (4*c.Width+3*c.Inner)*width + 4*heads*width
	return tape.Bytes(positions, perLayer*c.Layers+2*heads*width*c.DecoderLayers)
}

// CacheBytes are those of each decoder layer's keys and values of the passages of a
// batch that is answered.
func (c Config) CacheBytes(rows, tokens, width int) int64 {
	return tape.Bytes(rows, tokens, c.DecoderLayers, 2, c.Heads*c.HeadWidth, width)
}

// StateBytes are those that an Encoder's layers hold of a batch of so many positions, in
// values of so many bytes: their outcomes, as nothing else is a value of its own.
func (c Config) StateBytes(positions, width int) int64 {
	return tape.Bytes(positions, c.Width, c.Layers, width)
}
