package tokenizer

import "unicode/utf8"

// graphemeEnd returns the end of the grapheme cluster of s that starts at i.
func graphemeEnd(s string, i int) int {
	r, n := utf8.DecodeRuneInString(s[i:])
	i += n
	if r == '\r' && i < len(s) && s[i] == '\n' {
		return i + 1
	}
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !isCombining(r) && r != 0x200D {
			break
		}
		i += n
	}
	return i
}
