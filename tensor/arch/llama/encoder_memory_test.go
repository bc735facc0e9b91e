package llama

import (
	"testing"

	"gorqa/batch"
)

// TestStateBytesAreWhatAnEncodersLayerHolds counts what the tape holds of a batch with a
// layer more and a layer less. Where a layer is one graph, as on a GPU, it holds only what
// comes out of it.
func TestStateBytesAreWhatAnEncodersLayerHolds(t *testing.T) {
	for _, name := range []string{"llama", "olmo2"} {
		const width = 4
		model, runner := loadIn(t, name, false)
		held := func(layers int) int64 {
			c := model.Config
			c.Layers = layers
			tp := runner.New(false)
			if _, err := NewEncoder(c, false).Hidden(tp, batch.Pack{Rows: [][]int32{{1, 2, 3}, {4, 5}}, Size: 32, Tall: 2, Wide: 32}); err != nil {
				t.Fatal(err)
			}
			n := tp.KeptBytes()
			if err := tp.Free(); err != nil {
				t.Fatal(err)
			}
			return n
		}
		c := model.Config
		got := held(c.Layers) - held(c.Layers-1)
		if want := c.StateBytes(32, width) / int64(c.Layers); got > want || runner.Device.Native && got != want {
			t.Errorf("%s: a layer holds %d bytes (%d a position), by formula %d (%d)", name, got, got/32, want, want/32)
		}
	}
}
