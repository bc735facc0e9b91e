package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
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
