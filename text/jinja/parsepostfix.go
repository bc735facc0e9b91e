package jinja

import "slices"

// postfix reads attributes, items, calls, filters and tests of a value.
func (p *parser) postfix(n expression, filters bool) (expression, error) {
	filtered := false
	for count := 0; ; {
		if err := p.chain(&count); err != nil {
			return nil, err
		}
		t := p.peek()
		switch {
		case t.kind == "." && !filtered:
			p.at++
			switch name := p.next(); name.kind {
			case kindName:
				n = attributeNode{n, name.text}
			case kindInteger:
				n = itemNode{n, constNode{name.int}}
			default:
				p.at--
				return nil, p.fail("found %s; expected a name", name)
			}
		case t.kind == "[" && !filtered:
			p.at++
			key, err := p.subscript()
			if err != nil {
				return nil, err
			}
			n = itemNode{n, key}
		case t.kind == "(":
			p.at++
			args, err := p.arguments()
			if err != nil {
				return nil, err
			}
			n = &callNode{n, args}
		case t.kind == "|" && filters:
			p.at++
			f, err := p.filterName(n)
			if err != nil {
				return nil, err
			}
			n, filtered = f, true
		case t.is("is") && filters:
			p.at++
			test, err := p.test(n)
			if err != nil {
				return nil, err
			}
			n, filtered = test, true
		default:
			return n, nil
		}
	}
}

// subscript reads what stands in the brackets after a value.
func (p *parser) subscript() (expression, error) {
	var keys []expression
	comma := false
	err := p.items("]", func() error {
		key, err := p.sliceOrKey()
		keys = append(keys, key)
		comma = p.peek().kind == ","
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(keys) == 0:
		return nil, p.fail("empty brackets; expected an index")
	case len(keys) == 1 && !comma:
		return keys[0], nil
	}
	return tupleNode{keys}, nil
}

func (p *parser) sliceOrKey() (expression, error) {
	var parts [3]expression
	i, slice := 0, false
	for {
		switch k := p.peek().kind; {
		case k == ":" && i < 2:
			p.at++
			i++
			slice = true
		case k == "]" || k == ",":
			if !slice {
				return parts[0], p.missingKey(parts[0])
			}
			return sliceNode{parts[0], parts[1], parts[2]}, nil
		case parts[i] != nil:
			return nil, p.fail("found %s; expected \"]\"", p.peek())
		default:
			var err error
			if parts[i], err = p.expression(); err != nil {
				return nil, err
			}
		}
	}
}

func (p *parser) missingKey(key expression) error {
	if key == nil {
		return p.fail("found %s; expected an index", p.peek())
	}
	return nil
}

// arguments reads those of a call, after its opening bracket.
func (p *parser) arguments() (argumentNodes, error) {
	var a argumentNodes
	err := p.items(")", func() (err error) {
		switch {
		case p.take("**"):
			if a.dict != nil {
				return p.fail("two ** in a call; expected one")
			}
			a.dict, err = p.expression()
		case p.take("*"):
			if a.list != nil || a.dict != nil {
				return p.fail("a * after another or after **; expected one, before **")
			}
			a.list, err = p.expression()
		case p.peek().kind == kindName && p.tokens[p.at+1].kind == "=":
			name := p.next().text
			p.at++
			var value expression
			value, err = p.expression()
			if slices.Contains(a.names, name) {
				return p.fail("the argument %q twice; expected it once", name)
			}
			a.names, a.named = append(a.names, name), append(a.named, value)
		default:
			if len(a.names) > 0 || a.list != nil || a.dict != nil {
				return p.fail("an argument without a name after one with a name or a star; expected it before")
			}
			var value expression
			value, err = p.expression()
			a.positional = append(a.positional, value)
		}
		return err
	})
	return a, err
}

// dotted reads a name with its dots.
func (p *parser) dotted() (string, error) {
	name, err := p.expect(kindName)
	if err != nil {
		return "", err
	}
	text := name.text
	for p.take(".") {
		part, err := p.expect(kindName)
		if err != nil {
			return "", err
		}
		text += "." + part.text
	}
	return text, nil
}

// filterName reads a filter's name and arguments, after the bar.
func (p *parser) filterName(of expression) (filterNode, error) {
	name, err := p.dotted()
	if err != nil {
		return filterNode{}, err
	}
	n := filterNode{name: name, of: of}
	if p.take("(") {
		n.args, err = p.arguments()
	}
	return n, err
}

// filters reads bars with filters of what a block holds.
func (p *parser) filters(n []filterNode) ([]filterNode, error) {
	for p.take("|") {
		f, err := p.filterName(nil)
		if err != nil {
			return nil, err
		}
		n = append(n, f)
	}
	return n, nil
}

// test reads a test's name and argument, after "is".
func (p *parser) test(of expression) (expression, error) {
	n := testNode{of: of, not: p.word("not")}
	var err error
	if n.name, err = p.dotted(); err != nil {
		return nil, err
	}
	t := p.peek()
	switch t.kind {
	case "(":
		p.at++
		n.args, err = p.arguments()
		return n, err
	case kindName, kindString, kindInteger, kindFloat, "[", "{":
		if t.is("else") || t.is("or") || t.is("and") {
			return n, nil
		}
		if t.is("is") {
			return nil, p.fail("a test of a test; expected brackets around one")
		}
		// "if" begins an inline if only where no argument can stand, as in
		// jinja2, which reads a name of its own here and fails later.
		if t.is("if") || t.is("in") || t.is("not") {
			return n, nil
		}
		arg, err := p.primary()
		if err != nil {
			return nil, err
		}
		arg, err = p.postfix(arg, false)
		n.args.positional = []expression{arg}
		return n, err
	}
	return n, nil
}
