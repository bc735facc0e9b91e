package jinja

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

func filterCenter(r *run, s string, p []any) (any, error) {
	return r.pad(s, or(p[0], int64(80)), " ", "center")
}

func filterForceescape(r *run, v any, _ []any) (any, error) {
	s, err := r.str(v)
	if err == nil {
		err = r.grow(5 * len(s))
	}
	if err != nil {
		return nil, err
	}
	return markup(escape(s)), nil
}

func filterFormat(r *run, v any, a arguments) (any, error) {
	format, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.positional) > 0 && len(a.names) > 0 {
		return nil, errors.New("format: arguments with and without names; expected one kind")
	}
	if len(a.names) == 0 {
		return r.percent(format, tuple(a.positional), tuple(a.positional))
	}
	d := newDict()
	for i, name := range a.names {
		if err := d.set(r, name, a.named[i]); err != nil {
			return nil, err
		}
	}
	return r.percent(format, tuple{d}, d)
}

func filterIndent(r *run, s string, p []any) (any, error) {
	by, ok := text(or(p[0], int64(4)))
	if !ok {
		n, ok := integer(or(p[0], int64(4)))
		if !ok {
			return nil, fmt.Errorf("indent: given %s as the width; expected an integer or a string", described(p[0]))
		}
		spaces, _, err := r.repeat(" ", n)
		if err != nil {
			return nil, err
		}
		by = spaces.(string)
	}
	lines := splitLines(s+"\n", false)
	if len(by) > 0 && len(lines) > r.limits.Bytes/len(by) {
		return nil, r.grow(r.limits.Bytes + 1)
	}
	if err := r.grow(len(lines) * len(by)); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == 0 && truth(or(p[1], false)) || i > 0 && (line != "" || truth(or(p[2], false))) {
			b.WriteString(by)
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

func filterReplace(r *run, s string, p []any) (any, error) {
	from, err := r.str(p[0])
	if err != nil {
		return nil, err
	}
	to, err := r.str(p[1])
	if err != nil {
		return nil, err
	}
	return r.replace(s, from, to, or(p[2], nil))
}

func filterSafe(r *run, v any, _ []any) (any, error) {
	s, err := r.str(v)
	return markup(s), err
}

func filterString(r *run, v any, _ []any) (any, error) {
	if _, ok := v.(markup); ok {
		return v, nil
	}
	return r.str(v)
}

func filterTojson(r *run, v any, p []any) (any, error) {
	return r.json(v, p)
}

func filterTrim(r *run, s string, p []any) (any, error) {
	cut, err := r.cutset(or(p[0], nil))
	return strings.TrimFunc(s, cut), err
}

func filterTruncate(r *run, s string, p []any) (any, error) {
	end, ok := text(or(p[2], "..."))
	n, isInt := integer(or(p[0], int64(255)))
	leeway, _ := integer(or(p[3], int64(5)))
	if !ok || !isInt {
		return nil, fmt.Errorf("truncate: given %s as the length and %s as the end; expected an integer and a string",
			described(or(p[0], int64(255))), described(or(p[2], "...")))
	}
	if endSize := int64(utf8.RuneCountInString(end)); n < endSize {
		return nil, fmt.Errorf("truncate: a length of %d and an end of %d characters; expected the end to fit", n, endSize)
	}
	if int64(utf8.RuneCountInString(s)) <= n+max(0, leeway) {
		return s, nil
	}
	cut := s[:max(0, runeAt(s, n-int64(utf8.RuneCountInString(end))))]
	if !truth(or(p[1], false)) {
		if at := strings.LastIndex(cut, " "); at >= 0 {
			cut = cut[:at]
		}
	}
	return cut + end, nil
}

func filterWordcount(_ *run, s string, _ []any) (any, error) {
	words, within := int64(0), false
	for _, c := range s {
		word := c == '_' || unicode.IsLetter(c) || unicode.IsNumber(c)
		if word && !within {
			words++
		}
		within = word
	}
	return words, nil
}

func filterEscape(r *run, v any, _ []any) (any, error) {
	if _, ok := v.(markup); ok {
		return v, nil
	}
	s, err := r.str(v)
	if err == nil {
		err = r.grow(5 * len(s))
	}
	if err != nil {
		return nil, err
	}
	return markup(escape(s)), nil
}
