package weights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/files/modelfile"
)

// The names of PEFT's adapter folder, and what its tensors' names begin with.
const (
	adapterConfigName = "adapter_config.json"
	adapterName       = "adapter_model.safetensors"
	adapterPrefix     = "base_model.model."
)

// The two matrices of a low-rank adapter stand under the name of the weight
// that they add to, with these in place of ".weight".
const (
	loraA = ".lora_A.weight"
	loraB = ".lora_B.weight"
)

// wrappedPrefix is what the layers of a text model are called within a model for text
// and pictures since transformers 4.52, and notText the pattern of the modules beside it,
// whose layers have names like a text model's.
const (
	wrappedPrefix = "model.language_model."
	notText       = `(?!model\.language_model\.).*`
)

// Tasks of an adapter, as PEFT names them.
const (
	CausalLM  = "CAUSAL_LM"
	Seq2SeqLM = "SEQ_2_SEQ_LM"
)

// LoRA is the settings of a low-rank adapter (arXiv 2106.09685) as PEFT's
// adapter_config.json has them.
type LoRA struct {
	Base     string   // base model: a folder, a .gguf file, a hub id
	Revision string   // of a hub id; "" for its main branch
	Task     string   // CausalLM or Seq2SeqLM
	Rank     int      // r
	Alpha    float64  // lora_alpha
	Dropout  float64  // on the adapter's input, in training
	RSLoRA   bool     // scaled by sqrt(r) and not by r (arXiv 2312.03732)
	Targets  []string // modules with an adapter: whole names, or what they end with
	Wrapped  bool     // the base model is the text model of one for text and pictures, on which PEFT puts it
}

// Scale is what the product of the matrices is multiplied by.
func (l LoRA) Scale() float64 {
	if l.RSLoRA {
		return l.Alpha / math.Sqrt(float64(l.Rank))
	}
	return l.Alpha / float64(l.Rank)
}

// adapterConfig are the fields of adapter_config.json that are read and
// written.
type adapterConfig struct {
	Type      string          `json:"peft_type"`
	Task      string          `json:"task_type"`
	Base      string          `json:"base_model_name_or_path"`
	Revision  *string         `json:"revision"`
	Rank      int             `json:"r"`
	Alpha     float64         `json:"lora_alpha"`
	Dropout   float64         `json:"lora_dropout"`
	RSLoRA    bool            `json:"use_rslora"`
	Targets   json.RawMessage `json:"target_modules"`            // a list, or a pattern of Python's
	Excluded  any             `json:"exclude_modules,omitempty"` // a list, or a pattern of Python's
	Bias      string          `json:"bias"`
	Init      json.RawMessage `json:"init_lora_weights"`
	Inference bool            `json:"inference_mode"`
}

// Fields of adapter_config.json that are read, or that do not change what an
// adapter computes. Any other one, unless it is null, false or empty, is a
// feature that gorqa does not have.
var adapterFields = []string{
	"peft_type", "task_type", "base_model_name_or_path", "revision", "r", "lora_alpha", "lora_dropout", "use_rslora",
	"target_modules", "bias", "init_lora_weights", "inference_mode", "peft_version", "auto_mapping",
	"exclude_modules", "layers_to_transform", "layers_pattern", // which modules: the tensors say it
	"loftq_config", "eva_config", "corda_config", "lora_ga_config", // of ways to initialise
	"megatron_core", "qalora_group_size", "ensure_weight_tying", "runtime_config", // of features that are off
}

// harmlessInits are the ways to initialise an adapter that leave the base model
// as it is.
var harmlessInits = []string{"", "null", "true", "false", `"gaussian"`, `"orthogonal"`, `"eva"`}

// parseLoRA reads an adapter_config.json. Targets stay empty where the file has
// more than a list of them.
func parseLoRA(data []byte) (LoRA, error) {
	fields, err := object(data)
	if err != nil {
		return LoRA{}, err
	}
	var c adapterConfig
	if err := modelfile.JSON("", data, &c); err != nil {
		return LoRA{}, err
	}
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.Type != "LORA" {
		bad("peft_type %q; expected LORA, the one kind of adapter that gorqa reads", c.Type)
	}
	if c.Bias != "none" && c.Bias != "" {
		bad("bias %q; expected none: biases are not trained with an adapter here", c.Bias)
	}
	if !slices.Contains(harmlessInits, string(c.Init)) {
		bad("init_lora_weights %s; it changes the base model's weights; save the adapter with PEFT's path_initial_model_for_weight_conversion, which makes a plain one", c.Init)
	}
	if c.Rank < 1 || c.Rank > 1<<16 {
		bad("r is %d; expected a positive number", c.Rank)
	}
	if !(c.Dropout >= 0 && c.Dropout < 1) {
		bad("lora_dropout is %v; expected at least 0 and less than 1", c.Dropout)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(adapterFields, name) && !off(fields[name]) {
			value, _ := json.Marshal(fields[name]) // it came from JSON
			bad("%s is %s; gorqa does not have this feature of PEFT; expected it absent, null or false; merge the adapter with PEFT's merge_and_unload and take the merged model", name, value)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return LoRA{}, err
	}
	l := LoRA{Base: c.Base, Task: c.Task, Rank: c.Rank, Alpha: c.Alpha, Dropout: c.Dropout, RSLoRA: c.RSLoRA}
	if c.Revision != nil {
		l.Revision = *c.Revision
	}
	if (off(c.Excluded) || c.Excluded == notText) && off(fields["layers_to_transform"]) {
		_ = json.Unmarshal(c.Targets, &l.Targets) // a pattern is no list
	}
	return l, nil
}

// off tells whether a field asks for nothing.
func off(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// config is l as adapter_config.json.
func (l LoRA) config() ([]byte, error) {
	targets, err := json.Marshal(l.Targets)
	if err != nil {
		return nil, err
	}
	c := adapterConfig{
		Type: "LORA", Task: l.Task, Base: l.Base, Rank: l.Rank, Alpha: l.Alpha, Dropout: l.Dropout, RSLoRA: l.RSLoRA,
		Targets: targets, Bias: "none", Init: json.RawMessage("true"), Inference: true,
	}
	if l.Revision != "" {
		c.Revision = &l.Revision
	}
	if l.Wrapped {
		c.Excluded = notText
	}
	return marshal(c)
}

// IsAdapter tells whether path is a folder that holds a PEFT adapter.
func IsAdapter(path string) bool {
	_, err := os.Stat(filepath.Join(path, adapterConfigName))
	return err == nil
}

// ReadLoRA reads the settings of the adapter in a folder.
func ReadLoRA(ctx context.Context, folder string) (LoRA, error) {
	m, l, err := OpenAdapter(ctx, folder)
	if err != nil {
		return LoRA{}, err
	}
	return l, m.Close()
}

// OpenAdapter opens a PEFT adapter's folder. The tensors of the model stand
// under the base model's names ("….q_proj.lora_A.weight"), in pairs of A
// [r, in] and B [out, r]; it has no config.json.
func OpenAdapter(ctx context.Context, folder string) (_ *Model, _ LoRA, err error) {
	if err := ctx.Err(); err != nil {
		return nil, LoRA{}, err
	}
	path := filepath.Join(folder, adapterConfigName)
	data, err := readSmall(path)
	if err != nil {
		return nil, LoRA{}, err
	}
	l, err := parseLoRA(data)
	if err != nil {
		return nil, LoRA{}, fmt.Errorf("%s: %w", path, err)
	}
	m := &Model{path: folder, tensors: map[string]tensor{}, files: map[string][]byte{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if err := m.readCompanions(); err != nil {
		return nil, LoRA{}, err
	}
	file, err := m.openShard(adapterName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, LoRA{}, fmt.Errorf("%s: no %s in the folder, though it has an %s; expected an adapter that was saved as safetensors", folder, adapterName, adapterConfigName)
	}
	if err != nil {
		return nil, LoRA{}, err
	}
	m.add(file, file.Names())
	var problems []error
	renamed := map[string]tensor{}
	for i, name := range m.names {
		plain, ok := strings.CutPrefix(name, adapterPrefix)
		if text, wrapped := textName(plain); wrapped {
			plain, l.Wrapped = text, true
		}
		if ok = ok && (strings.HasSuffix(plain, loraA) || strings.HasSuffix(plain, loraB)); !ok || strings.HasPrefix(plain, "lm_head.") {
			problems = append(problems, fmt.Errorf("%s: tensor %q; expected only the matrices of linear layers within the model, %s….lora_A.weight and …lora_B.weight; gorqa has no adapters for embeddings, heads and whole modules", file.path, name, adapterPrefix))
			continue
		}
		m.names[i], renamed[plain] = plain, m.tensors[name]
	}
	m.tensors = renamed
	if err := errors.Join(problems...); err != nil {
		return nil, LoRA{}, err
	}
	err = m.checkPairs(&l)
	return m, l, err
}

// checkPairs checks that the tensors are pairs of matrices of the rank, and
// names the modules that have them where l does not.
func (m *Model) checkPairs(l *LoRA) error {
	var problems []error
	var modules []string
	for _, name := range slices.Sorted(maps.Keys(m.tensors)) {
		if module, ok := strings.CutSuffix(name, loraA); ok {
			modules = append(modules, module)
			a, b := m.tensors[name].shape, m.tensors[module+loraB].shape
			if len(a) != 2 || len(b) != 2 || a[0] != l.Rank || b[1] != l.Rank {
				problems = append(problems, fmt.Errorf("%s: %s: A has shape %v and B %v; expected [%d, in] and [out, %[5]d], as %s says", m.path, module, a, b, l.Rank, adapterConfigName))
			}
		}
	}
	if len(modules) == 0 || 2*len(modules) != len(m.tensors) {
		problems = append(problems, fmt.Errorf("%s: %d tensors for %d modules; expected two for each of at least one", m.path, len(m.tensors), len(modules)))
	}
	if len(l.Targets) == 0 {
		l.Targets = modules
	}
	return errors.Join(problems...)
}

// SaveAdapter writes a PEFT adapter's folder: its tensors, under the base
// model's names, as float32, and files to lie beside them. The folder is
// written as Save writes one, and a whole model in it stays.
func SaveAdapter(ctx context.Context, dir string, l LoRA, tensors []Tensor, files map[string][]byte) error {
	tensors = slices.Clone(tensors)
	for i := range tensors {
		name := tensors[i].Name
		if l.Wrapped {
			name = wrappedPrefix + strings.TrimPrefix(name, "model.")
		}
		tensors[i].Name = adapterPrefix + name
		tensors[i].DType = F32
	}
	config, err := l.config()
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return publish(ctx, dir, folder{
		mark: adapterConfigName, config: config, files: files,
		shards: []shard{{adapterName, tensors}}, old: []string{adapterName},
	})
}

// Merge saves a base model with an adapter in its weights, W + scale·B·A
// computed in float32, as the Hugging Face folder dir, with files to lie beside
// it.
func Merge(ctx context.Context, dir string, base, adapter *Model, l LoRA, dtype DType, files map[string][]byte) error {
	s := Saved{Config: base.Config(), DType: dtype, Tensors: base.All(), Files: files}
	left := map[string]bool{}
	for name := range adapter.tensors {
		left[name] = true
	}
	for i, t := range s.Tensors {
		module, _ := strings.CutSuffix(t.Name, ".weight")
		a, ok := adapter.tensors[module+loraA]
		if !ok {
			continue
		}
		b := adapter.tensors[module+loraB]
		if len(t.Shape) != 2 || t.Shape[0] != b.shape[0] || t.Shape[1] != a.shape[1] {
			return fmt.Errorf("%s: weight %s has shape %v, the adapter's B·A [%d %d]; expected the model that the adapter was trained on, %s", base.path, t.Name, t.Shape, b.shape[0], a.shape[1], l.Base)
		}
		delete(left, module+loraA)
		delete(left, module+loraB)
		whole := t.Data
		s.Tensors[i].Data = func() (any, error) {
			w, errW := whole()
			down, errA := a.read()
			up, errB := b.read()
			if err := errors.Join(errW, errA, errB); err != nil {
				return nil, err
			}
			addProduct(w.([]float32), up, down, l.Rank, float32(l.Scale()))
			return w, nil
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%s: the adapter has matrices for %s; the base model %s has no such weight; expected the model that it was trained on, %s", adapter.path, slices.Min(slices.Collect(maps.Keys(left))), base.path, l.Base)
	}
	return Save(ctx, dir, s)
}

// addProduct adds scale·b·a to w [out, in], for b [out, rank] and a [rank, in].
func addProduct(w, b, a []float32, rank int, scale float32) {
	in := len(a) / rank
	sum := make([]float32, in)
	for row := 0; row*in < len(w); row++ {
		clear(sum)
		for k := range rank {
			x := b[row*rank+k]
			for i, y := range a[k*in : (k+1)*in] {
				sum[i] += x * y
			}
		}
		for i, y := range sum {
			w[row*in+i] += scale * y
		}
	}
}
