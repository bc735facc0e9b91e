package jinja

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filter is jinja2's filter of that name.
func (r *run) filter(name string, v any, args arguments) (any, error) {
	f, ok := r.filters[name]
	if !ok {
		return nil, fmt.Errorf("the filter %q is not known; expected one of Jinja2's own", name)
	}
	p := args
	if f.parameters != nil {
		values, err := args.bind(name, f.parameters...)
		if err != nil {
			return nil, err
		}
		p = arguments{positional: values}
	}
	s, _ := text(v)
	if err := r.step(1 + len(s)/64); err != nil {
		return nil, err
	}
	return f.apply(r, v, p)
}

// filterDef is a filter; its parameters stand in the arguments' positional in
// order, missing{} where they are not given. A filter without a list of them
// gets the arguments as they are.
type filterDef struct {
	parameters []string
	apply      func(r *run, v any, a arguments) (any, error)
}

// textFilter is a filter of a value's text.
func textFilter(parameters []string, f func(r *run, s string, p []any) (any, error)) filterDef {
	return filterDef{parameters, func(r *run, v any, a arguments) (any, error) {
		s, err := r.str(v)
		if err != nil {
			return nil, err
		}
		if err := r.grow(len(s)); err != nil {
			return nil, err
		}
		out, err := f(r, s, a.positional)
		if plain, ok := out.(string); ok {
			if _, safe := v.(markup); safe {
				return markup(plain), err
			}
		}
		return out, err
	}}
}

// nothing is a list of no parameters.
func nothing() []string { return []string{} }

// plainFilter is a filter without a word about text.
func plainFilter(parameters []string, f func(r *run, v any, p []any) (any, error)) filterDef {
	return filterDef{parameters, func(r *run, v any, a arguments) (any, error) { return f(r, v, a.positional) }}
}

// filters are jinja2's by name.
func filters() map[string]filterDef {
	caseOf := func(convert func(string) string) filterDef {
		return textFilter(nothing(), func(_ *run, s string, _ []any) (any, error) { return convert(s), nil })
	}
	size := plainFilter(nothing(), filterLength)
	standard := plainFilter([]string{"default_value?", "boolean?"}, filterDefault)
	escaped := plainFilter(nothing(), filterEscape)
	choose := func(attribute, keep bool) filterDef {
		return filterDef{nil, func(r *run, v any, a arguments) (any, error) { return r.choose(v, a, attribute, keep) }}
	}
	return map[string]filterDef{
		"abs":        plainFilter(nothing(), filterAbs),
		"attr":       plainFilter([]string{"name"}, filterAttr),
		"batch":      plainFilter([]string{"linecount", "fill_with?"}, filterBatch),
		"capitalize": caseOf(capitalize),
		"center":     textFilter([]string{"width?"}, filterCenter),
		"count":      size, "length": size,
		"d": standard, "default": standard,
		"dictsort": plainFilter([]string{"case_sensitive?", "by?", "reverse?"}, filterDictsort),
		"e":        escaped, "escape": escaped,
		"forceescape": plainFilter(nothing(), filterForceescape),
		"first":       plainFilter(nothing(), filterFirst),
		"last":        plainFilter(nothing(), filterLast),
		"float":       plainFilter([]string{"default?"}, filterFloat),
		"int":         plainFilter([]string{"default?", "base?"}, filterInt),
		"format":      {nil, filterFormat},
		"groupby":     plainFilter([]string{"attribute", "default?", "case_sensitive?"}, filterGroupby),
		"indent":      textFilter([]string{"width?", "first?", "blank?"}, filterIndent),
		"items":       plainFilter(nothing(), filterItems),
		"join":        plainFilter([]string{"d?", "attribute?"}, filterJoin),
		"list":        plainFilter(nothing(), filterList),
		"lower":       caseOf(lower),
		"map":         {nil, filterMap},
		"max":         extreme("max", ">"), "min": extreme("min", "<"),
		"reject": choose(false, false), "rejectattr": choose(true, false),
		"select": choose(false, true), "selectattr": choose(true, true),
		"replace":   textFilter([]string{"old", "new", "count?"}, filterReplace),
		"reverse":   plainFilter(nothing(), filterReverse),
		"round":     plainFilter([]string{"precision?", "method?"}, filterRound),
		"safe":      plainFilter(nothing(), filterSafe),
		"slice":     plainFilter([]string{"slices", "fill_with?"}, filterSlice),
		"sort":      plainFilter([]string{"reverse?", "case_sensitive?", "attribute?"}, filterSort),
		"string":    plainFilter(nothing(), filterString),
		"sum":       plainFilter([]string{"attribute?", "start?"}, filterSum),
		"title":     caseOf(titleWords),
		"tojson":    plainFilter([]string{"ensure_ascii?", "indent?", "separators?", "sort_keys?"}, filterTojson),
		"trim":      textFilter([]string{"chars?"}, filterTrim),
		"truncate":  textFilter([]string{"length?", "killwords?", "end?", "leeway?"}, filterTruncate),
		"unique":    plainFilter([]string{"case_sensitive?", "attribute?"}, filterUnique),
		"upper":     caseOf(upper),
		"wordcount": textFilter(nothing(), filterWordcount),
	}
}

// empty is what a filter makes of no elements.
func empty(filter string) *undefined {
	return &undefined{filter + ": nothing to choose from; expected at least one element"}
}

func filterAbs(_ *run, v any, _ []any) (any, error) {
	if i, ok := integer(v); ok {
		if i == math.MinInt64 {
			return nil, errBig
		}
		return max(i, -i), nil
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fmt.Errorf("abs: given %s; expected a number", described(v))
}

func filterAttr(r *run, v any, p []any) (any, error) {
	name, err := r.str(p[0])
	if err != nil {
		return nil, err
	}
	if a, ok, err := r.member(v, name); ok || err != nil {
		return a, err
	}
	return notFound(v, name), nil
}

func filterBatch(r *run, v any, p []any) (any, error) {
	n, ok := integer(p[0])
	if !ok || n < 1 {
		return nil, errors.New("batch: the size of a row is no positive integer; expected one")
	}
	items, err := r.iterate(v)
	if err == nil {
		err = r.grow(16 * (len(items) + 1))
	}
	if err != nil {
		return nil, err
	}
	var rows list
	for row := range slices.Chunk(items, int(min(n, int64(len(items))+1))) {
		row = slices.Clone(row)
		if fill := or(p[1], nil); fill != nil && int64(len(row)) < n {
			if n > int64(r.limits.Bytes) {
				return nil, r.grow(r.limits.Bytes + 1)
			}
			if err := r.grow(16 * int(n)); err != nil {
				return nil, err
			}
			for int64(len(row)) < n {
				row = append(row, fill)
			}
		}
		rows = append(rows, row)
	}
	return &generator{rows}, nil
}

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

func filterFirst(r *run, v any, _ []any) (any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return empty("first"), nil
	}
	if g, ok := v.(*generator); ok {
		g.items = items[1:]
	}
	return items[0], nil
}

func filterLast(r *run, v any, _ []any) (any, error) {
	if _, once := v.(*generator); once {
		return nil, errors.New("last: given a generator; expected a list, as the filter list makes one")
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return empty("last"), nil
	}
	return items[len(items)-1], nil
}

func filterFloat(_ *run, v any, p []any) (any, error) {
	if f, ok := number(v); ok {
		return f, nil
	}
	if s, ok := text(v); ok {
		if f, ok := readFloat(s); ok {
			return f, nil
		}
	}
	return or(p[0], 0.0), nil
}

func filterInt(_ *run, v any, p []any) (any, error) {
	if i, ok := integer(v); ok {
		return i, nil
	}
	f, isFloat := v.(float64)
	if s, ok := text(v); ok {
		base, ok := integer(or(p[1], int64(10)))
		if !ok || base < 0 || base == 1 || base > 36 {
			return nil, errors.New("int: the base is something else; expected 0 or 2 to 36")
		}
		if i, ok := readInteger(s, int(base)); ok {
			return i, nil
		}
		f, isFloat = readFloat(s)
	}
	if !isFloat || math.IsNaN(f) || math.IsInf(f, 0) {
		return or(p[0], int64(0)), nil
	}
	if math.Abs(f) >= 1<<63 {
		return nil, errBig
	}
	return int64(f), nil
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

func filterItems(r *run, v any, _ []any) (any, error) {
	switch v := v.(type) {
	case *undefined:
		return &generator{}, nil
	case *dict:
		return &generator{v.pairs()}, r.grow(48 * len(v.keys))
	}
	return nil, errors.New("items: what it is given is no dictionary; expected one")
}

func filterJoin(r *run, v any, p []any) (any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	between, err := r.str(or(p[0], ""))
	if err != nil {
		return nil, err
	}
	texts := make([]any, len(items))
	for i, e := range items {
		if attribute := or(p[1], nil); attribute != nil {
			if e, err = r.attributeOf(e, attribute, nil); err != nil {
				return nil, err
			}
		}
		if texts[i], err = r.str(e); err != nil {
			return nil, err
		}
	}
	return r.join(between, texts)
}

// elements are those of v, whose copy counts towards the bound of memory.
func (r *run) elements(v any) (list, error) {
	items, err := r.iterate(v)
	if err == nil {
		err = r.grow(16 * len(items))
	}
	return items, err
}

func filterList(r *run, v any, _ []any) (any, error) {
	items, err := r.elements(v)
	return slices.Clone(items), err
}

func filterMap(r *run, v any, a arguments) (any, error) {
	if !truth(v) { // none too
		return &generator{}, nil
	}
	items, err := r.elements(v)
	if err != nil {
		return nil, err
	}
	convert, err := r.mapping(a)
	if err != nil {
		return nil, err
	}
	out := make(list, len(items))
	for i, e := range items {
		if out[i], err = convert(e); err != nil {
			return nil, err
		}
	}
	return &generator{out}, nil
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

func filterReverse(r *run, v any, _ []any) (any, error) {
	if s, ok := text(v); ok {
		out, _, err := r.slice(s, nil, nil, int64(-1))
		return out, err
	}
	items, err := r.elements(v)
	if err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	slices.Reverse(items)
	if _, once := v.(*generator); once {
		return items, nil
	}
	return &generator{items}, nil
}

func filterRound(_ *run, v any, p []any) (any, error) {
	return round(v, or(p[0], int64(0)), or(p[1], "common"))
}

func filterSafe(r *run, v any, _ []any) (any, error) {
	s, err := r.str(v)
	return markup(s), err
}

func filterSlice(r *run, v any, p []any) (any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	n, ok := integer(p[0])
	if !ok || n < 1 {
		return nil, errors.New("slice: the number of slices is no positive integer; expected one")
	}
	if n > int64(r.limits.Range) {
		return nil, &LimitError{"slices", r.limits.Range}
	}
	if err := r.grow(32*int(n) + 16*len(items)); err != nil {
		return nil, err
	}
	each, extra := len(items)/int(n), len(items)%int(n)
	var out list
	at := 0
	for i := range int(n) {
		size := each
		if i < extra {
			size++
		}
		part := slices.Clone(items[at : at+size])
		at += size
		if fill := or(p[1], nil); fill != nil && i >= extra && extra > 0 {
			part = append(part, fill)
		}
		out = append(out, part)
	}
	return &generator{out}, nil
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

func filterLength(_ *run, v any, _ []any) (any, error) {
	if n, ok := length(v); ok {
		return int64(n), nil
	}
	return nil, fmt.Errorf("%s has no length; expected a string, list or dictionary", described(v))
}

func filterDefault(_ *run, v any, p []any) (any, error) {
	if _, absent := v.(*undefined); absent || truth(or(p[1], false)) && !truth(v) {
		return or(p[0], ""), nil
	}
	return v, nil
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

// mapping is what the filter map does with each element.
func (r *run) mapping(a arguments) (func(any) (any, error), error) {
	if len(a.positional) == 0 && indexOf(a.names, "attribute") >= 0 {
		p, err := a.bind("map", "attribute", "default?")
		if err != nil {
			return nil, err
		}
		return func(e any) (any, error) { return r.attributeOf(e, p[0], or(p[1], nil)) }, nil
	}
	if len(a.positional) == 0 {
		return nil, errors.New("map: no arguments; expected a filter's name, or attribute=…")
	}
	name, ok := text(a.positional[0])
	if !ok {
		return nil, fmt.Errorf("map: given %s; expected a filter's name", described(a.positional[0]))
	}
	a.positional = a.positional[1:]
	return func(e any) (any, error) { return r.filter(name, e, a) }, nil
}

// readInteger reads a number as Python's int does.
func readInteger(s string, base int) (int64, bool) {
	s = strings.TrimFunc(s, IsSpace)
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, false
	}
	s = strings.ReplaceAll(s, "_", "")
	if base == 16 || base == 8 || base == 2 {
		sign := ""
		if s != "" && (s[0] == '-' || s[0] == '+') {
			sign, s = s[:1], s[1:]
		}
		prefix := map[int]string{16: "0x", 8: "0o", 2: "0b"}[base]
		if len(s) > 2 && strings.EqualFold(s[:2], prefix) {
			s = s[2:]
		}
		s = sign + s
	}
	i, err := strconv.ParseInt(s, base, 64)
	return i, err == nil
}

// readFloat reads a number as Python's float does.
func readFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, IsSpace)
	if strings.ContainsAny(s, "xXpP") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// round is Python's round, and jinja2's two others.
func round(v, precision, method any) (any, error) {
	n, ok := integer(precision)
	if !ok {
		return nil, fmt.Errorf("round: given %s as the precision; expected an integer", described(precision))
	}
	x, ok := number(v)
	if !ok {
		return nil, fmt.Errorf("round: given %s; expected a number", described(v))
	}
	n = max(-400, min(n, 400))
	switch method {
	case "common":
		if i, ok := integer(v); ok {
			if n >= 0 {
				return i, nil
			}
			f, err := strconv.ParseFloat(strconv.FormatFloat(x, 'e', max(0, len(strconv.FormatInt(int64(magnitude(i)), 10))-1+int(n)), 64), 64)
			return int64(f), err
		}
		if n >= 0 {
			return strconv.ParseFloat(strconv.FormatFloat(x, 'f', int(n), 64), 64)
		}
		scale := math.Pow(10, float64(-n))
		return math.RoundToEven(x/scale) * scale, nil
	case "ceil", "floor":
		scale := math.Pow(10, float64(n))
		if method == "ceil" {
			return math.Ceil(x*scale) / scale, nil
		}
		return math.Floor(x*scale) / scale, nil
	}
	return nil, errors.New("round: the method is something else; expected common, ceil or floor")
}
