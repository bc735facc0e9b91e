package jinja

import "slices"

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

func (p *parser) or() (expression, error) { return p.logic("or", p.and) }

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

func (p *parser) sum() (expression, error) { return p.binary(p.concat, "+", "-") }

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
