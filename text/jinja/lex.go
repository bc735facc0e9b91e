package jinja

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is a token's kind; an operator's kind is its text.
type kind string

const (
	kindEOF      kind = "the template's end"
	kindData     kind = "text"
	kindVarBegin kind = "{{"
	kindVarEnd   kind = "}}"
	kindTagBegin kind = "{%"
	kindTagEnd   kind = "%}"
	kindName     kind = "a name"
	kindString   kind = "a string"
	kindInteger  kind = "an integer"
	kindFloat    kind = "a float"
)

// String is how messages name a kind of token.
func (k kind) String() string {
	switch k {
	case kindEOF, kindData, kindName, kindString, kindInteger, kindFloat:
		return string(k)
	}
	return strconv.Quote(string(k))
}

type token struct {
	kind  kind
	text  string // of data and names as it stands, of strings what they say
	int   int64
	float float64
	line  int
}

// is says whether the token is a name, such as a keyword.
func (t token) is(name string) bool { return t.kind == kindName && t.text == name }

func (t token) String() string {
	if t.kind == kindName || t.kind == kindString {
		return fmt.Sprintf("%q", t.text)
	}
	return t.kind.String()
}

// IsSpace says what Python's str.strip takes off and \s of re matches.
func IsSpace(r rune) bool { return unicode.IsSpace(r) || (r >= 0x1c && r <= 0x1f) }

// lexer cuts a template into tokens with the white space that jinja2 leaves
// with trim_blocks and lstrip_blocks: a block or comment loses the newline
// after it and, where it begins a line, the white space before it; "+" keeps
// either, "-" takes all white space.
type lexer struct {
	source    string
	at        int
	line      int
	lineStart bool // what was read last ended a line
	tokens    []token
}

func lex(source string) ([]token, error) {
	source = strings.ReplaceAll(source, "\r\n", "\n")
	source = strings.ReplaceAll(source, "\r", "\n")
	source = strings.TrimSuffix(source, "\n")
	l := &lexer{source: source, line: 1, lineStart: true}
	for l.at < len(l.source) {
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	l.add(token{kind: kindEOF})
	return l.tokens, nil
}

func (l *lexer) fail(format string, args ...any) error {
	return &Error{l.line, fmt.Errorf(format, args...)}
}

func (l *lexer) add(t token) {
	t.line = l.line
	l.tokens = append(l.tokens, t)
}

// skip moves over n bytes.
func (l *lexer) skip(n int) {
	passed := l.source[l.at : l.at+n]
	l.line += strings.Count(passed, "\n")
	l.at += n
	if n > 0 {
		l.lineStart = passed[n-1] == '\n'
	}
}

func (l *lexer) rest() string { return l.source[l.at:] }

// next reads text and the tag after it.
func (l *lexer) next() error {
	rest := l.rest()
	open := nextTag(rest)
	if open < 0 {
		l.data(rest)
		l.skip(len(rest))
		return nil
	}
	sign := byte(0)
	if open+2 < len(rest) && (rest[open+2] == '-' || rest[open+2] == '+') {
		sign = rest[open+2]
	}
	which := rest[open+1]
	l.data(l.before(rest[:open], sign, which != '{'))
	l.skip(open)
	n := 2
	if sign != 0 {
		n++
	}
	switch which {
	case '#':
		body := l.rest()[2:]
		end := strings.Index(body, "#}")
		if end < 0 {
			return l.fail("a comment without its end; expected #}")
		}
		l.skip(2 + l.close(body, end))
		return nil
	case '{':
		l.skip(n)
		l.add(token{kind: kindVarBegin})
		return l.inside(kindVarEnd, "}}")
	}
	if word, after := rawTag(l.rest()[n:], "raw"); word {
		// The newline after {% raw %} stays.
		end := n + after
		if strings.HasPrefix(l.rest()[end-3:], "-%}") {
			end += spaces(l.rest()[end:])
		}
		l.skip(end)
		return l.raw()
	}
	l.skip(n)
	l.add(token{kind: kindTagBegin})
	return l.inside(kindTagEnd, "%}")
}

// nextTag is where the next value, block or comment begins, -1 if none.
func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#') {
			return i
		}
	}
	return -1
}

// before is what is left of the text before a tag.
func (l *lexer) before(text string, sign byte, block bool) string {
	switch {
	case sign == '-':
		return strings.TrimRightFunc(text, IsSpace)
	case sign != '+' && block:
		at := strings.LastIndexByte(text, '\n') + 1
		if (at > 0 || l.lineStart) && strings.TrimFunc(text[at:], IsSpace) == "" {
			return text[:at]
		}
	}
	return text
}

// close is the length of a tag up to its end at end, with the white space that
// it takes.
func (l *lexer) close(s string, end int) int {
	after := s[end+2:]
	sign := byte(0)
	if end > 0 {
		sign = s[end-1]
	}
	switch {
	case sign == '-':
		return end + 2 + spaces(after)
	case sign != '+' && strings.HasPrefix(after, "\n"):
		return end + 3
	}
	return end + 2
}

// spaces is how many bytes of white space s begins with.
func spaces(s string) int { return len(s) - len(strings.TrimLeftFunc(s, IsSpace)) }

// rawTag says whether a tag holds only the word, and where it ends. The sign
// before its end counts as the tag's.
func rawTag(s, word string) (bool, int) {
	rest := strings.TrimLeftFunc(s, IsSpace)
	rest, ok := strings.CutPrefix(rest, word)
	if !ok {
		return false, 0
	}
	rest = strings.TrimLeftFunc(rest, IsSpace)
	if strings.HasPrefix(rest, "-%}") || (word == "endraw" && strings.HasPrefix(rest, "+%}")) {
		return true, len(s) - len(rest) + 3
	}
	return strings.HasPrefix(rest, "%}"), len(s) - len(rest) + 2
}

// raw reads up to {% endraw %}.
func (l *lexer) raw() error {
	rest := l.rest()
	for at := 0; ; {
		open := strings.Index(rest[at:], "{%")
		if open < 0 {
			return l.fail("a raw block without its end; expected {%% endraw %%}")
		}
		at += open
		sign, n := byte(0), 2
		if at+2 < len(rest) && (rest[at+2] == '-' || rest[at+2] == '+') {
			sign, n = rest[at+2], 3
		}
		word, after := rawTag(rest[at+n:], "endraw")
		if !word {
			at += 2
			continue
		}
		l.data(l.before(rest[:at], sign, true))
		l.skip(l.close(rest, at+n+after-2))
		return nil
	}
}

func (l *lexer) data(text string) {
	if text != "" {
		l.add(token{kind: kindData, text: text})
	}
}

// maxName bounds the bytes of a name, so that looking one up takes no time of
// its own.
const maxName = 1000

// The operators, longest first.
var operators = []string{
	"//", "**", "==", "!=", ">=", "<=",
	"+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
}

// inside reads the tokens of a tag up to its end, which brackets may hold too.
func (l *lexer) inside(end kind, closer string) error {
	var open []byte
	for {
		l.skip(spaces(l.rest()))
		rest := l.rest()
		if rest == "" {
			return l.fail("the template ends within a tag; expected %s", closer)
		}
		if len(open) == 0 {
			sign := 0
			if rest[0] == '-' || rest[0] == '+' && end == kindTagEnd {
				sign = 1
			}
			if strings.HasPrefix(rest[sign:], closer) {
				l.add(token{kind: end})
				n := sign + 2
				if end == kindTagEnd {
					n = l.close(rest, sign)
				} else if sign == 1 {
					n += spaces(rest[n:])
				}
				l.skip(n)
				return nil
			}
		}
		t, n, err := l.word(rest)
		if err != nil {
			return err
		}
		switch t.kind {
		case "(", "[", "{":
			open = append(open, rest[0])
		case ")", "]", "}":
			if len(open) == 0 {
				return l.fail("%s closes no bracket; expected its opening one before it", t.kind)
			}
			if want := map[byte]kind{'(': ")", '[': "]", '{': "}"}[open[len(open)-1]]; want != t.kind {
				return l.fail("%s closes another bracket; expected %s", t.kind, want)
			}
			open = open[:len(open)-1]
		}
		l.add(t)
		l.skip(n)
	}
}

// word reads one token of a tag.
func (l *lexer) word(s string) (token, int, error) {
	c := s[0]
	switch {
	case c == '\'' || c == '"':
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case c:
				text, err := unescape(s[1:i])
				if err != nil {
					return token{}, 0, l.fail("%v", err)
				}
				return token{kind: kindString, text: text}, i + 1, nil
			}
		}
		return token{}, 0, l.fail("a string without its end; expected %c", c)
	case c >= '0' && c <= '9':
		return l.number(s)
	}
	if n := identifier(s); n > 0 {
		if n > maxName {
			return token{}, 0, l.fail("a name of %d bytes; expected at most %d", n, maxName)
		}
		return token{kind: kindName, text: s[:n]}, n, nil
	}
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return token{kind: kind(op)}, len(op), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(s)
	return token{}, 0, l.fail("the character %q; expected a name, number, string or operator", r)
}

// identifier is the length of the name that s begins with, 0 for none.
func identifier(s string) int {
	for i, r := range s {
		letter := r == '_' || unicode.IsLetter(r)
		if !letter && (i == 0 || !(unicode.IsDigit(r) || unicode.IsMark(r))) {
			return i
		}
	}
	return len(s)
}

// number reads an integer or a float.
func (l *lexer) number(s string) (token, int, error) {
	if len(s) > 2 && s[0] == '0' {
		if base := map[byte]int{'b': 2, 'o': 8, 'x': 16}[s[1]|0x20]; base > 0 {
			n := 2
			for n < len(s) && (s[n] == '_' || digitIn(s[n], base)) {
				n++
			}
			i, err := strconv.ParseInt(strings.ReplaceAll(s[2:n], "_", ""), base, 64)
			if err != nil {
				return token{}, 0, l.fail("the number %s; expected one of 64 bits", clip(s[:n]))
			}
			return token{kind: kindInteger, int: i}, n, nil
		}
	}
	digits := func(at int) int {
		n := at
		for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '_' && n > at && n+1 < len(s) && s[n+1] >= '0' && s[n+1] <= '9') {
			n++
		}
		return n
	}
	n := digits(0)
	whole := n
	afterDot := l.at > 0 && l.source[l.at-1] == '.'
	if !afterDot && n+1 < len(s) && s[n] == '.' {
		if m := digits(n + 1); m > n+1 {
			n = m
		}
	}
	if !afterDot && n < len(s) && s[n]|0x20 == 'e' {
		at := n + 1
		if at < len(s) && (s[at] == '+' || s[at] == '-') {
			at++
		}
		if m := digits(at); m > at {
			n = m
		}
	}
	text := strings.ReplaceAll(s[:n], "_", "")
	if n == whole {
		if strings.Trim(text, "0") != "" && text[0] == '0' {
			return token{}, 0, l.fail("the number %s; expected no zeros before it", clip(text))
		}
		i, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return token{}, 0, l.fail("the number %s; expected one of 64 bits", clip(text))
		}
		return token{kind: kindInteger, int: i}, n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return token{}, 0, l.fail("the number %s does not read; expected digits", clip(text))
	}
	return token{kind: kindFloat, float: f}, n, nil
}

func digitIn(c byte, base int) bool {
	switch base {
	case 2:
		return c == '0' || c == '1'
	case 8:
		return c >= '0' && c <= '7'
	}
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// unescape is what a string of a template says, read as jinja2 does: by
// Python's unicode-escape after what is not ASCII became an escape itself (so
// that a backslash before it stays).
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			i++
			continue
		}
		i++
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch r {
		case '\n':
		case '\\', '\'', '"':
			b.WriteRune(r)
		case 'a', 'b', 'f', 'n', 'r', 't', 'v':
			b.WriteByte("\a\b\f\n\r\t\v"[strings.IndexRune("abfnrtv", r)])
		case '0', '1', '2', '3', '4', '5', '6', '7':
			n := i
			for n < len(s) && n < i+2 && s[n] >= '0' && s[n] <= '7' {
				n++
			}
			code, _ := strconv.ParseUint(s[i-1:n], 8, 16)
			b.WriteRune(rune(code))
			i = n
		case 'x', 'u', 'U':
			n := map[rune]int{'x': 2, 'u': 4, 'U': 8}[r]
			if i+n > len(s) {
				return "", fmt.Errorf(`the escape \%c is cut off; expected %d hexadecimal digits`, r, n)
			}
			code, err := strconv.ParseUint(s[i:i+n], 16, 32)
			if err != nil || !utf8.ValidRune(rune(code)) || code > unicode.MaxRune {
				return "", fmt.Errorf(`the escape \%c%s; expected %d hexadecimal digits of a character`, r, clip(s[i:i+n]), n)
			}
			b.WriteRune(rune(code))
			i += n
		case 'N':
			return "", errors.New(`the escape \N; expected \u with the character's number`)
		default:
			b.WriteByte('\\')
			switch {
			case r < utf8.RuneSelf:
				b.WriteRune(r)
			case r <= 0xff:
				fmt.Fprintf(&b, `x%02x`, r)
			case r <= 0xffff:
				fmt.Fprintf(&b, `u%04x`, r)
			default:
				fmt.Fprintf(&b, `U%08x`, r)
			}
		}
	}
	return b.String(), nil
}

// clip shortens a text for a message.
func clip(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
