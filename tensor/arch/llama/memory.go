package llama

import "gorqa/tensor/tape"

// KeptBytes are those that the layers keep of a micro-batch of so many positions
// until the backward pass, in values of so many bytes.
func (c Config) KeptBytes(positions, width int) int64 {
	attended := 2*c.Heads*c.HeadWidth + 2*c.KVHeads*c.HeadWidth
	if c.QKNorm || c.WideQKNorm { // what goes into them
		attended += c.queryWidth() + c.keyWidth()
	}
	norms := 2
	if c.Norms != NormsBefore { // what goes into the second of those behind
		norms++
	}
	perLayer := (attended+norms*c.Width+2*c.Inner)*width + 4*c.Heads
	return tape.Bytes(positions, perLayer, c.Layers)
}

// CacheBytes are those of the keys and values of a batch that is answered, twice
// since a step makes a new cache of the old one.
func (c Config) CacheBytes(rows, tokens, width int) int64 {
	return 2 * tape.Bytes(rows, tokens, c.Layers, 2*c.KVHeads, c.HeadWidth, width)
}

// StateBytes are those that an Encoder's layers hold of a batch of so many positions, in
// values of so many bytes: queries, keys, values, what attention makes of them, and the
// layer's outcome.
func (c Config) StateBytes(positions, width int) int64 {
	return tape.Bytes(positions, 2*c.queryWidth()+2*c.keyWidth()+c.Width, c.Layers, width)
}
