package qa

import (
	"fmt"
	"slices"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/tensor/arch/bert"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/arch/t5"
	"gorqa/tensor/embed"
	"gorqa/tensor/tape"
)

// encoderFamily is one of those that embedders and rerankers are made of.
type encoderFamily struct {
	types []string // model_type of their config.json
	read  func(config []byte) (encoderShape, error)
}

// encoderShape is an encoder as its configuration describes it.
type encoderShape struct {
	vocabulary, width, positions int

	weights []tape.Weight
	// name gives the name of a tensor of a checkpoint in weights, or another for one
	// that is none of them.
	name func(tensor string) string
	// part says where a weight may stand as one of the equal parts of another tensor, ""
	// for nowhere.
	part func(weight string) (whole string, part, parts int)
	// other says whether a tensor, by that name, is known and not needed.
	other func(name string) bool
	open  func(bf16 bool) embed.Encoder
	// stateBytes are those that its layers hold of a batch of so many positions, in values
	// of so many bytes.
	stateBytes func(positions, width int) int64
	// needsModules says that a folder without modules.json does not tell how states are pooled.
	needsModules bool
}

// encoders lists all of them.
func encoders() []encoderFamily {
	return []encoderFamily{
		{bert.Known(), bertEncoder},
		{t5.Known(), t5Encoder},
		{[]string{"gemma3_text", "llama", "mistral", "qwen2", "qwen3"}, decoderEncoder},
	}
}

// encoderOf reads the configuration of an encoder.
func encoderOf(configJSON []byte) (encoderShape, error) {
	var c struct {
		Type string `json:"model_type"`
	}
	if err := modelfile.JSON("config.json", configJSON, &c); err != nil {
		return encoderShape{}, err
	}
	var all []string
	for _, f := range encoders() {
		if slices.Contains(f.types, c.Type) {
			return f.read(configJSON)
		}
		all = append(all, f.types...)
	}
	slices.Sort(all)
	return encoderShape{}, fmt.Errorf("config.json: model_type is %q; expected one of %s%s", c.Type, strings.Join(all, ", "), nearEncoder(c.Type))
}

// nearEncoder says what to take in place of a model of a type that is not known, "" where
// nothing is near.
func nearEncoder(modelType string) string {
	near := map[string]string{
		"deberta-v2": "roberta", "deberta": "roberta", "xlm": "xlm-roberta", "xlm-roberta-xl": "xlm-roberta", "new": "modernbert or nomic_bert",
		"gte": "modernbert or nomic_bert", "convbert": "electra", "mobilebert": "distilbert", "longformer": "modernbert", "eurobert": "modernbert",
		"clip": "a text encoder such as mpnet", "megatron-bert": "bert", "roformer": "nomic_bert",
	}
	if other := near[modelType]; other != "" {
		return "; near it is " + other
	}
	return ""
}

func bertEncoder(config []byte) (encoderShape, error) {
	c, err := bert.ParseConfig(config)
	if err != nil {
		return encoderShape{}, err
	}
	return encoderShape{
		vocabulary: c.Vocabulary, width: c.Width, positions: c.Positions,
		weights: c.Weights(), name: c.Name, part: c.Part, other: bert.Headless,
		open:       func(bf16 bool) embed.Encoder { return bert.New(c, bf16) },
		stateBytes: c.StateBytes,
	}, nil
}

// t5Encoder is the encoder of a T5, as gtr and sentence-t5 have it.
func t5Encoder(config []byte) (encoderShape, error) {
	c, err := t5.ParseConfig(config, nil)
	if err != nil {
		return encoderShape{}, err
	}
	return encoderShape{
		vocabulary: c.Vocabulary, width: c.Width, positions: t5.NewEncoder(c, false).Positions(), weights: c.EncoderWeights(),
		name: func(tensor string) string {
			if tensor == "encoder.embed_tokens.weight" {
				return "shared.weight"
			}
			return tensor
		},
		part:  func(string) (string, int, int) { return "", 0, 0 },
		other: func(name string) bool { return strings.HasPrefix(name, "decoder.") || name == "lm_head.weight" },
		open:  func(bf16 bool) embed.Encoder { return t5.NewEncoder(c, bf16) },

		stateBytes: c.StateBytes,
	}, nil
}

// decoderEncoder is a decoder as Qwen3-Embedding, e5-mistral and EmbeddingGemma have it.
func decoderEncoder(config []byte) (encoderShape, error) {
	c, err := llama.ParseEncoder(config)
	if err != nil {
		return encoderShape{}, err
	}
	return encoderShape{
		vocabulary: c.Vocabulary, width: c.Width, positions: c.MaxLength, weights: c.Weights(), needsModules: true,
		name: func(tensor string) string {
			if strings.HasPrefix(tensor, "model.") {
				return tensor
			}
			return "model." + tensor // as it is called where the model was saved without a head
		},
		part:  func(string) (string, int, int) { return "", 0, 0 },
		other: func(name string) bool { return name == "model.lm_head.weight" },
		open:  func(bf16 bool) embed.Encoder { return llama.NewEncoder(c, bf16) },

		stateBytes: c.StateBytes,
	}, nil
}
