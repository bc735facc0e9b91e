// Package t5 is the T5 family of encoder-decoders (arXiv 1910.10683): T5 v1.0,
// and v1.1 with its descendants Flan-T5 and FastChat-T5, read as
// Fusion-in-Decoder (arXiv 2007.01282): each passage encoded alone, the decoder
// attending to all of a row's. One passage a row is plain T5. It turns a
// configuration and weights under Hugging Face names into blocks for a tape; it
// knows nothing of files, text, optimisers or searching for answers.
//
// Legend of shapes: B passages, S tokens of a passage, R rows, K encoder states
// of a row, T decoder positions of a row, D width, H heads, C width of a head,
// V vocabulary, L loss terms.
package t5

import (
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

var known = []string{"t5"}

// Known lists the model_type values of config.json that this package builds.
func Known() []string { return slices.Clone(known) }

// Config is an encoder-decoder's shape.
type Config struct {
	Type          string
	Width         int // D
	Layers        int // of the encoder
	DecoderLayers int
	Heads         int // H
	HeadWidth     int // C
	Inner         int // width of the feed-forward layer
	Vocabulary    int // V
	Buckets       int // of relative positions
	Limit         int // distance from which all positions share a bucket
	Epsilon       float64
	Activation    string  // "relu", "gelu_new" or "silu"
	Gated         bool    // the feed-forward layer has a gate (v1.1)
	Scaled        bool    // the head reads states times D^-0.5 (v1.0)
	Tied          bool    // the head is the embedding (v1.0)
	Start         int     // the decoder's first token
	End           int     // the token that ends an answer, the first of several
	InitFactor    float64 // scales the weights of a model that starts from nothing
}

// hfConfig are the fields of config.json that matter here.
type hfConfig struct {
	ModelType     string          `json:"model_type"`
	Width         int             `json:"d_model"`
	HeadWidth     int             `json:"d_kv"`
	Inner         int             `json:"d_ff"`
	Layers        int             `json:"num_layers"`
	DecoderLayers *int            `json:"num_decoder_layers"`
	Heads         int             `json:"num_heads"`
	Vocab         int             `json:"vocab_size"`
	Buckets       int             `json:"relative_attention_num_buckets"`
	Limit         int             `json:"relative_attention_max_distance"`
	Epsilon       float64         `json:"layer_norm_epsilon"`
	FeedForward   string          `json:"feed_forward_proj"`
	Act           *string         `json:"dense_act_fn"` // what transformers makes of feed_forward_proj, and saves
	Gated         *bool           `json:"is_gated_act"`
	Tied          *bool           `json:"tie_word_embeddings"`
	Scaled        *bool           `json:"scale_decoder_outputs"`
	Start         *int            `json:"decoder_start_token_id"`
	Pad           int             `json:"pad_token_id"`
	End           json.RawMessage `json:"eos_token_id"`
	InitFactor    float64         `json:"initializer_factor"`
}

// maxLayers bounds what a broken config.json can ask for.
const maxLayers = 1024

// ParseConfig reads a config.json and the generation_config.json beside it, nil
// for none, which can name the decoder's first token, too. All problems are
// reported together.
//
// In T5's files tie_word_embeddings says two things: false stands in v1.1's,
// whose head is a weight of its own and reads unscaled states. transformers 5
// writes the second as scale_decoder_outputs, which goes first here for both. A
// caller whose weights show otherwise (a file without lm_head.weight) sets Tied.
func ParseConfig(data, generation []byte) (Config, error) {
	h := hfConfig{Buckets: 32, Limit: 128, Epsilon: 1e-6, FeedForward: "relu", InitFactor: 1}
	if err := modelfile.JSON("config.json", data, &h); err != nil {
		return Config{}, err
	}
	if !slices.Contains(known, h.ModelType) {
		return Config{}, fmt.Errorf("config.json: model_type %q; expected %s; choose a model of the T5 family", h.ModelType, strings.Join(known, ", "))
	}
	c := Config{
		Type: h.ModelType, Width: h.Width, Layers: h.Layers, DecoderLayers: h.Layers, Heads: h.Heads, HeadWidth: h.HeadWidth,
		Inner: h.Inner, Vocabulary: h.Vocab, Buckets: h.Buckets, Limit: h.Limit, Epsilon: h.Epsilon, Start: h.Pad, End: 1, InitFactor: h.InitFactor,
	}
	if h.DecoderLayers != nil {
		c.DecoderLayers = *h.DecoderLayers
	}
	c.Scaled = h.Tied == nil || *h.Tied
	if h.Scaled != nil {
		c.Scaled = *h.Scaled
	}
	c.Tied = c.Scaled
	var problems []error
	start, err := h.start(generation)
	problems = append(problems, err)
	c.Start = start
	if len(h.End) > 0 && string(h.End) != "null" {
		var ends []int
		if err := json.Unmarshal(h.End, &c.End); err != nil {
			if json.Unmarshal(h.End, &ends) != nil || len(ends) == 0 {
				problems = append(problems, fmt.Errorf("config.json: eos_token_id is %s; expected a token id, or a list of them", h.End))
			} else {
				c.End = ends[0]
			}
		}
	}
	act, gated := strings.CutPrefix(h.FeedForward, "gated-")
	if gated && act == "gelu" {
		act = "gelu_new" // so do transformers
	}
	c.Activation, c.Gated = act, gated
	if h.Act != nil && *h.Act != act || h.Gated != nil && *h.Gated != gated {
		problems = append(problems, fmt.Errorf("config.json: feed_forward_proj %q says activation %s, gated %t; dense_act_fn and is_gated_act contradict it; expected the same; correct one of them", h.FeedForward, act, gated))
	}
	if err := errors.Join(append(problems, c.Validate())...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// start is the decoder's first token: what either file names, else the padding
// token, as T5 was trained.
func (h hfConfig) start(generation []byte) (int, error) {
	var g struct {
		Start *int `json:"decoder_start_token_id"`
	}
	if len(generation) > 0 {
		if err := modelfile.JSON("generation_config.json", generation, &g); err != nil {
			return 0, err
		}
	}
	switch {
	case h.Start != nil && g.Start != nil && *h.Start != *g.Start:
		return 0, fmt.Errorf("config.json: decoder_start_token_id is %d, and %d in generation_config.json: transformers would train with the first and answer with the second; expected the same; correct one of them", *h.Start, *g.Start)
	case h.Start != nil:
		return *h.Start, nil
	case g.Start != nil:
		return *g.Start, nil
	}
	return h.Pad, nil
}

// Validate reports every setting that this package cannot follow.
func (c Config) Validate() error {
	var problems []error
	for _, f := range []struct {
		name       string
		value, min int
	}{
		{"d_model", c.Width, 1}, {"d_kv", c.HeadWidth, 1}, {"d_ff", c.Inner, 1}, {"num_layers", c.Layers, 1},
		{"num_decoder_layers", c.DecoderLayers, 1}, {"num_heads", c.Heads, 1}, {"vocab_size", c.Vocabulary, 1},
		{"relative_attention_num_buckets", c.Buckets, 4}, {"relative_attention_max_distance", c.Limit, c.Buckets/2 + 1},
	} {
		if f.value < f.min || f.value > math.MaxInt32 {
			problems = append(problems, fmt.Errorf("config.json: %s is %d; expected a number from %d", f.name, f.value, f.min))
		}
	}
	if max(c.Layers, c.DecoderLayers) > maxLayers {
		problems = append(problems, fmt.Errorf("config.json: %d and %d layers; expected at most %d", c.Layers, c.DecoderLayers, maxLayers))
	}
	for name, id := range map[string]int{"decoder_start_token_id": c.Start, "eos_token_id": c.End} {
		if id < 0 || c.Vocabulary > 0 && id >= c.Vocabulary {
			problems = append(problems, fmt.Errorf("config.json: %s is %d; expected an id of the vocabulary of %d", name, id, c.Vocabulary))
		}
	}
	if !(c.Epsilon > 0) {
		problems = append(problems, fmt.Errorf("config.json: layer_norm_epsilon is %g; expected a number above 0", c.Epsilon))
	}
	if !(c.InitFactor > 0) {
		problems = append(problems, fmt.Errorf("config.json: initializer_factor is %g; expected a number above 0", c.InitFactor))
	}
	if !slices.Contains([]string{"relu", "gelu_new", "silu"}, c.Activation) {
		problems = append(problems, fmt.Errorf("config.json: feed_forward_proj has activation %q; expected relu, gelu_new or silu, or one of gated-gelu and gated-silu", c.Activation))
	}
	if len(problems) == 0 {
		problems = append(problems, tape.CheckSize(c.Weights()))
	}
	return errors.Join(problems...)
}

// relative describes the positions of the encoder or the decoder.
func (c Config) relative(decoder bool) nn.Relative {
	return nn.Relative{Buckets: c.Buckets, Limit: c.Limit, Causal: decoder}
}

// biasName is the table of relative positions that a stack's layers share.
func biasName(stack string) string {
	return stack + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight"
}

// blockName is the prefix of a layer's weights.
func blockName(stack string, layer int) string { return fmt.Sprintf("%s.block.%d.", stack, layer) }

// Weights lists the weights of the model under their Hugging Face names.
func (c Config) Weights() []tape.Weight {
	all := c.Heads * c.HeadWidth
	ws := []tape.Weight{{Name: "shared.weight", Dims: []int{c.Vocabulary, c.Width}, Table: true}}
	add := func(name string, dims ...int) { ws = append(ws, tape.Weight{Name: name, Dims: dims}) }
	for _, s := range []struct {
		stack  string
		layers int
		parts  []string
	}{
		{"encoder", c.Layers, []string{"SelfAttention", "DenseReluDense"}},
		{"decoder", c.DecoderLayers, []string{"SelfAttention", "EncDecAttention", "DenseReluDense"}},
	} {
		for i := range s.layers {
			for j, part := range s.parts {
				p := fmt.Sprintf("%slayer.%d.", blockName(s.stack, i), j)
				add(p+"layer_norm.weight", c.Width)
				p += part
				if part == "DenseReluDense" {
					for _, name := range c.innerNames() {
						add(p+name+".weight", c.Inner, c.Width)
					}
					add(p+".wo.weight", c.Width, c.Inner)
					continue
				}
				for _, name := range []string{".q", ".k", ".v"} {
					add(p+name+".weight", all, c.Width)
				}
				add(p+".o.weight", c.Width, all)
				if i == 0 && j == 0 {
					ws = append(ws, tape.Weight{Name: biasName(s.stack), Dims: []int{c.Buckets, c.Heads}, Table: true})
				}
			}
		}
		add(s.stack+".final_layer_norm.weight", c.Width)
	}
	if !c.Tied {
		add("lm_head.weight", c.Vocabulary, c.Width)
	}
	return ws
}

// Parameters counts the weights.
func (c Config) Parameters() int {
	n := 0
	for _, w := range c.Weights() {
		n += w.Size()
	}
	return n
}

// Linears lists the weights of the linear layers, the head not among them:
// those that an adapter can stand beside.
func (c Config) Linears() []tape.Weight {
	return slices.DeleteFunc(c.Weights(), func(w tape.Weight) bool {
		return len(w.Dims) != 2 || !strings.Contains(w.Name, ".layer.") || strings.Contains(w.Name, "relative_attention_bias")
	})
}

// innerNames are the projections into the feed-forward layer.
func (c Config) innerNames() []string {
	if c.Gated {
		return []string{".wi_0", ".wi_1"}
	}
	return []string{".wi"}
}

// HeadName is the name of the weight that turns hidden states into logits.
func (c Config) HeadName() string {
	if c.Tied {
		return "shared.weight"
	}
	return "lm_head.weight"
}
