package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorqa/files/modelfile"
)

// maxDepth bounds how deep sequences of components may nest.
const maxDepth = 32

// fileJSON is a tokenizer.json. Truncation and padding are not read.
type fileJSON struct {
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         *modelJSON      `json:"model"`
}

// component holds the fields of every normalizer, pre-tokenizer,
// post-processor and decoder: the type says which of them count.
type component struct {
	Type string `json:"type"`

	watch *watch // over its pattern

	Normalizers   []json.RawMessage `json:"normalizers"`
	Pretokenizers []json.RawMessage `json:"pretokenizers"`
	Processors    []json.RawMessage `json:"processors"`
	Decoders      []json.RawMessage `json:"decoders"`

	Pattern *struct {
		String *string
		Regex  *string
	} `json:"pattern"`
	Content  string `json:"content"`
	Behavior string `json:"behavior"`
	Invert   bool   `json:"invert"`

	Prepend             string `json:"prepend"`
	StripLeft           bool   `json:"strip_left"`
	StripRight          bool   `json:"strip_right"`
	CleanText           *bool  `json:"clean_text"`
	HandleChineseChars  *bool  `json:"handle_chinese_chars"`
	StripAccents        *bool  `json:"strip_accents"`
	Lowercase           *bool  `json:"lowercase"`
	PrecompiledCharsmap []byte `json:"precompiled_charsmap"`

	AddPrefixSpace   *bool   `json:"add_prefix_space"`
	UseRegex         *bool   `json:"use_regex"`
	Replacement      string  `json:"replacement"`
	PrependScheme    *string `json:"prepend_scheme"`
	Split            *bool   `json:"split"`
	IndividualDigits bool    `json:"individual_digits"`
	Delimiter        string  `json:"delimiter"`
	Length           *int    `json:"length"`

	Single        []templatePiece            `json:"single"`
	Pair          []templatePiece            `json:"pair"`
	SpecialTokens map[string]templateSpecial `json:"special_tokens"`
	Sep           json.RawMessage            `json:"sep"`
	Cls           json.RawMessage            `json:"cls"`

	Start              int     `json:"start"`
	Stop               int     `json:"stop"`
	Prefix             string  `json:"prefix"`
	Cleanup            bool    `json:"cleanup"`
	Suffix             *string `json:"suffix"`
	PadToken           string  `json:"pad_token"`
	WordDelimiterToken string  `json:"word_delimiter_token"`
}

type templatePiece struct {
	Sequence *struct {
		ID   string `json:"id"`
		Kind int32  `json:"type_id"`
	}
	SpecialToken *struct {
		ID   string `json:"id"`
		Kind int32  `json:"type_id"`
	}
}

type templateSpecial struct {
	IDs []int32 `json:"ids"`
}

// postProcessor is what a post-processor puts around the ids of one text, and of two.
type postProcessor struct {
	before, after []int32
	pair          []pairPiece
}

// Parse reads a tokenizer.json. All problems are reported together.
func Parse(tokenizerJSON []byte) (*Tokenizer, error) { return parse(tokenizerJSON, textTime) }

// parse is Parse with the time that a pattern may take for a text.
func parse(tokenizerJSON []byte, limit time.Duration) (*Tokenizer, error) {
	var f fileJSON
	if err := modelfile.JSON("", tokenizerJSON, &f); err != nil {
		return nil, fmt.Errorf("%w in a tokenizer.json; fetch the file again", err)
	}
	if f.Model == nil {
		return nil, errors.New("no model found; a tokenizer.json with a model is expected")
	}
	t := &Tokenizer{json: bytes.Clone(tokenizerJSON), cache: newWordCache(), watch: &watch{limit: limit}}
	var errs []error
	at := func(where string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
		}
	}
	at("normalizer", t.addNormalizer(f.Normalizer, 0))
	pre := &preBuilder{watch: t.watch}
	at("pre_tokenizer", pre.add(f.PreTokenizer, 0))
	at("post_processor", t.addPostProcessor(f.PostProcessor, 0))
	at("decoder", t.addDecoder(f.Decoder, 0))
	var err error
	t.model, err = newModel(*f.Model, pre.bytes)
	at("model", err)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	t.preTokens = pre.list
	b, ok := t.model.(*bpe)
	if pre.bytes && !(ok && b.byteLevel) {
		t.preTokens = append(t.preTokens, mapBytes)
	}
	if ok && b.words {
		t.preTokens = append(t.preTokens, wordStarts)
	}
	t.added = newAddedVocabulary(f.AddedTokens, t.model, func(s string) string {
		p := piece{s: s, first: true, id: -1}
		for i := range t.normalize {
			p = t.normalize[i].run(p)
		}
		return p.s
	})
	t.special = t.guessSpecial()
	return t, nil
}

func newModel(m modelJSON, byteLevel bool) (model, error) {
	kind := m.Type
	if kind == "" { // files of before 2020 have no type
		switch {
		case len(m.Merges) > 0:
			kind = "BPE"
		case m.MaxInputCharsPerWord != nil:
			kind = "WordPiece"
		case m.UnkID != nil:
			kind = "Unigram"
		default:
			kind = "WordLevel"
		}
	}
	if len(m.Vocab) == 0 {
		return nil, errors.New("no vocab found; the tokens of the model are expected")
	}
	switch kind {
	case "BPE":
		return newBPE(m, byteLevel)
	case "WordPiece":
		return newWordPiece(m)
	case "WordLevel":
		return newWordLevel(m)
	case "Unigram":
		return newUnigram(m)
	}
	return nil, fmt.Errorf("type %q is not known; one of BPE, WordPiece, Unigram, WordLevel is expected", kind)
}

// read decodes a component; ok is false if there is none.
func read(data json.RawMessage, depth int) (c component, ok bool, err error) {
	if len(data) == 0 || string(data) == "null" {
		return c, false, nil
	}
	if depth > maxDepth {
		return c, false, fmt.Errorf("nested more than %d deep; a flat sequence is expected", maxDepth)
	}
	if err := modelfile.JSONPart(data, &c); err != nil {
		return c, false, err
	}
	return c, true, nil
}

// sequence calls add for each part and names the part in errors.
func sequence(name string, parts []json.RawMessage, add func(json.RawMessage) error) error {
	var errs []error
	for i, p := range parts {
		if err := add(p); err != nil {
			errs = append(errs, fmt.Errorf("%s[%d]: %w", name, i, err))
		}
	}
	return errors.Join(errs...)
}

func isFalse(b *bool) bool { return b != nil && !*b }

func unknownType(kind string) error {
	return fmt.Errorf("type %q is not known; a type of Hugging Face tokenizers 0.23 is expected", kind)
}
