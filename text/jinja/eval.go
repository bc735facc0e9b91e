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
	few    []binding      // the first ones
	more   map[string]any // the others
}

type binding struct {
	name  string
	value any
}

func (s *scope) set(name string, value any) {
	for i := range s.few {
		if s.few[i].name == name {
			s.few[i].value = value
			return
		}
	}
	if len(s.few) < 12 {
		s.few = append(s.few, binding{name, value})
		return
	}
	if s.more == nil {
		s.more = map[string]any{}
	}
	s.more[name] = value
}

func (s *scope) get(name string) (any, bool) {
	for i := range s.few {
		if s.few[i].name == name {
			return s.few[i].value, true
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
		inner := &scope{around: s, few: append(make([]binding, 0, 4), binding{"loop", l})}
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

func (n *macroNode) run(_ *run, s *scope) (signal, error) {
	s.set(n.name, n.function(s))
	return 0, nil
}

// function is the macro as a value, which sees the scope that it stands in.
func (n *macroNode) function(s *scope) *function {
	return &function{
		name:   n.name,
		prints: fmt.Sprintf("<Macro %s>", quote(n.name)),
		call:   func(r *run, args arguments) (any, error) { return n.call(r, s, args) },
		attribute: func(name string) (any, bool) {
			switch name {
			case "name":
				return n.name, true
			case "arguments":
				names := tuple{}
				for _, a := range n.names {
					names = append(names, a)
				}
				return names, true
			case "catch_kwargs":
				return n.kwargs, true
			case "catch_varargs":
				return n.varargs, true
			case "caller":
				return n.caller, true
			}
			return nil, false
		},
	}
}

func (n *macroNode) call(r *run, around *scope, args arguments) (any, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	s := &scope{around: around}
	given := min(len(args.positional), len(n.names))
	for i, name := range n.names[:given] {
		s.set(name, args.positional[i])
	}
	rest := args.positional[given:]
	extra := newDict()
	var caller any = &undefined{fmt.Sprintf("the macro %q has no caller; expected it in a call block", n.name)}
	for i, name := range args.names {
		at := indexOf(n.names, name)
		switch {
		case at >= 0 && at < given:
			return nil, fmt.Errorf("the macro %q gets its argument %q twice; expected it once", n.name, name)
		case at >= 0:
			s.set(name, args.named[i])
		case name == "caller" && n.caller:
			caller = args.named[i]
		case n.kwargs:
			if err := extra.set(r, name, args.named[i]); err != nil {
				return nil, err
			}
		case name == "caller":
			return nil, fmt.Errorf("the macro %q gets a caller that it does not use; expected caller() in its body", n.name)
		default:
			return nil, fmt.Errorf("the macro %q has no parameter %q; expected %s", n.name, clip(name), oneOf(n.names))
		}
	}
	if len(rest) > 0 && !n.varargs {
		return nil, fmt.Errorf("the macro %q gets %d arguments; expected at most %d", n.name, len(args.positional), len(n.names))
	}
	if n.caller && indexOf(n.names, "caller") < 0 {
		s.set("caller", caller)
	}
	if n.kwargs {
		s.set("kwargs", extra)
	}
	if n.varargs {
		s.set("varargs", tuple(rest))
	}
	for i, name := range n.names {
		if _, ok := s.get(name); ok {
			continue
		}
		j := i - (len(n.names) - len(n.defaults))
		if j < 0 {
			s.set(name, &undefined{fmt.Sprintf("the macro %q is called without its argument %q", n.name, name)})
			continue
		}
		v, err := r.eval(n.defaults[j], s)
		if err != nil {
			return nil, at(n.line, err)
		}
		s.set(name, v)
	}
	return r.captured(func() error { _, err := r.body(n.body, s); return err })
}

// oneOf lists names that were expected.
func oneOf(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return "one of " + strings.Join(names, ", ")
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

func (n callBlockNode) run(r *run, s *scope) (signal, error) {
	of, err := r.eval(n.call.of, s)
	if err != nil {
		return 0, at(n.line, err)
	}
	args, err := n.call.args.eval(r, s)
	if err != nil {
		return 0, at(n.line, err)
	}
	args.names, args.named = append(args.names, "caller"), append(args.named, n.macro.function(s))
	v, err := r.call(of, args)
	if err == nil {
		var text string
		if text, err = r.str(v); err == nil {
			err = r.write(text)
		}
	}
	return 0, at(n.line, err)
}

// call calls a value.
func (r *run) call(v any, args arguments) (any, error) {
	switch v := v.(type) {
	case *function:
		return v.call(r, args)
	case *undefined:
		return nil, v.err()
	case *loop:
		if v.again == nil {
			return nil, errors.New("loop() in a loop that is not recursive; expected {% for … recursive %}")
		}
		return v.again(r, args)
	}
	return nil, fmt.Errorf("%s is called; expected a macro, function or method", described(v))
}

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

func (n *callNode) eval(r *run, s *scope) (any, error) {
	of, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	args, err := n.args.eval(r, s)
	if err != nil {
		return nil, err
	}
	return r.call(of, args)
}

// arguments are those of a call.
type arguments struct {
	positional []any
	names      []string
	named      []any
}

func (n argumentNodes) eval(r *run, s *scope) (arguments, error) {
	var a arguments
	var err error
	if a.positional, err = r.evalAll(n.positional, s); err != nil {
		return a, err
	}
	if a.named, err = r.evalAll(n.named, s); err != nil {
		return a, err
	}
	a.names = n.names[:len(n.names):len(n.names)]
	if n.list != nil {
		v, err := r.eval(n.list, s)
		if err != nil {
			return a, err
		}
		items, err := r.elements(v)
		if err != nil {
			return a, err
		}
		a.positional = append(a.positional, items...)
	}
	if n.dict != nil {
		v, err := r.eval(n.dict, s)
		if err != nil {
			return a, err
		}
		d, ok := v.(*dict)
		if !ok {
			return a, fmt.Errorf("%s after **; expected a dictionary", described(v))
		}
		if err := r.grow(32 * len(d.keys)); err != nil {
			return a, err
		}
		for i, k := range d.keys {
			name, ok := text(k)
			if !ok {
				return a, fmt.Errorf("%s as an argument's name after **; expected a string", described(k))
			}
			if indexOf(a.names, name) >= 0 {
				return a, fmt.Errorf("the argument %q stands by itself and after **; expected it once", clip(name))
			}
			a.names, a.named = append(a.names, name), append(a.named, d.values[i])
		}
	}
	return a, nil
}

// bind sorts arguments to the names of parameters, as a Python function does;
// what is not given is missing{}. A name with a "?" need not be given.
func (a arguments) bind(function string, names ...string) ([]any, error) {
	values := make([]any, len(names))
	for i := range values {
		values[i] = missing{}
	}
	if len(a.positional) > len(names) {
		return nil, fmt.Errorf("%s: %d arguments; expected at most %d", function, len(a.positional), len(names))
	}
	copy(values, a.positional)
	for i, name := range a.names {
		at := -1
		for j, n := range names {
			if strings.TrimSuffix(n, "?") == name {
				at = j
			}
		}
		switch {
		case at < 0:
			return nil, fmt.Errorf("%s: no parameter %q; expected %s", function, clip(name), strings.ReplaceAll(oneOf(names), "?", ""))
		case at < len(a.positional):
			return nil, fmt.Errorf("%s: the argument %q twice; expected it once", function, name)
		}
		values[at] = a.named[i]
	}
	for i, n := range names {
		if _, absent := values[i].(missing); absent && !strings.HasSuffix(n, "?") {
			return nil, fmt.Errorf("%s: the argument %q is missing; expected it", function, n)
		}
	}
	return values, nil
}

// or is a value, or another where it is missing.
func or(v, absent any) any {
	if _, ok := v.(missing); ok {
		return absent
	}
	return v
}
