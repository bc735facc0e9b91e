package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

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
