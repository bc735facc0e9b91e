package qa

import (
	"strings"
	"testing"
)

// An unknown type is refused with what it lacks, or with what is near.
func TestUnknownType(t *testing.T) {
	for _, c := range []struct{ modelType, why, want string }{
		{"qwen3_moe", "a mixture of experts", "it is a mixture of experts, whose routing and experts are not computed here"},
		{"mixtral", "another", "mixture of experts"},
		{"gemma3n_text", "not Gemma 3", "the nearest is gemma3_text"},
		{"olmo", "the first of them", "the nearest is olmo2"},
		{"smollm2", "a name that transformers does not have", "the nearest is smollm3"},
		{"falcon", "nothing near", "expected one of"},
	} {
		_, err := architectureOf([]byte(`{"model_type":"`+c.modelType+`"}`), AnyKind)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "gemma3_text, ") {
			t.Errorf("%s (%s): error %v; want one with %q and the known types", c.modelType, c.why, err, c.want)
		}
		if c.modelType == "falcon" && strings.Contains(err.Error(), "nearest") {
			t.Errorf("%s: error %v; want no name that is not near", c.modelType, err)
		}
	}
}
