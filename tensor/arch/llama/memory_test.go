package llama

import (
	"fmt"
	"path/filepath"
	"testing"

	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/tape"
)

// TestKeptBytesAreWhatALayerKeeps counts what the tape holds before the backward pass
// with a layer more and a layer less; what is there once for all layers falls out.
func TestKeptBytesAreWhatALayerKeeps(t *testing.T) {
	const positions = 80
	everyWidth(t, func(t *testing.T, name string, bf16 bool, width int) {
		model, runner := loadIn(t, name, bf16)
		b := rows(t, golden.Load(t, filepath.Join("testdata", name)), positions)
		kept := func(layers int) int64 {
			c := model.Config
			c.Layers = layers
			tp := runner.New(true)
			if _, err := New(c, bf16).Loss(tp, b); err != nil {
				t.Fatal(err)
			}
			n := tp.KeptBytes()
			if err := tp.Free(); err != nil {
				t.Fatal(err)
			}
			return n
		}
		c := model.Config
		got := kept(c.Layers) - kept(c.Layers-1)
		want := c.KeptBytes(positions, width) / int64(c.Layers)
		if got != want {
			t.Errorf("a layer keeps %d bytes (%d a position), by formula %d (%d)", got, got/positions, want, want/positions)
		}
	})
}

// TestCacheBytesAreTwiceTheKeysAndValues counts those of a row that is prefilled.
func TestCacheBytesAreTwiceTheKeysAndValues(t *testing.T) {
	const positions = 80
	everyWidth(t, func(t *testing.T, name string, bf16 bool, width int) {
		model, runner := loadIn(t, name, bf16)
		b := rows(t, golden.Load(t, filepath.Join("testdata", name)), positions)
		tp := runner.New(false)
		x, err := model.Embed(tp, b.Tokens)
		if err != nil {
			t.Fatal(err)
		}
		shared, err := model.Share(tp, b)
		if err != nil {
			t.Fatal(err)
		}
		var got int64
		for layer := range model.Config.Layers {
			var k, v *tape.Value
			if x, k, v, err = model.Prefill(tp, layer, x, shared); err != nil {
				t.Fatal(err)
			}
			got += int64(k.Tensor.Shape().ByteSize() + v.Tensor.Shape().ByteSize())
		}
		if err := tp.Free(); err != nil {
			t.Fatal(err)
		}
		if want := model.Config.CacheBytes(1, positions, width); 2*got != want {
			t.Errorf("keys and values have %d bytes; twice that expected by formula, not %d", got, want)
		}
		if one, many := model.Config.CacheBytes(1, 100, width), model.Config.CacheBytes(6, 50, width); many != 3*one {
			t.Errorf("6 rows of 50 tokens take %d bytes, one of 100 takes %d", many, one)
		}
	})
}

// everyWidth runs a test of every family in f32 and bf16; on the stand-in in bf16 of
// one alone, since what is kept there differs by the width and not by the family too.
func everyWidth(t *testing.T, run func(t *testing.T, name string, bf16 bool, width int)) {
	for _, m := range enginetest.FamiliesHere() {
		for _, width := range []int{4, 2} {
			if width == 2 && m.Name != "llama" && enginetest.Name() == enginetest.StandIn {
				continue
			}
			t.Run(fmt.Sprintf("%s, %d bytes a value", m.Name, width), func(t *testing.T) { run(t, m.Name, width == 2, width) })
		}
	}
}
