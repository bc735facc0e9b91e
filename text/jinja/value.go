package jinja

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The values of a template, as Python has them: nil (None), bool, int64,
// float64, string, and these.
type (
	list  []any
	tuple []any

	// markup is a string that is safe to stand in HTML: what joins it is
	// escaped (markupsafe.Markup).
	markup string

	dict struct {
		keys, values []any
		at           map[any]int // by hashKey
	}

	// view is what items(), keys() and values() of a dictionary return.
	view struct {
		name  string
		items list
	}

	// generator is what can be gone through once: what map, select and their
	// like return.
	generator struct{ items list }

	span struct{ start, stop, step, n int64 } // range(…)

	// undefined is what a name or attribute is that is not there. It prints as
	// nothing and fails in what else is done with it.
	undefined struct{ hint string }

	namespace struct{ attributes *dict }

	// function is what can be called: a macro, a function, a method.
	function struct {
		name string
		call func(*run, arguments) (any, error)
		// attribute is what the function has besides, nil for none.
		attribute func(name string) (any, bool)
		prints    string
	}

	loop struct {
		items         list
		at            int
		depth         int
		changed       list // what loop.changed was last called with
		changedCalled bool
		again         func(*run, arguments) (any, error) // recursion, nil for none
	}
)

// missing is the value of an argument that is not given.
type missing struct{}

func newDict() *dict { return &dict{at: map[any]int{}} }

type tupleKey string

// hashKey is under what a dictionary keeps a key: 1, 1.0 and true are the same.
func (r *run) hashKey(key any) (any, error) {
	if s, ok := text(key); ok {
		return s, r.step(len(s) / 256)
	}
	switch k := key.(type) {
	case nil, int64:
		return k, nil
	case bool:
		if k {
			return int64(1), nil
		}
		return int64(0), nil
	case float64:
		if k == math.Trunc(k) && math.Abs(k) < 1<<62 {
			return int64(k), nil
		}
		return k, nil
	case tuple:
		var b strings.Builder
		for _, e := range k {
			if _, ok := e.(tuple); ok {
				return nil, errors.New("a tuple in a tuple as a key; expected a plain value")
			}
			h, err := r.hashKey(e)
			if s, ok := text(e); ok && err == nil {
				err = r.grow(len(s))
			}
			if err == nil {
				err = r.step(1)
			}
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "%T %v\x00", h, h)
		}
		return tupleKey(b.String()), nil
	case *undefined, *function, *namespace:
		return k, nil
	}
	return nil, fmt.Errorf("%s as a dictionary's key; expected a string, number, boolean, none or tuple", described(key))
}

func (d *dict) get(r *run, key any) (any, bool, error) {
	h, err := r.hashKey(key)
	if err != nil {
		return nil, false, err
	}
	i, ok := d.at[h]
	if !ok {
		return nil, false, nil
	}
	return d.values[i], true, nil
}

func (d *dict) set(r *run, key, value any) error {
	h, err := r.hashKey(key)
	if err != nil {
		return err
	}
	if i, ok := d.at[h]; ok {
		d.values[i] = value
		return nil
	}
	d.at[h] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, value)
	return nil
}

func (d *dict) text(key string) (any, bool) {
	i, ok := d.at[key]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

func (d *dict) pairs() list {
	items := make(list, len(d.keys))
	for i := range d.keys {
		items[i] = tuple{d.keys[i], d.values[i]}
	}
	return items
}

func (s span) list() list {
	l := make(list, s.n)
	for i := range l {
		l[i] = s.start + int64(i)*s.step
	}
	return l
}

// typeName is the name of a value's type in Python.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case markup:
		return "Markup"
	case list:
		return "list"
	case tuple:
		return "tuple"
	case *dict:
		return "dict"
	case *view:
		return v.name
	case *generator:
		return "generator"
	case span:
		return "range"
	case *undefined:
		return "Undefined"
	case *namespace:
		return "Namespace"
	case *loop:
		return "LoopContext"
	}
	return "function"
}

func (u *undefined) err() error { return errors.New(u.hint) }

// text is a string's or markup's text.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case markup:
		return string(v), true
	}
	return "", false
}

// integer is an int's or bool's number.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// number is any number as a float.
func number(v any) (float64, bool) {
	if f, ok := v.(float64); ok {
		return f, true
	}
	i, ok := integer(v)
	return float64(i), ok
}

// truth is what an if makes of a value.
func truth(v any) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case float64:
		return v != 0
	case int64:
		return v != 0
	case string:
		return v != ""
	case markup:
		return v != ""
	}
	if n, ok := length(v); ok {
		return n > 0
	}
	return true
}

// length is Python's len, where a value has one.
func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case markup:
		return utf8.RuneCountInString(string(v)), true
	case list:
		return len(v), true
	case tuple:
		return len(v), true
	case *dict:
		return len(v.keys), true
	case *view:
		return len(v.items), true
	case span:
		return int(v.n), true
	case *undefined:
		return 0, true
	case *loop:
		return len(v.items), true
	}
	return 0, false
}

// iterate is what a for goes through.
func (r *run) iterate(v any) (list, error) {
	switch v := v.(type) {
	case list:
		return v, r.step(len(v) / 16)
	case tuple:
		return list(v), r.step(len(v) / 16)
	case *dict:
		return v.keys, r.step(len(v.keys) / 16)
	case *view:
		return v.items, r.step(len(v.items) / 16)
	case span:
		if err := r.grow(16 * int(v.n)); err != nil {
			return nil, err
		}
		return v.list(), nil
	case string, markup:
		s, _ := text(v)
		if err := r.grow(24 * len(s)); err != nil {
			return nil, err
		}
		l := make(list, 0, len(s))
		for i, c := range s {
			l = append(l, s[i:i+utf8.RuneLen(c)])
		}
		return l, nil
	case *generator:
		items := v.items
		v.items = nil
		return items, r.step(len(items) / 16)
	case *undefined:
		return nil, nil
	case *loop:
		rest := v.items[min(v.at+1, len(v.items)):]
		return rest, nil
	}
	return nil, fmt.Errorf("%s has no elements; expected a list, dictionary, string or range", described(v))
}

// equal is Python's ==.
func (r *run) equal(a, b any, depth int) (bool, error) {
	if depth > r.limits.Nesting {
		return false, &LimitError{"values nested in each other", r.limits.Nesting}
	}
	if err := r.step(1); err != nil {
		return false, err
	}
	if x, ok := text(a); ok {
		y, ok := text(b)
		return ok && x == y, r.step(min(len(x), len(y)) / 256)
	}
	if i, ok := integer(a); ok {
		if j, ok := integer(b); ok {
			return i == j, nil
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y, nil
	}
	sequence := func(x, y []any) (bool, error) {
		if len(x) != len(y) {
			return false, nil
		}
		for i := range x {
			if same, err := r.equal(x[i], y[i], depth+1); err != nil || !same {
				return false, err
			}
		}
		return true, nil
	}
	switch a := a.(type) {
	case nil:
		return b == nil, nil
	case list:
		b, ok := b.(list)
		if !ok {
			return false, nil
		}
		return sequence(a, b)
	case tuple:
		b, ok := b.(tuple)
		if !ok {
			return false, nil
		}
		return sequence(a, b)
	case *dict:
		b, ok := b.(*dict)
		if !ok || len(a.keys) != len(b.keys) {
			return false, nil
		}
		for i, k := range a.keys {
			v, ok, err := b.get(r, k)
			if err != nil || !ok {
				return false, err
			}
			if same, err := r.equal(a.values[i], v, depth+1); err != nil || !same {
				return false, err
			}
		}
		return true, nil
	case span:
		b, ok := b.(span)
		return ok && a.n == b.n && (a.n == 0 || a.start == b.start && (a.n == 1 || a.step == b.step)), nil
	case *undefined:
		_, ok := b.(*undefined)
		return ok, nil
	case *view:
		b, ok := b.(*view)
		if !ok || a.name == "dict_values" || a.name != b.name || len(a.items) != len(b.items) {
			return ok && a == b, nil
		}
		return sequence(a.items, b.items)
	case *generator, *namespace, *function, *loop:
		return a == b, nil
	}
	return false, nil
}

// order is Python's comparison of two values that have one: below, above or 0.
func (r *run) order(op string, a, b any, depth int) (int, error) {
	if err := r.step(1); err != nil {
		return 0, err
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(*undefined); ok {
			return 0, u.err()
		}
	}
	if x, ok := text(a); ok {
		if y, ok := text(b); ok {
			return strings.Compare(x, y), r.step(min(len(x), len(y)) / 256)
		}
	}
	if i, ok := integer(a); ok {
		if j, ok := integer(b); ok {
			return compare(i, j), nil
		}
	}
	if x, ok := number(a); ok {
		if y, ok := number(b); ok {
			return compare(x, y), nil
		}
	}
	var x, y []any
	switch s := a.(type) {
	case list:
		if t, ok := b.(list); ok {
			x, y = s, t
		}
	case tuple:
		if t, ok := b.(tuple); ok {
			x, y = s, t
		}
	}
	if depth > r.limits.Nesting {
		return 0, &LimitError{"values nested in each other", r.limits.Nesting}
	}
	if x == nil && y == nil {
		return 0, fmt.Errorf("%q between %s and %s; expected two numbers, strings, lists or tuples", op, described(a), described(b))
	}
	for i := range min(len(x), len(y)) {
		same, err := r.equal(x[i], y[i], depth+1)
		if err != nil {
			return 0, err
		}
		if !same {
			return r.order(op, x[i], y[i], depth+1)
		}
	}
	return compare(len(x), len(y)), nil
}

// compare is -1, 0 or 1, or 2 where neither is less: NaN.
func compare[T int | int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return 2
}

// contains is b's "a in b".
func (r *run) contains(a, b any) (bool, error) {
	switch b := b.(type) {
	case string, markup:
		whole, _ := text(b)
		part, ok := text(a)
		if !ok {
			if u, ok := a.(*undefined); ok {
				return false, u.err()
			}
			return false, fmt.Errorf("%s is looked for in a string; expected a string", described(a))
		}
		return strings.Contains(whole, part), r.step(len(whole) / 256)
	case *dict:
		_, ok, err := b.get(r, a)
		return ok, err
	case span:
		i, ok := integer(a)
		if !ok {
			f, isFloat := a.(float64)
			if i, ok = int64(f), isFloat && f == math.Trunc(f); !ok {
				return false, nil
			}
		}
		at := i - b.start
		return b.n > 0 && at%b.step == 0 && at/b.step >= 0 && at/b.step < b.n, nil
	case *loop, nil, bool, int64, float64, *namespace, *function:
		return false, fmt.Errorf("something is looked for in %s; expected a string, list or dictionary", described(b))
	}
	items, err := r.iterate(b)
	if err != nil {
		return false, err
	}
	for _, e := range items {
		if same, err := r.equal(a, e, 0); err != nil || same {
			return same, err
		}
	}
	return false, nil
}

// floatText is Python's repr of a float.
func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// str is Python's str of a value.
func (r *run) str(v any) (string, error) {
	if s, ok := text(v); ok {
		return s, nil
	}
	if _, ok := v.(*undefined); ok {
		return "", nil
	}
	return r.repr(v)
}

// repr is Python's repr of a value.
func (r *run) repr(v any) (string, error) {
	p := printer{writer{r: r}}
	if err := p.value(v, 0); err != nil {
		return "", err
	}
	return p.out.String(), nil
}

// writer writes text within the bounds of a run.
type writer struct {
	r   *run
	out strings.Builder
}

func (w *writer) write(s string) error {
	if err := w.r.grow(len(s)); err != nil {
		return err
	}
	w.out.WriteString(s)
	return nil
}

// enter begins a value at a depth.
func (w *writer) enter(depth int) error {
	if depth > w.r.limits.Nesting {
		return &LimitError{"values nested in each other", w.r.limits.Nesting}
	}
	return w.r.step(1)
}

// printer writes values as Python's repr does.
type printer struct{ writer }

func (p *printer) value(v any, depth int) error {
	if err := p.enter(depth); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		return p.write("None")
	case bool:
		if v {
			return p.write("True")
		}
		return p.write("False")
	case int64:
		return p.write(strconv.FormatInt(v, 10))
	case float64:
		return p.write(floatText(v))
	case string, markup:
		s, _ := text(v)
		if err := p.r.grow(quotedSize(s)); err != nil {
			return err
		}
		if _, safe := v.(markup); safe {
			p.out.WriteString("Markup(" + quote(s) + ")")
		} else {
			p.out.WriteString(quote(s))
		}
		return nil
	case list:
		return p.group("[", "]", v, depth)
	case tuple:
		if len(v) == 1 {
			return p.group("(", ",)", v, depth)
		}
		return p.group("(", ")", v, depth)
	case *dict:
		return p.dict(v, depth)
	case *view:
		if err := p.write(v.name + "("); err != nil {
			return err
		}
		if err := p.group("[", "]", v.items, depth); err != nil {
			return err
		}
		return p.write(")")
	case span:
		if v.step == 1 {
			return p.write(fmt.Sprintf("range(%d, %d)", v.start, v.stop))
		}
		return p.write(fmt.Sprintf("range(%d, %d, %d)", v.start, v.stop, v.step))
	case *undefined:
		return p.write("Undefined")
	case *namespace:
		if err := p.write("<Namespace "); err != nil {
			return err
		}
		if err := p.dict(v.attributes, depth); err != nil {
			return err
		}
		return p.write(">")
	case *loop:
		return p.write(fmt.Sprintf("<LoopContext %d/%d>", v.at+1, len(v.items)))
	case *function:
		return p.write(v.prints)
	}
	return fmt.Errorf("%s is printed; expected a list, as the filter list makes one", described(v))
}

func (p *printer) group(open, close string, items []any, depth int) error {
	if err := p.write(open); err != nil {
		return err
	}
	for i, e := range items {
		if i > 0 {
			if err := p.write(", "); err != nil {
				return err
			}
		}
		if err := p.value(e, depth+1); err != nil {
			return err
		}
	}
	return p.write(close)
}

func (p *printer) dict(d *dict, depth int) error {
	if err := p.write("{"); err != nil {
		return err
	}
	for i, k := range d.keys {
		if i > 0 {
			if err := p.write(", "); err != nil {
				return err
			}
		}
		if err := p.value(k, depth+1); err != nil {
			return err
		}
		if err := p.write(": "); err != nil {
			return err
		}
		if err := p.value(d.values[i], depth+1); err != nil {
			return err
		}
	}
	return p.write("}")
}

// quotedSize is how many bytes a text takes in quotes, at most.
func quotedSize(s string) int {
	escapes := 0
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '\'' {
			escapes++
		}
	}
	return len(s) + 5*escapes + 2
}

// quote is Python's repr of a string.
func quote(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	var b strings.Builder
	b.WriteByte(q)
	for _, r := range s {
		switch {
		case r == rune(q) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte(q)
	return b.String()
}

var errBig = errors.New("a number beyond 64 bits; expected a smaller one")

// arithmetic is a binary operator on two values.
func (r *run) arithmetic(op kind, a, b any) (any, error) {
	if op == "%" {
		if format, ok := text(a); ok {
			args, isTuple := b.(tuple)
			if !isTuple {
				args = tuple{b}
			}
			s, err := r.percent(format, args, b)
			if _, safe := a.(markup); safe {
				return markup(s), err
			}
			return s, err
		}
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(*undefined); ok {
			return nil, u.err()
		}
	}
	i, iOK := integer(a)
	j, jOK := integer(b)
	if iOK && jOK {
		return integers(op, i, j)
	}
	x, xOK := number(a)
	y, yOK := number(b)
	if xOK && yOK {
		return floats(op, x, y)
	}
	switch op {
	case "+":
		if v, ok, err := r.add(a, b); ok || err != nil {
			return v, err
		}
		return nil, fmt.Errorf("%s between %s and %s; expected two numbers, strings, lists or tuples, or ~ to join any as strings", op, described(a), described(b))
	case "*":
		if jOK {
			if v, ok, err := r.repeat(a, j); ok || err != nil {
				return v, err
			}
		}
		if iOK {
			if v, ok, err := r.repeat(b, i); ok || err != nil {
				return v, err
			}
		}
	}
	return nil, fmt.Errorf("%s between %s and %s; expected two numbers", op, described(a), described(b))
}

func integers(op kind, i, j int64) (any, error) {
	switch op {
	case "+":
		if s := i + j; (s > i) == (j > 0) {
			return s, nil
		}
		return nil, errBig
	case "-":
		if s := i - j; (s < i) == (j > 0) {
			return s, nil
		}
		return nil, errBig
	case "*":
		hi, lo := bits.Mul64(magnitude(i), magnitude(j))
		if hi > 0 || lo > math.MaxInt64 {
			return nil, errBig
		}
		return i * j, nil
	case "**":
		if j < 0 {
			return floats(op, float64(i), float64(j))
		}
		switch {
		case j == 0 || i == 1 || i == -1 && j%2 == 0:
			return int64(1), nil
		case i == 0 || i == -1:
			return i, nil
		}
		power := int64(1)
		for range j {
			v, err := integers("*", power, i)
			if err != nil {
				return nil, err
			}
			power = v.(int64)
		}
		return power, nil
	}
	if j == 0 {
		return nil, fmt.Errorf("%s with 0 on the right; expected another number", op)
	}
	switch op {
	case "/":
		return float64(i) / float64(j), nil
	case "//":
		if i == math.MinInt64 && j == -1 {
			return nil, errBig
		}
		q := i / j
		if i%j != 0 && (i < 0) != (j < 0) {
			q--
		}
		return q, nil
	}
	m := i % j
	if m != 0 && (m < 0) != (j < 0) {
		m += j
	}
	return m, nil
}

func magnitude(i int64) uint64 {
	if i < 0 {
		return uint64(-i)
	}
	return uint64(i)
}

func floats(op kind, x, y float64) (any, error) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "**":
		if x == 0 && y < 0 {
			return nil, errors.New("0 to a negative power; expected a positive one")
		}
		p := math.Pow(x, y)
		if math.IsInf(p, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
			return nil, errors.New("a power beyond what a float holds; expected a smaller one")
		}
		if math.IsNaN(p) && !math.IsNaN(x) && !math.IsNaN(y) {
			return nil, errors.New("a complex number; expected a real one")
		}
		return p, nil
	}
	if y == 0 {
		return nil, fmt.Errorf("%s with 0 on the right; expected another number", op)
	}
	if op == "/" {
		return x / y, nil
	}
	// As Python's float_divmod.
	m := math.Mod(x, y)
	d := (x - m) / y
	if m != 0 {
		if (y < 0) != (m < 0) {
			m += y
			d--
		}
	} else {
		m = math.Copysign(0, y)
	}
	if op == "%" {
		return m, nil
	}
	if d == 0 {
		return math.Copysign(0, x/y), nil
	}
	f := math.Floor(d)
	if d-f > 0.5 {
		f++
	}
	return f, nil
}

// add joins two texts or lists.
func (r *run) add(a, b any) (any, bool, error) {
	if x, ok := text(a); ok {
		y, ok := text(b)
		if !ok {
			return nil, false, nil
		}
		if err := r.grow(len(x) + len(y)); err != nil {
			return nil, false, err
		}
		_, safeA := a.(markup)
		_, safeB := b.(markup)
		switch {
		case safeA && safeB:
			return markup(x + y), true, nil
		case safeA:
			return markup(x + escape(y)), true, nil
		case safeB:
			return markup(escape(x) + y), true, nil
		}
		return x + y, true, nil
	}
	switch x := a.(type) {
	case list:
		if y, ok := b.(list); ok {
			return slices.Concat(x, y), true, r.grow(16 * (len(x) + len(y)))
		}
	case tuple:
		if y, ok := b.(tuple); ok {
			return slices.Concat(x, y), true, r.grow(16 * (len(x) + len(y)))
		}
	}
	return nil, false, nil
}

// repeat is a text or list n times.
func (r *run) repeat(v any, n int64) (any, bool, error) {
	n = max(0, n)
	fits := func(size int) error {
		if size > 0 && n > int64(r.limits.Bytes/size) {
			return r.grow(r.limits.Bytes + 1)
		}
		return r.grow(size * int(n))
	}
	switch v := v.(type) {
	case string:
		if err := fits(len(v)); err != nil {
			return nil, false, err
		}
		if v == "" {
			return "", true, nil
		}
		return strings.Repeat(v, int(n)), true, nil
	case markup:
		s, ok, err := r.repeat(string(v), n)
		if !ok {
			return nil, false, err
		}
		return markup(s.(string)), true, nil
	case list:
		if err := fits(16 * len(v)); err != nil {
			return nil, false, err
		}
		if len(v) == 0 {
			return v, true, nil
		}
		return slices.Repeat(v, int(n)), true, nil
	case tuple:
		l, ok, err := r.repeat(list(v), n)
		if !ok {
			return nil, false, err
		}
		return tuple(l.(list)), true, nil
	}
	return nil, false, nil
}

// escape is markupsafe's.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(s)
}

// runeAt is the byte where a text's character n begins, counted from the end
// where n is negative; -1 where there is none.
func runeAt(s string, n int64) int {
	if n < 0 {
		at := len(s)
		for ; n < 0; n++ {
			if at == 0 {
				return -1
			}
			_, size := utf8.DecodeLastRuneInString(s[:at])
			at -= size
		}
		return at
	}
	if isASCII(s) {
		if n < int64(len(s)) {
			return int(n)
		}
		return -1
	}
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return -1
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// bounds are Python's of a slice of n elements.
func bounds(n int64, start, stop any, step int64) (from, to int64, err error) {
	at := func(v any, absent int64) (int64, error) {
		if v == nil {
			return absent, nil
		}
		i, ok := integer(v)
		if !ok {
			return 0, fmt.Errorf("given %s as a bound; expected an integer or none", described(v))
		}
		low, high := int64(0), n
		if step < 0 {
			low, high = -1, n-1
		}
		if i < 0 {
			if i += n; i < low {
				i = low
			}
		}
		return min(i, high), nil
	}
	first, last := int64(0), n
	if step < 0 {
		first, last = n-1, -1
	}
	if from, err = at(start, first); err != nil {
		return 0, 0, err
	}
	to, err = at(stop, last)
	return from, to, err
}

// count is how many numbers go from start towards stop by step.
func count(start, stop, step int64) int64 {
	switch {
	case step > 0 && start < stop:
		return int64((uint64(stop-start)-1)/uint64(step)) + 1
	case step < 0 && start > stop:
		return int64((uint64(start-stop)-1)/uint64(-step)) + 1
	}
	return 0
}

// slice is v[start:stop:step]; ok says whether v can be sliced.
func (r *run) slice(v, start, stop, step any) (result any, ok bool, err error) {
	by := int64(1)
	if step != nil {
		i, isInt := integer(step)
		if !isInt {
			return nil, false, nil
		}
		if i == 0 {
			return nil, false, errors.New("a slice with a step of 0; expected another")
		}
		by = i
	}
	switch v := v.(type) {
	case string, markup:
		s, _ := text(v)
		if err := r.grow(len(s)); err != nil {
			return nil, false, err
		}
		if isASCII(s) {
			from, to, err := bounds(int64(len(s)), start, stop, by)
			if err != nil {
				return nil, false, nil
			}
			if by == 1 {
				s = s[from:max(from, to)]
			} else {
				s = string(picked([]byte(s), from, to, by))
			}
		} else {
			if err := r.grow(4 * len(s)); err != nil {
				return nil, false, err
			}
			runes := []rune(s)
			from, to, err := bounds(int64(len(runes)), start, stop, by)
			if err != nil {
				return nil, false, nil
			}
			s = string(picked(runes, from, to, by))
		}
		if _, safe := v.(markup); safe {
			return markup(s), true, nil
		}
		return s, true, nil
	case list:
		from, to, err := bounds(int64(len(v)), start, stop, by)
		if err != nil {
			return nil, false, nil
		}
		return picked(v, from, to, by), true, r.grow(16 * int(count(from, to, by)))
	case tuple:
		from, to, err := bounds(int64(len(v)), start, stop, by)
		if err != nil {
			return nil, false, nil
		}
		return picked(v, from, to, by), true, r.grow(16 * int(count(from, to, by)))
	case span:
		from, to, err := bounds(v.n, start, stop, by)
		if err != nil {
			return nil, false, nil
		}
		return span{v.start + from*v.step, v.start + to*v.step, v.step * by, count(from, to, by)}, true, nil
	}
	return nil, false, nil
}

// picked are elements from from up to to.
func picked[S ~[]E, E any](s S, from, to, by int64) S {
	n := count(from, to, by)
	out := make(S, n)
	for i := range out {
		out[i] = s[from+int64(i)*by]
	}
	return out
}
