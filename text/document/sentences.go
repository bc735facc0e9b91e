package document

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sentences divides a paragraph behind the marks that end a sentence. What stands
// between two of them is left at the end of the first.
func Sentences(text string) (list []string) {
	from := 0
	for i, r := range text {
		after := i + utf8.RuneLen(r)
		switch {
		case i < from || r == utf8.RuneError:
		case strings.ContainsRune("。！？｡", r): // no space follows
			after += closers(text[after:])
			list, from = append(list, text[from:after]), after
		case r == '.' || r == '!' || r == '?' || r == '…':
			after += closers(text[after:])
			space := len(text[after:]) - len(strings.TrimLeftFunc(text[after:], unicode.IsSpace))
			if space == 0 || r == '.' && abbreviated(text[from:i]) || !begins(text[after+space:]) {
				continue
			}
			after += space
			list, from = append(list, text[from:after]), after
		}
	}
	if from < len(text) {
		list = append(list, text[from:])
	}
	return list
}

// closers is the length of the quotes and brackets that a text begins with.
func closers(text string) int {
	return len(text) - len(strings.TrimLeft(text, `"')]}»”’」』）`))
}

// begins says whether a sentence can begin so.
func begins(text string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, `"'([{«“‘¿¡-*`))
	return !unicode.IsLower(r)
}

// abbreviated says whether a text that a full stop follows ends in an abbreviation
// or an initial.
func abbreviated(text string) bool {
	last := text[strings.LastIndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '(' })+1:]
	if utf8.RuneCountInString(last) == 1 && unicode.IsUpper([]rune(last)[0]) {
		return true
	}
	switch strings.ToLower(last) {
	case "mr", "mrs", "ms", "dr", "prof", "st", "vs", "e.g", "i.e", "cf", "fig", "figs", "eq", "no", "vol", "pp", "ed", "eds", "approx", "al", "inc", "ltd", "co", "jr", "sr", "sec", "ca":
		return true
	}
	return false
}
