package bert

import (
	"fmt"
	"strings"

	"gorqa/tensor/tape"
)

// names says where a family keeps its weights: the stem of each under the name that
// the blocks know it by. What a family lacks has none.
type names struct {
	base   string            // that heads put before all of them
	embed  map[string]string // of the embeddings and of what all layers share
	prefix string            // of layer %d
	layer  map[string]string // behind prefix
	rename *strings.Replacer // from other spellings, nil for none
	whole  string            // what a fused tensor is called that the family has in parts
}

// Local names of the weights of each kind of block, without ".weight" and ".bias":
// those of a layer stand before and after its attention.
var (
	embedStems  = []string{"word", "place", "kind", "norm", "project"}
	beforeStems = []string{"first norm", "query", "key", "value", "fused"}
	afterStems  = []string{"out", "middle norm", "inner", "gate", "outer", "norm"}
)

func bertNames(base string) names {
	return names{
		base: base,
		embed: map[string]string{
			"word": "embeddings.word_embeddings", "place": "embeddings.position_embeddings", "kind": "embeddings.token_type_embeddings",
			"norm": "embeddings.LayerNorm",
		},
		prefix: "encoder.layer.%d.",
		layer: map[string]string{
			"query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
			"out": "attention.output.dense", "middle norm": "attention.output.LayerNorm",
			"inner": "intermediate.dense", "outer": "output.dense", "norm": "output.LayerNorm",
		},
	}
}

func electraNames() names {
	n := bertNames("electra.")
	n.embed["project"] = "embeddings_project"
	return n
}

func mpnetNames() names {
	n := bertNames("mpnet.")
	n.embed["bias"] = "encoder.relative_attention_bias"
	for local, name := range map[string]string{
		"query": "attention.attn.q", "key": "attention.attn.k", "value": "attention.attn.v", "out": "attention.attn.o", "middle norm": "attention.LayerNorm",
	} {
		n.layer[local] = name
	}
	return n
}

func distilbertNames() names {
	n := bertNames("distilbert.")
	n.prefix = "transformer.layer.%d."
	n.layer = map[string]string{
		"query": "attention.q_lin", "key": "attention.k_lin", "value": "attention.v_lin",
		"out": "attention.out_lin", "middle norm": "sa_layer_norm",
		"inner": "ffn.lin1", "outer": "ffn.lin2", "norm": "output_layer_norm",
	}
	return n
}

func albertNames() names {
	n := bertNames("albert.")
	n.embed["project"] = "encoder.embedding_hidden_mapping_in"
	n.prefix = "encoder.albert_layer_groups.%d.albert_layers.0."
	n.layer = map[string]string{
		"query": "attention.query", "key": "attention.key", "value": "attention.value",
		"out": "attention.dense", "middle norm": "attention.LayerNorm",
		"inner": "ffn", "outer": "ffn_output", "norm": "full_layer_layer_norm",
	}
	return n
}

func modernbertNames() names {
	return names{
		base:   "model.",
		embed:  map[string]string{"word": "embeddings.tok_embeddings", "norm": "embeddings.norm", "final": "final_norm"},
		prefix: "layers.%d.",
		layer: map[string]string{
			"first norm": "attn_norm", "fused": "attn.Wqkv", "out": "attn.Wo",
			"middle norm": "mlp_norm", "inner": "mlp.Wi", "outer": "mlp.Wo",
		},
	}
}

func nomicNames() names {
	n := bertNames("nomic_bert.")
	delete(n.embed, "place")
	n.prefix = "layers.%d."
	n.layer = map[string]string{
		"query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj",
		"out": "self_attn.o_proj", "middle norm": "post_attention_layernorm",
		"gate": "mlp.gate_proj", "inner": "mlp.up_proj", "outer": "mlp.down_proj", "norm": "post_mlp_layernorm",
	}
	// Nomic's own names; encoder.layers comes before what begins alike.
	n.rename = strings.NewReplacer("encoder.layers.", "layers.", "emb_ln.", "embeddings.LayerNorm.", "attn.out_proj.", "self_attn.o_proj.",
		"attn.Wqkv.", "self_attn.qkv_proj.", "mlp.fc11.", "mlp.up_proj.", "mlp.fc12.", "mlp.gate_proj.", "mlp.fc2.", "mlp.down_proj.",
		"norm1.", "post_attention_layernorm.", "norm2.", "post_mlp_layernorm.")
	n.whole = "self_attn.qkv_proj"
	return n
}

// group is the number in the names of layer i.
func (c Config) group(i int) int {
	if c.Groups == 0 {
		return i
	}
	return i * c.Groups / c.Layers
}

// embedName and layerName are a weight's full name, "" where the family has none of
// that stem.
func (c Config) embedName(stem string) string { return families()[c.Type].names.embed[stem] }

func (c Config) layerName(i int, stem string) string {
	n := families()[c.Type].names
	if n.layer[stem] == "" || stem == "first norm" && i == 0 { // the embeddings are normed already
		return ""
	}
	return fmt.Sprintf(n.prefix, c.group(i)) + n.layer[stem]
}

// Weights lists the weights of the model under their names in Hugging Face's.
func (c Config) Weights() []tape.Weight {
	var ws []tape.Weight
	add := func(name string, table, bias bool, out, in int) {
		if name == "" {
			return
		}
		dims := []int{out, in}
		if in == 0 {
			dims = dims[:1]
		}
		ws = append(ws, tape.Weight{Name: name + ".weight", Dims: dims, Table: table})
		if bias {
			ws = append(ws, tape.Weight{Name: name + ".bias", Dims: []int{out}})
		}
	}
	add(c.embedName("word"), true, false, c.Vocabulary, c.Embedded)
	if c.Places > 0 {
		add(c.embedName("place"), true, false, c.Places, c.Embedded)
	}
	if c.Types > 0 {
		add(c.embedName("kind"), true, false, c.Types, c.Embedded)
	}
	add(c.embedName("norm"), false, c.NormBiases, c.Embedded, 0)
	if c.projects() {
		add(c.embedName("project"), false, true, c.Width, c.Embedded)
	}
	add(c.embedName("bias"), true, false, c.Buckets, c.Heads)
	attended, fused := c.Heads*c.HeadWidth, 1
	if c.Fused && c.Gated {
		fused = 2
	}
	for i := range c.Layers {
		if i > 0 && c.group(i) == c.group(i-1) {
			continue
		}
		for _, w := range []struct {
			stem    string
			bias    bool
			out, in int
		}{
			{"query", c.Biases, attended, c.Width}, {"key", c.Biases, attended, c.Width}, {"value", c.Biases, attended, c.Width},
			{"fused", c.Biases, 3 * attended, c.Width}, {"out", c.Biases, c.Width, attended}, {"middle norm", c.NormBiases, c.Width, 0},
			{"inner", c.Biases, fused * c.Inner, c.Width}, {"gate", c.Biases, c.Inner, c.Width}, {"outer", c.Biases, c.Width, c.Inner},
			{"first norm", c.NormBiases, c.Width, 0}, {"norm", c.NormBiases, c.Width, 0},
		} {
			add(c.layerName(i, w.stem), false, w.bias, w.out, w.in)
		}
	}
	add(c.embedName("final"), false, c.NormBiases, c.Width, 0)
	return ws
}

// projects says whether the embeddings are projected to the width of the layers; an
// albert's always are.
func (c Config) projects() bool { return c.Embedded != c.Width || c.Groups > 0 }

// Name gives the name in Weights for the name of a tensor in a checkpoint: those of
// Hugging Face's model, those with a prefix that its heads write, the gamma and beta of
// converted TensorFlow files, and a family's other spelling. Names of other tensors
// (the pooler, a head) come back without the prefix and are not in Weights.
func (c Config) Name(tensor string) string {
	n := families()[c.Type].names
	name := strings.TrimPrefix(tensor, n.base)
	if n.rename != nil && (strings.HasPrefix(name, "encoder.") || strings.HasPrefix(name, "emb_ln.")) {
		name = n.rename.Replace(name)
	}
	if stem, ok := strings.CutSuffix(name, "LayerNorm.gamma"); ok {
		return stem + "LayerNorm.weight"
	}
	if stem, ok := strings.CutSuffix(name, "LayerNorm.beta"); ok {
		return stem + "LayerNorm.bias"
	}
	return name
}

// Part says which of the equal parts of another tensor, by its name as Name gives it, a
// weight may stand in: a checkpoint can have query, key and value as one matrix. ""
// says in none.
func (c Config) Part(weight string) (whole string, part, parts int) {
	n := families()[c.Type].names
	if n.whole == "" {
		return "", 0, 0
	}
	for i, stem := range []string{"query", "key", "value"} {
		if prefix, ok := strings.CutSuffix(weight, n.layer[stem]+".weight"); ok {
			return prefix + n.whole + ".weight", i, 3
		}
	}
	return "", 0, 0
}

// Headless says whether a tensor, by its name as Name gives it, belongs to the head of
// another task than embedding, which is left out knowingly.
func Headless(name string) bool {
	for _, prefix := range []string{"pooler.", "cls.", "lm_head.", "vocab_", "predictions.", "sop_classifier.", "generator_", "discriminator_predictions.", "embeddings.position_ids"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
