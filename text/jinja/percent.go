package jinja

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// percent is Python's format % args; whole is what stood on the right side.
func (r *run) percent(format string, args tuple, whole any) (string, error) {
	p := &places{run: r, format: format, args: args, whole: whole}
	var b strings.Builder
	for p.at < len(format) {
		c := format[p.at]
		p.at++
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		text, err := p.place()
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	if _, keyed := whole.(*dict); p.next < len(args) && !keyed {
		return "", fmt.Errorf("%d of %d values have a place in the format; expected all", p.next, len(args))
	}
	return b.String(), r.grow(len(format))
}

// places goes through the places of a format for "%" and the values in their turn.
type places struct {
	*run
	format string
	at     int
	args   tuple
	next   int
	whole  any
}

// place is the text of the place whose % was just read.
func (p *places) place() (string, error) {
	var value any
	named := p.at < len(p.format) && p.format[p.at] == '('
	if named {
		v, n, err := p.percentKey(p.format[p.at:], p.whole)
		if err != nil {
			return "", err
		}
		value = v
		p.at += n
	}
	s, err := p.spec()
	if err != nil {
		return "", err
	}
	if s.verb == '%' {
		return "%", nil
	}
	if !named {
		if value, err = p.take(); err != nil {
			return "", err
		}
	}
	text, err := p.formatPercent(s, value)
	if err != nil {
		return "", err
	}
	return text, p.grow(len(text))
}

// spec reads flags, width, precision and letter of a place.
func (p *places) spec() (spec, error) {
	s, n := percentFlags(p.format[p.at:])
	p.at += n
	var err error
	if s.width, err = p.number(); err != nil {
		return s, err
	}
	if s.width < 0 {
		s.align, s.width = '<', -s.width
	}
	if p.at < len(p.format) && p.format[p.at] == '.' {
		p.at++
		if s.precision, err = p.number(); err != nil {
			return s, err
		}
	}
	for p.at < len(p.format) && strings.IndexByte("hlL", p.format[p.at]) >= 0 {
		p.at++
	}
	if p.at >= len(p.format) {
		return s, errors.New("the format ends within a place for a value; expected a letter such as s or d")
	}
	s.verb = p.format[p.at]
	p.at++
	return s, nil
}

// number reads a width or precision, of which * stands for the next value.
func (p *places) number() (int, error) {
	if p.at < len(p.format) && p.format[p.at] == '*' {
		p.at++
		v, err := p.take()
		n, ok := integer(v)
		if err == nil && !ok {
			err = fmt.Errorf("the format's * gets %s; expected an integer", described(v))
		}
		return int(n), err
	}
	start := p.at
	for p.at < len(p.format) && p.format[p.at] >= '0' && p.format[p.at] <= '9' {
		p.at++
	}
	return formatNumber(p.format[start:p.at])
}

// take is the next of the values.
func (p *places) take() (any, error) {
	if p.next >= len(p.args) {
		return nil, fmt.Errorf("more places in the format than values, %d; expected as many", len(p.args))
	}
	p.next++
	return p.args[p.next-1], nil
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
