package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// decoder rewrites the tokens of a text on their way back to it.
type decoder func(tokens []string) []string

// decodeByteLevel reads the tokens as bytes of the byte-level alphabet. A
// token with any other rune stands for itself.
func decodeByteLevel(tokens []string) []string {
	var b []byte
	for _, t := range tokens {
		from := len(b)
		for _, r := range t {
			c, ok := runeBytes[r]
			if !ok {
				b = append(b[:from], t...)
				break
			}
			b = append(b, c)
		}
	}
	return []string{lossy(b)}
}

// decodeByteFallback reads runs of <0x..> tokens as UTF-8; a run that is not
// UTF-8 becomes one U+FFFD a byte.
func decodeByteFallback(tokens []string) []string {
	out := make([]string, 0, len(tokens))
	var run []byte
	flush := func() {
		if utf8.Valid(run) {
			if len(run) > 0 {
				out = append(out, string(run))
			}
		} else {
			for range run {
				out = append(out, "\uFFFD")
			}
		}
		run = run[:0]
	}
	for _, t := range tokens {
		if len(t) == 6 && strings.HasPrefix(t, "<0x") && t[5] == '>' {
			digits := t[3:5]
			if digits[0] == '+' { // the library's parser takes a sign
				digits = digits[1:]
			}
			if c, err := strconv.ParseUint(digits, 16, 8); err == nil {
				run = append(run, byte(c))
				continue
			}
		}
		flush()
		out = append(out, t)
	}
	flush()
	return out
}

func decodeFuse(tokens []string) []string { return []string{strings.Join(tokens, "")} }

// decodeStrip takes up to start and stop runes off the ends of each token.
func decodeStrip(content string, start, stop int) decoder {
	return each(func(_ int, t string) string {
		for i := 0; i < start && strings.HasPrefix(t, content); i++ {
			t = t[len(content):]
		}
		for i := 0; i < stop && strings.HasSuffix(t, content); i++ {
			t = t[:len(t)-len(content)]
		}
		return t
	})
}

func each(f func(i int, token string) string) decoder {
	return func(tokens []string) []string {
		for i, t := range tokens {
			tokens[i] = f(i, t)
		}
		return tokens
	}
}

func decodeMetaspace(replacement string, prepended bool) decoder {
	return each(func(i int, t string) string {
		with := " "
		if i == 0 && prepended {
			with = ""
		}
		return strings.ReplaceAll(t, replacement, with)
	})
}

func decodeReplace(find cutter, content string) decoder {
	return each(func(_ int, t string) string {
		return replaceCuts(t, find, content)
	})
}

func decodeWordPiece(prefix string, cleanup bool) decoder {
	return each(func(i int, t string) string {
		if i > 0 {
			if rest, ok := strings.CutPrefix(t, prefix); ok {
				t = rest
			} else {
				t = " " + t
			}
		}
		if cleanup {
			t = cleanUp(t)
		}
		return t
	})
}

// cleanUps are the spaces that the decoder WordPiece takes back, in order.
var cleanUps = [][2]string{
	{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"},
	{" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
}

func cleanUp(t string) string {
	for _, c := range cleanUps {
		t = strings.ReplaceAll(t, c[0], c[1])
	}
	return t
}

func decodeBPE(suffix string) decoder {
	return func(tokens []string) []string {
		for i, t := range tokens {
			with := " "
			if i == len(tokens)-1 {
				with = ""
			}
			tokens[i] = strings.ReplaceAll(t, suffix, with)
		}
		return tokens
	}
}

func decodeCTC(pad, delimiter string, cleanup bool) decoder {
	return func(tokens []string) []string {
		var out []string
		for i, t := range tokens {
			if i > 0 && t == tokens[i-1] {
				continue
			}
			t = strings.ReplaceAll(t, pad, "")
			if cleanup {
				t = strings.ReplaceAll(cleanUp(t), delimiter, " ")
			}
			if t != "" {
				out = append(out, t)
			}
		}
		return out
	}
}
