package tokenizer

import "unicode/utf8"

// scanner returns the end of the token of s that starts at i. It covers every
// text: each byte belongs to one token.
type scanner func(s string, i int) int

// The patterns that are scanned by hand, as tokenizer.json spells them.
const (
	patternGPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// scanners maps the exact text of a pattern to its scanner.
var scanners = map[string]scanner{
	patternGPT2:   scanGPT2,
	patternLlama3: func(s string, i int) int { return scanLlama3(s, i, 3) },
	patternQwen2:  func(s string, i int) int { return scanLlama3(s, i, 1) },
}

// Classes of a rune to a pattern: letter, number, white space, or none.
const (
	classOther = iota
	classL
	classN
	classS
)

func classAt(s string, i int) (class uint8, size int) {
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return runeClass(r), n
}

// run returns the end of the runes of one class from i on.
func run(s string, i int, class uint8) int {
	for i < len(s) {
		c, n := classAt(s, i)
		if c != class {
			break
		}
		i += n
	}
	return i
}

func scanGPT2(s string, i int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:]); n > 0 {
			return i + 1 + n
		}
	}
	class, n := classAt(s, i)
	if s[i] == ' ' && i+1 < len(s) {
		if next, m := classAt(s, i+1); next != classS {
			return run(s, i+1+m, next)
		}
	}
	if class != classS {
		return run(s, i+n, class)
	}
	return spaces(s, i, n)
}

// spaces matches \s+(?!\S)|\s+ where s[i:i+n] is white space: a run of it
// leaves its last rune to the token that follows.
func spaces(s string, i, n int) int {
	end, last := i+n, i
	for end < len(s) {
		c, m := classAt(s, end)
		if c != classS {
			break
		}
		last = end
		end += m
	}
	if end < len(s) && last > i {
		return last
	}
	return end
}

// contraction is the length of s, t, re, ve, m, ll or d at the start of s.
func contraction(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case 's', 't', 'm', 'd':
		return 1
	case 'r', 'v':
		if len(s) > 1 && s[1] == 'e' {
			return 2
		}
	case 'l':
		if len(s) > 1 && s[1] == 'l' {
			return 2
		}
	}
	return 0
}

// contractionFold is contraction with Unicode case folding, under which the
// long s (U+017F) is an s.
func contractionFold(s string) int {
	var b [2]byte
	for i := range min(2, len(s)) {
		b[i] = s[i]
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	if b == [2]byte{0xC5, 0xBF} {
		return 2
	}
	return contraction(string(b[:min(2, len(s))]))
}

func scanLlama3(s string, i, digits int) int {
	if s[i] == '\'' {
		if n := contractionFold(s[i+1:]); n > 0 {
			return i + 1 + n
		}
	}
	class, n := classAt(s, i)
	switch class {
	case classL:
		return run(s, i+n, classL)
	case classN:
		for end := i + n; ; digits-- {
			if digits <= 1 || end == len(s) {
				return end
			}
			c, m := classAt(s, end)
			if c != classN {
				return end
			}
			end += m
		}
	}
	if i+n < len(s) && s[i] != '\r' && s[i] != '\n' {
		if next, m := classAt(s, i+n); next == classL {
			return run(s, i+n+m, classL)
		} else if s[i] == ' ' && next == classOther {
			return newlines(s, run(s, i+n+m, classOther))
		}
	}
	if class == classOther {
		return newlines(s, run(s, i+n, classOther))
	}
	end := run(s, i+n, classS)
	for j := end - 1; j >= i; j-- {
		if s[j] == '\r' || s[j] == '\n' {
			return j + 1
		}
	}
	return spaces(s, i, n)
}

func newlines(s string, i int) int {
	for i < len(s) && (s[i] == '\r' || s[i] == '\n') {
		i++
	}
	return i
}
