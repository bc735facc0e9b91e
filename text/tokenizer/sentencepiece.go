package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// SentencePiece is a SentencePiece model and the files beside it that say how
// it is used, nil where there is none.
type SentencePiece struct {
	Model         []byte // spiece.model or tokenizer.model
	Config        []byte // tokenizer_config.json
	SpecialTokens []byte // special_tokens_map.json
	AddedTokens   []byte // added_tokens.json
}

// Bounds of what a model file may ask for; a piece of the trainer's longest
// setting has 512 characters, the merges of Gemma's 256,000 pieces 7 MB.
const (
	maxPieceBytes = 2048
	maxMergeBytes = 64 << 20
	maxExtraIDs   = 1 << 16
)

// ParseSentencePiece makes of a SentencePiece model the tokenizer that
// transformers makes of it: T5's of a unigram model, Llama's of a BPE model. As
// in transformers 5 the model's own rules for spaces do not count, and its
// normalizer only in T5's. One thing is as in transformers 4, and as the models
// were trained: Llama's <s> comes first unless add_bos_token is false.
func ParseSentencePiece(s SentencePiece) (*Tokenizer, error) {
	m, err := readSentencePiece(s.Model)
	if err != nil {
		return nil, fmt.Errorf("%w; a SentencePiece model is expected; convert another kind of tokenizer with transformers' save_pretrained", err)
	}
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	c, err := newSPMConfig(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configName, err)
	}
	file := object{"version": "1.0", "truncation": nil, "padding": nil, "normalizer": nil}
	switch {
	case m.kind == spmUnigram && c.is("T5Tokenizer"):
		err = m.t5(file, c, s.AddedTokens)
	case m.kind == spmBPE && c.is("LlamaTokenizer"):
		err = m.llama(file, c, s.AddedTokens)
	case m.kind == spmUnigram || m.kind == spmBPE:
		err = fmt.Errorf("%s: tokenizer_class %q over a model_type %d; T5Tokenizer over %d (unigram) or LlamaTokenizer over %d (BPE) is expected; convert this one with transformers' save_pretrained", configName, c.Class, m.kind, spmUnigram, spmBPE)
	default:
		err = fmt.Errorf("model_type %d; %d (unigram) or %d (BPE) is expected", m.kind, spmUnigram, spmBPE)
	}
	if err != nil {
		return nil, err
	}
	tokenizerJSON, err := json.Marshal(file)
	if err != nil {
		return nil, err
	}
	t, err := Parse(tokenizerJSON)
	if err != nil {
		return nil, err
	}
	if u, ok := t.model.(*unigram); ok {
		u.setScores(m.scores) // JSON lost their last bits, see libraryFloat
	}
	if err := t.readNames(config, true); err != nil {
		return nil, fmt.Errorf("%s: %w", configName, err)
	}
	return t, nil
}

// Values of trainer_spec.model_type.
const (
	spmUnigram = 1
	spmBPE     = 2
)

// spModel is what counts of a ModelProto (sentencepiece_model.proto).
type spModel struct {
	tokens   []string
	scores   []float64
	types    []int32
	kind     uint64
	charsmap []byte
}

func readSentencePiece(data []byte) (*spModel, error) {
	m := &spModel{kind: spmUnigram}
	seen := map[string]bool{}
	err := protoFields(data, func(field protowire.Number, typ protowire.Type, value []byte) error {
		if typ != protowire.BytesType {
			return nil
		}
		message, _ := protowire.ConsumeBytes(value)
		switch field {
		case 1:
			token, score, kind, err := readPiece(message)
			switch {
			case err != nil:
			case token == "" || len(token) > maxPieceBytes || !utf8.ValidString(token):
				err = fmt.Errorf("%.40q of %d bytes; UTF-8 of 1 to %d bytes is expected", token, len(token), maxPieceBytes)
			case seen[token]:
				err = fmt.Errorf("%q is there twice; once is expected", token)
			case math.IsNaN(float64(score)) || math.IsInf(float64(score), 0):
				err = fmt.Errorf("%q has score %v; a number is expected", token, score)
			}
			if err != nil {
				return fmt.Errorf("pieces[%d]: %w", len(m.tokens), err)
			}
			seen[token] = true
			m.tokens, m.scores, m.types = append(m.tokens, token), append(m.scores, float64(score)), append(m.types, kind)
		case 2: // trainer_spec
			return protoFields(message, func(field protowire.Number, typ protowire.Type, value []byte) error {
				if field == 3 && typ == protowire.VarintType {
					m.kind, _ = protowire.ConsumeVarint(value)
				}
				return nil
			})
		case 3: // normalizer_spec
			return protoFields(message, func(field protowire.Number, typ protowire.Type, value []byte) error {
				if field == 2 && typ == protowire.BytesType {
					m.charsmap, _ = protowire.ConsumeBytes(value)
				}
				return nil
			})
		}
		return nil
	})
	if err == nil && len(m.tokens) == 0 {
		err = errors.New("no pieces found")
	}
	return m, err
}

func readPiece(message []byte) (token string, score float32, kind int32, err error) {
	kind = 1
	err = protoFields(message, func(field protowire.Number, typ protowire.Type, value []byte) error {
		switch {
		case field == 1 && typ == protowire.BytesType:
			b, _ := protowire.ConsumeBytes(value)
			token = string(b)
		case field == 2 && typ == protowire.Fixed32Type:
			bits, _ := protowire.ConsumeFixed32(value)
			score = math.Float32frombits(bits)
		case field == 3 && typ == protowire.VarintType:
			n, _ := protowire.ConsumeVarint(value)
			kind = int32(n)
		}
		return nil
	})
	return token, score, kind, err
}

// protoFields calls visit with each field of a protobuf message and its encoded
// value, which is whole.
func protoFields(message []byte, visit func(field protowire.Number, typ protowire.Type, value []byte) error) error {
	for len(message) > 0 {
		field, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(field, typ, message); n < 0 {
			return protowire.ParseError(n)
		}
		if err := visit(field, typ, message[:n]); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}

// t5 follows transformers' T5Tokenizer: sentinels after the vocabulary, </s>
// after the text.
func (m *spModel) t5(file object, c *spmConfig, addedJSON []byte) error {
	unk := slices.Index(m.types, typeUnknown)
	if unk < 0 {
		return errors.New("no piece of type unknown; one is expected")
	}
	extra := 100
	if c.ExtraIDs != nil {
		extra = *c.ExtraIDs
	}
	if extra < 0 || extra > maxExtraIDs {
		return fmt.Errorf("%s: extra_ids %d; 0 to %d is expected", configName, extra, maxExtraIDs)
	}
	extras := m.addedPieces()
	for i := range extra {
		extras = append(extras, addedToken{Content: fmt.Sprintf("<extra_id_%d>", i), Special: true})
	}
	for _, sentinel := range slices.Backward(extras[len(extras)-extra:]) {
		m.tokens, m.scores = append(m.tokens, sentinel.Content), append(m.scores, 0)
	}
	vocab := make([][2]any, len(m.tokens))
	for i, token := range m.tokens {
		vocab[i] = [2]any{token, m.scores[i]}
	}
	added, err := c.addedTokens(m.tokens, addedJSON, extras, map[string]string{"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"})
	if err != nil {
		return err
	}
	if len(m.charsmap) > 0 {
		file["normalizer"] = object{"type": "Precompiled", "precompiled_charsmap": m.charsmap}
	}
	metaspace := metaspaceOf("always", true)
	file["pre_tokenizer"] = object{"type": "Sequence", "pretokenizers": []object{{"type": "WhitespaceSplit"}, metaspace}}
	file["decoder"] = metaspace
	file["model"] = object{"type": "Unigram", "vocab": vocab, "unk_id": unk, "byte_fallback": false}
	file["added_tokens"] = added.tokens
	file["post_processor"] = template("", -1, c.eos, added.id(c.eos))
	return nil
}

// llama follows transformers' LlamaTokenizer. Its merges go by id, not by
// score: the trainer numbers the pieces in the order in which it made them.
func (m *spModel) llama(file object, c *spmConfig, addedJSON []byte) error {
	ids := tokenIDs(m.tokens)
	merges, size := [][2]string{}, 0
	for _, token := range m.tokens {
		for pair := range halves(token, ids) {
			merges = append(merges, pair)
			if size += len(token); size > maxMergeBytes {
				return fmt.Errorf("pieces that merge in more than %d bytes of ways; a learnt vocabulary is expected", maxMergeBytes)
			}
		}
	}
	added, err := c.addedTokens(m.tokens, addedJSON, m.addedPieces(), map[string]string{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})
	if err != nil {
		return err
	}
	prefixed, scheme := !isFalse(c.AddPrefixSpace), "first"
	switch {
	case !prefixed:
		scheme = "never"
	case c.Legacy != nil && *c.Legacy:
		scheme = "always"
	}
	file["pre_tokenizer"] = metaspaceOf(scheme, false)
	file["decoder"] = metaspaceBPEDecoder(prefixed)
	file["model"] = metaspaceBPEModel(m.tokens, merges)
	file["added_tokens"] = added.tokens
	bos, eos := c.bos, ""
	if isFalse(c.AddBOS) {
		bos = ""
	}
	if c.AddEOS != nil && *c.AddEOS {
		eos = c.eos
	}
	file["post_processor"] = template(bos, added.id(bos), eos, added.id(eos))
	return nil
}

// addedPieces are the pieces that are matched before the model sees the text.
func (m *spModel) addedPieces() []addedToken {
	var added []addedToken
	for i, kind := range m.types {
		if kind == typeControl || kind == typeUserDefined {
			added = append(added, addedToken{Content: m.tokens[i], Special: kind == typeControl})
		}
	}
	return added
}

// specialNames are the special tokens that the files name, in transformers'
// order.
var specialNames = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// config is the tokenizer_config.json, under the tokens of
// special_tokens_map.json unless it has added_tokens_decoder: transformers reads
// no older file then.
func (s SentencePiece) config() ([]byte, error) {
	var config, special map[string]json.RawMessage
	if err := unmarshalFile(configName, s.Config, &config); err != nil {
		return nil, err
	}
	if _, ok := config["added_tokens_decoder"]; ok {
		return s.Config, nil
	}
	if err := unmarshalFile("special_tokens_map.json", s.SpecialTokens, &special); err != nil {
		return nil, err
	}
	merged := map[string]json.RawMessage{}
	maps.Copy(merged, config)
	for _, name := range specialNames {
		if token, ok := special[name]; ok {
			merged[name] = token
		}
	}
	return json.Marshal(merged)
}

func unmarshalFile(name string, data []byte, into any) error {
	if data == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w; the JSON of transformers' %s is expected", name, err, name)
	}
	return nil
}

// spmConfig is what counts of a tokenizer_config.json.
type spmConfig struct {
	Class          string                     `json:"tokenizer_class"`
	AddBOS         *bool                      `json:"add_bos_token"`
	AddEOS         *bool                      `json:"add_eos_token"`
	AddPrefixSpace *bool                      `json:"add_prefix_space"`
	Legacy         *bool                      `json:"legacy"`
	ExtraIDs       *int                       `json:"extra_ids"`
	Added          map[string]json.RawMessage `json:"added_tokens_decoder"`
	Extra          json.RawMessage            `json:"extra_special_tokens"`
	Additional     json.RawMessage            `json:"additional_special_tokens"`

	named    map[string]addedToken // by their key, such as bos_token
	bos, eos string                // empty where there is none
}

func newSPMConfig(data []byte) (*spmConfig, error) {
	c := &spmConfig{named: map[string]addedToken{}}
	var tokens map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(data, c), json.Unmarshal(data, &tokens)); err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range specialNames {
		token, ok := tokens[name]
		if !ok {
			continue
		}
		t, err := readToken(token)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		t.Special = true
		c.named[name] = t
	}
	return c, errors.Join(errs...)
}

// is says whether the tokenizer is of a class, under its old name too, or of
// none.
func (c *spmConfig) is(class string) bool {
	return c.Class == "" || strings.TrimSuffix(c.Class, "Fast") == class
}

// readToken reads a token, or an object with its content.
func readToken(data json.RawMessage) (addedToken, error) {
	var content string
	if json.Unmarshal(data, &content) == nil {
		return addedToken{Content: content, Special: true}, nil
	}
	var t struct {
		addedToken
		Normalized *bool `json:"normalized"`
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return addedToken{}, fmt.Errorf("%.80s; a token, or an object with its content, is expected", data)
	}
	t.addedToken.Normalized = !t.Special
	if t.Normalized != nil {
		t.addedToken.Normalized = *t.Normalized
	}
	return t.addedToken, nil
}

// addedList is the added_tokens of a tokenizer.json.
type addedList struct {
	tokens []listedToken
	vocab  map[string]int
	at     map[string]int
	next   int
}

type listedToken struct {
	ID int `json:"id"`
	addedToken
}

// add enters a token under its id in the vocabulary, or the next free one. A
// second entry replaces the first.
func (l *addedList) add(t addedToken) {
	if t.Content == "" {
		return
	}
	if i, ok := l.at[t.Content]; ok {
		t.Special = t.Special || l.tokens[i].Special
		l.tokens[i].addedToken = t
		return
	}
	id, ok := l.vocab[t.Content]
	if !ok {
		id = l.next
		l.next++
	}
	l.at[t.Content] = len(l.tokens)
	l.tokens = append(l.tokens, listedToken{id, t})
}

// id is the id of an added token, -1 of none.
func (l *addedList) id(token string) int32 {
	if i, ok := l.at[token]; ok {
		return int32(l.tokens[i].ID)
	}
	return -1
}

// addedTokens gathers the added tokens as transformers does: those of the
// files, then the named ones, then the extra ones, which are pieces unless the
// configuration lists others. defaults are the names of the tokenizer's class.
func (c *spmConfig) addedTokens(vocab []string, addedJSON []byte, pieces []addedToken, defaults map[string]string) (*addedList, error) {
	extras := pieces
	if len(c.Extra) > 0 || len(c.Additional) > 0 {
		var err error
		if extras, err = c.extraTokens(); err != nil {
			return nil, fmt.Errorf("%s: %w", configName, err)
		}
	}
	var filed []addedToken
	var err error
	if c.Added != nil {
		if filed, err = c.decoderTokens(); err != nil {
			return nil, fmt.Errorf("%s: added_tokens_decoder: %w", configName, err)
		}
	} else if filed, err = c.fileTokens(addedJSON, extras); err != nil {
		return nil, err
	}
	for name, token := range defaults {
		if _, ok := c.named[name]; !ok {
			c.named[name] = addedToken{Content: token, Special: true}
		}
	}
	c.bos, c.eos = c.named["bos_token"].Content, c.named["eos_token"].Content

	l := &addedList{tokens: []listedToken{}, vocab: tokenIDs(vocab), at: map[string]int{}, next: len(vocab)}
	inFile := map[string]bool{}
	for _, t := range filed {
		for _, n := range c.named {
			t.Special = t.Special || n.Content == t.Content
		}
		inFile[t.Content] = true
		l.add(t)
	}
	for _, name := range specialNames {
		if t := c.named[name]; !inFile[t.Content] {
			l.add(t)
		}
	}
	for _, t := range extras {
		if !inFile[t.Content] {
			l.add(t)
		}
	}
	return l, nil
}

// extraTokens reads extra_special_tokens, or if that is empty the older
// additional_special_tokens.
func (c *spmConfig) extraTokens() ([]addedToken, error) {
	for _, f := range []struct {
		name string
		data json.RawMessage
	}{{"extra_special_tokens", c.Extra}, {"additional_special_tokens", c.Additional}} {
		var list []json.RawMessage
		if len(f.data) > 0 {
			if err := json.Unmarshal(f.data, &list); err != nil {
				return nil, fmt.Errorf("%s: %w; a list of tokens is expected", f.name, err)
			}
		}
		if len(list) == 0 {
			continue
		}
		tokens := make([]addedToken, len(list))
		for i, data := range list {
			var err error
			if tokens[i], err = readToken(data); err != nil {
				return nil, fmt.Errorf("%s[%d]: %w", f.name, i, err)
			}
		}
		return tokens, nil
	}
	return nil, nil
}

// decoderTokens are the tokens of added_tokens_decoder by id.
func (c *spmConfig) decoderTokens() ([]addedToken, error) {
	byID := map[int]addedToken{}
	for key, data := range c.Added {
		id, err := strconv.Atoi(key)
		if err != nil {
			return nil, fmt.Errorf("%q; an id is expected", key)
		}
		if byID[id], err = readToken(data); err != nil {
			return nil, fmt.Errorf("%d: %w", id, err)
		}
	}
	var tokens []addedToken
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		tokens = append(tokens, byID[id])
	}
	return tokens, nil
}

// fileTokens are the tokens of an added_tokens.json by id: special where other
// files name them so, and matched in normalized text where not.
func (c *spmConfig) fileTokens(addedJSON []byte, extras []addedToken) ([]addedToken, error) {
	var ids map[string]int
	if err := unmarshalFile("added_tokens.json", addedJSON, &ids); err != nil {
		return nil, err
	}
	special := map[string]bool{}
	for _, t := range c.named {
		special[t.Content] = true
	}
	if len(c.Extra) > 0 || len(c.Additional) > 0 {
		for _, t := range extras {
			special[t.Content] = true
		}
	}
	var tokens []addedToken
	byID := func(a, b string) int { return cmp.Or(cmp.Compare(ids[a], ids[b]), cmp.Compare(a, b)) }
	for _, token := range slices.SortedFunc(maps.Keys(ids), byID) {
		tokens = append(tokens, addedToken{Content: token, Normalized: !special[token], Special: special[token]})
	}
	return tokens, nil
}
