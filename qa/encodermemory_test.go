package qa

import (
	"path/filepath"
	"testing"

	"gorqa/internal/enginetest"
	"gorqa/tensor/device"
)

// The weights that an embedding model or a reranker is predicted to take are those that
// are loaded, of each kind of encoder; its layers' part is that of a whole batch.
func TestEncoderMemoryIsWhatIsLoaded(t *testing.T) {
	e := enginetest.Open(t)
	for _, name := range []string{"bert", "t5", "qwen3"} {
		folder := filepath.Join("testdata/encoders", name)
		x, err := OpenEmbedder(t.Context(), Device{Engine: e}, folder, name)
		if err != nil {
			t.Fatal(err)
		}
		var loaded int64
		for _, p := range x.params.All() {
			loaded += int64(p.Compute.Shape().ByteSize())
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := EncoderMemory(t.Context(), folder, false, true)
		if err != nil {
			t.Fatal(err)
		}
		layers := got - loaded // without the modules behind the encoder, which are small
		if most := int64(device.Host().EmbedTokens) * 24 * 4 * 3 * 8; layers < most/16 || layers > most {
			t.Errorf("%s: %d bytes, %d more than its weights; expected at most %d of 3 layers 24 wide", name, got, layers, most)
		}
	}
	if _, err := EncoderMemory(t.Context(), "testdata/none", false, true); err == nil {
		t.Error("no error of a folder that is not there")
	}
}
