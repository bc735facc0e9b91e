package bert

import (
	"testing"

	"gorqa/batch"
)

// TestStateBytesAreWhatALayerHolds counts what the tape holds of a batch with a layer more
// and a layer less.
func TestStateBytesAreWhatALayerHolds(t *testing.T) {
	const positions, width = 32, 4
	m, r := load(t, false)
	held := func(layers int) int64 {
		c := m.Config
		c.Layers = layers
		tp := r.New(false)
		if _, err := New(c, false).Hidden(tp, batch.Pack{Rows: [][]int32{{1, 2, 3}, {4, 5}}, Size: positions, Tall: 2, Wide: 32}); err != nil {
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
