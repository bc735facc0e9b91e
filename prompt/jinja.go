package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/builtins"
	structures "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// A chat template comes with a model and is not to be trusted: these bound
// what it may do. The largest templates in use have 20 KiB.
const (
	maxSource  = 256 << 10
	maxNesting = 200     // open brackets and blocks
	maxDepth   = 50      // macros that call macros
	maxSteps   = 20_000  // rounds of loops and calls of macros in one rendering
	maxRange   = 100_000 // jinja2's sandbox has the same limit
)

// The rendering's own counters, under names no template can spell.
const (
	depthKey = "\x00depth"
	stepsKey = "\x00steps"
)

// compile parses a chat template with transformers' settings: blocks trimmed
// on both sides, loop controls, and the functions and filters that
// transformers/utils/chat_template_utils.py adds or replaces. Templates that
// read others (include, import, extends) are refused.
//
// What still differs from jinja2 is gonja's: a name that is none counts as
// undefined, a list written in the template has no element -n if it has n, and
// an index into a string counts bytes.
func compile(source string) (t *exec.Template, err error) {
	if strings.TrimSpace(source) == "" {
		return nil, errors.New("the chat template is empty; expected a Jinja template; use the default prompt or give the model a chat_template.jinja")
	}
	if err := checkNesting(source); err != nil {
		return nil, err
	}
	environment, err := environment()
	if err != nil {
		return nil, err
	}
	settings := config.New()
	settings.KeepTrailingNewline = true // trimBlocks has dealt with white space
	// gonja panics on some texts, which are a model's data and not ours.
	defer func() {
		if r := recover(); r != nil {
			t, err = nil, fmt.Errorf("the chat template does not compile: gonja panicked: %v; expected Jinja as transformers reads it; use another --prompt_template", r)
		}
	}()
	const name = "chat_template"
	t, err = exec.NewTemplate(name, settings, source1{name, trimBlocks(source)}, environment)
	if err != nil {
		// gonja puts the whole source into its message.
		detail := strings.ReplaceAll(err.Error(), trimBlocks(source), name)
		return nil, fmt.Errorf("the chat template does not compile: %s; expected Jinja as transformers reads it; use another --prompt_template", shorten(detail))
	}
	return t, nil
}

// checkNesting refuses sources that could exhaust the stack of gonja's
// recursive parser, which no recover stops.
func checkNesting(source string) error {
	if len(source) > maxSource {
		return fmt.Errorf("the chat template has %d bytes; expected at most %d; use another --prompt_template", len(source), maxSource)
	}
	brackets, blocks, operators := 0, 0, 0
	for i := 0; i < len(source); i++ {
		switch c := source[i]; c {
		case '(', '[', '{':
			brackets++
			if c == '{' && strings.HasPrefix(source[i:], "{%") {
				word := strings.TrimLeft(source[i+2:], "-+ \t\r\n")
				switch {
				case strings.HasPrefix(word, "end"):
					blocks--
				case hasAnyPrefix(word, "if", "for", "macro", "filter", "call", "with", "raw", "generation", "autoescape"):
					blocks++
				}
			}
			operators = 0
		case ')', ']', '}':
			brackets = max(0, brackets-1)
			operators = 0
		case '-', '+', '~', '*', '/', '|', '.':
			operators++
		case ' ', '\t', '\r', '\n':
		default:
			if strings.HasPrefix(source[i:], "not") {
				operators++
				i += 2
			} else {
				operators = 0
			}
		}
		if max(brackets, blocks, operators) > maxNesting {
			line := 1 + strings.Count(source[:i], "\n")
			return fmt.Errorf("line %d of the chat template: brackets or blocks nested more than %d deep; expected fewer; use another --prompt_template", line, maxNesting)
		}
	}
	return nil
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

// source1 is a loader that knows one text.
type source1 struct{ name, text string }

func (s source1) Read(path string) (io.Reader, error) {
	if path != s.name {
		return nil, fmt.Errorf("a chat template cannot read %q", path)
	}
	return strings.NewReader(s.text), nil
}

func (s source1) Resolve(path string) (string, error)    { return path, nil }
func (s source1) Inherit(string) (loaders.Loader, error) { return s, nil }

// list is a list of a template's data. gonja's own has no element -n in a list
// of n elements.
type list []any

// GetItem is list[key]; a negative key counts from the end.
func (l list) GetItem(key any) (*exec.Value, bool) {
	i, ok := key.(int)
	if i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return exec.AsValue(nil), false
	}
	return exec.ToValue(l[i]), true
}

// indexable makes a list of gonja's a list, and leaves all else alone.
func indexable(v *exec.Value) *exec.Value {
	if v == nil || v.IsNil() || v.IsError() {
		return v
	}
	switch v.Interface().(type) {
	case list, *exec.Dict:
		return v
	}
	if k := v.Val.Kind(); k != reflect.Slice && k != reflect.Array {
		return v
	}
	l := make(list, v.Val.Len())
	for i := range l {
		l[i] = v.Val.Index(i).Interface()
	}
	return exec.AsValue(l)
}

// indexableFilter is a filter of gonja's whose list is a list.
func indexableFilter(filter exec.FilterFunction) exec.FilterFunction {
	return func(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
		return indexable(filter(e, in, params))
	}
}

// indexableMethods are methods of gonja's whose lists are lists.
func indexableMethods[I any](from *exec.MethodSet[I], names string) *exec.MethodSet[I] {
	methods := map[string]exec.Method[I]{}
	for _, name := range strings.Fields(names) {
		method, ok := from.Get(name)
		if !ok {
			continue // a template that calls it gets gonja's error
		}
		methods[name] = func(self I, value *exec.Value, params *exec.VarArgs) (any, error) {
			if text, ok := any(self).(string); ok && name == "split" && len(params.Args) == 0 && len(params.KwArgs) == 0 {
				// gonja's own needs a separator.
				return indexable(exec.AsValue(strings.FieldsFunc(text, isPythonSpace))).Interface(), nil
			}
			result, err := method(self, value, params)
			if err != nil || result == nil {
				return result, err
			}
			return indexable(exec.ToValue(result)).Interface(), nil
		}
	}
	return exec.NewMethodSet(methods)
}

// The methods of Python's strings and dictionaries that gonja has.
const (
	stringMethods = "capitalize capwords casefold center count encode endswith expandtabs find format format_map " +
		"isalnum isalpha isascii isdecimal isdigit islower isnumeric isprintable isspace istitle isupper join ljust " +
		"lower lstrip partition removeprefix removesuffix replace rfind rjust rpartition rsplit rstrip split " +
		"splitlines startswith strip swapcase title upper zfill"
	dictMethods = "keys values items get pop setdefault update copy clear"
)

// dict makes a mapping that keeps its order.
func dict(pairs ...string) *exec.Dict {
	d := exec.NewDict()
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Pairs = append(d.Pairs, &exec.Pair{Key: exec.AsValue(pairs[i]), Value: exec.AsValue(pairs[i+1])})
	}
	return d
}

// environment holds what a chat template may use.
func environment() (*exec.Environment, error) {
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters)
	own := map[string]exec.FilterFunction{"tojson": tojson, "trim": trim}
	for name, filter := range own {
		if err := filters.Replace(name, filter); err != nil {
			return nil, err
		}
	}
	for _, name := range strings.Fields("batch dictsort groupby items list map reject rejectattr reverse select selectattr slice sort unique") {
		filter, ok := builtins.Filters.Get(name)
		if !ok {
			return nil, fmt.Errorf("gonja has no filter %q", name)
		}
		if err := filters.Replace(name, indexableFilter(filter)); err != nil {
			return nil, err
		}
	}
	blocks := map[string]parser.ControlStructureParser{
		"generation": parseGeneration,
		"for":        parseFor,
		"macro":      parseMacro,
	}
	for _, name := range []string{"if", "set", "raw", "with", "do", "break", "continue", "filter", "call", "autoescape"} {
		parse, ok := structures.All.Get(name)
		if !ok {
			return nil, fmt.Errorf("gonja has no block %q", name)
		}
		blocks[name] = parse
	}
	globals := exec.EmptyContext().Update(builtins.GlobalFunctions)
	globals.Set("range", pyRange)
	methods := builtins.Methods
	methods.Str = indexableMethods(methods.Str, stringMethods)
	methods.Dict = indexableMethods(methods.Dict, dictMethods)
	return &exec.Environment{
		Context:           globals,
		Filters:           filters,
		Tests:             builtins.Tests,
		ControlStructures: exec.NewControlStructureSet(blocks),
		Methods:           methods,
	}, nil
}

// step counts a round of a loop or a call of a macro.
func step(r *exec.Renderer) error {
	if n, ok := r.Environment.Context.Get(stepsKey); ok {
		if n, ok := n.(*int); ok {
			if *n++; *n > maxSteps {
				return fmt.Errorf("more than %d rounds of loops and calls of macros", maxSteps)
			}
		}
	}
	return nil
}

// tick is a block without text that counts a round of the loop it opens.
type tick struct{ at *tokens.Token }

func (t tick) Position() *tokens.Token { return t.at }
func (t tick) String() string          { return "tick" }
func (t tick) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	return step(r)
}

// parseFor is gonja's for, with its rounds counted.
func parseFor(p, args *parser.Parser) (nodes.ControlStructure, error) {
	parse, _ := structures.All.Get("for")
	parsed, err := parse(p, args)
	if err != nil {
		return nil, err
	}
	loop, ok := parsed.(*structures.ForControlStructure)
	if !ok {
		return nil, fmt.Errorf("gonja reads a for as %T", parsed)
	}
	if loop.Recursive {
		return nil, args.Error("a chat template cannot loop recursively", nil)
	}
	at := loop.BodyWrapper.Location
	loop.BodyWrapper.Nodes = append([]nodes.Node{&nodes.ControlStructureBlock{
		Location: at, Name: "tick", ControlStructure: tick{at},
	}}, loop.BodyWrapper.Nodes...)
	return loop, nil
}

// macro is gonja's macro, with its calls counted and its depth bounded.
type macro struct{ *nodes.Macro }

func (m macro) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	call, err := exec.MacroNodeToFunc(m.Macro, r)
	if err != nil {
		return err
	}
	r.Environment.Context.Set(m.Name, exec.Macro(func(params *exec.VarArgs) *exec.Value {
		if err := step(r); err != nil {
			return exec.AsValue(err)
		}
		depth := new(int)
		if d, ok := r.Environment.Context.Get(depthKey); ok {
			if d, ok := d.(*int); ok {
				depth = d
			}
		}
		if *depth >= maxDepth {
			return exec.AsValue(fmt.Errorf("macro %q is called more than %d deep", m.Name, maxDepth))
		}
		*depth++
		defer func() { *depth-- }()
		return call(params)
	}))
	return nil
}

func parseMacro(p, args *parser.Parser) (nodes.ControlStructure, error) {
	parse, _ := structures.All.Get("macro")
	parsed, err := parse(p, args)
	if err != nil {
		return nil, err
	}
	m, ok := parsed.(*structures.MacroControlStructure)
	if !ok {
		return nil, fmt.Errorf("gonja reads a macro as %T", parsed)
	}
	return macro{m.Macro}, nil
}

// generation is transformers' {% generation %}: it marks the assistant's
// text for another use and renders its body as it stands.
type generation struct {
	at   *tokens.Token
	body *nodes.Wrapper
}

func (g generation) Position() *tokens.Token { return g.at }
func (g generation) String() string          { return "generation" }
func (g generation) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	return r.ExecuteWrapper(g.body)
}

func parseGeneration(p, args *parser.Parser) (nodes.ControlStructure, error) {
	if !args.End() {
		return nil, args.Error("generation takes no arguments", nil)
	}
	at := p.Current()
	body, end, err := p.WrapUntil("endgeneration")
	if err != nil {
		return nil, err
	}
	if !end.End() {
		return nil, end.Error("endgeneration takes no arguments", nil)
	}
	return generation{at, body}, nil
}

// raiseException is how a template refuses a conversation.
func raiseException(params *exec.VarArgs) *exec.Value {
	return exec.AsValue(fmt.Errorf("%s", params.First().String()))
}

// pyRange is range without gonja's goroutine, and as long as jinja2's
// sandbox allows.
func pyRange(params *exec.VarArgs) *exec.Value {
	var n [3]int
	if len(params.Args) < 1 || len(params.Args) > 3 {
		return exec.AsValue(fmt.Errorf("range takes one to three numbers, not %d", len(params.Args)))
	}
	for i, a := range params.Args {
		if !a.IsInteger() {
			return exec.AsValue(fmt.Errorf("range takes whole numbers, not %s", clip(a.String())))
		}
		n[i] = a.Integer()
	}
	start, stop, by := n[0], n[1], n[2]
	if len(params.Args) == 1 {
		start, stop = 0, n[0]
	}
	if len(params.Args) < 3 {
		by = 1
	}
	if by == 0 {
		return exec.AsValue(errors.New("range takes no step of 0"))
	}
	list := []any{}
	for i := start; (by > 0 && i < stop) || (by < 0 && i > stop); i += by {
		if len(list) == maxRange {
			return exec.AsValue(fmt.Errorf("range of more than %d numbers", maxRange))
		}
		list = append(list, i)
	}
	return exec.AsValue(list)
}

// isPythonSpace says what Python's str.strip takes off.
func isPythonSpace(r rune) bool { return unicode.IsSpace(r) || (r >= 0x1c && r <= 0x1f) }

// trim is jinja2's: Python's str.strip.
func trim(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	chars := params.GetKeywordArgument("chars", nil)
	if len(params.Args) > 0 {
		chars = params.First()
	}
	if chars.IsNil() {
		return exec.AsValue(strings.TrimFunc(in.String(), isPythonSpace))
	}
	return exec.AsValue(strings.Trim(in.String(), chars.String()))
}

// strftimeNow formats now as Python's strftime does in the C locale, for the
// directives that stand for a part of a date or time.
func strftimeNow(now time.Time) func(*exec.VarArgs) *exec.Value {
	layouts := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'd': "02", 'm': "01",
		'y': "06", 'Y': "2006", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM",
		'f': "000000", 'j': "002", 'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06",
		'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'e': "_2",
		'R': "15:04", 'h': "Jan",
	}
	return func(params *exec.VarArgs) *exec.Value {
		format := params.First().String()
		var b strings.Builder
		for i := 0; i < len(format); i++ {
			if format[i] != '%' || i+1 == len(format) {
				b.WriteByte(format[i])
				continue
			}
			i++
			bare := format[i] == '-' && i+1 < len(format) // without leading zeros
			if bare {
				i++
			}
			layout, ok := layouts[format[i]]
			switch {
			case format[i] == '%':
				b.WriteByte('%')
			case format[i] == 'f':
				fmt.Fprintf(&b, "%06d", now.Nanosecond()/1000)
			case !ok:
				return exec.AsValue(fmt.Errorf("strftime_now knows no %%%c", format[i]))
			case bare:
				text := strings.TrimLeft(now.Format(layout), "0")
				if text == "" {
					text = "0"
				}
				b.WriteString(text)
			default:
				b.WriteString(now.Format(layout))
			}
		}
		return exec.AsValue(b.String())
	}
}

// tojson is transformers': Python's json.dumps with ensure_ascii off.
func tojson(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	d := dumper{item: ", ", key: ": "}
	// The order of the parameters is that of transformers' function.
	argument := func(i int, name string) *exec.Value {
		if i < len(params.Args) {
			return params.Args[i]
		}
		return params.GetKeywordArgument(name, nil)
	}
	d.ascii = argument(0, "ensure_ascii").IsTrue()
	if indent := argument(1, "indent"); !indent.IsNil() {
		d.indented, d.item = true, ","
		if indent.IsString() {
			d.indent = indent.String()
		} else {
			d.indent = strings.Repeat(" ", min(max(0, indent.Integer()), 64))
		}
	}
	if separators := argument(2, "separators"); !separators.IsNil() {
		if separators.Len() != 2 {
			return exec.AsValue(errors.New("tojson takes two separators"))
		}
		d.item, d.key = separators.Index(0).String(), separators.Index(1).String()
	}
	d.sorted = argument(3, "sort_keys").IsTrue()
	if err := d.value(in.Interface(), 0); err != nil {
		return exec.AsValue(err)
	}
	return exec.AsSafeValue(d.out.String())
}

// dumper writes a value as Python's json.dumps does.
type dumper struct {
	out       strings.Builder
	item, key string // separators
	indent    string
	indented  bool
	ascii     bool
	sorted    bool
}

func (d *dumper) value(v any, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("tojson of a value nested more than %d deep", maxNesting)
	}
	switch v := v.(type) {
	case nil:
		d.out.WriteString("null")
		return nil
	case *exec.Value:
		if v.IsNil() {
			return d.value(nil, depth)
		}
		return d.value(v.Interface(), depth)
	case string:
		d.text(v)
		return nil
	case bool:
		d.out.WriteString(strconv.FormatBool(v))
		return nil
	case float64:
		return d.float(v)
	case json.Number:
		d.out.WriteString(v.String())
		return nil
	case *exec.Dict:
		return d.pairs(v.Pairs, depth)
	case exec.Dict:
		return d.pairs(v.Pairs, depth)
	case exec.ValuesList:
		return d.list(len(v), func(i int) any { return v[i] }, depth)
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.out.WriteString(strconv.FormatInt(r.Int(), 10))
		return nil
	case reflect.Slice, reflect.Array:
		return d.list(r.Len(), func(i int) any { return r.Index(i).Interface() }, depth)
	case reflect.Map:
		// A Go map has no order; namespaces and **kwargs are the only ones.
		var pairs []*exec.Pair
		for _, k := range r.MapKeys() {
			pairs = append(pairs, &exec.Pair{Key: exec.AsValue(k.Interface()), Value: exec.AsValue(r.MapIndex(k).Interface())})
		}
		sort.Slice(pairs, func(i, j int) bool { return pairs[i].Key.String() < pairs[j].Key.String() })
		return d.pairs(pairs, depth)
	}
	return fmt.Errorf("tojson cannot write a %T", v)
}

func (d *dumper) float(v float64) error {
	switch {
	case math.IsNaN(v):
		d.out.WriteString("NaN")
	case math.IsInf(v, 1):
		d.out.WriteString("Infinity")
	case math.IsInf(v, -1):
		d.out.WriteString("-Infinity")
	default:
		form := byte('f')
		if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e16) {
			form = 'e'
		}
		text := strconv.FormatFloat(v, form, -1, 64)
		if form == 'f' && !strings.Contains(text, ".") {
			text += ".0"
		}
		d.out.WriteString(text)
	}
	return nil
}

func (d *dumper) list(n int, at func(int) any, depth int) error {
	return d.group('[', ']', n, depth, func(i int) error { return d.value(at(i), depth+1) })
}

func (d *dumper) pairs(pairs []*exec.Pair, depth int) error {
	if d.sorted {
		pairs = slices.Clone(pairs)
		sort.SliceStable(pairs, func(i, j int) bool { return pairs[i].Key.String() < pairs[j].Key.String() })
	}
	return d.group('{', '}', len(pairs), depth, func(i int) error {
		d.text(pairs[i].Key.String())
		d.out.WriteString(d.key)
		return d.value(pairs[i].Value, depth+1)
	})
}

func (d *dumper) group(open, close byte, n, depth int, write func(int) error) error {
	d.out.WriteByte(open)
	for i := range n {
		if i > 0 {
			d.out.WriteString(d.item)
		}
		d.line(depth + 1)
		if err := write(i); err != nil {
			return err
		}
		if d.out.Len() > maxRendered {
			return fmt.Errorf("tojson of more than %d bytes", maxRendered)
		}
	}
	if n > 0 {
		d.line(depth)
	}
	d.out.WriteByte(close)
	return nil
}

func (d *dumper) line(depth int) {
	if d.indented {
		d.out.WriteByte('\n')
		for range depth {
			d.out.WriteString(d.indent)
		}
	}
}

func (d *dumper) text(s string) {
	d.out.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			d.out.WriteByte('\\')
			d.out.WriteRune(r)
		case r == '\n':
			d.out.WriteString(`\n`)
		case r == '\r':
			d.out.WriteString(`\r`)
		case r == '\t':
			d.out.WriteString(`\t`)
		case r == '\b':
			d.out.WriteString(`\b`)
		case r == '\f':
			d.out.WriteString(`\f`)
		case r < 0x20, d.ascii && r >= 0x7f && r <= 0xffff && r != 0x7f:
			fmt.Fprintf(&d.out, `\u%04x`, r)
		case d.ascii && r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&d.out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			d.out.WriteString(s[i : i+size])
		}
		i += size
	}
	d.out.WriteByte('"')
}
