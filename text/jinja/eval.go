package jinja

import (
	"errors"
	"fmt"
	"strings"
)

// run is one rendering.
type run struct {
	limits  Limits
	steps   int
	bytes   int
	calls   int
	out     *strings.Builder
	globals map[string]any
	filters map[string]filterDef
}

// step counts n steps.
func (r *run) step(n int) error {
	if r.steps += n; r.steps > r.limits.Steps {
		return &LimitError{"steps (expressions, rounds of loops, compared elements)", r.limits.Steps}
	}
	return nil
}

// grow counts n bytes, before they are made.
func (r *run) grow(n int) error {
	if n > r.limits.Bytes-r.bytes {
		return &LimitError{"bytes of texts and lists", r.limits.Bytes}
	}
	r.bytes += n
	return nil
}

// enter counts a call within others; leave ends it.
func (r *run) enter() error {
	if r.calls++; r.calls > r.limits.Calls {
		return &LimitError{"macros and loops calling each other", r.limits.Calls}
	}
	return r.step(1)
}

func (r *run) leave() { r.calls-- }

func (r *run) write(s string) error {
	if err := r.grow(len(s)); err != nil {
		return err
	}
	r.out.WriteString(s)
	return nil
}

// captured is what a body writes.
func (r *run) captured(body func() error) (string, error) {
	outer := r.out
	r.out = &strings.Builder{}
	err := body()
	s := r.out.String()
	r.out = outer
	return s, err
}

// scope holds the variables that a block sets; it sees those around it.
type scope struct {
	around *scope
	first  []binding      // the first few
	more   map[string]any // the others
}

type binding struct {
	name  string
	value any
}

func (s *scope) set(name string, value any) {
	for i := range s.first {
		if s.first[i].name == name {
			s.first[i].value = value
			return
		}
	}
	if len(s.first) < 12 {
		s.first = append(s.first, binding{name, value})
		return
	}
	if s.more == nil {
		s.more = map[string]any{}
	}
	s.more[name] = value
}

func (s *scope) get(name string) (any, bool) {
	for i := range s.first {
		if s.first[i].name == name {
			return s.first[i].value, true
		}
	}
	v, ok := s.more[name]
	return v, ok
}

func (r *run) lookup(s *scope, name string) any {
	for ; s != nil; s = s.around {
		if v, ok := s.get(name); ok {
			return v
		}
	}
	if v, ok := r.globals[name]; ok {
		return v
	}
	return &undefined{fmt.Sprintf("the variable %q is not defined", name)}
}

// signal says how a body ended.
type signal int

const (
	signalNone signal = iota
	signalBreak
	signalContinue
)

// body runs statements in order.
func (r *run) body(body []statement, s *scope) (signal, error) {
	for _, st := range body {
		if err := r.step(1); err != nil {
			return 0, err
		}
		if sig, err := st.run(r, s); err != nil || sig != signalNone {
			return sig, err
		}
	}
	return signalNone, nil
}

// eval is the value of an expression.
func (r *run) eval(e expression, s *scope) (any, error) {
	if r.steps++; r.steps > r.limits.Steps {
		return nil, r.step(0)
	}
	return e.eval(r, s)
}

// at gives an error its line, unless it has one.
func at(line int, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &Error{line, err}
}

func (n textNode) run(r *run, _ *scope) (signal, error) { return 0, r.write(n.text) }

func (n printNode) run(r *run, s *scope) (signal, error) {
	for _, e := range n.values {
		v, err := r.eval(e, s)
		if err != nil {
			return 0, at(n.line, err)
		}
		text, err := r.str(v)
		if err == nil {
			err = r.write(text)
		}
		if err != nil {
			return 0, at(n.line, err)
		}
	}
	return 0, nil
}

func (n ifNode) run(r *run, s *scope) (signal, error) {
	for i, test := range n.tests {
		v, err := r.eval(test, s)
		if err != nil {
			return 0, at(n.line, err)
		}
		if truth(v) {
			return r.body(n.bodies[i], s)
		}
	}
	return r.body(n.otherwise, s)
}

func (n forNode) run(r *run, s *scope) (signal, error) {
	over, err := r.eval(n.over, s)
	if err == nil {
		err = n.loop(r, s, over, 0)
	}
	return 0, at(n.line, err)
}

// loop goes through a value; depth is that of the recursion.
func (n forNode) loop(r *run, s *scope, over any, depth int) error {
	items, err := r.iterate(over)
	if err != nil {
		return err
	}
	if n.test != nil {
		var kept list
		for _, e := range items {
			inner := &scope{around: s}
			if err := r.assign(n.target, e, inner); err != nil {
				return err
			}
			v, err := r.eval(n.test, inner)
			if err != nil {
				return err
			}
			if truth(v) {
				kept = append(kept, e)
			}
		}
		items = kept
	}
	if len(items) == 0 {
		_, err := r.body(n.otherwise, &scope{around: s})
		return err
	}
	l := &loop{items: items, depth: depth}
	if n.recursive {
		l.again = func(r *run, args arguments) (any, error) {
			p, err := args.bind("loop", "iterable")
			if err != nil {
				return nil, err
			}
			if err := r.enter(); err != nil {
				return nil, err
			}
			defer r.leave()
			return r.captured(func() error { return n.loop(r, s, p[0], depth+1) })
		}
	}
	for i, e := range items {
		l.at = i
		inner := &scope{around: s, first: append(make([]binding, 0, 4), binding{"loop", l})}
		if err := r.assign(n.target, e, inner); err != nil {
			return err
		}
		sig, err := r.body(n.body, inner)
		if err != nil {
			return err
		}
		if err := r.step(2); err != nil { // for the round itself
			return err
		}
		if sig == signalBreak {
			break
		}
	}
	return nil
}

// assign sets a target.
func (r *run) assign(t target, value any, s *scope) error {
	switch {
	case t.parts != nil:
		items, err := r.iterate(value)
		if err != nil {
			return err
		}
		if len(items) != len(t.parts) {
			return fmt.Errorf("%d values for %d names; expected as many", len(items), len(t.parts))
		}
		for i, part := range t.parts {
			if err := r.assign(part, items[i], s); err != nil {
				return err
			}
		}
		return nil
	case t.attribute != "":
		of := r.lookup(s, t.name)
		ns, ok := of.(*namespace)
		if !ok {
			return fmt.Errorf("the attribute %q is set on %s; expected a namespace", t.attribute, described(of))
		}
		if err := attributeName(t.attribute); err != nil {
			return err
		}
		return ns.attributes.set(r, t.attribute, value)
	}
	s.set(t.name, value)
	return nil
}

// attributeName refuses what transformers' namespaces refuse.
func attributeName(name string) error {
	if strings.HasPrefix(name, "_") {
		return fmt.Errorf("a namespace's attribute %q begins with an underscore; expected a letter", clip(name))
	}
	return nil
}

func (n setNode) run(r *run, s *scope) (signal, error) {
	v, err := r.eval(n.value, s)
	if err == nil {
		err = r.assign(n.target, v, s)
	}
	return 0, at(n.line, err)
}

func (n setBlockNode) run(r *run, s *scope) (signal, error) {
	v, err := r.filtered(n.body, n.filters, s)
	if err == nil {
		err = r.assign(n.target, v, s)
	}
	return 0, at(n.line, err)
}

// filtered is what a body writes, through filters.
func (r *run) filtered(body []statement, filters []filterNode, s *scope) (any, error) {
	inner := &scope{around: s}
	written, err := r.captured(func() error { _, err := r.body(body, inner); return err })
	var v any = written
	for _, f := range filters {
		if err != nil {
			return nil, err
		}
		v, err = f.apply(r, inner, v)
	}
	return v, err
}

func (n filterBlockNode) run(r *run, s *scope) (signal, error) {
	v, err := r.filtered(n.body, n.filters, s)
	if err == nil {
		var text string
		if text, err = r.str(v); err == nil {
			err = r.write(text)
		}
	}
	return 0, at(n.line, err)
}

func (n withNode) run(r *run, s *scope) (signal, error) {
	inner := &scope{around: s}
	for i, t := range n.targets {
		v, err := r.eval(n.values[i], s)
		if err == nil {
			err = r.assign(t, v, inner)
		}
		if err != nil {
			return 0, at(n.line, err)
		}
	}
	return r.body(n.body, inner)
}

func (n generationNode) run(r *run, s *scope) (signal, error) {
	return r.body(n.body, &scope{around: s})
}

func (n jumpNode) run(*run, *scope) (signal, error) { return signal(n), nil }

func (n constNode) eval(*run, *scope) (any, error)    { return n.value, nil }
func (n nameNode) eval(r *run, s *scope) (any, error) { return r.lookup(s, n.name), nil }
func (n listNode) eval(r *run, s *scope) (any, error) {
	l, err := r.evalAll(n.items, s)
	return list(l), err
}
func (n tupleNode) eval(r *run, s *scope) (any, error) {
	l, err := r.evalAll(n.items, s)
	return tuple(l), err
}
func (n sliceNode) eval(r *run, s *scope) (any, error) {
	return nil, errors.New("a slice among several indices; expected it alone")
}
func (n filterNode) eval(r *run, s *scope) (any, error) {
	of, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	return n.apply(r, s, of)
}

// apply is the filter of a value.
func (n filterNode) apply(r *run, s *scope, of any) (any, error) {
	args, err := n.args.eval(r, s)
	if err != nil {
		return nil, err
	}
	return r.filter(n.name, of, args)
}

func (n testNode) eval(r *run, s *scope) (any, error) {
	of, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	args, err := n.args.eval(r, s)
	if err != nil {
		return nil, err
	}
	yes, err := r.test(n.name, of, args)
	return yes != n.not, err
}

func (r *run) evalAll(nodes []expression, s *scope) ([]any, error) {
	if err := r.grow(16 * len(nodes)); err != nil {
		return nil, err
	}
	values := make([]any, len(nodes))
	for i, e := range nodes {
		var err error
		if values[i], err = r.eval(e, s); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (n dictNode) eval(r *run, s *scope) (any, error) {
	d := newDict()
	if err := r.grow(64 * len(n.keys)); err != nil {
		return nil, err
	}
	for i := range n.keys {
		k, err := r.eval(n.keys[i], s)
		if err != nil {
			return nil, err
		}
		v, err := r.eval(n.values[i], s)
		if err != nil {
			return nil, err
		}
		if err := d.set(r, k, v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

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
