package jinja

import (
	"slices"
)

// tuple reads an expression, or several with commas between them. Inline ifs
// are part of the expressions where conditions is set.
func (p *parser) tuple(conditions bool) (expression, error) {
	if conditions {
		return p.tupleOf(p.expression)
	}
	return p.tupleOf(p.or)
}

// tupleOf reads expressions up to the end of a tag or bracket, or one of the
// names.
func (p *parser) tupleOf(read func() (expression, error), until ...string) (expression, error) {
	var items []expression
	for comma := true; ; {
		t := p.peek()
		end := t.kind == kindVarEnd || t.kind == kindTagEnd || t.kind == ")" || t.kind == kindName && slices.Contains(until, t.text)
		if end || !comma {
			break
		}
		item, err := read()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		if comma = p.take(","); !comma && len(items) == 1 {
			return item, nil
		}
	}
	if len(items) == 0 {
		return nil, p.fail("found %s; expected an expression", p.peek())
	}
	return tupleNode{items}, nil
}

// expression reads one with its inline ifs.
func (p *parser) expression() (expression, error) {
	leave, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	then, err := p.or()
	if err != nil {
		return nil, err
	}
	n := 0
	for p.word("if") {
		if err := p.chain(&n); err != nil {
			return nil, err
		}
		c := conditionNode{then: then}
		if c.test, err = p.or(); err != nil {
			return nil, err
		}
		if p.word("else") {
			if c.otherwise, err = p.expression(); err != nil {
				return nil, err
			}
		}
		then = c
	}
	return then, nil
}

func (p *parser) or() (expression, error)  { return p.logic("or", p.and) }
func (p *parser) and() (expression, error) { return p.logic("and", p.not) }

func (p *parser) logic(word string, read func() (expression, error)) (expression, error) {
	left, err := read()
	for n := 0; err == nil && p.word(word); {
		if err := p.chain(&n); err != nil {
			return nil, err
		}
		var right expression
		right, err = read()
		left = logicNode{word == "and", left, right}
	}
	return left, err
}

func (p *parser) not() (expression, error) {
	if !p.word("not") {
		return p.compare()
	}
	leave, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	of, err := p.not()
	return unaryNode{"not", of}, err
}

func (p *parser) compare() (expression, error) {
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	n := compareNode{first: first}
	for {
		op := p.peek().kind
		switch {
		case op == "==", op == "!=", op == "<", op == "<=", op == ">", op == ">=":
			p.at++
		case p.word("in"):
			op = "in"
		case p.peek().is("not") && p.tokens[p.at+1].is("in"):
			p.at += 2
			op = "not in"
		default:
			if n.ops == nil {
				return first, nil
			}
			return n, nil
		}
		right, err := p.sum()
		if err != nil {
			return nil, err
		}
		n.ops, n.rest = append(n.ops, op), append(n.rest, right)
	}
}

// binary reads operators of one rank, the left ones first.
func (p *parser) binary(read func() (expression, error), ops ...kind) (expression, error) {
	left, err := read()
	for n := 0; err == nil && slices.Contains(ops, p.peek().kind); {
		if err := p.chain(&n); err != nil {
			return nil, err
		}
		op := p.next().kind
		var right expression
		right, err = read()
		left = binaryNode{op, left, right}
	}
	return left, err
}

func (p *parser) sum() (expression, error)     { return p.binary(p.concat, "+", "-") }
func (p *parser) product() (expression, error) { return p.binary(p.power, "*", "/", "//", "%") }
func (p *parser) power() (expression, error) {
	return p.binary(func() (expression, error) { return p.unary(true) }, "**")
}

func (p *parser) concat() (expression, error) {
	first, err := p.product()
	if err != nil || p.peek().kind != "~" {
		return first, err
	}
	n := concatNode{[]expression{first}}
	for p.take("~") {
		part, err := p.product()
		if err != nil {
			return nil, err
		}
		n.parts = append(n.parts, part)
	}
	return n, nil
}

func (p *parser) unary(filters bool) (expression, error) {
	var n expression
	var err error
	if op := p.peek().kind; op == "-" || op == "+" {
		p.at++
		leave, err := p.enter()
		if err != nil {
			return nil, err
		}
		of, err := p.unary(false)
		leave()
		if err != nil {
			return nil, err
		}
		n = unaryNode{op, of}
	} else if n, err = p.primary(); err != nil {
		return nil, err
	}
	return p.postfix(n, filters)
}

func (p *parser) primary() (expression, error) {
	t := p.next()
	switch t.kind {
	case kindName:
		return p.name(t)
	case kindString:
		text := t.text
		for p.peek().kind == kindString {
			text += p.next().text
		}
		return constNode{text}, nil
	case kindInteger:
		return constNode{t.int}, nil
	case kindFloat:
		return constNode{t.float}, nil
	case "(":
		return p.parenthesised()
	case "[":
		n := listNode{}
		err := p.items("]", func() error {
			item, err := p.expression()
			n.items = append(n.items, item)
			return err
		})
		return n, err
	case "{":
		n := dictNode{}
		err := p.items("}", func() error {
			key, err := p.expression()
			if err != nil {
				return err
			}
			if _, err := p.expect(":"); err != nil {
				return err
			}
			value, err := p.expression()
			n.keys, n.values = append(n.keys, key), append(n.values, value)
			return err
		})
		return n, err
	}
	p.at = max(0, p.at-1)
	if t.kind == kindEOF {
		p.at++
	}
	return nil, p.fail("found %s; expected an expression", t)
}

// name reads a constant or a variable.
func (p *parser) name(t token) (expression, error) {
	switch t.text {
	case "true", "True":
		return constNode{true}, nil
	case "false", "False":
		return constNode{false}, nil
	case "none", "None":
		return constNode{nil}, nil
	case "and", "or", "not", "if", "else", "in", "is":
		p.at--
		return nil, p.fail("found %s; expected an expression", t)
	}
	if p.names != nil {
		p.names[t.text] = true
	}
	return nameNode{t.text}, nil
}

// parenthesised reads what stands in round brackets: an expression or a tuple.
func (p *parser) parenthesised() (expression, error) {
	leave, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if p.take(")") {
		return tupleNode{}, nil
	}
	of, err := p.tuple(true)
	if err == nil {
		_, err = p.expect(")")
	}
	return of, err
}

// items reads what commas divide, up to a bracket's end.
func (p *parser) items(end kind, read func() error) error {
	leave, err := p.enter()
	if err != nil {
		return err
	}
	defer leave()
	for !p.take(end) {
		if err := read(); err != nil {
			return err
		}
		if p.peek().kind != end {
			if _, err := p.expect(","); err != nil {
				return err
			}
		}
	}
	return nil
}

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
