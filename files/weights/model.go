package weights

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gorqa/files/modelfile"
)

// The names of a Hugging Face folder.
const (
	configName     = "config.json"
	singleName     = "model.safetensors"
	indexName      = "model.safetensors.index.json"
	tokenizerName  = "tokenizer.json"
	tokConfigName  = "tokenizer_config.json"
	generationName = "generation_config.json"
	templateName   = "chat_template.jinja"

	// Other places of chat templates: of more than one, and of processors.
	moreTemplates         = "additional_chat_templates"
	processorTemplateName = "chat_template.json"
)

// companions are the small files that travel with a model when it is saved
// again: tokenizer, generation, what gorqa asks it with, and the
// ones of sentence-transformers.
var companions = []string{
	tokenizerName, tokConfigName, "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt",
	"tokenizer.model", "spiece.model", "sentencepiece.bpe.model", generationName, templateName, processorTemplateName, "gorqa_prompt.json", "fid.json",
	"modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json",
}

// maxCompanion bounds one small file, in bytes; the largest known
// tokenizer.json has 35 MB.
const maxCompanion = 256 << 20

// Model is an opened model. Its methods are safe for concurrent use.
type Model struct {
	path    string
	config  []byte
	names   []string
	tensors map[string]tensor
	files   map[string][]byte
	notes   []string
	wrapped bool       // the text model of one for text and pictures
	vocab   *GGUFVocab // of a GGUF file
	closers []io.Closer
}

// tensor is one weight and how to read it.
type tensor struct {
	shape []int
	read  func() ([]float32, error)
	bf16  func() ([]byte, error) // nil where it is not stored so

	quantised func() (numbers []int8, scales, lowest []float32, err error) // of a matrix of a GGUF file; nil where it is not stored so

	stored  DType                     // in safetensors
	numbers func() ([]float32, error) // as they are stored, in more formats than read takes
}

// Open opens a Hugging Face folder (config.json and safetensors, one file or
// shards) or a .gguf file. Only headers and small files are read; Float32 reads
// a tensor.
func Open(ctx context.Context, path string) (*Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	m := &Model{path: path, tensors: map[string]tensor{}, files: map[string][]byte{}}
	switch {
	case info.IsDir():
		if err = m.openFolder(ctx); err == nil {
			err = errors.Join(m.unwrapText(), m.settleHead())
		}
	case strings.EqualFold(filepath.Ext(path), ".gguf"):
		err = m.openGGUF()
	default:
		err = fmt.Errorf("%s: is a file; expected a Hugging Face folder or a .gguf file", path)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Model) openFolder(ctx context.Context) error {
	config, err := readSmall(filepath.Join(m.path, configName))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: no config.json in the folder; expected a Hugging Face folder%s", m.path, m.hint())
	}
	if err != nil {
		return err
	}
	fields, err := object(config)
	var eightBits *quantised
	if err == nil {
		eightBits, err = quantisedOf(fields)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(m.path, configName), err)
	}
	m.config = config
	if err := m.readCompanions(); err != nil {
		return err
	}
	if err := m.openWeights(ctx); err != nil || eightBits == nil {
		return err
	}
	return m.dequantise(eightBits)
}

// openWeights opens the files of the folder's weights.
func (m *Model) openWeights(ctx context.Context) error {
	for _, names := range [][2]string{{singleName, indexName}, {torchName, torchIndexName}} {
		file, err := m.openShard(names[0])
		if err == nil {
			m.add(file, file.Names())
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		index := filepath.Join(m.path, names[1])
		data, err := readSmall(index)
		if err == nil {
			return m.openShards(ctx, index, data)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("%s: no model.safetensors and no model.safetensors.index.json in the folder%s", m.path, m.hint())
}

// readCompanions reads the small files of the folder.
func (m *Model) readCompanions() error {
	for _, name := range companions {
		data, err := readSmall(filepath.Join(m.path, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		m.files[name] = data
	}
	templates, err := os.ReadDir(filepath.Join(m.path, moreTemplates))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, t := range templates {
		if strings.HasSuffix(t.Name(), ".jinja") {
			data, err := readSmall(filepath.Join(m.path, moreTemplates, t.Name()))
			if err != nil {
				return err
			}
			m.files[moreTemplates+"/"+t.Name()] = data
		}
	}
	return nil
}

func (m *Model) openShards(ctx context.Context, index string, data []byte) error {
	var parsed struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := modelfile.JSON(index, data, &parsed); err != nil {
		return err
	}
	if len(parsed.WeightMap) == 0 {
		return fmt.Errorf("%s: no weight_map; expected the file of each tensor", index)
	}
	byShard := map[string][]string{}
	for name, shard := range parsed.WeightMap {
		byShard[shard] = append(byShard[shard], name)
	}
	var problems []error
	for _, shard := range slices.Sorted(maps.Keys(byShard)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if filepath.Base(shard) != shard || !filepath.IsLocal(shard) {
			problems = append(problems, fmt.Errorf("%s: file %q lies outside the folder; expected a name within it", index, shard))
			continue
		}
		file, err := m.openShard(shard)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s: %s is missing; the index names it for %d tensors: fetch or copy it", m.path, shard, len(byShard[shard]))
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		var names []string
		for _, name := range file.Names() {
			if parsed.WeightMap[name] == shard {
				names = append(names, name)
			}
		}
		if len(names) < len(byShard[shard]) {
			for _, name := range slices.Sorted(slices.Values(byShard[shard])) {
				if _, ok := file.tensors[name]; !ok {
					problems = append(problems, fmt.Errorf("%s: no tensor %q; %s says it is there", file.path, name, filepath.Base(index)))
				}
			}
		}
		m.add(file, names)
	}
	return errors.Join(problems...)
}

func (m *Model) openShard(name string) (*File, error) {
	read := ReadSafetensors
	if filepath.Ext(name) == ".bin" {
		read = readTorch
	}
	file, err := read(filepath.Join(m.path, name))
	if err != nil {
		return nil, err
	}
	m.closers = append(m.closers, file)
	return file, nil
}

func (m *Model) add(file *File, names []string) {
	for _, name := range names {
		info := file.tensors[name]
		t := tensor{shape: info.Shape, read: func() ([]float32, error) {
			values, err := file.Float32(name)
			return values, errors.Join(err, notFinite(file.path, name, values))
		}, stored: info.DType, numbers: func() ([]float32, error) { return file.numbers(name) }}
		if info.DType == BF16 {
			t.bf16 = func() ([]byte, error) {
				raw, err := file.BF16(name)
				return raw, errors.Join(err, notFiniteBF16(file.path, name, raw))
			}
		}
		plain := plainName(name)
		if _, taken := m.tensors[plain]; taken {
			plain = name
		}
		m.names = append(m.names, plain)
		m.tensors[plain] = t
	}
}

// wrapped is the name of a block of an encoder that LocalRQA, as FiD's authors,
// wraps in a module that recomputes it.
var wrapped = regexp.MustCompile(`^(encoder\.block\.\d+\.)module\.`)

// plainName takes off what wrapping a model puts before its names: module. of
// DeepSpeed and of training on several devices, _orig_mod. of torch.compile, and
// LocalRQA's two wrappers around FiD's encoder.
func plainName(name string) string {
	for _, prefix := range []string{"module.", "_orig_mod."} {
		name = strings.TrimPrefix(name, prefix)
	}
	if rest, ok := strings.CutPrefix(name, "encoder.encoder."); ok {
		name = "encoder." + rest
	}
	return wrapped.ReplaceAllString(name, "$1")
}

// notFinite reports a weight that is no number, with which a model answers
// nonsense and says nothing.
func notFinite(path, name string, values []float32) error {
	for i, v := range values {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return notFiniteAt(path, name, i, v)
		}
	}
	return nil
}

// notFiniteBF16 is notFinite for a tensor as it is stored in bf16.
func notFiniteBF16(path, name string, raw []byte) error {
	for i := 1; i < len(raw); i += 2 {
		if raw[i]&0x7f == 0x7f && raw[i-1]&0x80 != 0 {
			return notFiniteAt(path, name, i/2, float32FromBF16(uint16(raw[i])<<8|uint16(raw[i-1])))
		}
	}
	return nil
}

func notFiniteAt(path, name string, i int, v float32) error {
	return fmt.Errorf("%s: tensor %q: value %d is %v; expected finite numbers; the file is damaged, or the training that made it went astray: fetch it again, or take an earlier checkpoint", path, name, i, v)
}

// hint says what the folder holds instead of safetensors.
func (m *Model) hint() string {
	entries, err := os.ReadDir(m.path)
	if err != nil {
		return ""
	}
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case strings.HasPrefix(name, "pytorch_model") && strings.HasSuffix(name, ".bin"):
			return fmt.Sprintf("; %s is a part of a model, and %s says which tensors are in which: fetch or copy it", name, torchIndexName)
		case strings.HasPrefix(name, "model-") && strings.HasSuffix(name, ".safetensors"):
			return fmt.Sprintf("; %s is a part of a model, and %s says which tensors are in which: fetch or copy it", name, indexName)
		case strings.EqualFold(filepath.Ext(name), ".gguf"):
			return fmt.Sprintf("; to use %s give its own path", name)
		case name == adapterConfigName:
			return "; it holds an adapter: merge it into its base model with gorqa merge"
		}
	}
	return ""
}

// readSmall reads a file of at most maxCompanion bytes.
func readSmall(path string) ([]byte, error) { return modelfile.Read(path, maxCompanion) }

// object reads a JSON object, its numbers as they are written.
func object(data []byte) (map[string]any, error) {
	fields, err := modelfile.JSONObject("", data)
	if err == nil && fields == nil {
		err = errors.New("null found; an object expected")
	}
	return fields, err
}

// marshal writes JSON as the Hugging Face tools do: indented, in UTF-8.
func marshal(value any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return buf.Bytes(), err
}

// Config is the model's config.json; of a GGUF file, the one that its metadata
// stands for.
func (m *Model) Config() []byte { return m.config }

// Names lists the tensors under their Hugging Face names, in the order of the
// files.
func (m *Model) Names() []string { return slices.Clone(m.names) }

// Shape returns a tensor's shape, outermost first; it is false where there is
// none of that name.
func (m *Model) Shape(name string) ([]int, bool) {
	t, ok := m.tensors[name]
	return slices.Clone(t.shape), ok
}

// Float32 reads a tensor, widened or dequantised.
func (m *Model) Float32(name string) ([]float32, error) {
	t, ok := m.tensors[name]
	if !ok {
		return nil, fmt.Errorf("%s: no tensor %q among its %d", m.path, name, len(m.names))
	}
	return t.read()
}

// BF16 gives the values of a tensor that is stored in bf16 as they are, in
// little-endian order, and nil of another.
func (m *Model) BF16(name string) ([]byte, error) {
	if t := m.tensors[name]; t.bf16 != nil {
		return t.bf16()
	}
	return nil, nil
}

// Quantised gives a matrix that a GGUF file has quantised as numbers, each of which times
// the scale of its group of so many in a row, plus the group's lowest value where there are
// such, is what Float32 gives. There are no numbers of another tensor.
func (m *Model) Quantised(name string) (numbers []int8, scales, lowest []float32, err error) {
	if t := m.tensors[name]; t.quantised != nil {
		return t.quantised()
	}
	return nil, nil, nil, nil
}

// Tokenizer is the model's tokenizer.json; of a GGUF file, the one that it was given.
func (m *Model) Tokenizer() ([]byte, error) {
	data, ok := m.files[tokenizerName]
	if !ok {
		return nil, fmt.Errorf("%s: no tokenizer.json; save the tokenizer with save_pretrained of transformers, which writes one", m.path)
	}
	return data, nil
}

// GenerationConfig is the model's generation_config.json, nil where there is
// none.
func (m *Model) GenerationConfig() []byte { return m.files[generationName] }

// TokenizerConfig is the model's tokenizer_config.json, nil where there is
// none.
func (m *Model) TokenizerConfig() []byte { return m.files[tokConfigName] }

// ChatTemplate is the chat template among a model's files, the one that
// transformers' tokenizers take: chat_template.jinja with the files of
// additional_chat_templates, or where there is none of these chat_template of
// tokenizer_config.json; of several the one named "default". What only a
// processor reads, chat_template.json, comes last. It is empty where the model
// has none.
func ChatTemplate(files map[string][]byte) (string, error) {
	named := map[string]string{}
	if text, ok := files[templateName]; ok {
		named["default"] = string(text)
	}
	for name, text := range files {
		if in, file := path.Split(name); in == moreTemplates+"/" {
			named[strings.TrimSuffix(file, ".jinja")] = string(text)
		}
	}
	if len(named) > 0 {
		return defaultTemplate(named, moreTemplates)
	}
	for _, name := range []string{tokConfigName, processorTemplateName} {
		data, ok := files[name]
		if !ok {
			continue
		}
		var config struct {
			Template json.RawMessage `json:"chat_template"`
		}
		if err := modelfile.JSON(name, data, &config); err != nil {
			return "", err
		}
		if len(config.Template) == 0 || string(config.Template) == "null" {
			continue
		}
		var text string
		if json.Unmarshal(config.Template, &text) == nil {
			if text == "" {
				continue
			}
			return text, nil
		}
		if json.Unmarshal(config.Template, &named) == nil {
			return defaultTemplate(named, name)
		}
		var list []struct{ Name, Template string }
		if err := modelfile.JSONPart(config.Template, &list); err != nil {
			return "", fmt.Errorf("%s: chat_template is neither a text nor a list of named ones: %w; expected what transformers writes; save the tokenizer again", name, err)
		}
		for _, t := range list {
			named[t.Name] = t.Template
		}
		return defaultTemplate(named, name)
	}
	return "", nil
}

// defaultTemplate is the one of that name, which transformers takes.
func defaultTemplate(named map[string]string, where string) (string, error) {
	if text, ok := named["default"]; ok {
		return text, nil
	}
	return "", fmt.Errorf("%s: chat templates named %s; expected one named \"default\", which transformers takes; name one so, or save it as %s",
		where, strings.Join(slices.Sorted(maps.Keys(named)), ", "), templateName)
}

// Files are the small files to save beside a model that was made from this one
// (tokenizer.json, tokenizer_config.json, generation_config.json …), without
// config.json, by their path in the folder.
func (m *Model) Files() map[string][]byte { return maps.Clone(m.files) }

// Close closes the model's files; tensors cannot be read after it.
func (m *Model) Close() error {
	var problems []error
	for _, c := range m.closers {
		problems = append(problems, c.Close())
	}
	m.closers = nil
	return errors.Join(problems...)
}

// Convert saves the model, of a GGUF file or a folder, as the Hugging Face folder
// dir, with files to lie beside it (see Files).
func (m *Model) Convert(ctx context.Context, dir string, dtype DType, files map[string][]byte) error {
	return Save(ctx, dir, Saved{Config: m.Config(), DType: dtype, Tensors: m.All(), Files: files})
}

// All lists the model's tensors as Save takes them, to be read when their turn
// comes.
func (m *Model) All() []Tensor {
	var list []Tensor
	for _, name := range m.names {
		t := m.tensors[name]
		list = append(list, Tensor{Name: name, DType: F32, Shape: t.shape, Data: func() (any, error) { return t.read() }})
	}
	return list
}
