package jinja

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// spec is how one value is formatted, by "%" or by format().
type spec struct {
	fill      string
	align     byte // '<', '>', '^', '=', 0 for the type's own
	sign      byte // '+', ' ', 0
	alternate bool
	group     string // between thousands
	width     int
	precision int // -1 for none
	verb      byte
}

// formatNumber reads a width or precision, 0 where there are no digits.
func formatNumber(digits string) (int, error) {
	if digits == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("the number %s in the format; expected a smaller one", clip(digits))
	}
	return n, nil
}

// cut is the first n characters of a text, all of them for a negative n.
func cut(s string, n int) string {
	if at := runeAt(s, int64(max(n, 0))); n >= 0 && at >= 0 {
		return s[:at]
	}
	return s
}

// padded brings a text to its width. Fill and sign go after what stands before
// the digits where align is '='.
func (r *run) padded(s string, f spec) (string, error) {
	n := int64(f.width - utf8.RuneCountInString(s))
	if n <= 0 {
		return s, nil
	}
	fill := func(n int64) (string, error) {
		v, _, err := r.repeat(f.fill, n)
		if err != nil {
			return "", err
		}
		return v.(string), nil
	}
	switch f.align {
	case '<':
		after, err := fill(n)
		return s + after, err
	case '^':
		before, err := fill(n / 2)
		if err != nil {
			return "", err
		}
		after, err := fill(n - n/2)
		return before + s + after, err
	case '=':
		between, err := fill(n)
		at := 0
		if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
			at = 1
		}
		if len(s) > at+1 && s[at] == '0' && strings.IndexByte("xXob", s[at+1]) >= 0 {
			at += 2
		}
		return s[:at] + between + s[at:], err
	}
	before, err := fill(n)
	return before + s, err
}

func (r *run) formatInteger(s spec, i int64) (string, error) {
	base := map[byte]int{'b': 2, 'o': 8, 'x': 16, 'X': 16}[s.verb]
	if base == 0 {
		base = 10
	}
	digits := strconv.FormatUint(magnitude(i), base)
	if s.precision > len(digits) { // of "%"
		more, _, err := r.repeat("0", int64(s.precision-len(digits)))
		if err != nil {
			return "", err
		}
		digits = more.(string) + digits
	}
	if s.group != "" {
		digits = grouped(digits, s.group)
	}
	if s.alternate && base != 10 {
		digits = "0" + strings.ToLower(string(s.verb)) + digits
	}
	if s.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	return r.padded(signed(digits, i < 0, s.sign), s)
}

func signed(s string, negative bool, sign byte) string {
	switch {
	case negative:
		return "-" + s
	case sign == '+' || sign == ' ':
		return string(sign) + s
	}
	return s
}

// grouped puts a mark between thousands.
func grouped(digits, mark string) string {
	whole, rest, dot := strings.Cut(digits, ".")
	var b strings.Builder
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(mark)
		}
		b.WriteRune(c)
	}
	if dot {
		b.WriteString("." + rest)
	}
	return b.String()
}

func (r *run) formatFloat(s spec, f float64) (string, error) {
	precision := s.precision
	if precision < 0 {
		precision = 6
	}
	if precision > 1000 {
		return "", fmt.Errorf("a precision of %d digits; expected at most 1000", precision)
	}
	verb := s.verb | 0x20
	scaled := math.Abs(f)
	end := ""
	switch {
	case s.verb == '%':
		verb, scaled, end = 'f', scaled*100, "%"
	case s.verb == 'n':
		verb = 'g'
	}
	var text string
	switch {
	case math.IsInf(f, 0):
		text = "inf"
	case math.IsNaN(f):
		text = "nan"
	case verb == 'g':
		text = general(scaled, max(precision, 1), s.alternate)
	default:
		text = strconv.FormatFloat(scaled, verb, precision, 64)
	}
	if s.verb >= 'A' && s.verb <= 'Z' {
		text = strings.ToUpper(text)
	}
	if s.group != "" {
		text = grouped(text, s.group)
	}
	return r.padded(signed(text+end, math.Signbit(f) && !math.IsNaN(f), s.sign), s)
}

// general is C's %g.
func general(f float64, precision int, keep bool) string {
	exponent := 0
	if f != 0 {
		e := strconv.FormatFloat(f, 'e', precision-1, 64)
		exponent, _ = strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	}
	if exponent < -4 || exponent >= precision {
		mantissa, rest, _ := strings.Cut(strconv.FormatFloat(f, 'e', precision-1, 64), "e")
		if !keep {
			mantissa = trimZeros(mantissa)
		}
		return mantissa + "e" + rest
	}
	s := strconv.FormatFloat(f, 'f', max(0, precision-1-exponent), 64)
	if !keep {
		s = trimZeros(s)
	}
	return s
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// format is Python's str.format.
func (r *run) format(s string, a arguments) (string, error) {
	auto := 0
	return r.formatIn(s, a, &auto, 0)
}

func (r *run) formatIn(s string, a arguments, auto *int, depth int) (string, error) {
	if depth > 2 {
		return "", errors.New("fields in fields of the format; expected three at most within each other")
	}
	if err := r.step(1); err != nil {
		return "", err
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c:
			b.WriteByte(c)
			i += 2
		case c == '}':
			return "", errors.New("a } alone in the format; expected }} for the character")
		case c == '{':
			end, open := i+1, 1
			for ; end < len(s); end++ {
				if s[end] == '{' {
					open++
				} else if s[end] == '}' {
					if open--; open == 0 {
						break
					}
				}
			}
			if end >= len(s) {
				return "", errors.New("a { without its end in the format; expected }, or {{ for the character")
			}
			text, err := r.field(s[i+1:end], a, auto, depth)
			if err == nil {
				err = r.grow(len(text))
			}
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			i = end + 1
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), r.grow(len(s))
}

// field is what stands in the braces of a format: name[!conversion][:spec].
func (r *run) field(s string, a arguments, auto *int, depth int) (string, error) {
	name, format, _ := strings.Cut(s, ":")
	name, conversion, converted := strings.Cut(name, "!")
	head := name
	if at := strings.IndexAny(name, ".["); at >= 0 {
		head = name[:at]
	}
	value, err := fieldArgument(head, a, auto)
	if err != nil {
		return "", err
	}
	if value, err = r.within(value, name[len(head):]); err != nil {
		return "", err
	}
	if converted {
		switch conversion {
		case "s":
			value, err = r.str(value)
		case "r", "a":
			value, err = r.repr(value)
		default:
			err = fmt.Errorf("the conversion %q in the format; expected s, r or a", clip(conversion))
		}
		if err != nil {
			return "", err
		}
	}
	if strings.Contains(format, "{") {
		if format, err = r.formatIn(format, a, auto, depth+1); err != nil {
			return "", err
		}
	}
	return r.formatSpec(format, value)
}

// fieldArgument is the argument that a field names or counts.
func fieldArgument(head string, a arguments, auto *int) (any, error) {
	n, err := strconv.Atoi(head)
	if head != "" && err != nil {
		at := indexOf(a.names, head)
		if at < 0 {
			return nil, fmt.Errorf("the format's field %q has no value; expected an argument of this name", clip(head))
		}
		return a.named[at], nil
	}
	if head == "" {
		n = *auto
		*auto++
	}
	if n < 0 || n >= len(a.positional) {
		return nil, fmt.Errorf("the format's field %d and %d values; expected a value for each, counted from 0", n, len(a.positional))
	}
	return a.positional[n], nil
}

// within goes from a value to the attribute (.name) or element ([key]) of a field.
func (r *run) within(value any, path string) (any, error) {
	var err error
	for path != "" {
		if key, ok := strings.CutPrefix(path, "["); ok {
			inner, after, ok := strings.Cut(key, "]")
			if !ok {
				return nil, errors.New("a [ without its end in a field of the format; expected ]")
			}
			var k any = inner
			if i, err := strconv.ParseInt(inner, 10, 64); err == nil {
				k = i
			}
			if value, err = r.item(value, k); err != nil {
				return nil, err
			}
			path = after
			continue
		}
		path = strings.TrimPrefix(path, ".")
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		if value, err = r.attribute(value, path[:end]); err != nil {
			return nil, err
		}
		path = path[end:]
	}
	return value, nil
}

// formatSpec is Python's format(value, spec).
func (r *run) formatSpec(format string, v any) (string, error) {
	s, err := parseSpec(format)
	if err != nil {
		return "", err
	}
	if _, isBool := v.(bool); isBool && format == "" {
		return r.str(v)
	}
	text, isText := text(v)
	switch n := v.(type) {
	case float64:
		if s.takes("efgEFGn%") {
			return r.specFloat(s, n)
		}
	case int64, bool:
		if i, _ := integer(v); s.takes("dnboxXcefgEFG%") {
			return r.specInteger(s, i, refusal(format, v))
		}
	default:
		if !isText && format == "" {
			return r.str(v)
		}
		if isText && s.takes("s") && s.sign == 0 && s.group == "" && s.align != '=' {
			s.align = cmp.Or(s.align, '<')
			return r.padded(cut(text, s.precision), s)
		}
	}
	return "", refusal(format, v)
}

func refusal(format string, v any) error {
	return fmt.Errorf("the format %q for %s; expected one that fits", clip(format), described(v))
}

// takes says whether the form is one of the letters or none.
func (s spec) takes(letters string) bool {
	return s.verb == 0 || strings.IndexByte(letters, s.verb) >= 0
}

func (r *run) specFloat(s spec, f float64) (string, error) {
	s.align = cmp.Or(s.align, '>')
	if s.verb == 0 && s.precision < 0 {
		text := floatText(math.Abs(f))
		if s.group != "" {
			text = grouped(text, s.group)
		}
		return r.padded(signed(text, math.Signbit(f), s.sign), s)
	}
	s.verb = cmp.Or(s.verb, 'g')
	return r.formatFloat(s, f)
}

func (r *run) specInteger(s spec, i int64, refusal error) (string, error) {
	s.align = cmp.Or(s.align, '>')
	switch s.verb {
	case 'c':
		return r.padded(string(rune(i)), s)
	case 'e', 'E', 'f', 'F', 'g', 'G', '%':
		return r.formatFloat(s, float64(i))
	}
	if s.precision >= 0 {
		return "", refusal
	}
	return r.formatInteger(s, i)
}

// parseSpec reads, in this order and each as it may be missing: what to fill
// with and on which side, the sign, # and 0, the width, what groups thousands,
// a dot and the precision, and the letter of the form.
func parseSpec(f string) (spec, error) {
	s := spec{fill: " ", precision: -1}
	rest := f
	if _, size := utf8.DecodeRuneInString(rest); size > 0 && len(rest) > size && strings.IndexByte("<>^=", rest[size]) >= 0 {
		s.fill, s.align, rest = rest[:size], rest[size], rest[size+1:]
	} else if rest != "" && strings.IndexByte("<>^=", rest[0]) >= 0 {
		s.align, rest = rest[0], rest[1:]
	}
	if rest != "" && strings.IndexByte("+- ", rest[0]) >= 0 {
		if rest[0] != '-' {
			s.sign = rest[0]
		}
		rest = rest[1:]
	}
	if strings.HasPrefix(rest, "#") {
		s.alternate, rest = true, rest[1:]
	}
	if strings.HasPrefix(rest, "0") {
		if s.align == 0 {
			s.fill, s.align = "0", '='
		}
		rest = rest[1:]
	}
	number := func() (int, error) {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		text := rest[:n]
		rest = rest[n:]
		return formatNumber(text)
	}
	var err error
	if s.width, err = number(); err != nil {
		return s, err
	}
	if rest != "" && (rest[0] == ',' || rest[0] == '_') {
		s.group, rest = rest[:1], rest[1:]
	}
	if strings.HasPrefix(rest, ".") {
		rest = rest[1:]
		if s.precision, err = number(); err != nil {
			return s, err
		}
	}
	if len(rest) > 1 {
		return s, fmt.Errorf("the format %q; expected alignment, sign, width, precision and one letter", clip(f))
	}
	if rest != "" {
		s.verb = rest[0]
	}
	return s, nil
}
