package jinja

import "fmt"

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

func filterDefault(_ *run, v any, p []any) (any, error) {
	if _, absent := v.(*undefined); absent || truth(or(p[1], false)) && !truth(v) {
		return or(p[0], ""), nil
	}
	return v, nil
}
