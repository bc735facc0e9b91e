package jinja

import (
	"fmt"
	"slices"
	"strings"
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
