package retrieve

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Words splits a text into what BM25 counts: lower-case runs of letters, marks,
// digits and underscores. Scripts that put no spaces between words (Chinese,
// Japanese, Thai, Khmer, …) give overlapping pairs of characters in the place of
// a run, as Lucene's CJKAnalyzer makes them, and a character alone where it has
// no neighbour: 東京駅 is 東京 and 京駅. Full-width and half-width forms are
// taken for the usual ones.
func Words(text string) []string {
	runs := strings.FieldsFunc(strings.ToLower(width.Fold.String(text)), func(r rune) bool {
		return !(unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r) || r == '_')
	})
	var words []string
	for _, run := range runs {
		if strings.IndexFunc(run, unspaced) < 0 {
			words = append(words, run)
			continue
		}
		words = appendPairs(words, run)
	}
	return words
}

// appendPairs divides a run that holds unspaced characters: these by pairs, what
// stands between them as it is.
func appendPairs(words []string, run string) []string {
	var chars []string // of the stretch so far, each with its marks
	flush := func() {
		if len(chars) == 1 {
			words = append(words, chars[0])
		}
		for i := 1; i < len(chars); i++ {
			words = append(words, chars[i-1]+chars[i])
		}
		chars = chars[:0]
	}
	spaced := 0 // where the stretch of other letters began
	for i, r := range run {
		mark := unicode.IsMark(r)
		switch {
		case mark && len(chars) > 0:
			chars[len(chars)-1] += string(r)
			spaced = i + len(string(r))
		case unspaced(r):
			if spaced < i {
				words = append(words, run[spaced:i])
			}
			chars = append(chars, string(r))
			spaced = i + len(string(r))
		default:
			flush()
		}
	}
	flush()
	if spaced < len(run) {
		words = append(words, run[spaced:])
	}
	return words
}

// unspaced tells whether a character belongs to a script whose words are not
// set apart: those that Unicode's line breaking leaves to dictionaries, and the
// East Asian ones.
func unspaced(r rune) bool {
	if r < 0x0e00 {
		return false
	}
	switch r {
	case 'ー', '〆', '〱', '〲', '〳', '〴', '〵', '〼': // shared by the Japanese scripts, so of none in Unicode's tables
		return true
	}
	return unicode.In(r,
		unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Yi, unicode.Tangut, unicode.Khitan_Small_Script, unicode.Nushu,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.New_Tai_Lue, unicode.Tai_Le, unicode.Tai_Tham, unicode.Tai_Viet,
		unicode.Ahom, unicode.Javanese, unicode.Balinese)
}
