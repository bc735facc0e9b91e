package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

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
