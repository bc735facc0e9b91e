package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
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
	if err := json.Unmarshal(tokenizerJSON, &f); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			line := 1 + bytes.Count(tokenizerJSON[:min(max(syntax.Offset, 0), int64(len(tokenizerJSON)))], []byte("\n"))
			return nil, fmt.Errorf("line %d: %w; the JSON of a tokenizer.json is expected; fetch the file again", line, err)
		}
		return nil, fmt.Errorf("%w; the fields of a tokenizer.json are expected", err)
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
	if err := json.Unmarshal(data, &c); err != nil {
		return c, false, fmt.Errorf("%w; an object with a type is expected", err)
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

func (t *Tokenizer) addNormalizer(data json.RawMessage, depth int) error {
	c, ok, err := read(data, depth)
	if !ok {
		return err
	}
	if c.Type == "Sequence" {
		return sequence("normalizers", c.Normalizers, func(d json.RawMessage) error { return t.addNormalizer(d, depth+1) })
	}
	c.watch = t.watch
	n, growth, err := c.normalizer()
	if err == nil {
		err = t.mayGrow(growth)
	}
	if err != nil {
		return err
	}
	t.normalize = append(t.normalize, n)
	return nil
}

// normalizer builds one, and says how many bytes it makes of one at most where the
// file decides that; 1 for the others.
func (c *component) normalizer() (n normalizer, growth int, err error) {
	growth = 1
	switch c.Type {
	case "NFC":
		n = normalForm(formNFC)
	case "NFD":
		n = normalForm(formNFD)
	case "NFKC":
		n = normalForm(formNFKC)
	case "NFKD":
		n = normalForm(formNFKD)
	case "Lowercase":
		n = normalizer{apply: lowercase, spell: spellRunes(lowercase), ascii: true}
	case "StripAccents":
		n = normalizer{apply: stripAccents, spell: spellRunes(stripAccents)}
	case "Nmt":
		n = normalizer{apply: nmt, spell: spellRunes(nmt)}
	case "Strip":
		n = strip(c.StripLeft, c.StripRight)
	case "Prepend":
		if len(c.Prepend) > maxReplacement {
			return n, 0, fmt.Errorf("prepend of %d bytes; at most %d are expected", len(c.Prepend), maxReplacement)
		}
		n = prepend(c.Prepend)
	case "ByteLevel":
		n = normalizer{apply: applyBytes, spell: spellBytes}
	case "BertNormalizer":
		lower := !isFalse(c.Lowercase)
		accents := lower
		if c.StripAccents != nil {
			accents = *c.StripAccents
		}
		n = bertNormalizer(!isFalse(c.CleanText), !isFalse(c.HandleChineseChars), accents, lower)
	case "Replace":
		if c.Pattern != nil && c.Pattern.String != nil {
			return replaceText(*c.Pattern.String, c.Content), c.growth(), nil
		}
		var find cutter
		if find, err = c.cutter(); err == nil {
			n, growth = replace(find, c.Content), c.growth()
		}
	case "Precompiled":
		var m *charsmap
		if m, err = newCharsmap(c.PrecompiledCharsmap); err == nil {
			n, growth = normalizer{apply: m.normalize, spell: m.spell}, m.growth()
		}
	default:
		err = unknownType(c.Type)
	}
	return n, growth, err
}

// maxGrowth bounds how many bytes normalizers may make of one, all Replace and
// Precompiled together; those in use stay below 200. maxReplacement bounds one
// text.
const (
	maxGrowth      = 4096
	maxReplacement = 1024
)

// mayGrow counts what a normalizer makes of a byte at most.
func (t *Tokenizer) mayGrow(factor int) error {
	if t.growth = max(t.growth, 1) * max(factor, 1); factor > maxGrowth || t.growth > maxGrowth {
		return fmt.Errorf("normalizers that make more than %d bytes of one; at most that many are expected", maxGrowth)
	}
	return nil
}

// growth is how many bytes a Replace makes of one at most.
func (c *component) growth() int {
	if s := c.Pattern.String; s != nil && *s != "" {
		return (len(c.Content) + len(*s) - 1) / len(*s)
	}
	return 1 + len(c.Content) // a pattern may match nothing, before every byte
}

func normalForm(f form) normalizer {
	apply := func(p piece) piece {
		p.s = f.apply(p.s)
		return p
	}
	return normalizer{apply: apply, spell: spellParts(apply)}
}

// cutter is the pattern of a Split or Replace.
func (c *component) cutter() (cutter, error) {
	switch {
	case c.Pattern == nil:
	case c.Pattern.String != nil:
		return cutString(*c.Pattern.String), nil
	case c.Pattern.Regex != nil:
		return cutRegex(*c.Pattern.Regex, c.Type, c.watch)
	}
	return nil, errors.New("no pattern found; a pattern with a String or a Regex is expected")
}

// preBuilder collects the pre-tokenizers. A ByteLevel that comes last leaves
// the mapping of the bytes to the model, which bytes then says.
type preBuilder struct {
	list  []preTokenizer
	bytes bool
	watch *watch
}

func (b *preBuilder) add(data json.RawMessage, depth int) error {
	c, ok, err := read(data, depth)
	if !ok {
		return err
	}
	if c.Type == "Sequence" {
		return sequence("pretokenizers", c.Pretokenizers, func(d json.RawMessage) error { return b.add(d, depth+1) })
	}
	if b.bytes { // something follows: it must see the mapped text
		b.list, b.bytes = append(b.list, mapBytes), false
	}
	b.bytes = c.Type == "ByteLevel"
	if b.bytes && isFalse(c.AddPrefixSpace) && isFalse(c.UseRegex) {
		return nil
	}
	c.watch = b.watch
	p, err := c.preTokenizer()
	if err != nil {
		return err
	}
	b.list = append(b.list, p)
	return nil
}

func (c *component) preTokenizer() (preTokenizer, error) {
	switch c.Type {
	case "ByteLevel":
		return byteLevelSplit(!isFalse(c.AddPrefixSpace), !isFalse(c.UseRegex)), nil
	case "BertPreTokenizer":
		return bertSplit, nil
	case "Whitespace":
		return splitter(cutWords, "Removed", true)
	case "WhitespaceSplit":
		return splitter(cutRunes(unicode.IsSpace), "Removed", false)
	case "Punctuation":
		behavior := c.Behavior
		if behavior == "" {
			behavior = "Isolated"
		}
		return splitter(cutRunes(isPunct), behavior, false)
	case "Digits":
		behavior := "Contiguous"
		if c.IndividualDigits {
			behavior = "Isolated"
		}
		return splitter(cutRunes(isNumeric), behavior, false)
	case "CharDelimiterSplit":
		if utf8.RuneCountInString(c.Delimiter) != 1 {
			return nil, fmt.Errorf("delimiter %q; one character is expected", c.Delimiter)
		}
		return splitter(cutString(c.Delimiter), "Removed", false)
	case "FixedLength":
		length := 5
		if c.Length != nil {
			length = *c.Length
		}
		if length < 1 {
			return nil, fmt.Errorf("length %d; at least 1 is expected", length)
		}
		return fixedLength(length), nil
	case "Metaspace":
		scheme, err := c.metaspaceScheme()
		if err != nil {
			return nil, err
		}
		return metaspace(c.Replacement, scheme, !isFalse(c.Split))
	case "Split":
		if c.Pattern != nil && c.Pattern.Regex != nil && scanners[*c.Pattern.Regex] != nil &&
			(c.Behavior == "Isolated" || c.Behavior == "Removed" && c.Invert) {
			return scanSplitter(scanners[*c.Pattern.Regex]), nil
		}
		find, err := c.cutter()
		if err != nil {
			return nil, err
		}
		return splitter(find, c.Behavior, c.Invert)
	}
	return nil, unknownType(c.Type)
}

func (c *component) metaspaceScheme() (string, error) {
	if utf8.RuneCountInString(c.Replacement) != 1 {
		return "", fmt.Errorf("replacement %q; one character is expected", c.Replacement)
	}
	scheme := "always"
	if c.PrependScheme != nil {
		scheme = *c.PrependScheme
	}
	if isFalse(c.AddPrefixSpace) {
		if c.PrependScheme != nil && scheme != "never" {
			return "", fmt.Errorf("add_prefix_space is false and prepend_scheme is %q; never is expected", scheme)
		}
		scheme = "never"
	}
	return scheme, nil
}

func (t *Tokenizer) addPostProcessor(data json.RawMessage, depth int) error {
	c, ok, err := read(data, depth)
	if !ok {
		return err
	}
	var p postProcessor
	switch c.Type {
	case "Sequence":
		return sequence("processors", c.Processors, func(d json.RawMessage) error { return t.addPostProcessor(d, depth+1) })
	case "ByteLevel": // moves offsets only
		return nil
	case "BertProcessing", "RobertaProcessing":
		for _, part := range []struct {
			name string
			data json.RawMessage
			into *[]int32
		}{{"cls", c.Cls, &p.before}, {"sep", c.Sep, &p.after}} {
			var pair []json.RawMessage
			var token string
			var id int32
			if json.Unmarshal(part.data, &pair) != nil || len(pair) != 2 ||
				json.Unmarshal(pair[0], &token) != nil || json.Unmarshal(pair[1], &id) != nil {
				return fmt.Errorf("%s: %q; a token and its id are expected", part.name, part.data)
			}
			*part.into = []int32{id}
		}
		p.pair = classPair(p.before, p.after, c.Type == "RobertaProcessing")
	case "TemplateProcessing":
		if p.before, p.after, err = c.singleTemplate(); err != nil {
			return err
		}
		if p.pair, err = c.pairTemplate(); err != nil {
			return err
		}
	default:
		return unknownType(c.Type)
	}
	for _, id := range slices.Concat(p.before, p.after) {
		if id < 0 {
			return fmt.Errorf("id %d of a special token; an id from 0 on is expected", id)
		}
	}
	t.post = append(t.post, p)
	return nil
}

// singleTemplate reads what a TemplateProcessing puts before and after one text.
func (c component) singleTemplate() (before, after []int32, err error) {
	into, sequences := &before, 0
	for i, piece := range c.Single {
		switch {
		case piece.Sequence != nil:
			sequences++
			into = &after
		case piece.SpecialToken != nil:
			token, ok := c.SpecialTokens[piece.SpecialToken.ID]
			if !ok {
				return nil, nil, fmt.Errorf("single[%d]: %q is not in special_tokens; its ids are expected there", i, piece.SpecialToken.ID)
			}
			*into = append(*into, token.IDs...)
		default:
			return nil, nil, fmt.Errorf("single[%d]: neither a Sequence nor a SpecialToken; one of them is expected", i)
		}
	}
	if sequences != 1 {
		return nil, nil, fmt.Errorf("single: the text stands in it %d times; once is expected", sequences)
	}
	return before, after, nil
}

func (t *Tokenizer) addDecoder(data json.RawMessage, depth int) error {
	c, ok, err := read(data, depth)
	if !ok {
		return err
	}
	t.hasDecoder = true
	var d decoder
	switch c.Type {
	case "Sequence":
		return sequence("decoders", c.Decoders, func(d json.RawMessage) error { return t.addDecoder(d, depth+1) })
	case "ByteLevel":
		d = decodeByteLevel
	case "ByteFallback":
		d = decodeByteFallback
	case "Fuse":
		d = decodeFuse
	case "Strip":
		if utf8.RuneCountInString(c.Content) != 1 {
			return fmt.Errorf("content %q; one character is expected", c.Content)
		}
		d = decodeStrip(c.Content, c.Start, c.Stop)
	case "Metaspace":
		scheme, err := c.metaspaceScheme()
		if err != nil {
			return err
		}
		d = decodeMetaspace(c.Replacement, scheme != "never")
	case "Replace":
		c.watch = t.watch
		find, err := c.cutter()
		if err != nil {
			return err
		}
		d = decodeReplace(find, c.Content)
	case "WordPiece":
		d = decodeWordPiece(c.Prefix, c.Cleanup)
	case "BPEDecoder":
		suffix := "</w>"
		if c.Suffix != nil {
			suffix = *c.Suffix
		}
		d = decodeBPE(suffix)
	case "CTC":
		d = decodeCTC(c.PadToken, c.WordDelimiterToken, c.Cleanup)
	default:
		return unknownType(c.Type)
	}
	t.decoders = append(t.decoders, d)
	return nil
}

// Special holds the ids of the special tokens, -1 where there is none.
type Special struct {
	BOS, EOS, PAD, UNK int32
}

// Special returns the special tokens that tokenizer_config.json names; without
// that file, those with a name that models commonly give them.
func (t *Tokenizer) Special() Special { return t.special }

// commonNames are the names that models give their special tokens, from the
// configurations of GPT-2, Llama, Mistral, Qwen, T5 and BERT.
var commonNames = [4][]string{
	{"<s>", "<|begin_of_text|>", "[CLS]", "<bos>"},
	{"</s>", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>", "[SEP]", "<eos>"},
	{"<pad>", "[PAD]", "<|pad|>", "<|finetune_right_pad_id|>", "<|endoftext|>"},
	{"<unk>", "[UNK]", "<|unk|>"},
}

func (t *Tokenizer) guessSpecial() Special {
	var ids [4]int32
	for i, names := range commonNames {
		ids[i] = -1
		for _, name := range names {
			if id, ok := t.ID(name); ok {
				ids[i] = id
				break
			}
		}
	}
	return Special{ids[0], ids[1], ids[2], ids[3]}
}

// name takes the special tokens from a tokenizer_config.json and a
// special_tokens_map.json; see ParseNamed.
func (t *Tokenizer) name(config, specialMap []byte) error {
	var c struct {
		Added json.RawMessage `json:"added_tokens_decoder"`
	}
	if config != nil {
		if err := t.readNames(config, true); err != nil {
			return fmt.Errorf("%s: %w", configName, err)
		}
		if err := json.Unmarshal(config, &c); err != nil {
			return fmt.Errorf("%s: %w", configName, err)
		}
	}
	if specialMap == nil || len(c.Added) > 0 {
		return nil
	}
	if err := t.readNames(specialMap, false); err != nil {
		return fmt.Errorf("%s: %w", specialMapName, err)
	}
	return nil
}

// readNames takes the special tokens that a JSON object names. One that is not
// in the vocabulary is an error where strict, else ignored: the old files
// special_tokens_map.json list tokens that were never added.
func (t *Tokenizer) readNames(data []byte, strict bool) error {
	var c struct {
		BOS json.RawMessage `json:"bos_token"`
		EOS json.RawMessage `json:"eos_token"`
		PAD json.RawMessage `json:"pad_token"`
		UNK json.RawMessage `json:"unk_token"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("%w; a JSON object is expected", err)
	}
	var errs []error
	for _, f := range []struct {
		name string
		data json.RawMessage
		into *int32
	}{
		{"bos_token", c.BOS, &t.special.BOS}, {"eos_token", c.EOS, &t.special.EOS},
		{"pad_token", c.PAD, &t.special.PAD}, {"unk_token", c.UNK, &t.special.UNK},
	} {
		if len(f.data) == 0 {
			continue
		}
		if string(f.data) == "null" {
			*f.into = -1
			continue
		}
		var name string
		var token addedToken
		if json.Unmarshal(f.data, &name) != nil {
			if err := json.Unmarshal(f.data, &token); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s; a token, or an object with its content, is expected", f.name, f.data))
				continue
			}
			name = token.Content
		}
		id, ok := t.ID(name)
		switch {
		case ok:
			*f.into = id
		case strict:
			errs = append(errs, fmt.Errorf("%s: %q is not in the vocabulary; a token of tokenizer.json is expected", f.name, name))
		}
	}
	return errors.Join(errs...)
}

// Added says whether a text is one of the added tokens: wherever it stands it is
// that token, whatever is beside it.
func (t *Tokenizer) Added(text string) (id int32, ok bool) {
	id, ok = t.added.ids[text]
	return id, ok && !t.added.tokens[id].SingleWord
}
