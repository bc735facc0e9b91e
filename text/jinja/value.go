package jinja

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// The values of a template, as Python has them: nil (None), bool, int64,
// float64, string, and these.
type (
	list  []any
	tuple []any

	// markup is a string that is safe to stand in HTML: what joins it is
	// escaped (markupsafe.Markup).
	markup string

	dict struct {
		keys, values []any
		at           map[any]int // by hashKey
	}

	// view is what items(), keys() and values() of a dictionary return.
	view struct {
		name  string
		items list
	}

	// generator is what can be gone through once: what map, select and their
	// like return.
	generator struct{ items list }

	span struct{ start, stop, step, n int64 } // range(…)

	// undefined is what a name or attribute is that is not there. It prints as
	// nothing and fails in what else is done with it.
	undefined struct{ hint string }

	namespace struct{ attributes *dict }

	// function is what can be called: a macro, a function, a method.
	function struct {
		name string
		call func(*run, arguments) (any, error)
		// attribute is what the function has besides, nil for none.
		attribute func(name string) (any, bool)
		prints    string
	}

	loop struct {
		items         list
		at            int
		depth         int
		changed       list // what loop.changed was last called with
		changedCalled bool
		again         func(*run, arguments) (any, error) // recursion, nil for none
	}
)

// missing is the value of an argument that is not given.
type missing struct{}

func newDict() *dict { return &dict{at: map[any]int{}} }

type tupleKey string

// hashKey is under what a dictionary keeps a key: 1, 1.0 and true are the same.
func (r *run) hashKey(key any) (any, error) {
	if s, ok := text(key); ok {
		return s, r.step(len(s) / 256)
	}
	switch k := key.(type) {
	case nil, int64:
		return k, nil
	case bool:
		if k {
			return int64(1), nil
		}
		return int64(0), nil
	case float64:
		if k == math.Trunc(k) && math.Abs(k) < 1<<62 {
			return int64(k), nil
		}
		return k, nil
	case tuple:
		var b strings.Builder
		for _, e := range k {
			if _, ok := e.(tuple); ok {
				return nil, errors.New("a tuple in a tuple as a key; expected a plain value")
			}
			h, err := r.hashKey(e)
			if s, ok := text(e); ok && err == nil {
				err = r.grow(len(s))
			}
			if err == nil {
				err = r.step(1)
			}
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "%T %v\x00", h, h)
		}
		return tupleKey(b.String()), nil
	case *undefined, *function, *namespace:
		return k, nil
	}
	return nil, fmt.Errorf("%s as a dictionary's key; expected a string, number, boolean, none or tuple", described(key))
}

func (d *dict) get(r *run, key any) (any, bool, error) {
	h, err := r.hashKey(key)
	if err != nil {
		return nil, false, err
	}
	i, ok := d.at[h]
	if !ok {
		return nil, false, nil
	}
	return d.values[i], true, nil
}

func (d *dict) set(r *run, key, value any) error {
	h, err := r.hashKey(key)
	if err != nil {
		return err
	}
	if i, ok := d.at[h]; ok {
		d.values[i] = value
		return nil
	}
	d.at[h] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, value)
	return nil
}

func (d *dict) text(key string) (any, bool) {
	i, ok := d.at[key]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

func (d *dict) pairs() list {
	items := make(list, len(d.keys))
	for i := range d.keys {
		items[i] = tuple{d.keys[i], d.values[i]}
	}
	return items
}

func (s span) list() list {
	l := make(list, s.n)
	for i := range l {
		l[i] = s.start + int64(i)*s.step
	}
	return l
}

// typeName is the name of a value's type in Python.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case markup:
		return "Markup"
	case list:
		return "list"
	case tuple:
		return "tuple"
	case *dict:
		return "dict"
	case *view:
		return v.name
	case *generator:
		return "generator"
	case span:
		return "range"
	case *undefined:
		return "Undefined"
	case *namespace:
		return "Namespace"
	case *loop:
		return "LoopContext"
	}
	return "function"
}

func (u *undefined) err() error { return errors.New(u.hint) }

// text is a string's or markup's text.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case markup:
		return string(v), true
	}
	return "", false
}

// integer is an int's or bool's number.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// number is any number as a float.
func number(v any) (float64, bool) {
	if f, ok := v.(float64); ok {
		return f, true
	}
	i, ok := integer(v)
	return float64(i), ok
}

// truth is what an if makes of a value.
func truth(v any) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case float64:
		return v != 0
	case int64:
		return v != 0
	case string:
		return v != ""
	case markup:
		return v != ""
	}
	if n, ok := length(v); ok {
		return n > 0
	}
	return true
}

// length is Python's len, where a value has one.
func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case markup:
		return utf8.RuneCountInString(string(v)), true
	case list:
		return len(v), true
	case tuple:
		return len(v), true
	case *dict:
		return len(v.keys), true
	case *view:
		return len(v.items), true
	case span:
		return int(v.n), true
	case *undefined:
		return 0, true
	case *loop:
		return len(v.items), true
	}
	return 0, false
}

// iterate is what a for goes through.
func (r *run) iterate(v any) (list, error) {
	switch v := v.(type) {
	case list:
		return v, r.step(len(v) / 16)
	case tuple:
		return list(v), r.step(len(v) / 16)
	case *dict:
		return v.keys, r.step(len(v.keys) / 16)
	case *view:
		return v.items, r.step(len(v.items) / 16)
	case span:
		if err := r.grow(16 * int(v.n)); err != nil {
			return nil, err
		}
		return v.list(), nil
	case string, markup:
		s, _ := text(v)
		if err := r.grow(24 * len(s)); err != nil {
			return nil, err
		}
		l := make(list, 0, len(s))
		for i, c := range s {
			l = append(l, s[i:i+utf8.RuneLen(c)])
		}
		return l, nil
	case *generator:
		items := v.items
		v.items = nil
		return items, r.step(len(items) / 16)
	case *undefined:
		return nil, nil
	case *loop:
		rest := v.items[min(v.at+1, len(v.items)):]
		return rest, nil
	}
	return nil, fmt.Errorf("%s has no elements; expected a list, dictionary, string or range", described(v))
}

// escape is markupsafe's.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(s)
}
