package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gorqa/files/redact"
)

// Clean is a text as a console may show it: control characters, which come from
// files, models and servers and can move the cursor, rewrite lines or turn the
// direction of what follows, are written out (\x1b), and so are bytes that are no
// UTF-8; names and passwords in addresses are hidden. Line feeds and tabs stay.
func Clean(text string) string {
	text = redact.Text(text)
	if !unclean(text) {
		return text
	}
	var out strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case !controls(r) || r == '\n' || r == '\t':
			out.WriteRune(r)
		case r == '\r':
			out.WriteString(`\r`)
		case r < 0x80:
			fmt.Fprintf(&out, `\x%02x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// unclean says whether there may be something to write out.
func unclean(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return controls(r) && r != '\n' && r != '\t' })
}

// controls says whether a terminal acts on a character in place of showing it:
// the controls of ASCII and of Latin 1, separators of lines and paragraphs, and
// those that turn the direction of a text (Unicode's Bidi_Control).
func controls(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// CleanJSON writes JSON, which is the same to who reads it, and to a console has
// no control characters.
type CleanJSON struct {
	Out  io.Writer
	rest []byte // of a character that was cut off
}

// Write takes JSON in parts.
func (c *CleanJSON) Write(data []byte) (int, error) {
	text := append(c.rest, data...)
	c.rest = nil
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				text, c.rest = text[:len(text)-n], bytes.Clone(tail)
			}
			break
		}
	}
	var out bytes.Buffer
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r >= 0x7f && controls(r) { // which stand in strings alone; json.Marshal writes out those below
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.Write(text[:n])
		}
		text = text[n:]
	}
	if _, err := c.Out.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(data), nil
}
