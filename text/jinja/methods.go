package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// builtins are the functions of a rendering.
func builtins(now time.Time) map[string]any {
	plain := func(name string, call func(*run, arguments) (any, error)) *function {
		return &function{name: name, prints: "<function " + name + ">", call: call}
	}
	table := map[string]any{
		"range":           &function{name: "range", prints: "<class 'range'>", call: rangeOf},
		"namespace":       plain("namespace", namespaceOf),
		"raise_exception": plain("raise_exception", raise),
		"cycler":          plain("cycler", cycler),
		"joiner":          plain("joiner", joiner),
		"dict": &function{
			name: "dict", prints: "<class 'dict'>", call: dictOf,
			attribute: func(name string) (any, bool) {
				if name != "fromkeys" {
					return nil, false
				}
				return plain("fromkeys", fromKeys), true
			},
		},
	}
	if !now.IsZero() {
		table["strftime_now"] = plain("strftime_now", func(r *run, a arguments) (any, error) {
			p, err := a.bind("strftime_now", "format")
			if err != nil {
				return nil, err
			}
			format, ok := text(p[0])
			if !ok {
				return nil, fmt.Errorf("strftime_now: given %s; expected a string", described(p[0]))
			}
			if err := r.grow(12 * len(format)); err != nil { // "%c" becomes 24 bytes
				return nil, err
			}
			return strftime(now, format), nil
		})
	}
	return table
}

// Refusal is what a template says when it refuses a conversation by
// raise_exception.
type Refusal struct{ Message string }

func (e *Refusal) Error() string { return e.Message }

func raise(r *run, a arguments) (any, error) {
	p, err := a.bind("raise_exception", "message")
	if err != nil {
		return nil, err
	}
	s, err := r.str(p[0])
	if err != nil {
		return nil, err
	}
	return nil, &Refusal{s}
}

func rangeOf(r *run, a arguments) (any, error) {
	if len(a.names) > 0 || len(a.positional) < 1 || len(a.positional) > 3 {
		return nil, fmt.Errorf("range: %d arguments; expected 1 to 3 without names", len(a.positional)+len(a.names))
	}
	n := []int64{0, 0, 1}
	for i, v := range a.positional {
		if u, ok := v.(*undefined); ok {
			return nil, u.err()
		}
		number, ok := integer(v)
		if !ok {
			return nil, fmt.Errorf("range: given %s; expected an integer", described(v))
		}
		n[i] = number
	}
	if len(a.positional) == 1 {
		n[0], n[1] = 0, n[0]
	}
	if n[2] == 0 {
		return nil, errors.New("range: a step of 0; expected another")
	}
	s := span{n[0], n[1], n[2], count(n[0], n[1], n[2])}
	if s.n > int64(r.limits.Range) || s.n < 0 {
		return nil, &LimitError{"numbers of a range", r.limits.Range}
	}
	return s, nil
}

// dictOf is dict(…): of a mapping or pairs, with more by name.
func dictOf(r *run, a arguments) (any, error) {
	d := newDict()
	if len(a.positional) > 1 {
		return nil, fmt.Errorf("a dictionary is made of %d values; expected at most one, and others by name", len(a.positional))
	}
	for _, v := range a.positional {
		if from, ok := v.(*dict); ok {
			v = from.pairs()
		}
		items, err := r.iterate(v)
		if err == nil {
			err = r.grow(64 * len(items))
		}
		if err != nil {
			return nil, err
		}
		for i, e := range items {
			pair, err := r.iterate(e)
			if err != nil {
				return nil, fmt.Errorf("the dictionary's item %d: %w", i, err)
			}
			if len(pair) != 2 {
				return nil, fmt.Errorf("the dictionary's item %d has %d values; expected a key and a value", i, len(pair))
			}
			if err := d.set(r, pair[0], pair[1]); err != nil {
				return nil, err
			}
		}
	}
	for i, name := range a.names {
		if err := d.set(r, name, a.named[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func fromKeys(r *run, a arguments) (any, error) {
	p, err := a.bind("fromkeys", "iterable", "value?")
	if err != nil {
		return nil, err
	}
	keys, err := r.iterate(p[0])
	if err == nil {
		err = r.grow(64 * len(keys))
	}
	if err != nil {
		return nil, err
	}
	d := newDict()
	for _, k := range keys {
		if err := d.set(r, k, or(p[1], nil)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func namespaceOf(r *run, a arguments) (any, error) {
	d, err := dictOf(r, a)
	if err != nil {
		return nil, err
	}
	ns := &namespace{d.(*dict)}
	for _, k := range ns.attributes.keys {
		if name, ok := text(k); ok {
			if err := attributeName(name); err != nil {
				return nil, err
			}
		}
	}
	return ns, nil
}

// cycler and joiner are jinja2's.
func cycler(_ *run, a arguments) (any, error) {
	if len(a.positional) == 0 || len(a.names) > 0 {
		return nil, errors.New("cycler: no values, or some with names; expected one or more without")
	}
	at := 0
	f := &function{name: "cycler", prints: "<Cycler>", call: func(*run, arguments) (any, error) {
		return nil, errors.New("a cycler is called; expected its method next")
	}}
	f.attribute = func(name string) (any, bool) {
		switch name {
		case "current":
			return a.positional[at], true
		case "next":
			return method(name, func(*run, arguments) (any, error) {
				v := a.positional[at]
				at = (at + 1) % len(a.positional)
				return v, nil
			}), true
		case "reset":
			return method(name, func(*run, arguments) (any, error) { at = 0; return nil, nil }), true
		}
		return nil, false
	}
	return f, nil
}

func joiner(_ *run, a arguments) (any, error) {
	p, err := a.bind("joiner", "sep?")
	if err != nil {
		return nil, err
	}
	used := false
	return &function{name: "joiner", prints: "<Joiner>", call: func(*run, arguments) (any, error) {
		if !used {
			used = true
			return "", nil
		}
		return or(p[0], ", "), nil
	}}, nil
}

func method(name string, call func(*run, arguments) (any, error)) *function {
	return &function{name: name, prints: "<built-in method " + name + ">", call: call}
}

// simple is a method with these parameters.
func simple(name string, parameters []string, call func(*run, []any) (any, error)) *function {
	return method(name, func(r *run, a arguments) (any, error) {
		p, err := a.bind(name, parameters...)
		if err != nil {
			return nil, err
		}
		return call(r, p)
	})
}

// unsafeMethods change a value, which jinja2's immutable sandbox forbids.
var unsafeMethods = map[string]string{
	"list": "append clear pop reverse insert sort extend remove",
	"dict": "clear pop popitem setdefault update",
}

// member is an attribute or method of a value, as Python's getattr finds it.
func (r *run) member(v any, name string) (any, bool, error) {
	if strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__") && len(name) > 4 ||
		slices.Contains(strings.Fields(unsafeMethods[typeName(v)]), name) {
		return &undefined{fmt.Sprintf("%q of %s is closed to templates; expected what only reads", clip(name), described(v))}, true, nil
	}
	if s, ok := text(v); ok { // which methods go through
		if err := r.step(len(s) / 64); err != nil {
			return nil, false, err
		}
	}
	switch v := v.(type) {
	case string:
		f := stringMethod(v, name)
		return f, f != nil, nil
	case markup:
		f := stringMethod(string(v), name)
		if f == nil {
			return nil, false, nil
		}
		return method(name, func(r *run, a arguments) (any, error) {
			for i, p := range a.positional {
				if s, ok := p.(string); ok && name != "split" && name != "strip" && name != "startswith" && name != "endswith" {
					a.positional[i] = escape(s)
				}
			}
			out, err := f.call(r, a)
			return marked(out), err
		}), true, nil
	case *dict:
		f := dictMethod(v, name)
		return f, f != nil, nil
	case list:
		f := listMethod(v, name)
		return f, f != nil, nil
	case tuple:
		if name == "copy" {
			return nil, false, nil
		}
		f := listMethod(list(v), name)
		return f, f != nil, nil
	case span:
		n := map[string]int64{"start": v.start, "stop": v.stop, "step": v.step}
		i, ok := n[name]
		return i, ok, nil
	case float64:
		if name == "is_integer" {
			return simple(name, nil, func(*run, []any) (any, error) { return v == float64(int64(v)), nil }), true, nil
		}
	case *namespace:
		a, ok := v.attributes.text(name)
		return a, ok, nil
	case *function:
		if v.attribute != nil {
			a, ok := v.attribute(name)
			return a, ok, nil
		}
	case *loop:
		a, ok := v.member(name)
		return a, ok, nil
	}
	return nil, false, nil
}

// marked is a method's result on markup.
func marked(v any) any {
	switch v := v.(type) {
	case string:
		return markup(v)
	case list:
		out := make(list, len(v))
		for i, e := range v {
			out[i] = marked(e)
		}
		return out
	}
	return v
}

// member is what a template sees of the loop around.
func (l *loop) member(name string) (any, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.at + 1), true
	case "index0":
		return int64(l.at), true
	case "revindex":
		return int64(n - l.at), true
	case "revindex0":
		return int64(n - l.at - 1), true
	case "first":
		return l.at == 0, true
	case "last":
		return l.at == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if l.at == 0 {
			return &undefined{"loop.previtem in the first round; expected a later one"}, true
		}
		return l.items[l.at-1], true
	case "nextitem":
		if l.at == n-1 {
			return &undefined{"loop.nextitem in the last round; expected an earlier one"}, true
		}
		return l.items[l.at+1], true
	case "cycle":
		return method(name, func(_ *run, a arguments) (any, error) {
			if len(a.positional) == 0 {
				return nil, errors.New("loop.cycle: no values; expected at least one")
			}
			return a.positional[l.at%len(a.positional)], nil
		}), true
	case "changed":
		return method(name, func(r *run, a arguments) (any, error) {
			same := false
			if l.changedCalled {
				var err error
				if same, err = r.equal(l.changed, list(a.positional), 0); err != nil {
					return nil, err
				}
			}
			l.changed, l.changedCalled = a.positional, true
			return !same, nil
		}), true
	}
	return nil, false
}

func dictMethod(d *dict, name string) *function {
	switch name {
	case "items", "keys", "values":
		return simple(name, nil, func(r *run, _ []any) (any, error) {
			v := &view{name: "dict_" + name}
			switch name {
			case "items":
				v.items = d.pairs()
			case "keys":
				v.items = d.keys
			default:
				v.items = d.values
			}
			return v, r.grow(48 * len(d.keys))
		})
	case "get":
		return simple(name, []string{"key", "default?"}, func(r *run, p []any) (any, error) {
			v, ok, err := d.get(r, p[0])
			if !ok && err == nil {
				v = or(p[1], nil)
			}
			return v, err
		})
	case "copy":
		return simple(name, nil, func(r *run, _ []any) (any, error) {
			return dictOf(r, arguments{positional: []any{d}})
		})
	}
	return nil
}

func listMethod(l list, name string) *function {
	switch name {
	case "count", "index":
		return simple(name, []string{"value"}, func(r *run, p []any) (any, error) {
			n := int64(0)
			for i, e := range l {
				same, err := r.equal(e, p[0], 0)
				if err != nil {
					return nil, err
				}
				if same && name == "index" {
					return int64(i), nil
				}
				if same {
					n++
				}
			}
			if name == "index" {
				return nil, errors.New("index: the value is not found; expected it in the list")
			}
			return n, nil
		})
	case "copy":
		return simple(name, nil, func(r *run, _ []any) (any, error) { return slices.Clone(l), r.grow(16 * len(l)) })
	}
	return nil
}

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
