package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// preTokenizer appends the pieces of p to out.
type preTokenizer func(out []piece, p piece) []piece

// cut is a stretch of text that a pattern matched, or the text between.
type cut struct {
	lo, hi int
	match  bool
}

// cutter covers s with cuts, in order. It appends to cuts.
type cutter func(cuts []cut, s string) []cut

// behaviors of a split, by the names of tokenizer.json.
var behaviors = map[string]func(out []piece, p piece, cuts []cut) []piece{
	"Isolated":           isolated,
	"Removed":            removed,
	"Contiguous":         contiguous,
	"MergedWithPrevious": mergedWithPrevious,
	"MergedWithNext":     mergedWithNext,
}

func emit(out []piece, p piece, lo, hi int) []piece {
	if lo == hi {
		return out
	}
	return append(out, p.part(lo, hi))
}

func isolated(out []piece, p piece, cuts []cut) []piece {
	for _, c := range cuts {
		out = emit(out, p, c.lo, c.hi)
	}
	return out
}

func removed(out []piece, p piece, cuts []cut) []piece {
	for _, c := range cuts {
		if !c.match {
			out = emit(out, p, c.lo, c.hi)
		}
	}
	return out
}

// merge joins each cut to the one before it where join says so.
func merge(out []piece, p piece, cuts []cut, join func(previous bool, c cut) bool) []piece {
	lo, hi, previous := 0, 0, false
	for i, c := range cuts {
		if i > 0 && !join(previous, c) {
			out = emit(out, p, lo, hi)
			lo = c.lo
		}
		hi, previous = c.hi, c.match
	}
	return emit(out, p, lo, hi)
}

func contiguous(out []piece, p piece, cuts []cut) []piece {
	return merge(out, p, cuts, func(previous bool, c cut) bool { return previous == c.match })
}

func mergedWithPrevious(out []piece, p piece, cuts []cut) []piece {
	return merge(out, p, cuts, func(previous bool, c cut) bool { return c.match && !previous })
}

// mergedWithNext walks from the end: a match joins the text after it, unless
// that text is itself a match.
func mergedWithNext(out []piece, p piece, cuts []cut) []piece {
	lo := 0
	for i, c := range cuts {
		if i+1 < len(cuts) && c.match && !cuts[i+1].match {
			continue
		}
		out = emit(out, p, lo, c.hi)
		lo = c.hi
	}
	return out
}

// cutRunes cuts at every rune that f holds for.
func cutRunes(f func(rune) bool) cutter {
	return func(cuts []cut, s string) []cut {
		last := 0
		for i, r := range s {
			if !f(r) {
				continue
			}
			if last < i {
				cuts = append(cuts, cut{last, i, false})
			}
			last = i + utf8.RuneLen(r)
			cuts = append(cuts, cut{i, last, true})
		}
		if last < len(s) {
			cuts = append(cuts, cut{last, len(s), false})
		}
		return cuts
	}
}

// cutString cuts at every occurrence of a text.
func cutString(sep string) cutter {
	return func(cuts []cut, s string) []cut {
		last := 0
		if sep != "" {
			cuts = slices.Grow(cuts, 2*strings.Count(s, sep)+1)
		}
		for sep != "" {
			i := strings.Index(s[last:], sep)
			if i < 0 {
				break
			}
			if i > 0 {
				cuts = append(cuts, cut{last, last + i, false})
			}
			cuts = append(cuts, cut{last + i, last + i + len(sep), true})
			last += i + len(sep)
		}
		if last < len(s) {
			cuts = append(cuts, cut{last, len(s), false})
		}
		return cuts
	}
}

// splitter makes a pre-tokenizer of a cutter and a behavior.
func splitter(c cutter, behavior string, invert bool) (preTokenizer, error) {
	join, ok := behaviors[behavior]
	if !ok {
		return nil, fmt.Errorf("behavior %q is not known; one of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous is expected", behavior)
	}
	return func(out []piece, p piece) []piece {
		cuts := c(make([]cut, 0, 64), p.s)
		if invert {
			for i := range cuts {
				cuts[i].match = !cuts[i].match
			}
		}
		return join(out, p, cuts)
	}, nil
}

// scanSplitter isolates what a scanner of the whole text finds.
func scanSplitter(next scanner) preTokenizer {
	return func(out []piece, p piece) []piece {
		for i := 0; i < len(p.s); {
			j := next(p.s, i)
			out = append(out, p.part(i, j))
			i = j
		}
		return out
	}
}

// byteLevelSplit is the pre-tokenizer ByteLevel, less its mapping of bytes.
func byteLevelSplit(addPrefixSpace, useRegex bool) preTokenizer {
	scan := scanSplitter(scanGPT2)
	addPrefix := prepend(" ")
	return func(out []piece, p piece) []piece {
		if addPrefixSpace && p.s[0] != ' ' {
			p = addPrefix.run(p)
		}
		if !useRegex {
			return append(out, p)
		}
		return scan(out, p)
	}
}

// mapBytes spells every byte of a piece as its rune of the byte-level alphabet.
func mapBytes(out []piece, p piece) []piece {
	n := normalizer{apply: applyBytes, spell: spellBytes}
	return append(out, n.run(p))
}

func applyBytes(p piece) piece {
	b := make([]byte, 0, 2*len(p.s))
	for i := range len(p.s) {
		b = utf8.AppendRune(b, byteRunes[p.s[i]])
	}
	p.s = string(b)
	return p
}

func spellBytes(r *rewriting) {
	for i := range len(r.from.s) {
		r.put(i+1, string(byteRunes[r.from.s[i]]))
	}
}

// byteRunes is GPT-2's alphabet: printable Latin-1 stands for itself, the
// other bytes for the runes from U+0100 on (openai/gpt-2, encoder.py).
var byteRunes, runeBytes = func() (to [256]rune, from map[rune]byte) {
	from = make(map[rune]byte, 256)
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if b < '!' || b > '~' && b < 0xA1 || b == 0xAD {
			r = next
			next++
		}
		to[b] = r
		from[r] = byte(b)
	}
	return to, from
}()

// metaspace is the pre-tokenizer Metaspace.
func metaspace(replacement, scheme string, split bool) (preTokenizer, error) {
	var isPrefixed func(p piece) bool
	switch scheme {
	case "always":
		isPrefixed = func(piece) bool { return true }
	case "first":
		isPrefixed = func(p piece) bool { return p.first }
	case "never":
		isPrefixed = func(piece) bool { return false }
	default:
		return nil, fmt.Errorf("prepend_scheme %q is not known; one of always, first, never is expected", scheme)
	}
	addPrefix := prepend(replacement)
	spaces := replaceText(" ", replacement)
	return func(out []piece, p piece) []piece {
		p = spaces.run(p)
		if !strings.HasPrefix(p.s, replacement) && isPrefixed(p) {
			p = addPrefix.run(p)
		}
		if !split {
			return append(out, p)
		}
		last := 0
		_, first := utf8.DecodeRuneInString(p.s)
		for i := first; i < len(p.s); {
			j := strings.Index(p.s[i:], replacement)
			if j < 0 {
				break
			}
			if i += j; i > last {
				out = append(out, p.part(last, i))
			}
			last = i
			i += len(replacement)
		}
		return append(out, p.part(last, len(p.s)))
	}, nil
}

// bertSplit is the pre-tokenizer BertPreTokenizer: white space goes,
// punctuation stands alone.
func bertSplit(out []piece, p piece) []piece {
	last := 0
	for i, r := range p.s {
		space := unicode.IsSpace(r)
		if !space && !isPunct(r) {
			continue
		}
		out = emit(out, p, last, i)
		last = i + utf8.RuneLen(r)
		if !space {
			out = emit(out, p, i, last)
		}
	}
	return emit(out, p, last, len(p.s))
}

// cutWords cuts at \w+|[^\w\s]+, the pattern of the pre-tokenizer Whitespace.
func cutWords(cuts []cut, s string) []cut {
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	}
	last, was := 0, -1
	for i, r := range s {
		k := kind(r)
		if k != was && i > last {
			cuts = append(cuts, cut{last, i, was != 0})
			last = i
		}
		was = k
	}
	if last < len(s) {
		cuts = append(cuts, cut{last, len(s), was != 0})
	}
	return cuts
}

// fixedLength cuts into pieces of n runes.
func fixedLength(n int) preTokenizer {
	return func(out []piece, p piece) []piece {
		last, count := 0, 0
		for i := range p.s {
			if count == n {
				out = emit(out, p, last, i)
				last, count = i, 0
			}
			count++
		}
		return emit(out, p, last, len(p.s))
	}
}
