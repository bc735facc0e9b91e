package jinja

import (
	"fmt"
)

func (n attributeNode) eval(r *run, s *scope) (any, error) {
	of, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	return r.attribute(of, n.name)
}

func (n itemNode) eval(r *run, s *scope) (any, error) {
	of, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	part, ok := n.key.(sliceNode)
	if !ok {
		key, err := r.eval(n.key, s)
		if err != nil {
			return nil, err
		}
		return r.item(of, key)
	}
	if u, ok := of.(*undefined); ok {
		return nil, u.err()
	}
	var limits [3]any
	for i, e := range []expression{part.start, part.stop, part.step} {
		if e != nil {
			if limits[i], err = r.eval(e, s); err != nil {
				return nil, err
			}
		}
	}
	v, ok, err := r.slice(of, limits[0], limits[1], limits[2])
	if err != nil {
		return nil, err
	}
	if !ok {
		return &undefined{fmt.Sprintf("%s is not sliced so; expected integers as bounds, and a list, tuple, string or range", described(of))}, nil
	}
	return v, nil
}

// described is how messages name a value's type.
func described(v any) string {
	switch v.(type) {
	case nil:
		return "none"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case string, markup:
		return "a string"
	case list:
		return "a list"
	case tuple:
		return "a tuple"
	case *dict:
		return "a dictionary"
	case *view:
		return "a view of a dictionary"
	case *generator:
		return "a generator"
	case span:
		return "a range"
	case *undefined:
		return "an undefined value"
	case *namespace:
		return "a namespace"
	case *loop:
		return "a loop"
	}
	return "a function"
}

// notFound stands for an attribute that a value does not have.
func notFound(v any, name string) *undefined {
	return &undefined{fmt.Sprintf("%q is not found in %s", clip(name), described(v))}
}

// attribute is v.name: an attribute or method, or an item of that name.
func (r *run) attribute(v any, name string) (any, error) {
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	if a, ok, err := r.member(v, name); ok || err != nil {
		return a, err
	}
	if d, ok := v.(*dict); ok {
		if value, ok := d.text(name); ok {
			return value, nil
		}
	}
	return notFound(v, name), nil
}

// item is v[key]: an item, or an attribute of that name.
func (r *run) item(v, key any) (any, error) {
	switch c := v.(type) {
	case *undefined:
		return nil, c.err()
	case *dict:
		if value, ok, _ := c.get(r, key); ok {
			return value, nil
		}
	case list, tuple, string, markup, span:
		if i, ok := integer(key); ok {
			if s, isText := text(v); isText { // whose characters are counted
				if err := r.step(len(s) / 256); err != nil {
					return nil, err
				}
			}
			if value, ok := element(v, i); ok {
				return value, nil
			}
			return &undefined{fmt.Sprintf("the index %d is outside of %s", i, described(v))}, nil
		}
	}
	if name, ok := text(key); ok {
		if a, ok, err := r.member(v, name); ok || err != nil {
			return a, err
		}
		return notFound(v, name), nil
	}
	shown, err := r.repr(key)
	return &undefined{fmt.Sprintf("%s is not found in %s", clip(shown), described(v))}, err
}

// element is a sequence's element i, counted from the end if it is negative.
func element(v any, i int64) (any, bool) {
	within := func(n int64) bool {
		if i < 0 {
			i += n
		}
		return i >= 0 && i < n
	}
	switch v := v.(type) {
	case list:
		if within(int64(len(v))) {
			return v[i], true
		}
	case tuple:
		if within(int64(len(v))) {
			return v[i], true
		}
	case span:
		if within(v.n) {
			return v.start + i*v.step, true
		}
	case string, markup:
		s, _ := text(v)
		if from := runeAt(s, i); from >= 0 {
			for end := range s[from:] {
				if end > 0 {
					return s[from : from+end], true
				}
			}
			return s[from:], true
		}
	}
	return nil, false
}
