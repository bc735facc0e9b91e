package qa

import (
	"fmt"
	"slices"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/files/weights"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/arch/t5"
	"gorqa/tensor/tape"
	"gorqa/text/recipe"
)

// Kind is what a recipe takes of the architectures.
type Kind int

const (
	AnyKind Kind = iota
	DecoderOnly
	EncoderDecoder
)

// architecture is one that generators are made of.
type architecture struct {
	types []string // model_type of their config.json
	kind  Kind
	task  string // of an adapter on it, as PEFT names it

	// read reads config.json and generation_config.json. headless says whether the
	// head has no weights of its own, nil that config.json is to be believed.
	read func(config, generation []byte, headless *bool) (shape, error)
}

// shape is a model as its configuration describes it.
type shape struct {
	dimensions
	name              string // its type
	vocabulary, width int
	setting           string // what lowers the memory that it takes

	heads, kvHeads, headWidth int           // of causal attention, 0 for none
	products                  []tape.Weight // that decoding on the host multiplies by, nil for none

	asking func(e *recipe.Encoder, s TextSide) (asking, error)
	fresh  func(seed int64) tape.Source // random weights
	open   func(m Model, bf16 bool) Generator
}

// dimensions are what a configuration of any architecture tells.
type dimensions interface {
	Parameters() int
	Weights() []tape.Weight
	Linears() []tape.Weight // of them, those that an adapter can stand beside

	// KeptBytes are those that training keeps of a micro-batch of so many positions,
	// in values of so many bytes, and CacheBytes those that answering keeps of rows of
	// so many tokens.
	KeptBytes(positions, width int) int64
	CacheBytes(rows, tokens, width int) int64
}

// architectures lists all of them.
func architectures() []architecture {
	return []architecture{
		{llama.Known(), DecoderOnly, weights.CausalLM, decoderShape},
		{t5.Known(), EncoderDecoder, weights.Seq2SeqLM, fidShape},
	}
}

// architectureOf goes by the model_type of a config.json, and refuses one that is
// not of the kind.
func architectureOf(configJSON []byte, kind Kind) (architecture, error) {
	var c struct {
		Type string `json:"model_type"`
	}
	if err := modelfile.JSON("config.json", configJSON, &c); err != nil {
		return architecture{}, err
	}
	var all []string
	ofKind := map[Kind][]string{}
	var found *architecture
	for _, a := range architectures() {
		all = append(all, a.types...)
		ofKind[a.kind] = append(ofKind[a.kind], a.types...)
		if slices.Contains(a.types, c.Type) {
			found = &a
		}
	}
	switch {
	case found == nil:
		return architecture{}, fmt.Errorf("config.json: model_type %q; expected one of %s%s", c.Type, strings.Join(all, ", "), near(c.Type, all))
	case kind == AnyKind, kind == found.kind:
		return *found, nil
	case kind == DecoderOnly:
		return architecture{}, fmt.Errorf("config.json: model_type %q, an encoder-decoder; expected a decoder (%s); train this model with gorqa train fid", c.Type, strings.Join(ofKind[kind], ", "))
	}
	return architecture{}, fmt.Errorf("config.json: model_type %q, a decoder; expected an encoder-decoder (%s); train this model with gorqa train sft or gorqa train swr", c.Type, strings.Join(ofKind[kind], ", "))
}

// shapeOf reads a stored model's configuration. Of the head it goes by the weights
// where config.json says something else.
func (a architecture) shapeOf(source *weights.Model) (shape, error) {
	_, own := source.Shape("lm_head.weight")
	headless := !own
	return a.read(source.Config(), source.GenerationConfig(), &headless)
}
