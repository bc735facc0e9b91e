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

func (n constNode) eval(*run, *scope) (any, error) { return n.value, nil }

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
