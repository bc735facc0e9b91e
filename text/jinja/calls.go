package jinja

import (
	"errors"
	"fmt"
	"strings"
)

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
	if err := n.bindNamed(r, s, args, given); err != nil {
		return nil, err
	}
	rest := args.positional[given:]
	if len(rest) > 0 && !n.varargs {
		return nil, fmt.Errorf("the macro %q gets %d arguments; expected at most %d", n.name, len(args.positional), len(n.names))
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

// bindNamed binds the arguments that are given by name; the first given parameters
// have theirs by position.
func (n *macroNode) bindNamed(r *run, s *scope, args arguments, given int) error {
	extra := newDict()
	var caller any = &undefined{fmt.Sprintf("the macro %q has no caller; expected it in a call block", n.name)}
	for i, name := range args.names {
		at := indexOf(n.names, name)
		switch {
		case at >= 0 && at < given:
			return fmt.Errorf("the macro %q gets its argument %q twice; expected it once", n.name, name)
		case at >= 0:
			s.set(name, args.named[i])
		case name == "caller" && n.caller:
			caller = args.named[i]
		case n.kwargs:
			if err := extra.set(r, name, args.named[i]); err != nil {
				return err
			}
		case name == "caller":
			return fmt.Errorf("the macro %q gets a caller that it does not use; expected caller() in its body", n.name)
		default:
			return fmt.Errorf("the macro %q has no parameter %q; expected %s", n.name, clip(name), oneOf(n.names))
		}
	}
	if n.caller && indexOf(n.names, "caller") < 0 {
		s.set("caller", caller)
	}
	if n.kwargs {
		s.set("kwargs", extra)
	}
	return nil
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
