package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// The statements and expressions of a template. What each does stands with its
// method run or eval.
type (
	statement interface {
		run(*run, *scope) (signal, error)
	}
	expression interface {
		eval(*run, *scope) (any, error)
	}

	textNode  struct{ text string }
	printNode struct {
		line   int
		values []expression
	}
	ifNode struct {
		line      int
		tests     []expression // if, elif, …
		bodies    [][]statement
		otherwise []statement
	}
	forNode struct {
		line      int
		target    target
		over      expression
		test      expression // nil for all
		body      []statement
		otherwise []statement
		recursive bool
	}
	setNode struct {
		line   int
		target target
		value  expression
	}
	setBlockNode struct {
		line    int
		target  target
		filters []filterNode
		body    []statement
	}
	withNode struct {
		line    int
		targets []target
		values  []expression
		body    []statement
	}
	macroNode struct {
		line     int
		name     string
		names    []string
		defaults []expression // of the last names
		body     []statement
		// What the body refers to of what is not in the signature.
		varargs, kwargs, caller bool
	}
	callBlockNode struct {
		line  int
		call  *callNode
		macro *macroNode
	}
	filterBlockNode struct {
		line    int
		filters []filterNode
		body    []statement
	}
	// generationNode is transformers' {% generation %}: it marks the
	// assistant's text for another use and renders its body.
	generationNode struct {
		line int
		body []statement
	}
	jumpNode signal // break or continue

	constNode struct{ value any }
	nameNode  struct{ name string }
	listNode  struct{ items []expression }
	tupleNode struct{ items []expression }
	dictNode  struct{ keys, values []expression }
	unaryNode struct {
		op kind // "-", "+" or "not"
		of expression
	}
	binaryNode struct {
		op          kind
		left, right expression
	}
	concatNode  struct{ parts []expression } // a ~ b
	compareNode struct {
		first expression
		ops   []kind // with "in" and "not in"
		rest  []expression
	}
	logicNode struct {
		and         bool
		left, right expression
	}
	conditionNode struct {
		test, then, otherwise expression // otherwise may be nil
	}
	attributeNode struct {
		of   expression
		name string
	}
	itemNode struct {
		of, key expression
	}
	sliceNode struct{ start, stop, step expression }
	callNode  struct {
		of   expression // nil in a call's arguments alone
		args argumentNodes
	}
	filterNode struct {
		name string
		of   expression // nil for what a block holds
		args argumentNodes
	}
	testNode struct {
		name string
		of   expression
		args argumentNodes
		not  bool
	}

	argumentNodes struct {
		positional []expression
		names      []string
		named      []expression
		list, dict expression // *a and **b
	}

	// target is what is assigned to: a name, an attribute of a namespace, or
	// several of both.
	target struct {
		name, attribute string
		parts           []target
	}
)

// parser reads tokens by recursive descent, as deep as the limits allow.
type parser struct {
	tokens []token
	at     int
	limits Limits
	depth  int
	loops  int // loops around, which break and continue need
	// names are those that expressions refer to; a macro looks for its
	// special ones there.
	names map[string]bool
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != kindEOF {
		p.at++
	}
	return t
}

// take reads a token if it is of the kind.
func (p *parser) take(k kind) bool {
	if p.peek().kind == k {
		p.at++
		return true
	}
	return false
}

// word reads a name if it is the one.
func (p *parser) word(name string) bool {
	if p.peek().is(name) {
		p.at++
		return true
	}
	return false
}

func (p *parser) fail(format string, args ...any) error {
	return &Error{p.peek().line, fmt.Errorf(format, args...)}
}

func (p *parser) expect(k kind) (token, error) {
	if t := p.peek(); t.kind == k {
		return p.next(), nil
	}
	return token{}, p.fail("found %s; expected %s", p.peek(), k)
}

// enter goes one deeper; the function that it returns goes back.
func (p *parser) enter() (func(), error) {
	if p.depth++; p.depth > p.limits.Nesting {
		return nil, &Error{p.peek().line, &LimitError{"brackets, operators and blocks nested in each other", p.limits.Nesting}}
	}
	return func() { p.depth-- }, nil
}

// chain counts operators that follow each other, since each is evaluated
// within the next.
func (p *parser) chain(n *int) error {
	if *n++; *n > p.limits.Nesting {
		return &Error{p.peek().line, &LimitError{"operators after each other", p.limits.Nesting}}
	}
	return nil
}

func (p *parser) template() ([]statement, error) {
	body, err := p.body()
	if err != nil {
		return nil, err
	}
	if p.peek().kind != kindEOF {
		p.at++ // {%
		return nil, p.fail("the tag %s outside of its block; expected the block's begin before it", p.peek())
	}
	return body, nil
}

// tags are how a message names those that may follow.
func tags(names []string) string { return "{% " + strings.Join(names, " %}, {% ") + " %}" }

// body reads statements up to a tag with one of the names, which it leaves.
func (p *parser) body(until ...string) ([]statement, error) {
	leave, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var body []statement
	for {
		switch t := p.peek(); t.kind {
		case kindEOF:
			if len(until) > 0 {
				return nil, p.fail("the template ends within a block; expected %s", tags(until))
			}
			return body, nil
		case kindData:
			p.at++
			body = append(body, textNode{t.text})
		case kindVarBegin:
			p.at++
			value, err := p.tuple(true)
			if err != nil {
				return nil, err
			}
			if _, err := p.expect(kindVarEnd); err != nil {
				return nil, err
			}
			body = append(body, printNode{t.line, []expression{value}})
		case kindTagBegin:
			if tag := p.tokens[p.at+1]; tag.kind == kindName && slices.Contains(until, tag.text) {
				return body, nil
			}
			p.at++
			s, err := p.statement()
			if err != nil {
				return nil, err
			}
			if s == nil { // an end of no block here
				if len(until) > 0 {
					return nil, p.fail("the tag %s; expected %s", p.peek(), tags(until))
				}
				p.at--
				return body, nil
			}
			if _, err := p.expect(kindTagEnd); err != nil {
				return nil, err
			}
			body = append(body, s)
		default:
			return nil, p.fail("found %s; expected text or a tag", t)
		}
	}
}

// block reads the rest of a tag and a body with its end tag's name.
func (p *parser) block(end string) ([]statement, error) {
	if _, err := p.expect(kindTagEnd); err != nil {
		return nil, err
	}
	body, err := p.body(end)
	if err != nil {
		return nil, err
	}
	p.at += 2 // {% end
	return body, nil
}

// statement reads what stands in a tag, up to its end; nil for an end tag that
// ends nothing here.
func (p *parser) statement() (statement, error) {
	tag, err := p.expect(kindName)
	if err != nil {
		return nil, err
	}
	line := tag.line
	switch tag.text {
	case "if":
		return p.ifBlock(line)
	case "for":
		return p.forBlock(line)
	case "set":
		return p.set(line)
	case "print":
		return p.printTag(line)
	case "macro":
		return p.macro(line)
	case "call":
		return p.callBlock(line)
	case "filter":
		return p.filterBlock(line)
	case "with":
		return p.with(line)
	case "generation":
		n := generationNode{line: line}
		n.body, err = p.outsideLoops(func() ([]statement, error) { return p.block("endgeneration") })
		return n, err
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.fail("%s outside of a loop; expected it between for and endfor", tag.text)
		}
		if tag.text == "break" {
			return jumpNode(signalBreak), nil
		}
		return jumpNode(signalContinue), nil
	case "include", "import", "from", "extends", "block":
		p.at--
		return nil, p.fail("the tag %q; expected a template that stands alone, as transformers' have no others to read", tag.text)
	}
	if strings.HasPrefix(tag.text, "end") || tag.text == "else" || tag.text == "elif" {
		p.at--
		return nil, nil
	}
	p.at--
	return nil, p.fail("the tag %q is not known; expected one of Jinja2's own, or generation", tag.text)
}

func (p *parser) printTag(line int) (statement, error) {
	n := printNode{line: line}
	for p.peek().kind != kindTagEnd {
		if len(n.values) > 0 {
			if _, err := p.expect(","); err != nil {
				return nil, err
			}
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.values = append(n.values, value)
	}
	return n, nil
}

func (p *parser) macro(line int) (statement, error) {
	name, err := p.expect(kindName)
	if err != nil {
		return nil, err
	}
	n := &macroNode{line: line, name: name.text}
	if err := p.signature(n); err != nil {
		return nil, err
	}
	return n, p.macroBody(n, "endmacro")
}

func (p *parser) callBlock(line int) (statement, error) {
	n := callBlockNode{line: line, macro: &macroNode{line: line, name: "caller"}}
	if p.peek().kind == "(" {
		if err := p.signature(n.macro); err != nil {
			return nil, err
		}
	}
	call, err := p.expression()
	if err != nil {
		return nil, err
	}
	c, ok := call.(*callNode)
	if !ok {
		return nil, p.fail("a call block without a call; expected {%% call macro(…) %%}")
	}
	n.call = c
	return n, p.macroBody(n.macro, "endcall")
}

func (p *parser) filterBlock(line int) (statement, error) {
	n := filterBlockNode{line: line}
	first, err := p.filterName(nil)
	if err != nil {
		return nil, err
	}
	if n.filters, err = p.filters([]filterNode{first}); err != nil {
		return nil, err
	}
	n.body, err = p.block("endfilter")
	return n, err
}

// outsideLoops reads a body that is a function of its own to Jinja2, so that
// it neither breaks nor continues loops around.
func (p *parser) outsideLoops(read func() ([]statement, error)) ([]statement, error) {
	loops := p.loops
	p.loops = 0
	defer func() { p.loops = loops }()
	return read()
}

func (p *parser) ifBlock(line int) (statement, error) {
	n := ifNode{line: line}
	for {
		test, err := p.tuple(false)
		if err != nil {
			return nil, err
		}
		if _, err := p.expect(kindTagEnd); err != nil {
			return nil, err
		}
		body, err := p.body("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		n.tests, n.bodies = append(n.tests, test), append(n.bodies, body)
		p.at++ // {%
		switch p.next().text {
		case "endif":
			return n, nil
		case "else":
			n.otherwise, err = p.block("endif")
			return n, err
		}
	}
}

func (p *parser) forBlock(line int) (statement, error) {
	n := forNode{line: line}
	var err error
	if n.target, err = p.targets(false); err != nil {
		return nil, err
	}
	if !p.word("in") {
		return nil, p.fail("found %s; expected \"in\"", p.peek())
	}
	if n.over, err = p.tupleOf(p.or, "recursive", "if"); err != nil {
		return nil, err
	}
	if p.word("if") {
		if n.test, err = p.expression(); err != nil {
			return nil, err
		}
	}
	n.recursive = p.word("recursive")
	if _, err := p.expect(kindTagEnd); err != nil {
		return nil, err
	}
	p.loops++
	n.body, err = p.body("else", "endfor")
	p.loops--
	if err != nil {
		return nil, err
	}
	p.at++ // {%
	if p.next().text == "else" {
		n.otherwise, err = p.block("endfor")
	}
	return n, err
}

func (p *parser) set(line int) (statement, error) {
	t, err := p.targets(true)
	if err != nil {
		return nil, err
	}
	if p.take("=") {
		value, err := p.tuple(true)
		return setNode{line, t, value}, err
	}
	n := setBlockNode{line: line, target: t}
	if n.filters, err = p.filters(nil); err != nil {
		return nil, err
	}
	n.body, err = p.block("endset")
	return n, err
}

func (p *parser) with(line int) (statement, error) {
	n := withNode{line: line}
	for p.peek().kind != kindTagEnd {
		if len(n.targets) > 0 {
			if _, err := p.expect(","); err != nil {
				return nil, err
			}
		}
		t, err := p.target(false)
		if err != nil {
			return nil, err
		}
		if _, err := p.expect("="); err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.targets, n.values = append(n.targets, t), append(n.values, value)
	}
	var err error
	n.body, err = p.block("endwith")
	return n, err
}

// target reads one target of an assignment.
func (p *parser) target(attributes bool) (target, error) {
	if p.take("(") {
		leave, err := p.enter()
		if err != nil {
			return target{}, err
		}
		defer leave()
		t, err := p.targets(attributes)
		if err == nil {
			_, err = p.expect(")")
		}
		return t, err
	}
	name, err := p.expect(kindName)
	if err != nil {
		return target{}, err
	}
	if reserved(name.text) {
		p.at--
		return target{}, p.fail("%q is set; expected a name that is no keyword", name.text)
	}
	t := target{name: name.text}
	if attributes && p.take(".") {
		attribute, err := p.expect(kindName)
		if err != nil {
			return target{}, err
		}
		t.attribute = attribute.text
	}
	return t, nil
}

func reserved(name string) bool {
	switch name {
	case "true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else":
		return true
	}
	return false
}

// targets reads one target, or several as a tuple.
func (p *parser) targets(attributes bool) (target, error) {
	t, err := p.target(attributes)
	if err != nil || p.peek().kind != "," {
		return t, err
	}
	t = target{parts: []target{t}}
	for p.take(",") {
		if k := p.peek(); k.kind != "(" && (k.kind != kindName || k.text == "in") {
			break
		}
		part, err := p.target(attributes)
		if err != nil {
			return t, err
		}
		t.parts = append(t.parts, part)
	}
	return t, nil
}

// signature reads the parameters of a macro.
func (p *parser) signature(n *macroNode) error {
	if _, err := p.expect("("); err != nil {
		return err
	}
	for p.peek().kind != ")" {
		if len(n.names) > 0 {
			if _, err := p.expect(","); err != nil {
				return err
			}
		}
		name, err := p.target(false)
		if err != nil {
			return err
		}
		if name.parts != nil || slices.Contains(n.names, name.name) {
			return p.fail("the parameters of %q; expected different names", n.name)
		}
		n.names = append(n.names, name.name)
		if p.take("=") {
			value, err := p.expression()
			if err != nil {
				return err
			}
			n.defaults = append(n.defaults, value)
		} else if len(n.defaults) > 0 {
			return p.fail("the parameter %q of %q; expected a default as those before it have", name.name, n.name)
		}
	}
	_, err := p.expect(")")
	return err
}

// macroBody reads a macro's body and sees what special names it uses.
func (p *parser) macroBody(n *macroNode, end string) (err error) {
	outer := p.names
	p.names = map[string]bool{}
	n.body, err = p.outsideLoops(func() ([]statement, error) { return p.block(end) })
	n.varargs, n.kwargs, n.caller = p.names["varargs"], p.names["kwargs"], p.names["caller"]
	if outer != nil {
		for name := range p.names {
			outer[name] = true
		}
	}
	p.names = outer
	return err
}

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
