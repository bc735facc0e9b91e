package jinja

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// json is transformers' filter tojson: Python's json.dumps with these
// parameters, as text beyond ASCII stands unless ensure_ascii is set.
func (r *run) json(v any, p []any) (any, error) {
	d := dumper{writer: writer{r: r}, item: ", ", key: ": ", ascii: truth(or(p[0], false)), sorted: truth(or(p[3], false))}
	if indent := or(p[1], nil); indent != nil {
		d.indented, d.item = true, ","
		if s, ok := text(indent); ok {
			d.indent = s
		} else if n, ok := integer(indent); ok {
			spaces, _, err := r.repeat(" ", n)
			if err != nil {
				return nil, err
			}
			d.indent = spaces.(string)
		} else {
			return nil, fmt.Errorf("tojson: given %s as indent; expected an integer or a string", described(indent))
		}
	}
	if separators := or(p[2], nil); separators != nil {
		two, err := r.iterate(separators)
		if err != nil {
			return nil, err
		}
		if len(two) != 2 {
			return nil, fmt.Errorf("tojson: %d separators; expected two", len(two))
		}
		item, ok1 := text(two[0])
		key, ok2 := text(two[1])
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("tojson: given %s and %s as separators; expected strings", described(two[0]), described(two[1]))
		}
		d.item, d.key = item, key
	}
	if err := d.value(v, 0); err != nil {
		return nil, err
	}
	return d.out.String(), nil
}

// dumper writes values as Python's json.dumps does.
type dumper struct {
	writer
	item, key string // separators
	indent    string
	indented  bool
	ascii     bool
	sorted    bool
}

func (d *dumper) value(v any, depth int) error {
	if err := d.enter(depth); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		return d.write("null")
	case bool:
		return d.write(strconv.FormatBool(v))
	case int64:
		return d.write(strconv.FormatInt(v, 10))
	case float64:
		return d.write(jsonFloat(v))
	case string:
		return d.text(v)
	case markup:
		return d.text(string(v))
	case *dict:
		return d.pairs(v, depth)
	case list:
		return d.group("[", "]", len(v), depth, func(i int) error { return d.value(v[i], depth+1) })
	case tuple:
		return d.group("[", "]", len(v), depth, func(i int) error { return d.value(v[i], depth+1) })
	}
	return fmt.Errorf("tojson: a value of type %s has no form in JSON; expected text, numbers, lists and dictionaries", typeName(v))
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return floatText(f)
}

func (d *dumper) pairs(v *dict, depth int) error {
	order := make([]int, len(v.keys))
	for i := range order {
		order[i] = i
	}
	if d.sorted {
		var failed error
		slices.SortStableFunc(order, func(a, b int) int {
			c, err := d.r.order("<", v.keys[a], v.keys[b], 0)
			if err != nil && failed == nil {
				failed = err
			}
			return c
		})
		if failed != nil {
			return failed
		}
	}
	return d.group("{", "}", len(order), depth, func(i int) error {
		var key string
		switch k := v.keys[order[i]].(type) {
		case string:
			key = k
		case markup:
			key = string(k)
		case nil:
			key = "null"
		case bool:
			key = strconv.FormatBool(k)
		case int64:
			key = strconv.FormatInt(k, 10)
		case float64:
			key = jsonFloat(k)
		default:
			return fmt.Errorf("tojson: a dictionary has %s as a key; expected strings, numbers, booleans or none", described(k))
		}
		if err := d.text(key); err != nil {
			return err
		}
		if err := d.write(d.key); err != nil {
			return err
		}
		return d.value(v.values[order[i]], depth+1)
	})
}

func (d *dumper) group(open, close string, n, depth int, write func(int) error) error {
	if err := d.write(open); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			if err := d.write(d.item); err != nil {
				return err
			}
		}
		if err := d.line(depth + 1); err != nil {
			return err
		}
		if err := write(i); err != nil {
			return err
		}
	}
	if n > 0 {
		if err := d.line(depth); err != nil {
			return err
		}
	}
	return d.write(close)
}

func (d *dumper) line(depth int) error {
	if !d.indented {
		return nil
	}
	if err := d.write("\n"); err != nil {
		return err
	}
	for range depth {
		if err := d.write(d.indent); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) text(s string) error {
	if err := d.r.grow(quotedSize(s)); err != nil {
		return err
	}
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
		case r < 0x20, d.ascii && r > 0x7f && r <= 0xffff:
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
	return nil
}
