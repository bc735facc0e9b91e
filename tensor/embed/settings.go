package embed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/files/modelfile"
)

// Settings are what a model's folder says about text and vectors.
type Settings struct {
	Plain   bool   // there is no modules.json
	Encoder string // the folder of the encoder and its tokenizer, "" for the model's own
	Pooling []Pooling
	Steps   []Step // what is done with pooled vectors; the folder of one with weights is its Path
	// MaxTokens is the longest row, special tokens included; longer texts are cut
	// at the end and keep their closing special token. 0 means as many as the
	// encoder has positions.
	MaxTokens int
	CutBefore bool // longer texts are cut at the beginning in place of the end
	LowerCase bool // texts are lower-cased before the tokenizer
	// Prompts go before a text, unseparated.
	QueryPrompt, PassagePrompt string
	WithoutPrompt              bool // their tokens are left out of the pooling
	Truncate                   int  // how many numbers of a vector count; 0 for all
	// Similarity is what vectors are compared by.
	Similarity Similarity
	// LikeLocalRQA says that LocalRQA trained and searched with the model, which is
	// where Similarity is from.
	LikeLocalRQA bool
}

// Similarity is what vectors are compared by, under sentence-transformers' name.
type Similarity string

// The similarities of sentence-transformers.
const (
	ByCosine    Similarity = "cosine"
	ByDot       Similarity = "dot"
	ByEuclidean Similarity = "euclidean"
	ByManhattan Similarity = "manhattan"
)

var similarities = []Similarity{ByCosine, ByDot, ByEuclidean, ByManhattan}

// ReadSettings reads the sentence-transformers files of a folder (the names and
// keys are those of https://sbert.net/docs/package_reference). name is the model's
// name as the user gave it: a folder that sets no prompts and whose name is that
// of an e5 model gets e5's "query: " and "passage: " (arXiv 2212.03533). A folder
// without modules.json is a plain encoder: mean pooling, normalised.
func ReadSettings(folder, name string) (Settings, error) {
	s := Settings{Pooling: []Pooling{Mean}, Steps: []Step{{Kind: Normalise}}, Similarity: ByCosine}
	modules, found, err := readModules(folder)
	if err != nil {
		return Settings{}, err
	}
	s.Plain = !found
	var errs []error
	if found {
		s.Steps, s.Pooling = nil, nil
		for i, m := range modules {
			errs = append(errs, s.readModule(folder, i, m))
		}
		if len(modules) < 2 && errors.Join(errs...) == nil {
			errs = append(errs, fmt.Errorf("%s: %d modules; expected a Transformer and Pooling, which makes one vector of its output", filepath.Join(folder, "modules.json"), len(modules)))
		}
	}
	errs = append(errs, s.readLength(filepath.Join(folder, s.Encoder), "feature-extraction"), s.readPrompts(folder, name, found))
	if err := errors.Join(errs...); err != nil {
		return Settings{}, err
	}
	return s, nil
}

// normalises says whether vectors have length 1.
func (s *Settings) normalises() bool {
	return len(s.Steps) > 0 && s.Steps[len(s.Steps)-1].Kind == Normalise
}

// readPooling reads the new form, "pooling_mode", or the old one of a switch for
// each mode, and whether prompts are pooled with the text.
func readPooling(path string) (_ []Pooling, whole bool, _ error) {
	var raw map[string]json.RawMessage
	found, err := readJSON(path, &raw)
	if err != nil {
		return nil, true, err
	}
	if !found {
		return nil, true, fmt.Errorf("%s: not there; expected the pooling that modules.json speaks of", path)
	}
	flag := func(key string) (on bool) {
		if v, ok := raw[key]; ok {
			if wrong := modelfile.JSONPart(v, &on); wrong != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", key, wrong))
			}
		}
		return on
	}
	var modes []Pooling
	if v, ok := raw["pooling_mode"]; ok {
		var one Pooling
		if json.Unmarshal(v, &one) == nil {
			modes = []Pooling{one}
		} else if wrong := modelfile.JSONPart(v, &modes); wrong != nil {
			err = fmt.Errorf("pooling_mode: %w", wrong)
		}
	} else {
		for _, p := range poolings {
			key := "pooling_mode_" + string(p)
			switch p {
			case First:
				key += "_token"
			case Largest, Mean, WeightedMean:
				key += "_tokens"
			}
			if flag(key) {
				modes = append(modes, p)
			}
		}
		if len(modes) == 0 {
			modes = []Pooling{Mean}
		}
	}
	if err == nil && len(modes) == 0 {
		err = fmt.Errorf("pooling_mode is empty; expected one or more of %q", poolings)
	}
	for _, m := range modes {
		if !slices.Contains(poolings, m) {
			err = errors.Join(err, fmt.Errorf("pooling_mode is %q; expected one of %q", m, poolings))
		}
	}
	whole = true
	if _, ok := raw["include_prompt"]; ok {
		whole = flag("include_prompt")
	}
	if err != nil {
		return nil, true, fmt.Errorf("%s: %w", path, err)
	}
	return modes, whole, nil
}

// lengthFiles are those in which versions of sentence-transformers keep the
// settings of the encoder; the first that is there counts.
var lengthFiles = []string{
	"sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json", "sentence_camembert_config.json",
	"sentence_albert_config.json", "sentence_xlm-roberta_config.json", "sentence_xlnet_config.json",
}

// readLength sets MaxTokens, CutBefore and LowerCase. A folder says what it is for.
func (s *Settings) readLength(folder, task string) error {
	var length struct {
		Max   *int   `json:"max_seq_length"`
		Lower bool   `json:"do_lower_case"`
		Task  string `json:"transformer_task"`
		New   struct {
			Max *int `json:"model_max_length"`
		} `json:"processor_kwargs"`
		Old struct {
			Max *int `json:"model_max_length"`
		} `json:"tokenizer_args"`
		Config    map[string]any `json:"config_kwargs"`
		OldConfig map[string]any `json:"config_args"`
	}
	path := ""
	for _, name := range lengthFiles {
		path = filepath.Join(folder, name)
		if found, err := readJSON(path, &length); err != nil {
			return err
		} else if found {
			break
		}
	}
	s.LowerCase = length.Lower
	if err := errors.Join(foreign(path, "config_kwargs", length.Config), foreign(path, "config_args", length.OldConfig)); err != nil {
		return err
	}
	if length.Task != "" && length.Task != task {
		return fmt.Errorf("%s: transformer_task is %q; expected %s; choose %s", path, length.Task, task, map[string]string{"feature-extraction": "an embedding model", classification: "a reranker"}[task])
	}
	var tokenizer struct {
		Max  float64 `json:"model_max_length"` // 1e30 where there is none
		Side *string `json:"truncation_side"`
	}
	if _, err := readJSON(filepath.Join(folder, "tokenizer_config.json"), &tokenizer); err != nil {
		return err
	}
	if err := s.readSide(folder, tokenizer.Side); err != nil {
		return err
	}
	for _, most := range []*int{length.New.Max, length.Old.Max, length.Max} {
		if most == nil {
			continue
		}
		if *most < 3 {
			return fmt.Errorf("%s: max_seq_length is %d; expected at least 3, a token between two special ones", path, *most)
		}
		s.MaxTokens = *most
		return nil
	}
	if tokenizer.Max >= 3 && tokenizer.Max < 1<<20 {
		s.MaxTokens = int(tokenizer.Max)
	}
	return nil
}

// readSide sets CutBefore by tokenizer_config.json, or by tokenizer.json where the
// first says nothing.
func (s *Settings) readSide(folder string, side *string) error {
	if side != nil {
		s.CutBefore = *side == "left"
		return nil
	}
	var tokenizer struct {
		Truncation *struct {
			Direction string `json:"direction"`
		} `json:"truncation"`
	}
	_, err := readJSON(filepath.Join(folder, "tokenizer.json"), &tokenizer)
	s.CutBefore = tokenizer.Truncation != nil && tokenizer.Truncation.Direction == "Left"
	return err
}

// harmless are arguments that change no vector.
var harmless = []string{"trust_remote_code", "revision", "token", "cache_dir", "local_files_only", "attn_implementation"}

// foreign reports arguments of transformers' configuration that a folder sets beside
// its config.json.
func foreign(path, key string, arguments map[string]any) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		if !slices.Contains(harmless, name) {
			errs = append(errs, fmt.Errorf("%s: %s sets %s; expected it in config.json; write it there", path, key, name))
		}
	}
	return errors.Join(errs...)
}

// readPrompts sets what config_sentence_transformers.json says: the prompts that
// encode_query and encode_document of sentence-transformers 6.2 use, which are those
// called query and document and no others (each model has the two, if only as
// empty ones, so that neither passage nor default_prompt_name is ever come to), the
// similarity and the length of the vectors.
func (s *Settings) readPrompts(folder, name string, modules bool) error {
	var config struct {
		Kind       *string            `json:"model_type"`
		Prompts    map[string]*string `json:"prompts"`
		Default    *string            `json:"default_prompt_name"`
		Similarity json.RawMessage    `json:"similarity_fn_name"` // null and nothing are told apart
		Truncate   *int               `json:"truncate_dim"`
	}
	path := filepath.Join(folder, "config_sentence_transformers.json")
	if _, err := readJSON(path, &config); err != nil {
		return err
	}
	var errs []error
	if config.Kind != nil && *config.Kind != "SentenceTransformer" {
		errs = append(errs, fmt.Errorf("%s: model_type is %q; expected SentenceTransformer, one vector for each text; choose such a model", path, *config.Kind))
	}
	if config.Default != nil && *config.Default != "query" && *config.Default != "document" && config.Prompts[*config.Default] == nil {
		errs = append(errs, fmt.Errorf("%s: default_prompt_name is %q, which is none of its prompts", path, *config.Default))
	}
	if config.Truncate != nil {
		if *config.Truncate < 1 {
			errs = append(errs, fmt.Errorf("%s: truncate_dim is %d; expected a positive number, or null for whole vectors", path, *config.Truncate))
		}
		s.Truncate = *config.Truncate
	}
	switch {
	case len(config.Similarity) > 0 && string(config.Similarity) != "null":
		if err := json.Unmarshal(config.Similarity, &s.Similarity); err != nil || !slices.Contains(similarities, s.Similarity) {
			errs = append(errs, fmt.Errorf("%s: similarity_fn_name is %s; expected one of %q, or null for cosine; correct it, or choose another model", path, config.Similarity, similarities))
		}
	case config.Similarity == nil && modules && !s.normalises() && exists(filepath.Join(folder, "training_args.bin")):
		// LocalRQA saves its Trainer's arguments beside such a folder of an older
		// sentence-transformers, which knew of no similarity; LocalRQA's own search,
		// FAISS as LangChain makes it, is by Euclidean distance.
		s.Similarity, s.LikeLocalRQA = ByEuclidean, true
	}
	prompt := func(key string) string {
		if p := config.Prompts[key]; p != nil {
			return *p
		}
		return ""
	}
	s.QueryPrompt, s.PassagePrompt = prompt("query"), prompt("document")
	if none := !slices.ContainsFunc(slices.Collect(maps.Values(config.Prompts)), func(p *string) bool { return p != nil && *p != "" }); none && isE5(name) {
		s.QueryPrompt, s.PassagePrompt = "query: ", "passage: "
	}
	return errors.Join(errs...)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// isE5 says whether the last part of a model's name has "e5" for a word, as
// intfloat/e5-base-v2 and intfloat/multilingual-e5-small do, but not e5-mistral and what
// else follows instructions: their questions go behind other words.
func isE5(name string) bool {
	base := strings.ToLower(filepath.Base(filepath.ToSlash(name)))
	words := strings.FieldsFunc(base, func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	return slices.Contains(words, "e5") && !slices.Contains(words, "instruct") && !slices.Contains(words, "mistral")
}

// maxSettings bounds one of the files, in bytes; a tokenizer_config.json with many
// added tokens has a few million.
const maxSettings = 64 << 20

// readJSON reads a file into v and says whether it is there.
func readJSON(path string, v any) (bool, error) {
	data, err := modelfile.Read(path, maxSettings)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, modelfile.JSON(path, data, v)
}
