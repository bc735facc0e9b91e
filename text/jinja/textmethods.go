package jinja

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
)

// stringMethod is a method of Python's str, nil for an unknown one.
func stringMethod(s, name string) *function {
	convert := func(f func(string) string) *function {
		return simple(name, nil, func(r *run, _ []any) (any, error) { return f(s), r.grow(len(s)) })
	}
	switch name {
	case "upper":
		return convert(upper)
	case "lower":
		return convert(lower)
	case "casefold":
		return convert(func(s string) string { return cases.Fold().String(s) })
	case "capitalize":
		return convert(capitalize)
	case "title":
		return convert(title)
	case "swapcase":
		return convert(func(s string) string {
			return strings.Map(func(r rune) rune {
				if unicode.IsUpper(r) {
					return unicode.ToLower(r)
				}
				return unicode.ToUpper(r)
			}, s)
		})
	case "strip", "lstrip", "rstrip":
		return stripMethod(s, name)
	case "removeprefix", "removesuffix":
		return removeMethod(s, name)
	case "startswith", "endswith":
		return startMethod(s, name)
	case "split", "rsplit":
		return splitMethod(s, name)
	case "splitlines":
		return linesMethod(s, name)
	case "partition", "rpartition":
		return partitionMethod(s, name)
	case "find", "rfind", "index", "rindex", "count":
		return findMethod(s, name)
	case "replace":
		return replaceMethod(s, name)
	case "join":
		return joinMethod(s, name)
	case "center", "ljust", "rjust":
		return simple(name, []string{"width", "fillchar?"}, func(r *run, p []any) (any, error) {
			return r.pad(s, p[0], or(p[1], " "), name)
		})
	case "zfill":
		return simple(name, []string{"width"}, func(r *run, p []any) (any, error) { return r.pad(s, p[0], "0", name) })
	case "expandtabs":
		return tabsMethod(s, name)
	case "format", "format_map":
		return formatMethod(s, name)
	}
	return stringTest(s, name)
}

// stringTest is one of the methods is… of a string, nil for an unknown one.
func stringTest(s, name string) *function {
	is := func(yes bool) *function {
		return simple(name, nil, func(*run, []any) (any, error) { return yes, nil })
	}
	switch name {
	case "isalnum":
		return is(all(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }))
	case "isalpha":
		return is(all(s, unicode.IsLetter))
	case "isascii":
		return is(isASCII(s))
	case "isdecimal":
		return is(all(s, unicode.IsDigit))
	case "isdigit":
		return is(all(s, func(r rune) bool {
			return unicode.IsDigit(r) || strings.ContainsRune("²³¹⁰⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", r)
		}))
	case "isnumeric":
		return is(all(s, unicode.IsNumber))
	case "isidentifier":
		return is(s != "" && identifier(s) == len(s))
	case "islower":
		return is(isCased(s, unicode.IsUpper, unicode.IsLower))
	case "isupper":
		return is(isCased(s, unicode.IsLower, unicode.IsUpper))
	case "isspace":
		return is(all(s, IsSpace))
	case "isprintable":
		return is(strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0)
	case "istitle":
		return is(s == title(s) && strings.IndexFunc(s, cased) >= 0)
	}
	return nil
}

// stripMethod is strip, lstrip or rstrip.
func stripMethod(s, name string) *function {
	return simple(name, []string{"chars?"}, func(r *run, p []any) (any, error) {
		cut, err := r.cutset(or(p[0], nil))
		if err != nil {
			return nil, err
		}
		if err := r.step(len(s) / 64); err != nil {
			return nil, err
		}
		out := s
		if name != "rstrip" {
			out = strings.TrimLeftFunc(out, cut)
		}
		if name != "lstrip" {
			out = strings.TrimRightFunc(out, cut)
		}
		return out, nil
	})
}

// removeMethod is removeprefix or removesuffix.
func removeMethod(s, name string) *function {
	return simple(name, []string{"part"}, func(_ *run, p []any) (any, error) {
		part, ok := text(p[0])
		if !ok {
			return nil, fmt.Errorf("%s: given %s; expected a string", name, described(p[0]))
		}
		if name == "removeprefix" {
			return strings.TrimPrefix(s, part), nil
		}
		return strings.TrimSuffix(s, part), nil
	})
}

// startMethod is startswith or endswith.
func startMethod(s, name string) *function {
	return simple(name, []string{"prefix", "start?", "end?"}, func(r *run, p []any) (any, error) {
		within, _, err := r.slice(s, or(p[1], nil), or(p[2], nil), nil)
		if err != nil {
			return nil, err
		}
		whole, ok := within.(string)
		parts := tuple{p[0]}
		if several, isTuple := p[0].(tuple); isTuple {
			parts = several
		}
		if err := r.step(len(parts)); err != nil {
			return nil, err
		}
		for _, e := range parts {
			part, isText := text(e)
			if !isText {
				return nil, fmt.Errorf("%s: given %s; expected a string or a tuple of strings", name, described(e))
			}
			if !ok {
				return nil, fmt.Errorf("%s: given %s and %s as bounds; expected integers", name, described(or(p[1], nil)), described(or(p[2], nil)))
			}
			if name == "startswith" && strings.HasPrefix(whole, part) || name == "endswith" && strings.HasSuffix(whole, part) {
				return true, nil
			}
		}
		return false, nil
	})
}

// splitMethod is split or rsplit.
func splitMethod(s, name string) *function {
	return simple(name, []string{"sep?", "maxsplit?"}, func(r *run, p []any) (any, error) {
		n, ok := integer(or(p[1], int64(-1)))
		if !ok {
			return nil, fmt.Errorf("%s: given %s as the number of splits; expected an integer", name, described(p[1]))
		}
		pieces := len(s)
		if by, ok := text(or(p[0], nil)); ok && by != "" {
			pieces = strings.Count(s, by) + 1
		}
		if n >= 0 {
			pieces = min(pieces, int(min(n, int64(len(s))))+1)
		}
		if err := r.grow(len(s) + 32*pieces); err != nil {
			return nil, err
		}
		return split(s, or(p[0], nil), n, name == "rsplit")
	})
}

// linesMethod is splitlines.
func linesMethod(s, name string) *function {
	return simple(name, []string{"keepends?"}, func(r *run, p []any) (any, error) {
		lines := splitLines(s, truth(or(p[0], false)))
		if err := r.grow(32 * len(lines)); err != nil {
			return nil, err
		}
		out := list{}
		for _, line := range lines {
			out = append(out, line)
		}
		return out, nil
	})
}

// partitionMethod is partition or rpartition.
func partitionMethod(s, name string) *function {
	return simple(name, []string{"sep"}, func(r *run, p []any) (any, error) {
		sep, ok := text(p[0])
		if !ok || sep == "" {
			return nil, fmt.Errorf("%s: the separator is empty or no string; expected at least one character", name)
		}
		at := strings.Index(s, sep)
		if name == "rpartition" {
			at = strings.LastIndex(s, sep)
		}
		switch {
		case at >= 0:
			return tuple{s[:at], sep, s[at+len(sep):]}, r.step(len(s) / 256)
		case name == "partition":
			return tuple{s, "", ""}, nil
		}
		return tuple{"", "", s}, nil
	})
}

// findMethod is find, rfind, index, rindex or count.
func findMethod(s, name string) *function {
	return simple(name, []string{"sub", "start?", "end?"}, func(r *run, p []any) (any, error) {
		part, ok := text(p[0])
		if !ok {
			return nil, fmt.Errorf("%s: given %s; expected a string", name, described(p[0]))
		}
		n := int64(utf8.RuneCountInString(s))
		from, to, err := bounds(n, or(p[1], nil), or(p[2], nil), 1)
		if err != nil {
			return nil, err
		}
		cut, _, err := r.slice(s, from, max(from, to), nil)
		if err != nil {
			return nil, err
		}
		within := cut.(string)
		if name == "count" {
			return int64(strings.Count(within, part)), nil
		}
		at := strings.Index(within, part)
		if strings.HasPrefix(name, "r") {
			at = strings.LastIndex(within, part)
		}
		if at < 0 && strings.HasSuffix(name, "index") {
			return nil, fmt.Errorf("%s: the string is not found; expected it, or the method find", name)
		}
		if at < 0 {
			return int64(-1), nil
		}
		return from + int64(utf8.RuneCountInString(within[:at])), nil
	})
}

// replaceMethod is replace.
func replaceMethod(s, name string) *function {
	return simple(name, []string{"old", "new", "count?"}, func(r *run, p []any) (any, error) {
		from, ok := text(p[0])
		to, ok2 := text(p[1])
		if !ok || !ok2 {
			return nil, fmt.Errorf("replace: given %s and %s; expected strings", described(p[0]), described(p[1]))
		}
		return r.replace(s, from, to, or(p[2], nil))
	})
}

// joinMethod is join.
func joinMethod(s, name string) *function {
	return simple(name, []string{"iterable"}, func(r *run, p []any) (any, error) {
		items, err := r.iterate(p[0])
		if err != nil {
			return nil, err
		}
		for i, e := range items {
			if _, ok := text(e); !ok {
				return nil, fmt.Errorf("join: element %d is %s; expected a string, or the filter join for others", i, described(e))
			}
		}
		return r.join(s, items)
	})
}

// tabsMethod is expandtabs.
func tabsMethod(s, name string) *function {
	return simple(name, []string{"tabsize?"}, func(r *run, p []any) (any, error) {
		size, ok := integer(or(p[0], int64(8)))
		if !ok || size > 1024 {
			return nil, errors.New("expandtabs: the width is something else; expected an integer up to 1024")
		}
		if err := r.grow(len(s) + strings.Count(s, "\t")*int(max(0, size))); err != nil {
			return nil, err
		}
		var b strings.Builder
		column := int64(0)
		for _, c := range s {
			switch {
			case c == '\t':
				if size > 0 {
					n := size - column%size
					b.WriteString(strings.Repeat(" ", int(n)))
					column += n
				}
			case c == '\n' || c == '\r':
				b.WriteRune(c)
				column = 0
			default:
				b.WriteRune(c)
				column++
			}
		}
		return b.String(), nil
	})
}

// formatMethod is format or format_map.
func formatMethod(s, name string) *function {
	return method(name, func(r *run, a arguments) (any, error) {
		if name == "format_map" {
			p, err := a.bind(name, "mapping")
			if err != nil {
				return nil, err
			}
			d, ok := p[0].(*dict)
			if !ok {
				return nil, fmt.Errorf("format_map: given %s; expected a dictionary", described(p[0]))
			}
			a = arguments{}
			for i, k := range d.keys {
				if key, ok := text(k); ok {
					a.names, a.named = append(a.names, key), append(a.named, d.values[i])
				}
			}
		}
		return r.format(s, a)
	})
}
