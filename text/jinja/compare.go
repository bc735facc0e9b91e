package jinja

import (
	"fmt"
	"math"
	"strings"
)

// equal is Python's ==.
func (r *run) equal(a, b any, depth int) (bool, error) {
	if depth > r.limits.Nesting {
		return false, &LimitError{"values nested in each other", r.limits.Nesting}
	}
	if err := r.step(1); err != nil {
		return false, err
	}
	if x, ok := text(a); ok {
		y, ok := text(b)
		return ok && x == y, r.step(min(len(x), len(y)) / 256)
	}
	if i, ok := integer(a); ok {
		if j, ok := integer(b); ok {
			return i == j, nil
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y, nil
	}
	switch a := a.(type) {
	case nil:
		return b == nil, nil
	case list:
		b, ok := b.(list)
		if !ok {
			return false, nil
		}
		return r.equalItems(a, b, depth)
	case tuple:
		b, ok := b.(tuple)
		if !ok {
			return false, nil
		}
		return r.equalItems(a, b, depth)
	case *dict:
		b, ok := b.(*dict)
		if !ok {
			return false, nil
		}
		return r.equalDicts(a, b, depth)
	case span:
		b, ok := b.(span)
		return ok && a.n == b.n && (a.n == 0 || a.start == b.start && (a.n == 1 || a.step == b.step)), nil
	case *undefined:
		_, ok := b.(*undefined)
		return ok, nil
	case *view:
		b, ok := b.(*view)
		if !ok || a.name == "dict_values" || a.name != b.name || len(a.items) != len(b.items) {
			return ok && a == b, nil
		}
		return r.equalItems(a.items, b.items, depth)
	case *generator, *namespace, *function, *loop:
		return a == b, nil
	}
	return false, nil
}

func (r *run) equalItems(x, y []any, depth int) (bool, error) {
	if len(x) != len(y) {
		return false, nil
	}
	for i := range x {
		if same, err := r.equal(x[i], y[i], depth+1); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func (r *run) equalDicts(a, b *dict, depth int) (bool, error) {
	if len(a.keys) != len(b.keys) {
		return false, nil
	}
	for i, k := range a.keys {
		v, ok, err := b.get(r, k)
		if err != nil || !ok {
			return false, err
		}
		if same, err := r.equal(a.values[i], v, depth+1); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// order is Python's comparison of two values that have one: below, above or 0.
func (r *run) order(op string, a, b any, depth int) (int, error) {
	if err := r.step(1); err != nil {
		return 0, err
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(*undefined); ok {
			return 0, u.err()
		}
	}
	if x, ok := text(a); ok {
		if y, ok := text(b); ok {
			return strings.Compare(x, y), r.step(min(len(x), len(y)) / 256)
		}
	}
	if i, ok := integer(a); ok {
		if j, ok := integer(b); ok {
			return compare(i, j), nil
		}
	}
	if x, ok := number(a); ok {
		if y, ok := number(b); ok {
			return compare(x, y), nil
		}
	}
	var x, y []any
	switch s := a.(type) {
	case list:
		if t, ok := b.(list); ok {
			x, y = s, t
		}
	case tuple:
		if t, ok := b.(tuple); ok {
			x, y = s, t
		}
	}
	if depth > r.limits.Nesting {
		return 0, &LimitError{"values nested in each other", r.limits.Nesting}
	}
	if x == nil && y == nil {
		return 0, fmt.Errorf("%q between %s and %s; expected two numbers, strings, lists or tuples", op, described(a), described(b))
	}
	for i := range min(len(x), len(y)) {
		same, err := r.equal(x[i], y[i], depth+1)
		if err != nil {
			return 0, err
		}
		if !same {
			return r.order(op, x[i], y[i], depth+1)
		}
	}
	return compare(len(x), len(y)), nil
}

// compare is -1, 0 or 1, or 2 where neither is less: NaN.
func compare[T int | int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return 2
}

// contains is b's "a in b".
func (r *run) contains(a, b any) (bool, error) {
	switch b := b.(type) {
	case string, markup:
		whole, _ := text(b)
		part, ok := text(a)
		if !ok {
			if u, ok := a.(*undefined); ok {
				return false, u.err()
			}
			return false, fmt.Errorf("%s is looked for in a string; expected a string", described(a))
		}
		return strings.Contains(whole, part), r.step(len(whole) / 256)
	case *dict:
		_, ok, err := b.get(r, a)
		return ok, err
	case span:
		i, ok := integer(a)
		if !ok {
			f, isFloat := a.(float64)
			if i, ok = int64(f), isFloat && f == math.Trunc(f); !ok {
				return false, nil
			}
		}
		at := i - b.start
		return b.n > 0 && at%b.step == 0 && at/b.step >= 0 && at/b.step < b.n, nil
	case *loop, nil, bool, int64, float64, *namespace, *function:
		return false, fmt.Errorf("something is looked for in %s; expected a string, list or dictionary", described(b))
	}
	items, err := r.iterate(b)
	if err != nil {
		return false, err
	}
	for _, e := range items {
		if same, err := r.equal(a, e, 0); err != nil || same {
			return same, err
		}
	}
	return false, nil
}
