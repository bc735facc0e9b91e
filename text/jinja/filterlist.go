package jinja

import (
	"errors"
	"fmt"
	"slices"
)

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

func filterLength(_ *run, v any, _ []any) (any, error) {
	if n, ok := length(v); ok {
		return int64(n), nil
	}
	return nil, fmt.Errorf("%s has no length; expected a string, list or dictionary", described(v))
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
