package jinja

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
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

// percent is Python's format % args; whole is what stood on the right side.
func (r *run) percent(format string, args tuple, whole any) (string, error) {
	mapping, _ := whole.(*dict)
	var b strings.Builder
	next := 0
	take := func() (any, error) {
		if next >= len(args) {
			return nil, fmt.Errorf("more places in the format than values, %d; expected as many", len(args))
		}
		next++
		return args[next-1], nil
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		var value any
		named := false
		if i < len(format) && format[i] == '(' {
			v, n, err := r.percentKey(format[i:], whole)
			if err != nil {
				return "", err
			}
			value, named = v, true
			i += n
		}
		s, n := percentFlags(format[i:])
		i += n
		number := func() (int, error) {
			if i < len(format) && format[i] == '*' {
				i++
				v, err := take()
				n, ok := integer(v)
				if err == nil && !ok {
					err = fmt.Errorf("the format's * gets %s; expected an integer", described(v))
				}
				return int(n), err
			}
			start := i
			for i < len(format) && format[i] >= '0' && format[i] <= '9' {
				i++
			}
			return formatNumber(format[start:i])
		}
		var err error
		if s.width, err = number(); err != nil {
			return "", err
		}
		if s.width < 0 {
			s.align, s.width = '<', -s.width
		}
		if i < len(format) && format[i] == '.' {
			i++
			if s.precision, err = number(); err != nil {
				return "", err
			}
		}
		for i < len(format) && strings.IndexByte("hlL", format[i]) >= 0 {
			i++
		}
		if i >= len(format) {
			return "", errors.New("the format ends within a place for a value; expected a letter such as s or d")
		}
		s.verb = format[i]
		if s.verb == '%' {
			b.WriteByte('%')
			continue
		}
		if !named {
			if value, err = take(); err != nil {
				return "", err
			}
		}
		text, err := r.formatPercent(s, value)
		if err != nil {
			return "", err
		}
		if err := r.grow(len(text)); err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	if next < len(args) && mapping == nil {
		return "", fmt.Errorf("%d of %d values have a place in the format; expected all", next, len(args))
	}
	return b.String(), r.grow(len(format))
}

// percentKey is the value of the key (…) that a place of the format begins
// with, and the key's length with its brackets.
func (r *run) percentKey(place string, whole any) (any, int, error) {
	key, _, ok := strings.Cut(place[1:], ")")
	if !ok {
		return nil, 0, errors.New("a key in the format without its end; expected )")
	}
	mapping, ok := whole.(*dict)
	if !ok {
		return nil, 0, fmt.Errorf("the format has keys and gets %s; expected a dictionary", described(whole))
	}
	v, ok, err := mapping.get(r, key)
	if err == nil && !ok {
		err = fmt.Errorf("the format's key %q is not in the dictionary; expected it there", clip(key))
	}
	return v, len(key) + 2, err
}

// percentFlags reads the flags of a place and says how long they are.
func percentFlags(place string) (spec, int) {
	s := spec{fill: " ", precision: -1}
	for i := range len(place) {
		switch c := place[i]; c {
		case '-':
			s.align = '<'
		case '+', ' ':
			s.sign = max(s.sign, c)
		case '0':
			if s.align == 0 {
				s.fill, s.align = "0", '='
			}
		case '#':
			s.alternate = true
		default:
			return s, i
		}
	}
	return s, len(place)
}

func (r *run) formatPercent(s spec, v any) (string, error) {
	if s.align == 0 {
		s.align = '>'
	}
	switch s.verb {
	case 's', 'r', 'a':
		text, err := r.str(v)
		if s.verb != 's' {
			text, err = r.repr(v)
		}
		if err != nil {
			return "", err
		}
		s.fill = " "
		if s.align == '=' {
			s.align = '>'
		}
		return r.padded(cut(text, s.precision), s)
	case 'c':
		if text, ok := text(v); ok && utf8.RuneCountInString(text) == 1 {
			return r.padded(text, s)
		}
		if i, ok := integer(v); ok && utf8.ValidRune(rune(i)) {
			return r.padded(string(rune(i)), s)
		}
		return "", fmt.Errorf("%%c gets %s; expected an integer or one character", described(v))
	case 'd', 'i', 'u', 'o', 'x', 'X':
		i, ok := integer(v)
		if f, isFloat := v.(float64); isFloat && strings.IndexByte("diu", s.verb) >= 0 && math.Abs(f) < 1<<62 {
			i, ok = int64(f), true
		}
		if !ok {
			return "", fmt.Errorf("%%%c gets %s; expected an integer", s.verb, described(v))
		}
		if s.verb == 'i' || s.verb == 'u' {
			s.verb = 'd'
		}
		return r.formatInteger(s, i)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		f, ok := number(v)
		if !ok {
			return "", fmt.Errorf("%%%c gets %s; expected a number", s.verb, described(v))
		}
		return r.formatFloat(s, f)
	}
	return "", fmt.Errorf("the letter %q in the format; expected s, r, a, c, d, o, x, e, f or g", s.verb)
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
	rest := name[len(head):]
	var value any
	n, err := strconv.Atoi(head)
	switch {
	case head == "" || err == nil:
		if head == "" {
			n = *auto
			*auto++
		}
		if n < 0 || n >= len(a.positional) {
			return "", fmt.Errorf("the format's field %d and %d values; expected a value for each, counted from 0", n, len(a.positional))
		}
		value = a.positional[n]
	default:
		at := indexOf(a.names, head)
		if at < 0 {
			return "", fmt.Errorf("the format's field %q has no value; expected an argument of this name", clip(head))
		}
		value = a.named[at]
	}
	for rest != "" {
		if key, ok := strings.CutPrefix(rest, "["); ok {
			inner, after, ok := strings.Cut(key, "]")
			if !ok {
				return "", errors.New("a [ without its end in a field of the format; expected ]")
			}
			var k any = inner
			if i, err := strconv.ParseInt(inner, 10, 64); err == nil {
				k = i
			}
			if value, err = r.item(value, k); err != nil {
				return "", err
			}
			rest = after
			continue
		}
		rest = strings.TrimPrefix(rest, ".")
		end := strings.IndexAny(rest, ".[")
		if end < 0 {
			end = len(rest)
		}
		if value, err = r.attribute(value, rest[:end]); err != nil {
			return "", err
		}
		rest = rest[end:]
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

// formatSpec is Python's format(value, spec).
func (r *run) formatSpec(format string, v any) (string, error) {
	s, err := parseSpec(format)
	if err != nil {
		return "", err
	}
	refuse := func() (string, error) {
		return "", fmt.Errorf("the format %q for %s; expected one that fits", clip(format), described(v))
	}
	if _, isBool := v.(bool); isBool && format == "" {
		return r.str(v)
	}
	switch n := v.(type) {
	case float64:
		switch s.verb {
		case 0:
			if s.precision < 0 {
				text := floatText(math.Abs(n))
				if s.group != "" {
					text = grouped(text, s.group)
				}
				if s.align == 0 {
					s.align = '>'
				}
				return r.padded(signed(text, math.Signbit(n), s.sign), s)
			}
			s.verb = 'g'
		case 'e', 'E', 'f', 'F', 'g', 'G', 'n', '%':
		default:
			return refuse()
		}
		if s.align == 0 {
			s.align = '>'
		}
		return r.formatFloat(s, n)
	case int64, bool:
		i, _ := integer(v)
		if s.align == 0 {
			s.align = '>'
		}
		switch s.verb {
		case 0, 'd', 'n', 'b', 'o', 'x', 'X':
			if s.precision >= 0 {
				return refuse()
			}
			return r.formatInteger(s, i)
		case 'c':
			return r.padded(string(rune(i)), s)
		case 'e', 'E', 'f', 'F', 'g', 'G', '%':
			return r.formatFloat(s, float64(i))
		}
		return refuse()
	}
	text, isText := text(v)
	if !isText {
		if format != "" {
			return refuse()
		}
		return r.str(v)
	}
	if s.verb != 0 && s.verb != 's' || s.sign != 0 || s.group != "" || s.align == '=' {
		return refuse()
	}
	if s.align == 0 {
		s.align = '<'
	}
	return r.padded(cut(text, s.precision), s)
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

// strftime is Python's on a local time without a zone, in the C locale, with
// glibc's directives and flags.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		start := i
		flag := byte(0)
		for i++; i < len(format) && strings.IndexByte("-_0^#", format[i]) >= 0; i++ {
			flag = format[i]
		}
		if i >= len(format) {
			b.WriteString(format[start:])
			break
		}
		text, pad, ok := directive(t, format[i])
		switch {
		case !ok: // glibc leaves it as it stands
			text = format[start : i+1]
		case flag == '^' || flag == '#' && format[i] != 'p' && format[i] != 'Z':
			text = strings.ToUpper(text)
		case flag == '#':
			text = strings.ToLower(text)
		case pad != 0:
			bare := strings.TrimLeft(text, "0 ")
			if bare == "" {
				bare = "0"
			}
			missing := len(text) - len(bare)
			switch flag {
			case '-':
				text = bare
			case '_':
				text = strings.Repeat(" ", missing) + bare
			case '0':
				text = strings.Repeat("0", missing) + bare
			}
		}
		b.WriteString(text)
	}
	return b.String()
}

// directive is the text of one of strftime's letters, with what it is padded.
func directive(t time.Time, c byte) (text string, pad byte, ok bool) {
	number := func(format string, n int) (string, byte, bool) {
		pad := byte('0')
		if strings.HasPrefix(format, "%2") {
			pad = ' '
		}
		return fmt.Sprintf(format, n), pad, true
	}
	name := func(layout string) (string, byte, bool) { return t.Format(layout), 0, true }
	hour := (t.Hour()+11)%12 + 1
	weekday := int(t.Weekday())
	switch c {
	case '%':
		return "%", 0, true
	case 'n':
		return "\n", 0, true
	case 't':
		return "\t", 0, true
	case 'a':
		return name("Mon")
	case 'A':
		return name("Monday")
	case 'b', 'h':
		return name("Jan")
	case 'B':
		return name("January")
	case 'c':
		return name("Mon Jan _2 15:04:05 2006")
	case 'x', 'D':
		return name("01/02/06")
	case 'X', 'T':
		return name("15:04:05")
	case 'r':
		return name("03:04:05 PM")
	case 'R':
		return name("15:04")
	case 'F':
		return name("2006-01-02")
	case 'p':
		return name("PM")
	case 'P':
		return name("pm")
	case 'Z', 'z':
		return "", 0, true
	case 'd':
		return number("%02d", t.Day())
	case 'e':
		return number("%2d", t.Day())
	case 'm':
		return number("%02d", int(t.Month()))
	case 'y':
		return number("%02d", t.Year()%100)
	case 'Y':
		return number("%d", t.Year())
	case 'C':
		return number("%02d", t.Year()/100)
	case 'H':
		return number("%02d", t.Hour())
	case 'k':
		return number("%2d", t.Hour())
	case 'I':
		return number("%02d", hour)
	case 'l':
		return number("%2d", hour)
	case 'M':
		return number("%02d", t.Minute())
	case 'S':
		return number("%02d", t.Second())
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), 0, true
	case 'j':
		return number("%03d", t.YearDay())
	case 'w':
		return fmt.Sprint(weekday), 0, true
	case 'u':
		return fmt.Sprint((weekday+6)%7 + 1), 0, true
	case 'U':
		return number("%02d", (t.YearDay()+6-weekday)/7)
	case 'W':
		return number("%02d", (t.YearDay()+6-(weekday+6)%7)/7)
	case 'V':
		_, week := t.ISOWeek()
		return number("%02d", week)
	case 'G':
		year, _ := t.ISOWeek()
		return number("%d", year)
	case 's':
		return fmt.Sprint(t.Unix()), 0, true
	}
	return "", 0, false
}
