package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

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
	case string:
		return p.quoted(v, "", "")
	case markup:
		return p.quoted(string(v), "Markup(", ")")
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
		return p.group(v.name+"([", "])", v.items, depth)
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

// quoted writes a text in quotes between open and close.
func (p *printer) quoted(s, open, close string) error {
	if err := p.r.grow(quotedSize(s)); err != nil {
		return err
	}
	p.out.WriteString(open + quote(s) + close)
	return nil
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
