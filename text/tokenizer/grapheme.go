package tokenizer

import (
	"sync"
	"unicode/utf8"
)

// Classes of a rune for grapheme clusters (Unicode standard, annex 29), and
// flags beside them.
const (
	graphemeOther = iota
	graphemeControl
	graphemeExtend
	graphemeSpacing
	graphemePrepend
	graphemeL
	graphemeV
	graphemeT
	graphemeLV
	graphemeLVT
	graphemeRegional
	graphemeZWJ

	graphemeClass  = 0x0F
	indicConsonant = 0x10
	indicLinker    = 0x20
	indicExtend    = 0x40
	pictographic   = 0x80
)

const zeroWidthJoiner = 0x200D

var graphemeClasses = sync.OnceValue(func() *[0x110000]uint8 {
	var t [0x110000]uint8
	for _, c := range []struct {
		bits uint8
		text string
	}{
		{graphemeControl, graphemeControlSet}, {graphemeExtend, graphemeExtendSet},
		{graphemeSpacing, graphemeSpacingSet}, {graphemePrepend, graphemePrependSet},
		{graphemeL, graphemeLSet}, {graphemeV, graphemeVSet}, {graphemeT, graphemeTSet},
		{indicConsonant, indicConsonantSet}, {indicLinker, indicLinkerSet},
		{indicExtend, indicExtendSet}, {pictographic, pictographicSet},
	} {
		for lo, hi := range ranges(c.text) {
			for r := lo; r <= hi; r++ {
				t[r] |= c.bits
			}
		}
	}
	for i := range rune(hangulSs) {
		t[hangulS+i] = graphemeLVT
		if i%hangulTs == 0 {
			t[hangulS+i] = graphemeLV
		}
	}
	for r := 0x1F1E6; r <= 0x1F1FF; r++ {
		t[r] = graphemeRegional
	}
	t[zeroWidthJoiner] = graphemeZWJ | indicExtend
	return &t
})

// graphemeEnd returns the end of the grapheme cluster of s that starts at i.
func graphemeEnd(s string, i int) int {
	classes := graphemeClasses()
	r, n := utf8.DecodeRuneInString(s[i:])
	c := classes[r]
	i += n
	if r == '\r' && i < len(s) && s[i] == '\n' {
		return i + 1
	}
	regionals := 0      // regional indicators up to here
	linked := false     // a consonant and a linker, then only extenders
	consonant := false  // a consonant, then only linkers and extenders
	picture := false    // a pictograph, then only Extend
	pictureZWJ := false // the same and a joiner last
	for {
		switch {
		case c&indicConsonant != 0:
			consonant, linked = true, false
		case c&indicLinker != 0:
			linked = consonant
		case c&indicExtend == 0:
			consonant, linked = false, false
		}
		class := c & graphemeClass
		pictureZWJ = picture && class == graphemeZWJ
		picture = c&pictographic != 0 || picture && class == graphemeExtend
		if class == graphemeRegional {
			regionals++
		}
		if i == len(s) || class == graphemeControl {
			return i
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		next := classes[r]
		nextClass := next & graphemeClass
		var joined bool
		switch nextClass {
		case graphemeControl:
		case graphemeExtend, graphemeZWJ, graphemeSpacing:
			joined = true
		case graphemeL, graphemeLV, graphemeLVT:
			joined = class == graphemeL
		case graphemeV:
			joined = class == graphemeL || class == graphemeV || class == graphemeLV
		case graphemeT:
			joined = class == graphemeV || class == graphemeLV || class == graphemeT || class == graphemeLVT
		case graphemeRegional:
			joined = class == graphemeRegional && regionals%2 == 1
		}
		joined = joined || class == graphemePrepend && nextClass != graphemeControl ||
			linked && next&indicConsonant != 0 || pictureZWJ && next&pictographic != 0
		if !joined {
			return i
		}
		c, i = next, i+n
	}
}
