package weights

import (
	"fmt"
	"slices"
	"strings"
)

// wrapper is a model of text and pictures, of which the text model is used.
type wrapper struct {
	text     string            // type of the text model, where its configuration does not say
	classes  map[string]string // of text models, by type
	defaults map[string]any    // of the text model's sizes, which files on the hub leave out
}

func wrappers() map[string]wrapper {
	return map[string]wrapper{
		"gemma3": {
			text: "gemma3_text", classes: map[string]string{"gemma3_text": "Gemma3ForCausalLM"},
			defaults: map[string]any{"vocab_size": 262208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256},
		},
		"mistral3": {
			text: "mistral", classes: map[string]string{"mistral": "MistralForCausalLM", "ministral3": "Ministral3ForCausalLM"},
		},
	}
}

// textNames are how wrappers call the tensors of their text model: before
// transformers 4.52, and since.
func textNames() []struct{ wrapped, plain string } {
	return []struct{ wrapped, plain string }{
		{"language_model.model.", "model."},
		{"language_model.lm_head.", "lm_head."},
		{"model.language_model.", "model."},
		{"lm_head.", "lm_head."},
	}
}

// textName is what the text model itself calls a tensor of its wrapper's.
func textName(wrapped string) (plain string, ok bool) {
	for _, t := range textNames() {
		if rest, ok := strings.CutPrefix(wrapped, t.wrapped); ok {
			return t.plain + rest, true
		}
	}
	return "", false
}

// Wrapped tells whether this is the text model of one for text and pictures.
func (m *Model) Wrapped() bool { return m.wrapped }

// unwrapText makes a model of text and pictures the text model within it, as if that
// had been saved alone, and notes what is left out.
func (m *Model) unwrapText() error {
	fields, err := object(m.config)
	if err != nil {
		return err
	}
	name, _ := fields["model_type"].(string)
	w, ok := wrappers()[name]
	if !ok {
		return nil
	}
	text, ok := fields["text_config"].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: config.json: a %s without text_config; expected the settings of its text model there", m.path, name)
	}
	if text["model_type"] == nil {
		text["model_type"] = w.text
	}
	kind, _ := text["model_type"].(string)
	class, ok := w.classes[kind]
	if !ok {
		return fmt.Errorf("%s: config.json: the text model of this %s is of type %q; expected %s", m.path, name, kind, w.text)
	}
	text["architectures"] = []string{class}
	for key, value := range w.defaults {
		if text[key] == nil {
			text[key] = value
		}
	}
	for _, key := range []string{"bos_token_id", "eos_token_id", "pad_token_id", "torch_dtype", "dtype", "quantization_config"} {
		if text[key] == nil && fields[key] != nil {
			text[key] = fields[key]
		}
	}
	left := m.keepText()
	if text["tie_word_embeddings"], err = m.tiedText(kind, fields, text); err != nil {
		return err
	}
	if m.config, err = marshal(text); err != nil {
		return err
	}
	m.wrapped = true
	m.notes = append(m.notes, fmt.Sprintf("%s is a %s, for text and pictures: its text model is used, and saved as a %s; left out are %s", m.path, name, kind, left))
	return nil
}

// tiedText tells whether the head is the embedding. The wrapper's word on it goes before
// its text model's since transformers 5, and is yes where it says nothing; the text
// model's did before. A head in the file that is no copy is kept by both, unless the text
// model's says that it is tied.
func (m *Model) tiedText(kind string, wrapper, text map[string]any) (bool, error) {
	tied := func(fields map[string]any, unsaid bool) bool {
		if said, ok := fields["tie_word_embeddings"].(bool); ok {
			return said
		}
		return unsaid
	}
	if _, own := m.tensors[outputName]; !tied(wrapper, true) || !own || tied(text, slices.Contains(tiedDecoders(), kind)) {
		return tied(wrapper, true), nil
	}
	if _, ok := m.tensors[embeddingName]; !ok {
		return false, nil // whoever needs it says so
	}
	return m.same(outputName, embeddingName)
}

// keepText renames the text model's tensors and drops the others, and says what these
// are.
func (m *Model) keepText() string {
	names, tensors := []string{}, map[string]tensor{}
	dropped := map[string]int{}
	var parts []string
	for _, name := range m.names {
		if plain, ok := textName(name); ok {
			names, tensors[plain] = append(names, plain), m.tensors[name]
			continue
		}
		part, _, _ := strings.Cut(strings.TrimPrefix(name, "model."), ".")
		if dropped[part]++; dropped[part] == 1 {
			parts = append(parts, part)
		}
	}
	m.names, m.tensors = names, tensors
	slices.Sort(parts)
	for i, part := range parts {
		parts[i] = fmt.Sprintf("%s (%d tensors)", part, dropped[part])
	}
	if len(parts) == 0 {
		return "no tensors"
	}
	return strings.Join(parts, ", ")
}
