package device_test

import (
	"testing"

	"gorqa/batch"
	"gorqa/internal/enginetest"
	"gorqa/tensor/device"
)

// TestProfiles shows that work can be cut as either profile says, and that the engine
// of the tests has the one of its kind.
func TestProfiles(t *testing.T) {
	for name, p := range map[string]device.Profile{"host": device.Host(), "GPU": device.GPU()} {
		if err := p.FiD.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for part, p := range map[string]batch.Packing{"decoder": p.Decoder, "prompts": p.Prompts} {
			if p.Round < 1 || p.Terms < 1 || p.Capacity%p.Round != 0 {
				t.Errorf("%s, %s: %+v; expected a capacity of whole rounds", name, part, p)
			}
		}
		if p.TermsPerCall < 1 || p.EmbedTokens < 1 || p.LayersPerGraph < 1 || p.StepsAhead < 1 || p.CacheRound < 1 {
			t.Errorf("%s: %+v; expected positive numbers", name, p)
		}
	}
	e := enginetest.Open(t)
	if p := device.Of(e); p.Native != e.OnHost() || p.FewShapes == e.OnHost() {
		t.Errorf("%s: %+v", e.Describe(), p)
	}
}
