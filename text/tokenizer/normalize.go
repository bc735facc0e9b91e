package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

func lowercase(p piece) piece {
	p.s = toLower(p.s)
	return p
}

// filter keeps the runes that keep holds for.
func filter(p piece, keep func(rune) bool) piece {
	for i, r := range p.s {
		if keep(r) {
			continue
		}
		if i == 0 {
			p.first = false
		}
		b := append(make([]byte, 0, len(p.s)), p.s[:i]...)
		for _, r := range p.s[i:] {
			if keep(r) {
				b = utf8.AppendRune(b, r)
			}
		}
		p.s = string(b)
		break
	}
	return p
}

func stripAccents(p piece) piece {
	return filter(p, func(r rune) bool { return r < 0x300 || !isCombining(r) })
}

func nmt(p piece) piece {
	p = filter(p, func(r rune) bool {
		return !(r >= 0x01 && r <= 0x08 || r == 0x0B || r >= 0x0E && r <= 0x1F || r == 0x7F || r == 0x8F || r == 0x9F)
	})
	p.s = strings.Map(func(r rune) rune {
		switch {
		case r == 0x09, r == 0x0A, r == 0x0C, r == 0x0D, r == 0x1680, r >= 0x200B && r <= 0x200F,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xFEFF, r == 0xFFFD:
			return ' '
		}
		return r
	}, p.s)
	return p
}

func strip(left, right bool) normalizer {
	return normalizer{spell: spellStrip(left, right), apply: func(p piece) piece {
		if left {
			s := strings.TrimLeftFunc(p.s, unicode.IsSpace)
			p.first = p.first && len(s) == len(p.s)
			p.s = s
		}
		if right {
			p.s = strings.TrimRightFunc(p.s, unicode.IsSpace)
		}
		return p
	}}
}

func prepend(prefix string) normalizer {
	return normalizer{spell: spellPrepend(prefix), apply: func(p piece) piece {
		if p.s != "" {
			p.s = prefix + p.s
		}
		return p
	}}
}

func replace(find cutter, content string) normalizer {
	return normalizer{spell: spellReplace(find, content), apply: func(p piece) piece {
		cuts := find(nil, p.s)
		if len(cuts) == 0 || len(cuts) == 1 && !cuts[0].match {
			return p
		}
		if c := cuts[0]; c.match && (content == "" || utf8.RuneCountInString(p.s[:c.hi]) > 1) {
			p.first = false
		}
		p.s = joinCuts(p.s, cuts, content)
		return p
	}}
}

// replaceText is replace of one text by another, without a list of cuts.
func replaceText(old, content string) normalizer {
	n := replace(cutString(old), content)
	if old == "" {
		return n
	}
	n.apply = func(p piece) piece {
		if strings.HasPrefix(p.s, old) && (content == "" || utf8.RuneCountInString(old) > 1) {
			p.first = false
		}
		p.s = strings.ReplaceAll(p.s, old, content)
		return p
	}
	n.spell = func(r *rewriting) {
		for {
			i := strings.Index(r.from.s[r.done:], old)
			if i < 0 {
				return
			}
			r.keep(r.done + i)
			r.putLast(r.done+len(old), content)
		}
	}
	return n
}

func replaceCuts(s string, find cutter, content string) string {
	return joinCuts(s, find(nil, s), content)
}

func joinCuts(s string, cuts []cut, content string) string {
	var b strings.Builder
	for _, c := range cuts {
		if c.match {
			b.WriteString(content)
		} else {
			b.WriteString(s[c.lo:c.hi])
		}
	}
	return b.String()
}

// bertNormalizer is BERT's: control characters go, every white space becomes
// a space, Chinese characters stand alone, accents and case go.
func bertNormalizer(clean, chinese, accents, lower bool) normalizer {
	apply := func(p piece) piece {
		if ascii, plain := bertASCII(p.s, clean); ascii {
			if !plain {
				p = bertClean(p)
			}
			if lower {
				p.s = strings.ToLower(p.s)
			}
			return p
		}
		if clean {
			p = bertClean(p)
		}
		if chinese {
			p.s = spaceChinese(p.s)
		}
		if accents {
			p.s = formNFD.apply(p.s)
			p = filter(p, func(r rune) bool { return r < 0x300 || !isNonspacing(r) })
		}
		if lower {
			p.s = toLower(p.s)
		}
		return p
	}
	n := normalizer{apply: apply, ascii: true}
	for _, step := range []struct {
		do    bool
		apply func(piece) piece
	}{
		{clean, bertClean},
		{chinese, func(p piece) piece { p.s = spaceChinese(p.s); return p }},
	} {
		if step.do {
			n.steps = append(n.steps, normalizer{apply: step.apply, spell: spellRunes(step.apply)})
		}
	}
	if accents {
		bare := func(p piece) piece { return filter(p, func(r rune) bool { return r < 0x300 || !isNonspacing(r) }) }
		n.steps = append(n.steps, normalForm(formNFD), normalizer{apply: bare, spell: spellRunes(bare)})
	}
	if lower {
		n.steps = append(n.steps, normalizer{apply: lowercase, spell: spellRunes(lowercase)})
	}
	return n
}

// bertASCII says whether s is all ASCII, and if so whether cleaning leaves it.
func bertASCII(s string, clean bool) (ascii, plain bool) {
	plain = true
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return false, false
		}
		if clean && (c < ' ' || c == 0x7F) {
			plain = false
		}
	}
	return true, plain
}

func bertClean(p piece) piece {
	keep := func(r rune) bool {
		if r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r < 0x7F {
			return true
		}
		return r != 0 && r != utf8.RuneError && !isOther(r)
	}
	b := make([]byte, 0, len(p.s))
	for i, r := range p.s {
		switch {
		case !keep(r):
			if i == 0 {
				p.first = false
			}
		case unicode.IsSpace(r):
			b = append(b, ' ')
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	p.s = string(b)
	return p
}

func spaceChinese(s string) string {
	if strings.IndexFunc(s, isChinese) < 0 {
		return s
	}
	b := make([]byte, 0, 2*len(s))
	for _, r := range s {
		if !isChinese(r) {
			b = utf8.AppendRune(b, r)
			continue
		}
		b = append(b, ' ')
		b = utf8.AppendRune(b, r)
		b = append(b, ' ')
	}
	return string(b)
}

// isChinese holds for the blocks that BERT spaces out, as the library lists them.
func isChinese(r rune) bool {
	return r >= 0x4E00 && r <= 0x9FFF || r >= 0x3400 && r <= 0x4DBF ||
		r >= 0x20000 && r <= 0x2A6DF || r >= 0x2A700 && r <= 0x2B73F ||
		r >= 0x2B740 && r <= 0x2B81F || r >= 0x2B920 && r <= 0x2CEAF ||
		r >= 0xF900 && r <= 0xFAFF || r >= 0x2F800 && r <= 0x2FA1F
}
