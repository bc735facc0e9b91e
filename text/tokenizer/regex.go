package tokenizer

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// cutRegex cuts at the matches of a pattern that is not known by its text.
// regexp2 backtracks as the library's Oniguruma does. Its character classes
// follow Go's Unicode tables, so a rune of another class there than in the
// library is matched by a stand-in.
// A text that takes longer than the watch allows is not cut, which the watch keeps.
func cutRegex(pattern, part string, w *watch) (cutter, error) {
	if scan, ok := scanners[pattern]; ok {
		return func(cuts []cut, s string) []cut {
			for i := 0; i < len(s); {
				j := scan(s, i)
				cuts = append(cuts, cut{i, j, true})
				i = j
			}
			return cuts
		}, nil
	}
	if err := checkPattern(pattern); err != nil {
		return nil, err
	}
	re, err := regexp2.Compile(widenWords(pattern), regexp2.Multiline|regexp2.Unicode)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w; a regular expression that regexp2 reads is expected", pattern, err)
	}
	if err := probePattern(re, pattern); err != nil {
		return nil, err
	}
	re.MatchTimeout = w.limit
	return cutMatches(re, pattern, part, w), nil
}

// cutMatches cuts at the matches of a compiled pattern.
func cutMatches(re *regexp2.Regexp, pattern, part string, w *watch) cutter {
	return func(cuts []cut, s string) []cut {
		if w.err() != nil {
			return append(cuts, cut{0, len(s), false})
		}
		begin, found, whole := time.Now(), 0, len(cuts)
		runes := []rune(s)
		seen := make([]rune, len(runes))
		for i, r := range runes {
			seen[i] = standIn(r)
		}
		at, last, done := 0, 0, 0 // byte offset of rune number last; end of the last cut
		offset := func(n int) int {
			for ; last < n; last++ {
				at += utf8.RuneLen(runes[last])
			}
			return at
		}
		m, err := re.FindRunesMatch(seen)
		for err == nil && m != nil {
			lo := offset(m.Index)
			hi := offset(m.Index + m.Length)
			if lo > done {
				cuts = append(cuts, cut{done, lo, false})
			}
			cuts = append(cuts, cut{lo, hi, true})
			done = hi
			if found++; found%timedMatches == 1 && time.Since(begin) > w.limit {
				err = errors.New("out of time")
				break
			}
			m, err = re.FindNextMatch(m)
		}
		if err != nil {
			w.fail(part, pattern, len(runes))
			return append(cuts[:whole], cut{0, len(s), false})
		}
		if done < len(s) {
			cuts = append(cuts, cut{done, len(s), false})
		}
		return cuts
	}
}

// A tokenizer comes with a model and is not to be trusted. The largest pattern in
// use has some 600 bytes and 5 brackets within each other.
const (
	maxPattern        = 4096
	maxPatternNesting = 50
	probeRunes        = 512
	probeTime         = 2 * time.Second
	textTime          = 30 * time.Second // for a text, of a few megabytes at most
	timedMatches      = 256              // between two looks at the clock
)

// watch holds what a tokenizer's patterns may take for a text, and what went beyond
// it first.
type watch struct {
	limit time.Duration
	first atomic.Pointer[tooSlow]
}

// tooSlow says which pattern took too long.
type tooSlow struct {
	part, pattern string
	limit         time.Duration
	characters    int
}

func (e *tooSlow) Error() string {
	return fmt.Sprintf("the tokenizer's %s with pattern %.200q takes more than %v for a text of %d characters; a pattern that is quick on it is expected; shorten the text, or take another tokenizer file", e.part, e.pattern, e.limit, e.characters)
}

func (w *watch) fail(part, pattern string, characters int) {
	w.first.CompareAndSwap(nil, &tooSlow{part, pattern, w.limit, characters})
}

func (w *watch) err() error {
	if e := w.first.Load(); e != nil {
		return e
	}
	return nil
}

// checkPattern refuses a pattern that is too large to compile without a thought.
func checkPattern(pattern string) error {
	if len(pattern) > maxPattern {
		return fmt.Errorf("pattern %.40q…: %d bytes; at most %d are expected", pattern, len(pattern), maxPattern)
	}
	depth := 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '(':
			if depth++; depth > maxPatternNesting {
				return fmt.Errorf("pattern %.40q…: more than %d brackets within each other; at most that many are expected", pattern, maxPatternNesting)
			}
		case ')':
			depth--
		}
	}
	return nil
}

// probePattern refuses a pattern that takes more than a moment on short texts of
// one kind of character, as one that tries all ways to divide them does.
func probePattern(re *regexp2.Regexp, pattern string) error {
	re.MatchTimeout = probeTime
	defer func() { re.MatchTimeout = regexp2.DefaultMatchTimeout }()
	for _, kind := range []string{"a", "A", " ", "1", "\n", "!", "é", "a ", "aA1"} {
		text := []rune(strings.Repeat(kind, probeRunes/len([]rune(kind))))
		m, err := re.FindRunesMatch(append(text, '\x01'))
		for n := 0; err == nil && m != nil && n < 4; n++ {
			m, err = re.FindNextMatch(m)
		}
		if err != nil {
			return fmt.Errorf("pattern %.200q: it takes more than %v on %d characters such as %q; a pattern that is quick on them is expected", pattern, probeTime, len(text), kind)
		}
	}
	return nil
}

// standIn returns a rune that Go classes, as letter, number or neither, as the
// library classes r.
func standIn(r rune) rune {
	if r < utf8.RuneSelf {
		return r
	}
	switch class := runeClass(r); {
	case class == classL && !unicode.IsLetter(r):
		return 0xA4D0 // LISU LETTER BA
	case class == classN && !unicode.IsNumber(r):
		return 0x10107 // AEGEAN NUMBER ONE
	case class == classOther && (unicode.IsLetter(r) || unicode.IsNumber(r)):
		return 0xE000 // private use
	}
	return r
}

// wordClass is what Oniguruma's \w holds: letters, marks and numbers of every
// kind, connectors, and the circled letters.
const wordClass = `\p{L}\p{M}\p{N}\p{Pc}\u24B6-\u24E9`

// widenWords spells \w, and \W outside of brackets, as Oniguruma reads them:
// regexp2 follows .NET, whose \w lacks spacing marks and most numbers.
func widenWords(pattern string) string {
	var b strings.Builder
	bracket := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			switch next := pattern[i]; {
			case next == 'w' && bracket:
				b.WriteString(wordClass)
			case next == 'w':
				b.WriteString("[" + wordClass + "]")
			case next == 'W' && !bracket:
				b.WriteString("[^" + wordClass + "]")
			default:
				b.WriteByte(c)
				b.WriteByte(next)
			}
			continue
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}
