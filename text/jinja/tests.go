package jinja

import (
	"fmt"
	"strings"
	"unicode"
)

// test is jinja2's test of that name.
func (r *run) test(name string, v any, a arguments) (bool, error) {
	compared := map[string]kind{
		"eq": "==", "equalto": "==", "==": "==", "ne": "!=", "!=": "!=",
		"lt": "<", "lessthan": "<", "<": "<", "le": "<=", "<=": "<=",
		"gt": ">", "greaterthan": ">", ">": ">", "ge": ">=", ">=": ">=", "in": "in",
	}
	if op, ok := compared[name]; ok {
		p, err := a.bind(name, "other")
		if err != nil {
			return false, err
		}
		return r.compare(op, v, p[0])
	}
	switch name {
	case "divisibleby":
		p, err := a.bind(name, "num")
		if err != nil {
			return false, err
		}
		rest, err := r.arithmetic("%", v, p[0])
		if err != nil {
			return false, err
		}
		return r.equal(rest, int64(0), 0)
	case "sameas":
		p, err := a.bind(name, "other")
		if err != nil {
			return false, err
		}
		if typeName(v) != typeName(p[0]) {
			return false, nil
		}
		return r.equal(v, p[0], 0)
	}
	if _, err := a.bind(name); err != nil {
		return false, err
	}
	return r.testAlone(name, v)
}

// testAlone is a test without arguments.
func (r *run) testAlone(name string, v any) (bool, error) {
	s, isText := text(v)
	if err := r.step(len(s) / 64); err != nil {
		return false, err
	}
	if is, ok := typeTests[name]; ok {
		return is(v), nil
	}
	switch name {
	case "odd", "even":
		rest, err := r.arithmetic("%", v, int64(2))
		if err != nil {
			return false, err
		}
		odd, err := r.equal(rest, int64(1), 0)
		return odd == (name == "odd"), err
	case "lower", "upper":
		if !isText {
			var err error
			if s, err = r.str(v); err != nil {
				return false, err
			}
		}
		if name == "lower" {
			return isCased(s, unicode.IsUpper, unicode.IsLower), nil
		}
		return isCased(s, unicode.IsLower, unicode.IsUpper), nil
	case "filter":
		_, ok := r.filters[s]
		return ok, nil
	case "test":
		return s != "" && strings.Contains(testNames, " "+s+" "), nil
	}
	return false, fmt.Errorf("the test %q is not known; expected one of Jinja2's own", name)
}

// typeTests look at nothing but a value's type, or at the few values that are
// themselves.
var typeTests = map[string]func(v any) bool{
	"defined":   func(v any) bool { return !isA[*undefined](v) },
	"undefined": isA[*undefined],
	"none":      func(v any) bool { return v == nil },
	"boolean":   isA[bool],
	"true":      func(v any) bool { return v == true },
	"false":     func(v any) bool { return v == false },
	"string":    func(v any) bool { _, ok := text(v); return ok },
	"integer":   isA[int64],
	"float":     isA[float64],
	"number":    func(v any) bool { _, ok := number(v); return ok },
	"mapping":   isA[*dict],
	"escaped":   isA[markup],
	"sequence": func(v any) bool {
		switch v.(type) {
		case list, tuple, *dict, span, *undefined, string, markup:
			return true
		}
		return false
	},
	"iterable": func(v any) bool {
		switch v.(type) {
		case nil, bool, int64, float64, *function, *namespace:
			return false
		}
		return true
	},
	"callable": func(v any) bool {
		switch v := v.(type) {
		case *function, *undefined:
			return true
		case *loop:
			return v != nil
		}
		return false
	},
}

func isA[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// testNames are the names that the test "test" knows.
const testNames = " eq equalto == ne != lt lessthan < le <= gt greaterthan > ge >= in divisibleby sameas defined undefined none boolean " +
	"true false string integer float number mapping sequence iterable callable escaped odd even lower upper filter test "
