package qa

import (
	"fmt"
	"strings"
)

// mixtures are model types whose layers choose among experts for each token, which is
// not computed here: neither the choice, nor its loss that keeps experts even, nor
// products of as many rows as chose an expert.
func mixtures() []string {
	return []string{
		"mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "phimoe", "gpt_oss", "deepseek_v2", "deepseek_v3", "gemma4", "llama4", "llama4_text",
		"glm4_moe", "ernie4_5_moe", "qwen3_next", "qwen3_5_moe", "lfm2_moe", "minimax", "dbrx", "jetmoe", "nemotron_h", "jamba",
	}
}

// near says of a model type that is not known what it lacks, or which known one is
// meant.
func near(modelType string, known []string) string {
	for _, mixture := range mixtures() {
		if modelType == mixture {
			return "; it is a mixture of experts, whose routing and experts are not computed here: take a dense model of its family"
		}
	}
	if best := nearest(modelType, known); best != "" {
		return fmt.Sprintf("; the nearest is %s, which computes otherwise: take a model of that type", best)
	}
	return ""
}

// nearest is the known name that shares the longest beginning with another, of its
// letters before a digit or _ all of them; "" where none does.
func nearest(name string, known []string) string {
	stem := strings.TrimRight(strings.SplitN(strings.ToLower(name), "_", 2)[0], "0123456789.-n")
	best, length := "", 0
	for _, k := range known {
		shared := 0
		for shared < len(k) && shared < len(name) && k[shared] == name[shared] {
			shared++
		}
		if stem != "" && strings.HasPrefix(k, stem) && shared > length {
			best, length = k, shared
		}
	}
	return best
}
