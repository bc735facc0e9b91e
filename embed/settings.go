package embed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/internal/modelfile"
)

// Settings are what a model's folder says about text and vectors.
type Settings struct {
	Pooling   []Pooling
	Normalise bool
	// MaxTokens is the longest row, special tokens included; longer texts are cut
	// at the end and keep their closing special token. 0 means as many as the
	// encoder has positions.
	MaxTokens int
	LowerCase bool // texts are lower-cased before the tokenizer
	// Prompts go before a text, unseparated.
	QueryPrompt, PassagePrompt string
}

// ReadSettings reads the sentence-transformers files of a folder (the names and
// keys are those of https://sbert.net/docs/package_reference). name is the model's
// name as the user gave it: a folder that sets no prompts and whose name is that
// of an e5 model gets e5's "query: " and "passage: " (arXiv 2212.03533). A folder
// without modules.json is a plain encoder: mean pooling, normalised.
func ReadSettings(folder, name string) (Settings, error) {
	s := Settings{Pooling: []Pooling{Mean}, Normalise: true}
	var modules []struct {
		Path string `json:"path"`
		Type string `json:"type"`
	}
	found, err := readJSON(filepath.Join(folder, "modules.json"), &modules)
	if err != nil {
		return Settings{}, err
	}
	encoder := ""
	if found {
		s.Normalise = false
		var errs []error
		for _, m := range modules {
			if !filepath.IsLocal(m.Path) && m.Path != "" {
				errs = append(errs, fmt.Errorf("%s: path %q leads out of the folder; expected one inside it", filepath.Join(folder, "modules.json"), m.Path))
				continue
			}
			switch kind := m.Type[strings.LastIndexByte(m.Type, '.')+1:]; kind {
			case "Transformer":
				encoder = m.Path
			case "Pooling":
				s.Pooling, err = readPooling(filepath.Join(folder, m.Path, "config.json"))
				errs = append(errs, err)
			case "Normalize":
				s.Normalise = true
			default:
				errs = append(errs, fmt.Errorf("%s: module %q; expected Transformer, Pooling and Normalize; choose a model without it", filepath.Join(folder, "modules.json"), m.Type))
			}
		}
		if encoder != "" {
			errs = append(errs, fmt.Errorf("%s: the encoder is in %q; expected it in the folder itself", filepath.Join(folder, "modules.json"), encoder))
		}
		if err := errors.Join(errs...); err != nil {
			return Settings{}, err
		}
	}
	return s, errors.Join(s.readLength(folder), s.readPrompts(folder, name))
}

// readPooling reads the new form, "pooling_mode", or the old one of a switch for
// each mode.
func readPooling(path string) ([]Pooling, error) {
	var raw map[string]json.RawMessage
	found, err := readJSON(path, &raw)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("%s: not there; expected the pooling that modules.json speaks of", path)
	}
	flag := func(key string) (on bool) {
		if v, ok := raw[key]; ok {
			err = errors.Join(err, json.Unmarshal(v, &on))
		}
		return on
	}
	var modes []Pooling
	if v, ok := raw["pooling_mode"]; ok {
		var one Pooling
		if json.Unmarshal(v, &one) == nil {
			modes = []Pooling{one}
		} else {
			err = json.Unmarshal(v, &modes)
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
	if _, ok := raw["include_prompt"]; ok && !flag("include_prompt") {
		err = errors.Join(err, errors.New("include_prompt is false; expected true; models whose prompts are left out of the pooling are not supported"))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return modes, nil
}

// readLength sets MaxTokens and LowerCase.
func (s *Settings) readLength(folder string) error {
	var length struct {
		Max   *int `json:"max_seq_length"`
		Lower bool `json:"do_lower_case"`
	}
	path := filepath.Join(folder, "sentence_bert_config.json")
	if _, err := readJSON(path, &length); err != nil {
		return err
	}
	s.LowerCase = length.Lower
	if length.Max != nil {
		if *length.Max < 3 {
			return fmt.Errorf("%s: max_seq_length is %d; expected at least 3, a token between two special ones", path, *length.Max)
		}
		s.MaxTokens = *length.Max
		return nil
	}
	var tokenizer struct {
		Max float64 `json:"model_max_length"` // 1e30 where there is none
	}
	if _, err := readJSON(filepath.Join(folder, "tokenizer_config.json"), &tokenizer); err != nil {
		return err
	}
	if tokenizer.Max >= 3 && tokenizer.Max < 1<<20 {
		s.MaxTokens = int(tokenizer.Max)
	}
	return nil
}

// readPrompts sets the prompts as sentence-transformers' encode_query and
// encode_document choose them.
func (s *Settings) readPrompts(folder, name string) error {
	var config struct {
		Prompts map[string]*string `json:"prompts"`
		Default *string            `json:"default_prompt_name"`
	}
	path := filepath.Join(folder, "config_sentence_transformers.json")
	if _, err := readJSON(path, &config); err != nil {
		return err
	}
	fallback := ""
	if config.Default != nil {
		p, ok := config.Prompts[*config.Default]
		if !ok || p == nil {
			return fmt.Errorf("%s: default_prompt_name is %q, which is none of its prompts", path, *config.Default)
		}
		fallback = *p
	}
	choose := func(keys ...string) string {
		for _, k := range keys {
			if p := config.Prompts[k]; p != nil {
				return *p
			}
		}
		return fallback
	}
	s.QueryPrompt, s.PassagePrompt = choose("query"), choose("document", "passage", "corpus")
	if s.QueryPrompt == "" && s.PassagePrompt == "" && isE5(name) {
		s.QueryPrompt, s.PassagePrompt = "query: ", "passage: "
	}
	return nil
}

// isE5 says whether the last part of a model's name has "e5" for a word, as
// intfloat/e5-base-v2 and intfloat/multilingual-e5-small do.
func isE5(name string) bool {
	base := strings.ToLower(filepath.Base(filepath.ToSlash(name)))
	words := strings.FieldsFunc(base, func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	return slices.Contains(words, "e5")
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
	if err := json.Unmarshal(data, v); err != nil {
		return true, fmt.Errorf("%s: %w", path, err)
	}
	return true, nil
}
