// Package device says how work is cut for what models compute on: whether the
// kernels of engine/cpu take part, how much goes into a call and into a graph, and
// what sizes are rounded to. It is the one place where a processor and a GPU are told
// apart; tape.Runner carries the Profile to who reads it. It must not know models, nor
// what is computed with the numbers that it gives.
package device

import (
	"gorqa/batch"
	"gorqa/engine/xla"
)

// Profile is how work is cut for one kind of device.
type Profile struct {
	// Native says that kernels of engine/cpu work in the memory of the device's own
	// tensors: they attend, decode, add up gradients and move weights. Without it all of
	// that is graphs. Tests set it false to go a GPU's way on the host.
	Native bool
	// FewShapes rounds sizes up to powers of two, or to the largest: a shape takes
	// seconds to compile, and small batches leave the device idle.
	FewShapes bool

	Decoder      batch.Packing    // rows of a decoder, with their loss
	Prompts      batch.Packing    // prompts that are prefilled, which have no loss
	FiD          batch.FiDPacking // rows of an encoder-decoder
	TermsPerCall int              // loss terms of one call of a head, so at most that number of logits x V at once
	EmbedTokens  int              // of a batch of an encoder

	// Decoding by graphs.
	LayersPerGraph int // of a step
	StepsAhead     int // greedy ones that are begun before their tokens are read
	CacheRound     int // lengths of caches are rounded up to a multiple of it
}

// Host is the profile of the processor, in whose cache small batches stay, and on
// which a new shape costs little.
func Host() Profile {
	return Profile{
		Native:  true,
		Decoder: batch.DefaultPacking(), Prompts: batch.Packing{Capacity: 2048, Round: 64, Terms: 1, Share: true}, FiD: batch.DefaultFiDPacking(),
		TermsPerCall: 128, EmbedTokens: 1024,
		LayersPerGraph: 1, StepsAhead: 1, CacheRound: 128,
	}
}

// GPU is the profile of a device with memory of its own. Small micro-batches leave it
// idle, and its graphs take longer to compile: micro-batches are larger, of fewer
// shapes. A call costs as much as some twenty of its kernels, and a graph of all layers
// takes long to compile; rows that end are noticed up to three steps late.
func GPU() Profile {
	return Profile{
		FewShapes: true,
		Decoder:   batch.Packing{Capacity: 4096, Round: 512, Terms: 256, Share: true}, Prompts: batch.Packing{Capacity: 4096, Round: 2048, Terms: 1, Share: true},
		FiD:          batch.FiDPacking{Capacity: 16384, Encode: 8192, Round: 128, Answers: 32, Terms: 512},
		TermsPerCall: 512, EmbedTokens: 8192,
		LayersPerGraph: 6, StepsAhead: 4, CacheRound: 512,
	}
}

// Of is the engine's profile.
func Of(e *xla.Engine) Profile {
	if !e.OnHost() {
		return GPU()
	}
	return Host()
}
