package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// cutset says which characters strip takes off: white space for nil.
func (r *run) cutset(chars any) (func(rune) bool, error) {
	if chars == nil {
		return IsSpace, nil
	}
	s, ok := text(chars)
	if !ok {
		return IsSpace, fmt.Errorf("given %s as characters to strip; expected a string or none", described(chars))
	}
	if err := r.step(len(s) / 8); err != nil {
		return IsSpace, err
	}
	set := map[rune]bool{}
	for _, r := range s {
		set[r] = true
	}
	return func(r rune) bool { return set[r] }, nil
}

// replace replaces the first n occurrences, all for nil or a negative n.
func (r *run) replace(s, from, to string, n any) (any, error) {
	times := int64(-1)
	if n != nil {
		ok := false
		if times, ok = integer(n); !ok {
			return nil, fmt.Errorf("replace: given %s as the count; expected an integer", described(n))
		}
	}
	found := int64(strings.Count(s, from))
	if times >= 0 {
		found = min(found, times)
	}
	if len(to) > 0 && found > int64(r.limits.Bytes/len(to)) {
		return nil, r.grow(r.limits.Bytes + 1)
	}
	if err := r.grow(len(s) + int(found)*len(to)); err != nil {
		return nil, err
	}
	return strings.Replace(s, from, to, int(found)), nil
}

// pad makes a text as wide as it is asked for.
func (r *run) pad(s string, width any, fill any, side string) (any, error) {
	w, ok := integer(width)
	f, isText := text(fill)
	if !ok || !isText || utf8.RuneCountInString(f) != 1 {
		return nil, fmt.Errorf("%s: the width or the fill is something else; expected an integer and one character", side)
	}
	n := w - int64(utf8.RuneCountInString(s))
	if n <= 0 {
		return s, nil
	}
	left := int64(0)
	switch side {
	case "rjust", "zfill":
		left = n
	case "center":
		left = n/2 + n&w&1
	}
	before, _, err := r.repeat(f, left)
	if err != nil {
		return nil, err
	}
	after, _, err := r.repeat(f, n-left)
	if err != nil {
		return nil, err
	}
	if side == "zfill" && s != "" && (s[0] == '-' || s[0] == '+') {
		return s[:1] + before.(string) + s[1:], nil
	}
	return before.(string) + s + after.(string), nil
}

// splitLines cuts a text at its line ends, as Python's splitlines does.
func splitLines(s string, keep bool) []string {
	var lines []string
	start := 0
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		end := i + size
		switch c {
		case '\r':
			if strings.HasPrefix(s[end:], "\n") {
				end++
			}
			fallthrough
		case '\n', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
			if keep {
				lines = append(lines, s[start:end])
			} else {
				lines = append(lines, s[start:i])
			}
			start = end
		}
		i = end
	}
	if start < len(s) {
		lines = append(lines, s[start:])
	}
	return lines
}

// split is Python's split and rsplit: at sep, or at white space where it is
// nil, at most n times where n is not negative.
func split(s string, sep any, n int64, right bool) (list, error) {
	if sep == nil {
		return splitSpace(s, n, right), nil
	}
	by, ok := text(sep)
	if !ok {
		return nil, fmt.Errorf("given %s as a separator; expected a string or none", described(sep))
	}
	if by == "" {
		return nil, errors.New("a separator without characters; expected at least one")
	}
	out := list{}
	if right {
		for n != 0 {
			at := strings.LastIndex(s, by)
			if at < 0 {
				break
			}
			out = append(out, s[at+len(by):])
			s = s[:at]
			n--
		}
		out = append(out, s)
		slices.Reverse(out)
		return out, nil
	}
	for n != 0 {
		before, after, ok := strings.Cut(s, by)
		if !ok {
			break
		}
		out = append(out, before)
		s = after
		n--
	}
	return append(out, s), nil
}

func splitSpace(s string, n int64, right bool) list {
	out := list{}
	if right {
		for s = strings.TrimRightFunc(s, IsSpace); s != ""; n-- {
			at := strings.LastIndexFunc(s, IsSpace)
			if n == 0 || at < 0 {
				out = append(out, s)
				break
			}
			_, size := utf8.DecodeRuneInString(s[at:])
			out = append(out, s[at+size:])
			s = strings.TrimRightFunc(s[:at], IsSpace)
		}
		slices.Reverse(out)
		return out
	}
	for s = strings.TrimLeftFunc(s, IsSpace); s != ""; n-- {
		at := strings.IndexFunc(s, IsSpace)
		if n == 0 || at < 0 {
			out = append(out, s)
			break
		}
		out = append(out, s[:at])
		s = strings.TrimLeftFunc(s[at:], IsSpace)
	}
	return out
}

func upper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

func lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

func capitalize(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToTitle(r)) + lower(s[size:])
}

// title is Python's: the first letter of each run of letters is large.
func title(s string) string {
	var b strings.Builder
	within := false
	for _, r := range s {
		switch {
		case !cased(r):
			b.WriteRune(r)
		case within:
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(unicode.ToTitle(r))
		}
		within = cased(r)
	}
	return b.String()
}

func cased(r rune) bool { return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) }

// titleWords is jinja2's filter title: words begin after white space, a hyphen
// or an opening bracket.
func titleWords(s string) string {
	var b strings.Builder
	start := true
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case IsSpace(r) || strings.ContainsRune("-({[<", r):
			start = true
			b.WriteRune(r)
		case start:
			start = false
			b.WriteString(upper(s[i : i+size]))
		default:
			b.WriteString(lower(s[i : i+size]))
		}
		i += size
	}
	return b.String()
}

// isCased says whether a text has letters of one case and none of the other.
func isCased(s string, other, own func(rune) bool) bool {
	some := false
	for _, r := range s {
		if other(r) || unicode.IsTitle(r) {
			return false
		}
		some = some || own(r)
	}
	return some
}

// all says whether a text is not empty and holds only such characters.
func all(s string, is func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0
}
