package jinja

import (
	"errors"
	"fmt"
	"time"
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
