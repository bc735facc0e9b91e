package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

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
		return escaping(name, f), true, nil
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

// escaping is a method of text on markup: arguments that are plain text are escaped,
// where they become part of the result.
func escaping(name string, f *function) *function {
	return method(name, func(r *run, a arguments) (any, error) {
		for i, p := range a.positional {
			if s, ok := p.(string); ok && name != "split" && name != "strip" && name != "startswith" && name != "endswith" {
				a.positional[i] = escape(s)
			}
		}
		out, err := f.call(r, a)
		return marked(out), err
	})
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
