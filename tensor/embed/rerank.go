package embed

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/files/modelfile"
)

// classification is the task of rerankers.
const classification = "sequence-classification"

// RerankSettings are what a reranker's folder says about pairs and scores.
type RerankSettings struct {
	MaxTokens int  // of a pair; 0 for as many as the encoder has positions
	CutBefore bool // texts are cut at the beginning in place of the end
	LowerCase bool // texts are lower-cased before the tokenizer
	Pooling   Pooling
	Steps     []Step // from the pooled states to the score
}

// ReadRerankSettings reads the files of a cross-encoder's folder as sentence-transformers'
// CrossEncoder does. config is its config.json, width that of its encoder.
func ReadRerankSettings(folder string, config []byte, width int) (RerankSettings, error) {
	var lengths Settings
	errs := []error{lengths.readLength(folder, classification)}
	modules, found, err := readModules(folder)
	errs = append(errs, err)
	if found && (len(modules) != 1 || modules[0].kind() != "Transformer" || modules[0].Path != "") {
		errs = append(errs, fmt.Errorf("%s: %d modules; expected one, a Transformer in the folder itself; choose another reranker", filepath.Join(folder, "modules.json"), len(modules)))
	}
	h, err := readHead(folder, config)
	if err != nil {
		return RerankSettings{}, errors.Join(append(errs, err)...)
	}
	s := RerankSettings{MaxTokens: lengths.MaxTokens, CutBefore: lengths.CutBefore, LowerCase: lengths.LowerCase, Pooling: First}
	if s.Steps, err = h.steps(width); err == nil && h.ModelType == "modernbert" && h.Pooling == "mean" {
		s.Pooling = Mean
	}
	return s, errors.Join(append(errs, err)...)
}

// head are the fields of config.json that the head on an encoder goes by.
type head struct {
	ModelType     string            `json:"model_type"`
	Architectures []string          `json:"architectures"`
	Labels        *int              `json:"num_labels"`
	Names         map[string]string `json:"id2label"`
	Pooling       string            `json:"classifier_pooling"` // of modernbert
	Bias          bool              `json:"classifier_bias"`
	Activation    *string           `json:"classifier_activation"`
	NormBias      bool              `json:"norm_bias"`
	Epsilon       *float64          `json:"norm_eps"`
	Before4       *string           `json:"sbert_ce_default_activation_function"`
	From4         struct {
		Activation *string `json:"activation_fn"`
	} `json:"sentence_transformers"`

	score string // the function that makes the score of the head's number
}

func readHead(folder string, config []byte) (h head, err error) {
	if err := modelfile.JSON("config.json", config, &h); err != nil {
		return h, err
	}
	var errs []error
	if !slices.ContainsFunc(h.Architectures, func(name string) bool { return strings.HasSuffix(name, "ForSequenceClassification") }) {
		errs = append(errs, fmt.Errorf("config.json: architectures are %q; expected one ...ForSequenceClassification, which has a head that scores; choose a cross-encoder, such as BAAI/bge-reranker-base or cross-encoder/ms-marco-MiniLM-L6-v2", h.Architectures))
	}
	labels := 2 // so it is in transformers where nothing is said
	if h.Names != nil {
		labels = len(h.Names)
	}
	if h.Labels != nil {
		labels = *h.Labels
	}
	if labels != 1 {
		errs = append(errs, fmt.Errorf("config.json: %d labels (id2label); expected one, the score of a pair; choose another reranker", labels))
	}
	var settings struct {
		Activation *string            `json:"activation_fn"`
		Prompts    map[string]*string `json:"prompts"`
		Default    *string            `json:"default_prompt_name"`
	}
	path := filepath.Join(folder, "config_sentence_transformers.json")
	if _, err := readJSON(path, &settings); err != nil {
		errs = append(errs, err)
	}
	if settings.Default != nil && settings.Prompts[*settings.Default] != nil && *settings.Prompts[*settings.Default] != "" {
		errs = append(errs, fmt.Errorf("%s: default_prompt_name is %q; expected null: prompts of rerankers are not supported", path, *settings.Default))
	}
	h.score = "sigmoid"
	for _, class := range []*string{h.Before4, h.From4.Activation, settings.Activation} { // the last one counts
		if class != nil {
			if h.score, err = torchActivation(*class, "sigmoid"); err != nil {
				errs = append(errs, fmt.Errorf("%s: the activation of scores: %w", folder, err))
			}
		}
	}
	return h, errors.Join(errs...)
}

// steps are those of the head that transformers puts on an encoder of that type.
func (h head) steps(width int) ([]Step, error) {
	dense := func(name, act string) Step {
		return Step{Kind: Dense, Name: name, In: width, Out: width, Bias: true, Activation: act}
	}
	score := func(name string) Step {
		return Step{Kind: Dense, Name: name, In: width, Out: 1, Bias: true, Activation: h.score}
	}
	switch h.ModelType {
	case "bert":
		return []Step{dense("pooler.dense", "tanh"), score("classifier")}, nil
	case "albert":
		return []Step{dense("pooler", "tanh"), score("classifier")}, nil
	case "roberta", "xlm-roberta", "camembert", "mpnet":
		return []Step{dense("classifier.dense", "tanh"), score("classifier.out_proj")}, nil
	case "electra":
		return []Step{dense("classifier.dense", "gelu"), score("classifier.out_proj")}, nil
	case "distilbert":
		return []Step{dense("pre_classifier", "relu"), score("classifier")}, nil
	case "modernbert":
		first, norm := dense("head.dense", "gelu"), Step{Kind: LayerNorm, Name: "head.norm", In: width, Out: width, Bias: h.NormBias, Epsilon: 1e-5}
		first.Bias = h.Bias
		if h.Activation != nil {
			first.Activation = *h.Activation
		}
		if h.Epsilon != nil {
			norm.Epsilon = *h.Epsilon
		}
		steps := []Step{first, norm, score("classifier")}
		return steps, errors.Join(first.validate(), norm.validate())
	}
	return nil, fmt.Errorf("config.json: model_type is %q; expected one of bert, roberta, xlm-roberta, camembert, modernbert, mpnet, distilbert, electra and albert; choose another reranker", h.ModelType)
}
