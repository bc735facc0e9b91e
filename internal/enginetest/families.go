package enginetest

import "slices"

// Family is a tiny model of the Llama package, in its testdata, made by
// parity/make_models.py.
type Family struct {
	Name, Why string

	// OnStandIn says what its graphs have that no other's have, for the families that
	// run on the stand-in too, where every graph is compiled as for a GPU and little
	// else happens. The others differ in constants (of rotary positions, for the most
	// part) or join what these have one by one: they run on the CPU's engine and on GPUs.
	OnStandIn string
}

// Families are all.
func Families() []Family {
	return []Family{
		{"llama", "tied embeddings, grouped queries", "the plain layer: grouped queries, a head that is the embedding"},
		{"llama3", "untied head, rope scaling of type llama3", ""},
		{"mistral", "a sliding window shorter than the rows", ""},
		{"qwen2", "biases on query, key and value", "biases"},
		{"qwen3", "norms on queries and keys, heads wider than D/H", ""},
		{"gemma3_text", "norms around, of 1 and the weight, scaled embeddings, GELU, windows and rotary positions by layer", "norms on each head's queries and keys, rotary positions by layer"},
		{"gemma", "the first of them, with Llama's norms", ""},
		{"gemma2", "soft caps of scores and logits", "soft caps, norms around, windows by layer, GELU, scaled embeddings"},
		{"smollm3", "layers without rotary positions, which alone have a sliding window", "layers without rotary positions"},
		{"olmo2", "norms behind, and on all heads' queries and keys together", "norms after what they are of, and on all heads together; a head of its own"},
		{"olmo3", "windows by layer, yarn in the others", ""},
		{"granite", "embeddings, residuals, scores and logits scaled", "multipliers of embeddings, residuals, scores and logits"},
		{"phi3", "fused matrices, heads that turn in part, longrope", "fused projections, heads that turn in part, a window in every layer"},
		{"ministral", "windows by layer", ""},
		{"ministral3", "yarn, within the positions that queries are not scaled at", ""},
	}
}

// FamiliesHere are those that tests run on the engine that they have.
func FamiliesHere() []Family {
	return slices.DeleteFunc(Families(), func(f Family) bool { return Name() == StandIn && f.OnStandIn == "" })
}
