package weights

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gorqa/files/modelfile"
)

// Names of the matrices that a model reads words with and answers with.
const (
	outputName    = "lm_head.weight"            // of any generator
	embeddingName = "model.embed_tokens.weight" // of a decoder
	sharedName    = "shared.weight"             // of an encoder-decoder of the T5 family
)

// sharedCopies are further names of T5's embedding; transformers reads each stack's
// own where the file has it.
var sharedCopies = []string{"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}

// decoders are the model types whose config.json is understood here as Llama's is.
func decoders() []string {
	return append(tiedDecoders(), "llama", "mistral", "ministral", "ministral3", "qwen2", "qwen3", "granite", "olmo2", "olmo3", "phi3")
}

// tiedDecoders are those of them whose head is the embedding unless config.json says
// something else.
func tiedDecoders() []string { return []string{"gemma", "gemma2", "gemma3_text", "smollm3"} }

// layered are those whose layers with a sliding window have rotary positions of their
// own.
func layered() []string { return []string{"gemma3_text", "olmo3"} }

const encoderDecoder = "t5"

// quantisationName is the key of config.json by which transformers quantises weights
// that it loads, or takes them for quantised.
const quantisationName = "quantization_config"

// kind is what config.json says of the model's head.
type kind struct {
	Type   string `json:"model_type"`
	Tied   *bool  `json:"tie_word_embeddings"`
	Scaled *bool  `json:"scale_decoder_outputs"`
}

func kindOf(config []byte) (k kind, err error) {
	return k, modelfile.JSON(configName, config, &k)
}

// embedding is the name of the matrix that the head can be, "" where the type of
// the model is not one of the known.
func (k kind) embedding() string {
	switch {
	case k.Type == encoderDecoder:
		return sharedName
	case slices.Contains(decoders(), k.Type):
		return embeddingName
	}
	return ""
}

// settleHead makes the tensors agree with each other on the embedding and the head:
// the tensors decide, whatever config.json says of ties. A head of its own stays; one
// that is a copy of the embedding it is tied to goes, and so do T5's copies of its
// embedding. What transformers reads differently from version to version, or
// with random numbers, is an error.
func (m *Model) settleHead() error {
	k, err := kindOf(m.config)
	if err != nil {
		return err
	}
	embedding := k.embedding()
	if embedding == "" {
		return nil
	}
	if k.Type == encoderDecoder {
		if err := m.settleShared(); err != nil {
			return err
		}
	}
	if _, ok := m.tensors[embedding]; !ok {
		return nil // whoever needs it says so
	}
	tied := k.Tied != nil && *k.Tied || k.Tied == nil && slices.Contains(tiedDecoders(), k.Type) || k.Type == encoderDecoder
	_, own := m.tensors[outputName]
	switch {
	case own && tied:
		same, err := m.same(outputName, embedding)
		if err != nil {
			return err
		}
		if same {
			m.drop(outputName)
		} else if k.Type != encoderDecoder { // whose config.json says true of every model since transformers 5
			m.notes = append(m.notes, fmt.Sprintf("%s has a %s that differs from %s, though its config.json ties them: it is used and kept, as in transformers 5; versions before 5 drop it", m.path, outputName, embedding))
		}
	case !own && !tied:
		return fmt.Errorf("%s: no tensor %q, and config.json does not say that it is %s; transformers would answer with random numbers; expected the head, or tie_word_embeddings true where the embedding is the head: fetch the whole model or correct config.json", m.path, outputName, embedding)
	}
	return nil
}

// settleShared gives T5's embedding its own name and drops equal copies of it.
func (m *Model) settleShared() error {
	for _, copied := range sharedCopies {
		if _, ok := m.tensors[copied]; !ok {
			continue
		}
		if _, ok := m.tensors[sharedName]; !ok {
			m.names[slices.Index(m.names, copied)] = sharedName
			m.tensors[sharedName] = m.tensors[copied]
			delete(m.tensors, copied)
			continue
		}
		same, err := m.same(copied, sharedName)
		if err != nil {
			return err
		}
		if !same {
			return fmt.Errorf("%s: %s differs from %s; expected one embedding for both stacks, as the models of this family have; save the model again with the embedding that it was trained with", m.path, copied, sharedName)
		}
		m.drop(copied)
	}
	return nil
}

func (m *Model) drop(name string) {
	m.names = slices.DeleteFunc(m.names, func(n string) bool { return n == name })
	delete(m.tensors, name)
}

// same compares two tensors.
func (m *Model) same(a, b string) (bool, error) {
	x, y := m.tensors[a], m.tensors[b]
	if !slices.Equal(x.shape, y.shape) {
		return false, nil
	}
	if x.bf16 != nil && y.bf16 != nil {
		p, errP := x.bf16()
		q, errQ := y.bf16()
		return bytes.Equal(p, q), errors.Join(errP, errQ)
	}
	p, errP := x.read()
	q, errQ := y.read()
	return slices.Equal(p, q), errors.Join(errP, errQ)
}

// Notes are what whoever uses the model should know of its files.
func (m *Model) Notes() []string { return slices.Clone(m.notes) }

// Unused lists the tensors of the folder that used does not take, without the
// buffers that every architecture computes for itself.
func (m *Model) Unused(used func(name string) bool) []string {
	return slices.DeleteFunc(m.Names(), func(name string) bool {
		return used(name) || strings.HasSuffix(name, ".inv_freq") || strings.HasSuffix(name, "position_ids")
	})
}

// exported is the config.json to save with tensors of those names: its settings in
// the spelling of transformers 4 and in that of 5, and tie_word_embeddings as the
// tensors have it. copied says that the embedding must be saved as the head, too.
func exported(config []byte, dtype DType, names []string) (data []byte, copied bool, err error) {
	fields, err := object(config)
	if err != nil {
		return nil, false, err
	}
	k, err := kindOf(config)
	if err != nil {
		return nil, false, err
	}
	name := map[DType]string{F32: "float32", BF16: "bfloat16", F16: "float16"}[dtype]
	fields["dtype"], fields["torch_dtype"] = name, name
	delete(fields, "compression_config")
	delete(fields, quantisationName) // of a config.json taken for new weights: these are plain
	if slices.Contains(decoders(), k.Type) {
		if err := spellRopes(k.Type, fields); err != nil {
			return nil, false, err
		}
	}
	if embedding := k.embedding(); embedding != "" && slices.Contains(names, embedding) {
		tied := !slices.Contains(names, outputName)
		if k.Type == encoderDecoder {
			scaled := k.Tied == nil || *k.Tied
			if k.Scaled != nil {
				scaled = *k.Scaled
			}
			// transformers 4 scales what a tied head reads, and only that.
			copied = tied && !scaled
			tied = tied && scaled
			fields["scale_decoder_outputs"] = scaled
		}
		fields["tie_word_embeddings"] = tied
	}
	data, err = marshal(fields)
	return data, copied, err
}

// shareStart gives the decoder's first token to both files that can name it:
// transformers 5 trains with that of config.json and answers with that of
// generation_config.json.
func shareStart(config []byte, files map[string][]byte) ([]byte, map[string][]byte, error) {
	const key = "decoder_start_token_id"
	k, err := kindOf(config)
	generation, ok := files[generationName]
	if err != nil || !ok || k.Type != encoderDecoder {
		return config, files, err
	}
	one, errOne := object(config)
	other, errOther := object(generation)
	if err := errors.Join(errOne, errOther); err != nil {
		return nil, nil, err
	}
	switch {
	case one[key] != nil && other[key] == nil:
		other[key] = one[key]
		files = maps.Clone(files)
		files[generationName], err = marshal(other)
	case one[key] == nil && other[key] != nil:
		one[key] = other[key]
		config, err = marshal(one)
	}
	return config, files, err
}

// number makes JSON numbers of one value alike, however they are written.
func number(value any) any {
	if n, ok := value.(json.Number); ok {
		if f, err := n.Float64(); err == nil {
			return f
		}
	}
	if list, ok := value.([]any); ok {
		return fmt.Sprint(list...)
	}
	return value
}
