package tokenizer

import (
	"encoding/json"
	"fmt"
)

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
