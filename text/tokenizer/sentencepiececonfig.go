package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gorqa/files/modelfile"
)

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
	if len(data) == 0 {
		return nil
	}
	return modelfile.JSON(name, data, into)
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
	if err := cmp.Or(modelfile.JSONPart(data, c), modelfile.JSONPart(data, &tokens)); err != nil {
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
			if err := modelfile.JSONPart(f.data, &list); err != nil {
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
