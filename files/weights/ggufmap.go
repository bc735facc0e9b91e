package weights

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ggufNames maps the tensors outside the layers, ggufLayer those within.
var ggufNames = map[string]string{
	"token_embd.weight":  "model.embed_tokens.weight",
	"output_norm.weight": "model.norm.weight",
	"output.weight":      outputName,
}

var ggufLayer = map[string]string{
	"attn_norm":   "input_layernorm",
	"attn_q":      "self_attn.q_proj",
	"attn_k":      "self_attn.k_proj",
	"attn_v":      "self_attn.v_proj",
	"attn_output": "self_attn.o_proj",
	"attn_q_norm": "self_attn.q_norm",
	"attn_k_norm": "self_attn.k_norm",
	"ffn_norm":    "post_attention_layernorm",
	"ffn_gate":    "mlp.gate_proj",
	"ffn_up":      "mlp.up_proj",
	"ffn_down":    "mlp.down_proj",
}

var ggufBlock = regexp.MustCompile(`^blk\.(\d+)\.(\w+)\.(weight|bias)$`)

// These are no weights: llama.cpp keeps Llama 3's rope scaling in the first, and what
// Phi-3 divides the angles of short and of long texts by in the others.
const (
	ropeFactors  = "rope_freqs.weight"
	shortFactors = "rope_factors_short.weight"
	longFactors  = "rope_factors_long.weight"
)

// fromGGUF gives the model the names, the config and the tokenizer that a
// Hugging Face folder would have.
func (m *Model) fromGGUF(f *ggufFile) error {
	k := &ggufKeys{file: f}
	name := k.text("general.architecture", "")
	arch, ok := ggufArchs[name]
	if !ok {
		known := slices.Sorted(maps.Keys(ggufArchs))
		return fmt.Errorf("%s: general.architecture is %q; expected one of %q", m.path, name, known)
	}
	if n := k.number("split.count", 1); n > 1 {
		return fmt.Errorf("%s: is one of %g parts; expected the whole model: join them with llama-gguf-split --merge", m.path, n)
	}
	k.prefix = name + "."
	heads := k.count("attention.head_count")
	kvHeads := k.countOr("attention.head_count_kv", heads)
	sizes := k.sizes(arch, heads, kvHeads)

	factors, problems := m.ggufTensors(f, k, arch, sizes, func(part string) int {
		switch {
		case arch.permuted && part == "attn_q":
			return heads
		case arch.permuted && part == "attn_k":
			return kvHeads
		}
		return 0
	})
	config := k.config(arch, sizes, m.tensors)
	problems = append(problems, k.ropeTensors(factors, config))
	vocab := k.vocab()
	if err := errors.Join(append(problems, k.problems...)...); err != nil {
		return err
	}
	m.vocab = &vocab
	var err error
	if m.config, err = marshal(config); err != nil {
		return err
	}
	if m.files[tokConfigName], err = marshal(k.tokenizerConfig(vocab)); err != nil {
		return err
	}
	m.files[generationName], err = marshal(k.generationConfig(vocab))
	return err
}

// ggufTensors gives the model the file's tensors under their Hugging Face names,
// and the factors of rotary frequencies by their own. permuted is how many heads'
// rows llama.cpp has reordered in a part of a layer.
func (m *Model) ggufTensors(f *ggufFile, k *ggufKeys, arch ggufArch, sizes ggufSizes, permuted func(part string) int) (factors map[string]ggufTensor, problems []error) {
	sized := len(k.problems) == 0 // else every shape would be told, too
	var strange []string
	layers := map[string]bool{}
	factors = map[string]ggufTensor{}
	for _, t := range f.tensors {
		if t.name == ropeFactors || arch.fused && (t.name == shortFactors || t.name == longFactors) {
			factors[t.name] = t
			continue
		}
		hf, part := ggufNames[t.name], strings.TrimSuffix(t.name, ".weight")
		if match := ggufBlock.FindStringSubmatch(t.name); match != nil && arch.layer(match[2]) != "" {
			part = match[2]
			layers[match[1]] = true
			hf = "model.layers." + match[1] + "." + arch.layer(part) + "." + match[3]
		}
		if hf == "" {
			strange = append(strange, t.name)
			continue
		}
		if want := sizes.of(part, strings.HasSuffix(t.name, ".bias")); sized && !matches(want, t.shape) {
			problems = append(problems, fmt.Errorf("%s: tensor %q has shape %v; expected %v, as the file's metadata say; it is damaged, or of a variant that is not read", m.path, t.name, t.shape, want))
			continue
		}
		m.names = append(m.names, hf)
		m.tensors[hf] = m.ggufTensor(f, t, permuted(part), arch.gemma && strings.HasSuffix(hf, "norm.weight"))
	}
	if n := len(strange); n > 0 {
		problems = append(problems, fmt.Errorf("%s: %d tensors are not those of a %s model, such as %q; experts and other variants are not read", m.path, n, strings.TrimSuffix(k.prefix, "."), strange[0]))
	}
	if sized && (len(layers) != sizes.layers || !layers[strconv.Itoa(sizes.layers-1)]) {
		problems = append(problems, fmt.Errorf("%s: tensors of %d layers; expected those of %d, as key %q says; it is damaged, or a part of a model", m.path, len(layers), sizes.layers, k.prefix+"block_count"))
	}
	return factors, problems
}

// ggufTensor is a tensor with the rows of so many heads in order again, and as a weight
// of a norm that Hugging Face stores without the one that is added to it.
func (m *Model) ggufTensor(f *ggufFile, t ggufTensor, heads int, lessOne bool) tensor {
	ordered := tensor{shape: t.shape, read: func() ([]float32, error) {
		values, err := f.float32s(t)
		if err == nil {
			err = notFinite(m.path, t.name, values)
		}
		if err == nil {
			values = unpermute(values, t.shape[0], heads)
		}
		if err == nil && lessOne {
			plus(-1, values)
		}
		return values, err
	}}
	switch {
	case len(t.shape) != 2:
	case t.format.plain == BF16:
		ordered.bf16 = func() ([]byte, error) {
			raw, err := f.raw(t)
			if err == nil {
				err = notFiniteBF16(m.path, t.name, raw)
			}
			return unpermute(raw, t.shape[0], heads), err
		}
	case t.format.plain == "":
		ordered.quantised = func() (numbers []int8, scales, lowest []float32, err error) {
			numbers, scales, lowest, err = f.quantised(t)
			rows := t.shape[0]
			return unpermute(numbers, rows, heads), unpermute(scales, rows, heads), unpermute(lowest, rows, heads), err
		}
	}
	return ordered
}

// permute puts the rows of q and k as llama.cpp has them: row i of half j of a head
// becomes its row 2i+j.
func permute(values []float32, rows, heads int) []float32 {
	return reorder(values, rows, heads, func(half, i, j int) (to, from int) { return 2*i + j, j*half + i })
}

// unpermute undoes permute, for what each row has so many values or bytes of. With 0 heads,
// and where there is nothing, nothing is to be undone.
func unpermute[T any](values []T, rows, heads int) []T {
	if heads == 0 || len(values) == 0 {
		return values
	}
	return reorder(values, rows, heads, func(half, i, j int) (to, from int) { return j*half + i, 2*i + j })
}

// reorder moves the rows within each head.
func reorder[T any](values []T, rows, heads int, place func(half, i, j int) (to, from int)) []T {
	width, half := len(values)/rows, rows/heads/2
	out := make([]T, len(values))
	for h := range heads {
		for i := range half {
			for j := range 2 {
				to, from := place(half, i, j)
				to, from = h*2*half+to, h*2*half+from
				copy(out[to*width:(to+1)*width], values[from*width:(from+1)*width])
			}
		}
	}
	return out
}

// ggufSizes are those that the metadata name.
type ggufSizes struct {
	hidden, inner, layers, heads, kvHeads, headDim int

	fused   bool // see ggufArch
	allHead bool // norms of queries and keys are of all heads together
}

// sizes reads them, and checks that they go together.
func (k *ggufKeys) sizes(arch ggufArch, heads, kvHeads int) ggufSizes {
	z := ggufSizes{fused: arch.fused, allHead: arch.behind, hidden: k.count("embedding_length"), inner: k.count("feed_forward_length"), layers: k.count("block_count"), heads: heads, kvHeads: kvHeads}
	z.headDim = max(z.hidden/heads, 1)
	if !arch.fused { // where heads may turn in part
		z.headDim = k.countOr("rope.dimension_count", z.headDim)
	}
	z.headDim = k.countOr("attention.key_length", z.headDim)
	if len(k.problems) > 0 {
		return z
	}
	if heads%kvHeads != 0 {
		k.bad(k.prefix+"attention.head_count_kv", fmt.Sprintf("a divisor of the %d heads, and not %d", heads, kvHeads))
	}
	if z.headDim%2 != 0 {
		k.bad(k.prefix+"attention.key_length", fmt.Sprintf("heads of even width, and not %d", z.headDim))
	}
	return z
}

// of is the shape of a tensor, outermost first, 0 for any size.
func (z ggufSizes) of(part string, bias bool) []int {
	q, kv, up, qNorm, kNorm := z.heads*z.headDim, z.kvHeads*z.headDim, z.inner, z.headDim, z.headDim
	if z.fused {
		up *= 2
	}
	if z.allHead {
		qNorm, kNorm = q, kv
	}
	shape := map[string][]int{
		"token_embd": {0, z.hidden}, "output": {0, z.hidden}, "output_norm": {z.hidden},
		"post_attention_norm": {z.hidden}, "post_ffw_norm": {z.hidden},
		"attn_norm": {z.hidden}, "ffn_norm": {z.hidden}, "attn_q_norm": {qNorm}, "attn_k_norm": {kNorm},
		"attn_q": {q, z.hidden}, "attn_k": {kv, z.hidden}, "attn_v": {kv, z.hidden}, "attn_qkv": {q + 2*kv, z.hidden},
		"attn_output": {z.hidden, q},
		"ffn_gate":    {z.inner, z.hidden}, "ffn_up": {up, z.hidden}, "ffn_down": {z.hidden, z.inner},
	}[part]
	if bias {
		return shape[:1]
	}
	return shape
}

// matches compares a shape with one in which 0 stands for any size.
func matches(want, shape []int) bool {
	return slices.EqualFunc(want, shape, func(w, s int) bool { return w == 0 || w == s })
}

// config is the config.json of the model in the file.
func (k *ggufKeys) config(arch ggufArch, z ggufSizes, tensors map[string]tensor) map[string]any {
	_, untied := tensors[outputName]
	config := map[string]any{
		"architectures": []string{arch.class},
		"model_type":    arch.modelType,

		"vocab_size":              0,
		"hidden_size":             z.hidden,
		"intermediate_size":       z.inner,
		"num_hidden_layers":       z.layers,
		"num_attention_heads":     z.heads,
		"num_key_value_heads":     z.kvHeads,
		"max_position_embeddings": k.count("context_length"),
		"rope_theta":              k.number(k.prefix+"rope.freq_base", 10000),
		"rms_norm_eps":            k.number(k.prefix+"attention.layer_norm_rms_epsilon", 1e-6),
		"hidden_act":              "silu",
		"tie_word_embeddings":     !untied,
	}
	if embedding, ok := tensors["model.embed_tokens.weight"]; ok {
		config["vocab_size"] = embedding.shape[0]
	} else {
		k.problems = append(k.problems, fmt.Errorf("%s: no tensor \"token_embd.weight\"; expected a whole model in one file", k.file.path))
	}
	if arch.headDim {
		config["head_dim"] = z.headDim
	}
	if arch.biases && arch.modelType != "qwen2" {
		_, attention := tensors["model.layers.0.self_attn.q_proj.bias"]
		_, mlp := tensors["model.layers.0.mlp.up_proj.bias"]
		config["attention_bias"], config["mlp_bias"] = attention, mlp
	}
	for _, id := range []struct{ config, key string }{{"bos_token_id", "bos"}, {"eos_token_id", "eos"}, {"pad_token_id", "padding"}} {
		if n := k.tokenID(id.key); n >= 0 {
			config[id.config] = n
		}
	}
	k.ropeScaling(config)
	k.familyConfig(arch, z, config)
	return config
}
