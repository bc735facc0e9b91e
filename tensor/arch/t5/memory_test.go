package t5

import (
	"fmt"
	"path/filepath"
	"testing"

	"gorqa/batch"
	"gorqa/internal/golden"
)

// TestKeptBytesCoverALayerMore counts what the tape holds before the backward pass
// with a layer more and a layer less of encoder and decoder; what is there once for
// all layers falls out. The formula knows the passages' positions alone, so it stands
// for the answers' and for padding too.
func TestKeptBytesCoverALayerMore(t *testing.T) {
	everyWidth(t, func(t *testing.T, m *Model, kept func(encoder, decoder int) int64, b *batch.FiD, width int) {
		c, positions := m.Config, 0
		for _, g := range b.Groups {
			positions += len(g.Tokens)
		}
		inner := 1
		if c.Gated {
			inner = 2
		}
		heads := c.Heads * c.HeadWidth
		encoder, decoder := kept(c.Layers, c.DecoderLayers)-kept(c.Layers-1, c.DecoderLayers), kept(c.Layers, c.DecoderLayers)-kept(c.Layers, c.DecoderLayers-1)

		// Queries, keys, values and outcome; what goes into the norms; the inner
		// layer; attention's log-sum-exp in f32.
		one := (4*heads+2*c.Width+inner*c.Inner)*width + 4*c.Heads
		if want := int64(positions * one); encoder != want {
			t.Errorf("an encoder's layer keeps %d bytes; %d expected", encoder, want)
		}
		one = (6*heads+3*c.Width+inner*c.Inner)*width + 2*4*c.Heads // with attention to the states
		if want := int64(len(b.Tokens)*one + len(b.Rows)*b.States*2*heads*width); decoder != want {
			t.Errorf("a decoder's layer keeps %d bytes; %d expected", decoder, want)
		}
		c.Layers, c.DecoderLayers = 1, 1
		if formula := c.KeptBytes(positions, width); formula < encoder+decoder || formula > 2*(encoder+decoder) {
			t.Errorf("by formula a layer of each keeps %d bytes; at least the %d that they do expected, and less than twice that", formula, encoder+decoder)
		}
	})
}

// TestCacheBytesAreKeysAndValuesOfTheStates counts those of every decoder layer.
func TestCacheBytesAreKeysAndValuesOfTheStates(t *testing.T) {
	for _, c := range tiny {
		for _, width := range []int{4, 2} {
			t.Run(fmt.Sprintf("%s, %d bytes a value", c.name, width), func(t *testing.T) {
				m, r := load(t, c.name, width == 2)
				b := small().Pack(fused(t, golden.LoadNamed(t, filepath.Join("testdata", c.name), "fid")))[0]
				tp := r.New(false)
				context, err := m.Context(tp, b)
				if err != nil {
					t.Fatal(err)
				}
				var got int64
				for layer := range m.Config.DecoderLayers {
					k, v, err := m.Cross(tp, layer, context)
					if err != nil {
						t.Fatal(err)
					}
					got += int64(k.Tensor.Shape().ByteSize() + v.Tensor.Shape().ByteSize())
				}
				if err := tp.Free(); err != nil {
					t.Fatal(err)
				}
				if want := m.Config.CacheBytes(len(b.Rows), b.States, width); got != want {
					t.Errorf("keys and values have %d bytes; by formula %d", got, want)
				}
			})
		}
	}
}

// everyWidth runs a test of every tiny model in f32 and bf16, with a function that
// counts what a micro-batch keeps in so many layers.
func everyWidth(t *testing.T, run func(t *testing.T, m *Model, kept func(encoder, decoder int) int64, b *batch.FiD, width int)) {
	for _, c := range tiny {
		for _, width := range []int{4, 2} {
			t.Run(fmt.Sprintf("%s, %d bytes a value", c.name, width), func(t *testing.T) {
				m, r := load(t, c.name, width == 2)
				b := small().Pack(fused(t, golden.LoadNamed(t, filepath.Join("testdata", c.name), "fid")))[0]
				kept := func(encoder, decoder int) int64 {
					c := m.Config
					c.Layers, c.DecoderLayers = encoder, decoder
					tp := r.New(true)
					if _, err := New(c, width == 2).Loss(tp, b); err != nil {
						t.Fatal(err)
					}
					n := tp.KeptBytes()
					if err := tp.Free(); err != nil {
						t.Fatal(err)
					}
					return n
				}
				run(t, m, kept, b, width)
			})
		}
	}
}

// TestStateBytesAreWhatAnEncodersLayerHolds counts what the tape holds of a batch with a
// layer more and a layer less.
func TestStateBytesAreWhatAnEncodersLayerHolds(t *testing.T) {
	const positions, width = 64, 4 // 2 lines of 32
	m, r := load(t, tiny[0].name, false)
	held := func(layers int) int64 {
		c := m.Config
		c.Layers = layers
		tp := r.New(false)
		if _, err := NewEncoder(c, false).Hidden(tp, batch.Pack{Rows: [][]int32{{1, 2, 3}, {4, 5}}, Size: 32, Tall: 2, Wide: 32}); err != nil {
			t.Fatal(err)
		}
		n := tp.KeptBytes()
		if err := tp.Free(); err != nil {
			t.Fatal(err)
		}
		return n
	}
	c := m.Config
	got := held(c.Layers) - held(c.Layers-1)
	if want := c.StateBytes(positions, width) / int64(c.Layers); got != want {
		t.Errorf("a layer holds %d bytes (%d a position), by formula %d (%d)", got, got/positions, want, want/positions)
	}
}
