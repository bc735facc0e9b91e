package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// extreme is max or min.
func extreme(name string, op kind) filterDef {
	return plainFilter([]string{"case_sensitive?", "attribute?"}, func(r *run, v any, p []any) (any, error) {
		items, err := r.iterate(v)
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			return empty(name), nil
		}
		var best, bestKey any
		for i, e := range items {
			key, err := r.sortKey(e, or(p[1], nil), truth(or(p[0], false)))
			if err != nil {
				return nil, err
			}
			better := i == 0
			if !better {
				if better, err = r.compare(op, key, bestKey); err != nil {
					return nil, err
				}
			}
			if better {
				best, bestKey = e, key
			}
		}
		return best, nil
	})
}

func filterDictsort(r *run, v any, p []any) (any, error) {
	d, ok := v.(*dict)
	if !ok {
		return nil, fmt.Errorf("dictsort: given %s; expected a dictionary", described(v))
	}
	at := int64(0)
	switch by := or(p[1], "key"); by {
	case "key":
	case "value":
		at = 1
	default:
		return nil, errors.New("dictsort: by is something else; expected key or value")
	}
	if err := r.grow(48 * len(d.keys)); err != nil {
		return nil, err
	}
	return r.sorted(d.pairs(), truth(or(p[2], false)), func(e any) (any, error) {
		return r.sortKey(e.(tuple)[at], nil, truth(or(p[0], false)))
	})
}

func filterGroupby(r *run, v any, p []any) (any, error) {
	key := func(e any) (any, error) {
		k, err := r.attributeOf(e, p[0], or(p[1], nil))
		if err == nil && !truth(or(p[2], false)) {
			k = folded(k)
		}
		return k, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	ordered, err := r.sorted(slices.Clone(items), false, key)
	if err != nil {
		return nil, err
	}
	var groups list
	var last any
	for _, e := range ordered {
		k, err := key(e)
		if err != nil {
			return nil, err
		}
		same := false
		if groups != nil {
			if same, err = r.equal(k, last, 0); err != nil {
				return nil, err
			}
		}
		if last = k; same {
			group := groups[len(groups)-1].(tuple)
			group[1] = append(group[1].(list), e)
			continue
		}
		shown, err := r.attributeOf(e, p[0], or(p[1], nil))
		if err != nil {
			return nil, err
		}
		groups = append(groups, tuple{shown, list{e}})
	}
	return groups, r.grow(64 * len(groups))
}

func filterSort(r *run, v any, p []any) (any, error) {
	items, err := r.iterate(v)
	if err == nil {
		err = r.grow(32 * len(items))
	}
	if err != nil {
		return nil, err
	}
	return r.sorted(slices.Clone(items), truth(or(p[0], false)), func(e any) (any, error) {
		return r.sortKey(e, or(p[2], nil), truth(or(p[1], false)))
	})
}

func filterSum(r *run, v any, p []any) (any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	total := or(p[1], int64(0))
	if _, ok := text(total); ok {
		return nil, errors.New("sum: given a string to start from; expected a number or list, or the filter join for strings")
	}
	for _, e := range items {
		if attribute := or(p[0], nil); attribute != nil {
			if e, err = r.attributeOf(e, attribute, nil); err != nil {
				return nil, err
			}
		}
		if total, err = r.arithmetic("+", total, e); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func filterUnique(r *run, v any, p []any) (any, error) {
	items, err := r.iterate(v)
	if err == nil {
		err = r.grow(64 * len(items))
	}
	if err != nil {
		return nil, err
	}
	seen := newDict()
	var out list
	for _, e := range items {
		key, err := r.sortKey(e, or(p[1], nil), truth(or(p[0], false)))
		if err != nil {
			return nil, err
		}
		_, found, err := seen.get(r, key)
		if err != nil {
			return nil, err
		}
		if !found {
			out = append(out, e)
			if err := seen.set(r, key, true); err != nil {
				return nil, err
			}
		}
	}
	return &generator{out}, nil
}

// choose is select, reject, selectattr and rejectattr.
func (r *run) choose(v any, a arguments, attribute, keep bool) (any, error) {
	if !truth(v) { // none too
		return &generator{}, nil
	}
	items, err := r.elements(v)
	if err != nil {
		return nil, err
	}
	var of any
	if attribute {
		if len(a.positional) == 0 {
			return nil, errors.New("the name of an attribute is missing; expected it as the first argument")
		}
		of = a.positional[0]
		a.positional = a.positional[1:]
	}
	var test string
	if len(a.positional) > 0 {
		ok := false
		if test, ok = text(a.positional[0]); !ok {
			return nil, fmt.Errorf("given %s as a test; expected the name of one", described(a.positional[0]))
		}
		a.positional = a.positional[1:]
	}
	var out list
	for _, e := range items {
		value := e
		if attribute {
			if value, err = r.attributeOf(e, of, nil); err != nil {
				return nil, err
			}
		}
		if err := r.step(1); err != nil {
			return nil, err
		}
		yes := truth(value)
		if test != "" {
			if yes, err = r.test(test, value, a); err != nil {
				return nil, err
			}
		}
		if yes == keep {
			out = append(out, e)
		}
	}
	return &generator{out}, nil
}

// attributeOf is an attribute by its name, with dots, or an item by its number.
func (r *run) attributeOf(v, attribute, absent any) (any, error) {
	parts := []any{attribute}
	if s, ok := text(attribute); ok {
		parts = nil
		for part := range strings.SplitSeq(s, ".") {
			if i, err := strconv.ParseInt(part, 10, 64); err == nil && strings.Trim(part, "0123456789") == "" {
				parts = append(parts, i)
			} else {
				parts = append(parts, part)
			}
		}
	}
	for _, part := range parts {
		var err error
		if v, err = r.item(v, part); err != nil {
			return nil, err
		}
		if _, ok := v.(*undefined); ok && absent != nil {
			v = absent
		}
	}
	return v, nil
}

// sortKey is what an element is sorted by.
func (r *run) sortKey(v, attribute any, caseSensitive bool) (any, error) {
	if names, ok := text(attribute); ok && strings.Contains(names, ",") {
		keys := list{}
		for name := range strings.SplitSeq(names, ",") {
			key, err := r.sortKey(v, name, caseSensitive)
			if err != nil {
				return nil, err
			}
			keys = append(keys, key)
		}
		return keys, nil
	}
	if attribute != nil {
		var err error
		if v, err = r.attributeOf(v, attribute, nil); err != nil {
			return nil, err
		}
	}
	if !caseSensitive {
		v = folded(v)
	}
	return v, nil
}

// folded is a text in lower case, and all else as it is.
func folded(v any) any {
	if s, ok := text(v); ok {
		return lower(s)
	}
	return v
}

// sorted sorts items in place by their keys.
func (r *run) sorted(items list, reverse bool, key func(any) (any, error)) (list, error) {
	type keyed struct{ key, value any }
	all := make([]keyed, len(items))
	for i, e := range items {
		k, err := key(e)
		if err != nil {
			return nil, err
		}
		all[i] = keyed{k, e}
	}
	var failed error
	slices.SortStableFunc(all, func(a, b keyed) int {
		if failed != nil {
			return 0
		}
		if reverse {
			a, b = b, a
		}
		c, err := r.order("<", a.key, b.key, 0)
		if err != nil {
			failed = err
		}
		if c == 2 {
			c = 0
		}
		return c
	})
	for i, k := range all {
		items[i] = k.value
	}
	return items, failed
}
