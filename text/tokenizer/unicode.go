package tokenizer

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// runeSet is a set of code points with one bit each in a two-level table.
type runeSet struct {
	pages [0x110000 >> 10]*[16]uint64
}

func (s *runeSet) has(r rune) bool {
	if uint32(r) > utf8.MaxRune {
		return false
	}
	page := s.pages[r>>10]
	return page != nil && page[r>>6&15]>>(r&63)&1 == 1
}

// ranges reads a set of tables.go: the first and last rune of each range.
func ranges(text string) iter.Seq2[rune, rune] {
	return func(yield func(lo, hi rune) bool) {
		last := rune(0)
		for word := range strings.SplitSeq(text, " ") {
			gap, length, _ := strings.Cut(word, "+")
			lo := last + hex(gap)
			last = lo + hex(length)
			if !yield(lo, last) {
				return
			}
		}
	}
}

func parseSet(text string) *runeSet {
	s := new(runeSet)
	for lo, hi := range ranges(text) {
		for r := lo; r <= hi; r++ {
			if s.pages[r>>10] == nil {
				s.pages[r>>10] = new([16]uint64)
			}
			s.pages[r>>10][r>>6&15] |= 1 << (r & 63)
		}
	}
	return s
}

func hex(s string) rune {
	n, _ := strconv.ParseInt(s, 16, 32) // "" is 0
	return rune(n)
}

func lazySet(text string) func() *runeSet {
	return sync.OnceValue(func() *runeSet { return parseSet(text) })
}

var (
	punctuation = lazySet(punctuationSet)
	wordRunes   = lazySet(wordRunesSet)
	others      = lazySet(othersSet)
	nonspacing  = lazySet(nonspacingSet)
	combining   = lazySet(combiningSet)
	numeric     = lazySet(numericSet)
)

func isPunct(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= '!' && r <= '/' || r >= ':' && r <= '@' || r >= '[' && r <= '`' || r >= '{' && r <= '~'
	}
	return punctuation().has(r)
}

func isWord(r rune) bool       { return wordRunes().has(r) }
func isOther(r rune) bool      { return others().has(r) }
func isNonspacing(r rune) bool { return nonspacing().has(r) }
func isCombining(r rune) bool  { return combining().has(r) }
func isNumeric(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= '0' && r <= '9'
	}
	return numeric().has(r)
}

// patternClasses holds the class of every code point to the patterns of scan.go.
var patternClasses = sync.OnceValue(func() *[0x110000]uint8 {
	var classes [0x110000]uint8
	for class, text := range map[uint8]string{classL: lettersSet, classN: numbersSet, classS: spacesSet} {
		for lo, hi := range ranges(text) {
			for r := lo; r <= hi; r++ {
				classes[r] = class
			}
		}
	}
	return &classes
})

var asciiClass = func() (t [utf8.RuneSelf]uint8) {
	for c := range t {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			t[c] = classL
		case c >= '0' && c <= '9':
			t[c] = classN
		case c == ' ' || c >= '\t' && c <= '\r':
			t[c] = classS
		}
	}
	return t
}()

func runeClass(r rune) uint8 { return patternClasses()[r] }

// caseRun maps every step-th rune from first to last to itself plus offset.
type caseRun struct {
	first, last  rune
	step, offset rune
}

// toLower lowers each rune by itself: no final sigma.
func toLower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return lowerFrom(s, i)
		}
	}
	return s
}

func lowerFrom(s string, i int) string {
	b := append(make([]byte, 0, len(s)+8), s[:i]...)
	for _, r := range s[i:] {
		if r < utf8.RuneSelf {
			if r >= 'A' && r <= 'Z' {
				r += 'a' - 'A'
			}
			b = append(b, byte(r))
			continue
		}
		j, ok := slices.BinarySearchFunc(lowerRuns[:], r, func(c caseRun, r rune) int { return cmp.Compare(c.first, r) })
		if !ok {
			j--
		}
		if c := lowerRuns[max(j, 0)]; j >= 0 && r <= c.last && (r-c.first)%c.step == 0 {
			r += c.offset
		} else if t, ok := lowerSpecial[r]; ok {
			b = append(b, t...)
			continue
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b)
}

// form is one of the four normal forms (Unicode standard, annex 15), at the
// Unicode version of the Rust library. It differs from x/text in that newer
// characters stay as they are and long runs of marks are not broken up.
type form struct {
	compat, compose bool
	quick           rune // runes below it are their own normal form
}

var (
	formNFC  = form{compose: true, quick: 0x300}
	formNFD  = form{quick: 0xC0}
	formNFKC = form{compat: true, compose: true, quick: 0xA0}
	formNFKD = form{compat: true, quick: 0xA0}
)

// formTables are what a form needs of every rune that is not plain.
type formTables struct {
	class     map[rune]uint8 // canonical combining class, if not 0
	canonical map[rune][]rune
	compat    map[rune][]rune // only where it differs from canonical
	composite map[[2]rune]rune
}

// forms takes the mappings from x/text for the runes that the library knows.
var forms = sync.OnceValue(func() *formTables {
	t := &formTables{map[rune]uint8{}, map[rune][]rune{}, map[rune][]rune{}, map[[2]rune]rune{}}
	decomposing, reordering := parseSet(decomposingSet), parseSet(reorderingSet)
	var buf [utf8.UTFMax]byte
	for r := rune(0xA0); r <= 0x2FFFF; r++ {
		if reordering.has(r) {
			t.class[r] = norm.NFD.Properties(buf[:utf8.EncodeRune(buf[:], r)]).CCC()
		}
		if !decomposing.has(r) {
			continue
		}
		s := string(r)
		nfd, nfkd := norm.NFD.String(s), norm.NFKD.String(s)
		if nfd != s {
			t.canonical[r] = []rune(nfd)
			// The pair that composes to r: the one whose first half is the
			// normal form of all but the last rune.
			if norm.NFC.String(s) == s {
				d := []rune(nfd)
				first := []rune(norm.NFC.String(string(d[:len(d)-1])))
				if len(d) > 1 && len(first) == 1 {
					t.composite[[2]rune{first[0], d[len(d)-1]}] = r
				}
			}
		}
		if nfkd != nfd {
			t.compat[r] = []rune(nfkd)
		}
	}
	return t
})

// Hangul syllables are composed by arithmetic (Unicode standard, section 3.12).
const (
	hangulS, hangulL, hangulV, hangulT     = 0xAC00, 0x1100, 0x1161, 0x11A7
	hangulLs, hangulVs, hangulTs, hangulSs = 19, 21, 28, 11172
)

func (f form) apply(s string) string {
	plain := true
	for _, r := range s {
		if r >= f.quick {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	t := forms()
	runes := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case r < 0xA0:
			runes = append(runes, r)
			continue
		case r >= hangulS && r < hangulS+hangulSs:
			i := r - hangulS
			runes = append(runes, hangulL+i/(hangulVs*hangulTs), hangulV+i/hangulTs%hangulVs)
			if i%hangulTs != 0 {
				runes = append(runes, hangulT+i%hangulTs)
			}
			continue
		}
		d, ok := t.compat[r]
		if !ok || !f.compat {
			d, ok = t.canonical[r]
		}
		if ok {
			runes = append(runes, d...)
		} else {
			runes = append(runes, r)
		}
	}
	// Marks in the order of their classes.
	for i := 0; i < len(runes); i++ {
		if t.class[runes[i]] == 0 {
			continue
		}
		j := i
		for j < len(runes) && t.class[runes[j]] != 0 {
			j++
		}
		slices.SortStableFunc(runes[i:j], func(a, b rune) int { return cmp.Compare(t.class[a], t.class[b]) })
		i = j
	}
	if f.compose {
		runes = t.join(runes)
	}
	return string(runes)
}

// join composes pairs, each mark with the last starter unless a mark of the
// same or a higher class, or another starter, stands between.
func (t *formTables) join(runes []rune) []rune {
	out := runes[:0]
	starter, last := -1, uint8(0) // last: the class of the rune before, if it stayed
	for _, r := range runes {
		class := t.class[r]
		if starter >= 0 && (starter == len(out)-1 || last < class && last != 0) {
			if c, ok := t.pair(out[starter], r); ok {
				out[starter] = c
				continue
			}
		}
		if class == 0 {
			starter = len(out)
		}
		last = class
		out = append(out, r)
	}
	return out
}

func (t *formTables) pair(a, b rune) (rune, bool) {
	if a >= hangulL && a < hangulL+hangulLs && b >= hangulV && b < hangulV+hangulVs {
		return hangulS + ((a-hangulL)*hangulVs+b-hangulV)*hangulTs, true
	}
	if a >= hangulS && a < hangulS+hangulSs && (a-hangulS)%hangulTs == 0 && b > hangulT && b < hangulT+hangulTs {
		return a + b - hangulT, true
	}
	r, ok := t.composite[[2]rune{a, b}]
	return r, ok
}
