// Package bert is the BERT family of encoders (arXiv 1810.04805) as sentence
// embedders and rerankers use them: bert, roberta, xlm-roberta and camembert,
// distilbert, electra, albert, mpnet, modernbert and nomic_bert, which differ in
// names, positions, norms and the feed-forward layer. It has their configuration,
// Hugging Face names and forward graphs, and knows nothing of files, text or pooling.
package bert

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// Config is an encoder's shape.
type Config struct {
	Type       string
	Vocabulary int
	Width      int // D
	Embedded   int // width of the embeddings, which are projected to D where it is another
	Inner      int // width of the feed-forward layer
	Layers     int
	Groups     int // of layers that share their weights, 0 where each has its own
	Heads      int // H
	HeadWidth  int // C
	Positions  int // the longest row
	Places     int // rows of the table of positions, 0 for none
	First      int // the place of a row's first token
	Pad        int // where First is above 0, the token that has the place First-1 and is not counted
	Types      int // token types, 0 for none
	Epsilon    float64
	Activation string
	Gated      bool      // the feed-forward layer has a gate
	Before     bool      // norms stand before attention and feed-forward layer, and behind the last layer
	Fused      bool      // one matrix for query, key and value, one for the gate and what it multiplies
	Biases     bool      // of attention and the feed-forward layer
	NormBiases bool      // of norms
	Buckets    int       // of relative positions, 0 for none
	Ropes      []nn.Rope // of each layer, nil for none
	Windows    []int     // how far each layer sees on both sides, 0 for all of a row; nil for none
}

// mpnetLimit is the distance from which all relative positions share a bucket; the
// number of buckets is fixed in transformers, too.
const (
	mpnetBuckets = 32
	mpnetLimit   = 128
)

// hfConfig are the fields of config.json that matter here, in all spellings.
type hfConfig struct {
	ModelType  string  `json:"model_type"`
	Vocab      int     `json:"vocab_size"`
	Width      int     `json:"hidden_size"`
	Embedded   int     `json:"embedding_size"`
	Inner      int     `json:"intermediate_size"`
	Layers     int     `json:"num_hidden_layers"`
	Groups     int     `json:"num_hidden_groups"`
	InnerGroup int     `json:"inner_group_num"`
	Heads      int     `json:"num_attention_heads"`
	HeadWidth  int     `json:"head_dim"`
	Positions  int     `json:"max_position_embeddings"`
	Types      *int    `json:"type_vocab_size"`
	Epsilon    float64 `json:"layer_norm_eps"`
	NormEps    float64 `json:"norm_eps"`
	Act        string  `json:"hidden_act"`
	Activation string  `json:"hidden_activation"`
	Positional string  `json:"position_embedding_type"`
	Decoder    bool    `json:"is_decoder"`
	Pad        *int    `json:"pad_token_id"`
	Buckets    *int    `json:"relative_attention_num_buckets"`

	Dim       int    `json:"dim"` // of distilbert, in place of the above
	HiddenDim int    `json:"hidden_dim"`
	NLayers   int    `json:"n_layers"`
	NHeads    int    `json:"n_heads"`
	DistilAct string `json:"activation"`

	AttentionBias bool            `json:"attention_bias"` // of modernbert
	MLPBias       bool            `json:"mlp_bias"`
	NormBias      bool            `json:"norm_bias"`
	Every         *int            `json:"global_attn_every_n_layers"`
	Local         *int            `json:"local_attention"`
	LayerTypes    []string        `json:"layer_types"`
	GlobalTheta   float64         `json:"global_rope_theta"`
	LocalTheta    float64         `json:"local_rope_theta"`
	RopeParams    json.RawMessage `json:"rope_parameters"`
	RopeScaling   json.RawMessage `json:"rope_scaling"`
	RopeTheta     float64         `json:"rope_theta"`
	hfNomic
}

// ParseConfig reads config.json as transformers 5.23 does. Its errors name every
// setting that this package cannot follow.
func ParseConfig(data []byte) (Config, error) {
	h := hfConfig{Positional: "absolute"}
	if err := modelfile.JSON("config.json", data, &h); err != nil {
		return Config{}, err
	}
	f, ok := families()[h.ModelType]
	if !ok {
		return Config{}, fmt.Errorf("config.json: model_type is %q; expected one of %s", h.ModelType, strings.Join(Known(), ", "))
	}
	c := Config{
		Type: h.ModelType, Vocabulary: h.Vocab, Width: h.Width, Inner: h.Inner, Layers: h.Layers, Heads: h.Heads, HeadWidth: h.HeadWidth,
		Positions: h.Positions, Places: h.Positions, Epsilon: cmp.Or(h.Epsilon, 1e-12), Activation: cmp.Or(h.Act, f.activation),
		Biases: true, NormBiases: true,
	}
	if f.types {
		c.Types = 2
		if h.Types != nil {
			c.Types = *h.Types
		}
	}
	var err error
	if f.read != nil {
		err = f.read(h, &c)
	}
	c.Embedded = cmp.Or(c.Embedded, c.Width)
	c.HeadWidth = cmp.Or(c.HeadWidth, c.Width/max(c.Heads, 1))
	if h.Decoder {
		err = errors.Join(err, errors.New("config.json: is_decoder is true, with which no token sees what stands behind it; expected false"))
	}
	if h.Positional != "absolute" {
		err = errors.Join(err, fmt.Errorf("config.json: position_embedding_type is %q; expected \"absolute\"", h.Positional))
	}
	if err := errors.Join(err, c.Validate()); err != nil {
		return Config{}, err
	}
	return c, nil
}

// maxLayers bounds what a broken file can make of a list of weights.
const maxLayers = 1000

// Validate reports every setting that this package cannot follow.
func (c Config) Validate() error {
	if !slices.Contains(Known(), c.Type) {
		return fmt.Errorf("config.json: model_type is %q; expected one of %s", c.Type, strings.Join(Known(), ", "))
	}
	var errs []error
	for _, f := range []struct {
		name  string
		value int
		least int
	}{
		{"vocab_size", c.Vocabulary, 1}, {"hidden_size", c.Width, 1}, {"embedding_size", c.Embedded, 1}, {"intermediate_size", c.Inner, 1},
		{"num_hidden_layers", c.Layers, 1}, {"num_attention_heads", c.Heads, 1}, {"max_position_embeddings", c.Positions + c.First, c.First + 1},
		{"type_vocab_size", c.Types, 0}, {"num_hidden_groups", c.Groups, 0}, {"head_dim", c.HeadWidth, 1}, {"pad_token_id", c.Pad, 0},
	} {
		if f.value < f.least || f.value > math.MaxInt32 {
			errs = append(errs, fmt.Errorf("config.json: %s is %d; expected a number from %d", f.name, f.value, f.least))
		}
	}
	if c.Layers > maxLayers || c.Groups > c.Layers {
		errs = append(errs, fmt.Errorf("config.json: num_hidden_layers is %d in %d groups; expected at most %d, and no more groups", c.Layers, c.Groups, maxLayers))
	}
	if c.Heads > 0 && c.Width%c.Heads != 0 {
		errs = append(errs, fmt.Errorf("config.json: hidden_size %d is not a multiple of num_attention_heads %d", c.Width, c.Heads))
	}
	if len(c.Ropes) > 0 && c.HeadWidth%2 != 0 {
		errs = append(errs, fmt.Errorf("config.json: heads are %d wide; expected an even number, since they turn", c.HeadWidth))
	}
	if !(c.Epsilon > 0) {
		errs = append(errs, fmt.Errorf("config.json: layer_norm_eps is %v; expected a number above 0", c.Epsilon))
	}
	if nn.Activation(c.Activation) == nil {
		errs = append(errs, fmt.Errorf("config.json: hidden_act is %q; expected one of %q", c.Activation, nn.Activations()))
	}
	if len(errs) == 0 {
		errs = append(errs, tape.CheckSize(c.Weights()))
	}
	return errors.Join(errs...)
}
