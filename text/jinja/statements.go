package jinja

import (
	"fmt"
	"strings"
)

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
