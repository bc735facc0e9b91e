package weights

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gorqa/files/modelfile"
)

// GGUF is how a model is saved as a GGUF file.
type GGUF struct {
	Name  string // of the model
	DType DType  // F32, F16, BF16 or Q8_0, of the matrices; vectors stay F32
	// Vocabulary is the tokenizer's, for an embedding of so many rows.
	Vocabulary func(rows int) (v GGUFVocab, notes []string, err error)
	Files      map[string][]byte // see Files: the chat template and what ends an answer are taken from them
}

// GGUFTypes are the formats that matrices are written in.
var GGUFTypes = []DType{F32, F16, BF16, Q8_0}

// ConvertGGUF saves the model as a GGUF file, which appears whole or not at all, for
// llama.cpp and what is built on it. The notes are what is computed otherwise there.
func (m *Model) ConvertGGUF(ctx context.Context, path string, g GGUF) (notes []string, err error) {
	config, _, err := exported(m.config, F32, m.names)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(m.path, configName), err)
	}
	e := &ggufExport{model: m, GGUF: g}
	if err := e.read(config); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(m.path, configName), err)
	}
	var known bool
	if e.number, known = ggufNumber(g.DType); !known || !slices.Contains(GGUFTypes, g.DType) {
		return nil, fmt.Errorf("format %q; expected one of %v", g.DType, GGUFTypes)
	}
	if e.arch, known = ggufWritten[e.config.Type]; !known {
		return nil, fmt.Errorf("%s: model_type %q is not written as GGUF; expected one of %s; llama.cpp's convert_hf_to_gguf.py may know it", filepath.Join(m.path, configName), e.config.Type, strings.Join(slices.Sorted(maps.Keys(ggufWritten)), ", "))
	}
	tensors := e.tensors()
	keys := append(e.keys(), e.vocabulary()...)
	if err := errors.Join(e.problems...); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	return e.notes, writeGGUF(ctx, path, keys, tensors)
}

// ggufWritten are llama.cpp's names of the architectures that are written, by model
// type: a mistral is a llama to it.
var ggufWritten = map[string]string{
	"llama": "llama", "mistral": "llama", "ministral": "llama", "ministral3": "mistral3", "qwen2": "qwen2", "qwen3": "qwen3",
	"gemma": "gemma", "gemma2": "gemma2", "gemma3_text": "gemma3", "granite": "granite", "olmo2": "olmo2", "olmo3": "olmo2", "phi3": "phi3", "smollm3": "smollm3",
}

// ggufExport gathers what a GGUF file says, and what is wrong.
type ggufExport struct {
	GGUF
	model  *Model
	arch   string // llama.cpp's
	number uint32 // of the matrices' format
	config struct {
		Type      string   `json:"model_type"`
		Vocab     int      `json:"vocab_size"`
		Hidden    int      `json:"hidden_size"`
		Inner     int      `json:"intermediate_size"`
		Layers    int      `json:"num_hidden_layers"`
		Heads     int      `json:"num_attention_heads"`
		KVHeads   *int     `json:"num_key_value_heads"`
		HeadDim   *int     `json:"head_dim"`
		Context   int      `json:"max_position_embeddings"`
		Eps       *float64 `json:"rms_norm_eps"`
		Theta     *float64 `json:"rope_theta"`
		Rope      ggufRope `json:"rope_parameters"`
		Act       string   `json:"hidden_act"`
		Window    *int     `json:"sliding_window"`
		UseWindow *bool    `json:"use_sliding_window"`
		BOS       any      `json:"bos_token_id"`
		Pad       any      `json:"pad_token_id"`
		familyConfig
	}
	notes    []string
	problems []error
}

func (e *ggufExport) bad(format string, args ...any) {
	e.problems = append(e.problems, fmt.Errorf("%s: %s", e.model.path, fmt.Sprintf(format, args...)))
}

func (e *ggufExport) heads() (heads, kvHeads, width int) {
	heads = max(e.config.Heads, 1)
	kvHeads, width = heads, e.config.Hidden/heads
	if e.config.KVHeads != nil {
		kvHeads = max(*e.config.KVHeads, 1)
	}
	if e.config.HeadDim != nil {
		width = *e.config.HeadDim
	}
	return heads, kvHeads, width
}

// keys are those of the model.
func (e *ggufExport) keys() []ggufKey {
	c, arch := e.config, e.arch+"."
	heads, kvHeads, width := e.heads()
	if ggufArchs[e.arch].gemma {
		e.checkGELU()
	} else if c.Act != "" && c.Act != "silu" {
		e.bad("hidden_act %q; expected silu, which is all that llama.cpp computes for a %s model", c.Act, e.arch)
	}
	keys := []ggufKey{
		{"general.architecture", ggufText(e.arch)},
		{"general.type", ggufText("model")},
		{"general.name", ggufText(e.Name)},
		{"general.size_label", ggufText(e.sizeLabel())},
		{arch + "block_count", ggufCount(c.Layers)},
		{arch + "context_length", ggufCount(c.Context)},
		{arch + "embedding_length", ggufCount(c.Hidden)},
		{arch + "feed_forward_length", ggufCount(c.Inner)},
		{arch + "attention.head_count", ggufCount(heads)},
		{arch + "attention.head_count_kv", ggufCount(kvHeads)},
	}
	keys = append(keys, e.scaling(arch)...)
	keys = append(keys,
		ggufKey{arch + "rope.freq_base", ggufFloat(*c.Theta)},
		ggufKey{arch + "attention.layer_norm_rms_epsilon", ggufFloat(*c.Eps)},
		ggufKey{"general.file_type", ggufCount(map[DType]int{F32: 0, F16: 1, Q8_0: 7, BF16: 32}[e.DType])},
		ggufKey{"general.quantization_version", ggufCount(2)},
	)
	if c.HeadDim != nil && (e.arch != "granite" || width*heads != c.Hidden) {
		keys = append(keys, ggufKey{arch + "attention.key_length", ggufCount(width)}, ggufKey{arch + "attention.value_length", ggufCount(width)})
	}
	keys = append(keys, e.familyKeys(arch)...)
	if window, has := e.windowLeftOut(); has && window < c.Context {
		e.notes = append(e.notes, fmt.Sprintf("llama.cpp has no sliding window for this model: texts of more than %d tokens are attended to whole", window))
	}
	return keys
}

// sizeLabel is the number of weights as llama.cpp writes it: 135M, 1.1B.
func (e *ggufExport) sizeLabel() string {
	n := 0.0
	for _, t := range e.model.tensors {
		n += float64(Info{Shape: t.shape}.Elements())
	}
	for _, unit := range []struct {
		size   float64
		suffix string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}} {
		if n > unit.size || unit.suffix == "K" {
			n, digits := n/unit.size, 0
			if math.RoundToEven(n) < 10 {
				digits = 1
			}
			if math.RoundToEven(n) < 1 {
				digits = 2
			}
			return strconv.FormatFloat(n, 'f', digits, 64) + unit.suffix
		}
	}
	return ""
}

// from are llama.cpp's names of the tensors outside the layers and of the parts of
// one, by their Hugging Face names.
func (a ggufArch) from(hf string) (name, part string) {
	for gguf, own := range ggufNames {
		if own == hf {
			return gguf, strings.TrimSuffix(gguf, ".weight")
		}
	}
	rest, ok := strings.CutPrefix(hf, "model.layers.")
	layer, rest, found := strings.Cut(rest, ".")
	dot := strings.LastIndexByte(rest, '.')
	if !ok || !found || dot < 0 {
		return "", ""
	}
	for _, parts := range []map[string]string{ggufAround, ggufFused, ggufLayer} {
		for gguf := range parts {
			if a.layer(gguf) == rest[:dot] {
				return "blk." + layer + "." + gguf + rest[dot:], gguf
			}
		}
	}
	return "", ""
}

// tensors are the model's, under llama.cpp's names, with its order of rows.
func (e *ggufExport) tensors() []ggufOut {
	heads, kvHeads, width := e.heads()
	arch := ggufArchs[e.arch]
	sizes := ggufSizes{e.config.Hidden, e.config.Inner, e.config.Layers, heads, kvHeads, width, arch.fused, arch.behind}
	var list []ggufOut
	var strange, wide []string
	layers := map[string]bool{}
	for _, hf := range e.model.names {
		if strings.HasSuffix(hf, ".inv_freq") {
			continue // computed by everybody
		}
		t := e.model.tensors[hf]
		name, part := arch.from(hf)
		if name == "" || !ggufBlock.MatchString(name) && ggufNames[name] == "" || strings.HasSuffix(name, ".bias") && !arch.biases {
			strange = append(strange, hf)
			continue
		}
		if match := ggufBlock.FindStringSubmatch(name); match != nil {
			layers[match[1]] = true
		}
		if want := sizes.of(part, strings.HasSuffix(name, ".bias")); !matches(want, t.shape) {
			e.bad("tensor %q has shape %v; expected %v, as config.json says", hf, t.shape, want)
			continue
		}
		out := ggufOut{name: name, number: e.number, shape: t.shape}
		if len(t.shape) < 2 {
			out.number, _ = ggufNumber(F32)
		} else if e.DType == Q8_0 && t.shape[len(t.shape)-1]%32 != 0 {
			out.number, _ = ggufNumber(F16)
			wide = append(wide, hf)
		}
		out.values = e.rewritten(hf, t, map[string]int{"attn_q": heads, "attn_k": kvHeads}[part])
		list = append(list, out)
	}
	if width%2 != 0 || len(layers) != sizes.layers || !layers[strconv.Itoa(sizes.layers-1)] {
		e.bad("tensors of %d layers, heads %d wide; expected those of %d, as config.json says, and an even width", len(layers), width, sizes.layers)
	}
	if _, ok := e.model.tensors[embeddingName]; !ok {
		e.bad("no tensor %q; expected a whole model", embeddingName)
	}
	if len(strange) > 0 {
		e.bad("%d tensors have no place in a GGUF file of a %s model, such as %q; expected its weights alone", len(strange), e.arch, strange[0])
	}
	if len(wide) > 0 {
		e.notes = append(e.notes, fmt.Sprintf("%d matrices such as %s have rows that are not in blocks of 32: they are written in F16", len(wide), wide[0]))
	}
	if len(e.problems) == 0 {
		list = append(list, e.ropeTensors()...)
	}
	return list
}

// rewritten reads a tensor as llama.cpp has it; rotary is how many heads of it turn.
func (e *ggufExport) rewritten(hf string, t tensor, rotary int) func() ([]float32, error) {
	switch {
	case ggufArchs[e.arch].gemma && strings.HasSuffix(hf, "norm.weight"):
		return func() ([]float32, error) {
			values, err := t.read()
			return plus(1, slices.Clone(values)), err
		}
	case ggufArchs[e.arch].permuted && rotary > 0:
		return func() ([]float32, error) {
			values, err := t.read()
			if err == nil {
				values = permute(values, t.shape[0], rotary)
			}
			return values, err
		}
	}
	return t.read
}

// vocabulary are the keys of the tokenizer, of the chat template and of what ends an
// answer.
func (e *ggufExport) vocabulary() []ggufKey {
	rows := e.config.Vocab
	if shape, ok := e.model.Shape(embeddingName); ok && len(shape) == 2 {
		rows = shape[0]
	}
	v, notes, err := e.Vocabulary(rows)
	if err != nil {
		e.bad("tokenizer: %v", err)
		return nil
	}
	e.notes = append(e.notes, notes...)
	const prefix = "tokenizer.ggml."
	keys := []ggufKey{
		{prefix + "model", ggufText(v.Model)},
		{prefix + "pre", ggufText(v.Pre)},
		{prefix + "tokens", ggufTexts(v.Tokens)},
	}
	if v.Scores != nil {
		keys = append(keys, ggufKey{prefix + "scores", ggufFloats(v.Scores)})
	}
	keys = append(keys, ggufKey{prefix + "token_type", ggufInts(v.Types)})
	if v.Merges != nil {
		keys = append(keys, ggufKey{prefix + "merges", ggufTexts(v.Merges)})
	}
	for _, t := range e.specials(v, rows) {
		keys = append(keys, ggufKey{prefix + t.name + "_token_id", ggufCount(t.id)})
	}
	keys = append(keys, ggufKey{prefix + "add_bos_token", ggufFlag(v.AddBOS)}, ggufKey{prefix + "add_eos_token", ggufFlag(v.AddEOS)})
	if v.Model == "llama" {
		keys = append(keys, ggufKey{prefix + "add_space_prefix", ggufFlag(v.AddSpacePrefix)})
	}
	template, err := ChatTemplate(e.Files)
	if err != nil {
		e.bad("%v", err)
	}
	if template != "" {
		keys = append(keys, ggufKey{"tokenizer.chat_template", ggufText(template)})
	}
	return keys
}

type ggufSpecial struct {
	name string
	id   int
}

// specials are the special tokens: those that the tokenizer names, else config.json,
// and what ends an answer beside the end token. GGUF has two places more for that.
func (e *ggufExport) specials(v GGUFVocab, rows int) (list []ggufSpecial) {
	var generation struct {
		Ends any `json:"eos_token_id"`
	}
	if data := e.Files[generationName]; data != nil {
		if err := modelfile.JSON(generationName, data, &generation); err != nil {
			e.bad("%v", err)
		}
	}
	ends, _ := generation.Ends.([]any)
	if ends == nil {
		ends = []any{generation.Ends}
	}
	var more []int
	for _, end := range ends {
		if id, ok := end.(float64); ok && id >= 0 && int(id) < rows && !slices.Contains(more, int(id)) {
			more = append(more, int(id))
		}
	}
	configured := func(value any) int32 {
		if id, ok := value.(float64); ok && id >= 0 && int(id) < rows {
			return int32(id)
		}
		return -1
	}
	add := func(name string, ids ...int32) {
		if i := slices.IndexFunc(ids, func(id int32) bool { return id >= 0 }); i >= 0 {
			list = append(list, ggufSpecial{name, int(ids[i])})
		}
	}
	eos := v.EOS
	if eos < 0 && len(more) > 0 {
		eos = int32(more[0])
	}
	add("bos", v.BOS, configured(e.config.BOS))
	add("eos", eos)
	add("unknown", v.UNK)
	add("padding", v.PAD, configured(e.config.Pad))
	more = slices.DeleteFunc(more, func(id int) bool { return id == int(eos) })
	for i, name := range []string{"eot", "eom"} {
		if i < len(more) {
			list = append(list, ggufSpecial{name, more[i]})
		}
	}
	if len(more) > 2 {
		e.notes = append(e.notes, fmt.Sprintf("%d tokens end an answer, GGUF names 3: at %d llama.cpp stops only where it knows the token by its text", len(more)+1, more[2:]))
	}
	return list
}
