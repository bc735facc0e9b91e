package jinja

import (
	"fmt"
	"strings"
)

func (n unaryNode) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	if n.op == "not" {
		return !truth(v), nil
	}
	if i, ok := integer(v); ok {
		if n.op == "-" {
			return integers("-", 0, i)
		}
		return i, nil
	}
	switch v := v.(type) {
	case float64:
		if n.op == "-" {
			return -v, nil
		}
		return v, nil
	case *undefined:
		return nil, v.err()
	}
	return nil, fmt.Errorf("%s before %s; expected a number", n.op, described(v))
}

func (n binaryNode) eval(r *run, s *scope) (any, error) {
	a, err := r.eval(n.left, s)
	if err != nil {
		return nil, err
	}
	b, err := r.eval(n.right, s)
	if err != nil {
		return nil, err
	}
	return r.arithmetic(n.op, a, b)
}

func (n concatNode) eval(r *run, s *scope) (any, error) {
	values, err := r.evalAll(n.parts, s)
	if err != nil {
		return nil, err
	}
	return r.join("", values)
}

// join is values as texts, with a text between them.
func (r *run) join(between string, values []any) (string, error) {
	var b strings.Builder
	for i, v := range values {
		s, err := r.str(v)
		if err == nil {
			err = r.grow(len(between) + len(s))
		}
		if err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func (n compareNode) eval(r *run, s *scope) (any, error) {
	a, err := r.eval(n.first, s)
	if err != nil {
		return nil, err
	}
	for i, op := range n.ops {
		b, err := r.eval(n.rest[i], s)
		if err != nil {
			return nil, err
		}
		yes, err := r.compare(op, a, b)
		if err != nil || !yes {
			return false, err
		}
		a = b
	}
	return true, nil
}

func (r *run) compare(op kind, a, b any) (bool, error) {
	switch op {
	case "==":
		return r.equal(a, b, 0)
	case "!=":
		same, err := r.equal(a, b, 0)
		return !same, err
	case "in":
		return r.contains(a, b)
	case "not in":
		in, err := r.contains(a, b)
		return !in, err
	}
	c, err := r.order(string(op), a, b, 0)
	if err != nil {
		return false, err
	}
	switch op {
	case "<":
		return c == -1, nil
	case "<=":
		return c == -1 || c == 0, nil
	case ">":
		return c == 1, nil
	}
	return c == 1 || c == 0, nil
}

func (n logicNode) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(n.left, s)
	if err != nil || truth(v) != n.and {
		return v, err
	}
	return r.eval(n.right, s)
}

func (n conditionNode) eval(r *run, s *scope) (any, error) {
	test, err := r.eval(n.test, s)
	if err != nil {
		return nil, err
	}
	switch {
	case truth(test):
		return r.eval(n.then, s)
	case n.otherwise != nil:
		return r.eval(n.otherwise, s)
	}
	return &undefined{"an inline if is false and has no else; expected one"}, nil
}
