package enginetest

import "slices"

// Family is a tiny model of the Llama package, in its testdata, made by
// parity/make_models.py.
type Family struct {
	Name, Why string

	Wrapper string // type of the model for text and pictures, where it is the text model of one

	// OnStandIn says what its graphs have that no other's have, for the families that
	// run on the stand-in too, where every graph is compiled as for a GPU and little
	// else happens. The others differ in constants (of rotary positions, for the most
	// part) or join what these have one by one: they run on the CPU's engine and on GPUs.
	OnStandIn string
}

// Families are all.
func Families() []Family {
	return []Family{
		{Name: "llama", Why: "tied embeddings, grouped queries", OnStandIn: "the plain layer: grouped queries, a head that is the embedding"},
		{Name: "llama3", Why: "untied head, rope scaling of type llama3"},
		{Name: "mistral", Why: "a sliding window shorter than the rows"},
		{Name: "qwen2", Why: "biases on query, key and value", OnStandIn: "biases"},
		{Name: "qwen3", Why: "norms on queries and keys, heads wider than D/H"},
		{Name: "gemma3_text", Why: "norms around, of 1 and the weight, scaled embeddings, GELU, windows and rotary positions by layer", OnStandIn: "norms on each head's queries and keys, rotary positions by layer"},
		{Name: "gemma", Why: "the first of them, with Llama's norms"},
		{Name: "gemma2", Why: "soft caps of scores and logits", OnStandIn: "soft caps, norms around, windows by layer, GELU, scaled embeddings"},
		{Name: "smollm3", Why: "layers without rotary positions, which alone have a sliding window", OnStandIn: "layers without rotary positions"},
		{Name: "olmo2", Why: "norms behind, and on all heads' queries and keys together", OnStandIn: "norms after what they are of, and on all heads together; a head of its own"},
		{Name: "olmo3", Why: "windows by layer, yarn in the others"},
		{Name: "granite", Why: "embeddings, residuals, scores and logits scaled", OnStandIn: "multipliers of embeddings, residuals, scores and logits"},
		{Name: "phi3", Why: "fused matrices, heads that turn in part, longrope", OnStandIn: "fused projections, heads that turn in part, a window in every layer"},
		{Name: "ministral", Why: "windows by layer"},
		{Name: "ministral3", Why: "yarn, within the positions that queries are not scaled at"},
		{Name: "gemma3", Why: "the wrapper computes as its text model does", Wrapper: "gemma3"},
		{Name: "mistral3", Why: "the wrapper's word on ties goes before its text model's", Wrapper: "mistral3"},
		{Name: "mistral3-ministral3", Why: "a head of its own", Wrapper: "mistral3"},
	}
}

// FamiliesHere are those that tests run on the engine that they have.
func FamiliesHere() []Family {
	return slices.DeleteFunc(Families(), func(f Family) bool { return Name() == StandIn && f.OnStandIn == "" })
}
