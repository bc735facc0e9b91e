package qa

import (
	"context"
	"errors"
	"path/filepath"

	"gorqa/tensor/device"
	"gorqa/tensor/embed"
	"gorqa/tensor/tape"
)

// EncoderMemory predicts the bytes that the embedding model or the reranker in a folder
// takes beside a generator: its weights, and what its layers hold of a batch.
func EncoderMemory(ctx context.Context, folder string, bf16, onHost bool) (_ int64, err error) {
	if s, err := embed.ReadSettings(folder, ""); err == nil {
		folder = filepath.Join(folder, s.Encoder)
	}
	source, err := OpenModel(ctx, folder)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	shape, err := encoderOf(source.Config())
	if err != nil {
		return 0, err
	}
	weights := 0
	for _, w := range shape.weights {
		weights += w.Size()
	}
	profile := device.GPU()
	if onHost {
		profile = device.Host()
	}
	width := tape.Holding{BF16: bf16}.Width()
	return tape.Bytes(weights, width) + shape.stateBytes(profile.EmbedTokens, width), nil
}
