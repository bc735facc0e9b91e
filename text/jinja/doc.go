// Package jinja renders chat templates as transformers does: Jinja2's language
// in an immutable sandbox, with blocks trimmed on both sides, loop controls,
// generation blocks and the functions that apply_chat_template adds. Values
// behave and print as Python's.
//
// A template comes with a model and is not to be trusted: it reads nothing but
// the values it is given, and every rendering is bounded in time, depth and
// memory (Limits).
//
// The package knows neither prompts nor models.
package jinja

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits bound what a template may be and do.
type Limits struct {
	SourceBytes int // of the template
	Nesting     int // of brackets, operators and blocks, and of values in values
	Calls       int // macros and recursive loops within each other
	Steps       int // expressions, rounds of loops, compared elements of one rendering
	Bytes       int // of all texts and lists that one rendering makes, the output with them
	Range       int // numbers of one range
}

// DefaultLimits lets all templates through that models are known to have: the
// largest are of 30 KiB, and a conversation of a hundred turns takes them some
// ten thousand steps. Jinja2 compiles to Python, which nests 200 brackets at
// most, and its sandbox has the same bound for a range.
func DefaultLimits() Limits {
	return Limits{SourceBytes: 256 << 10, Nesting: 200, Calls: 100, Steps: 2_000_000, Bytes: 128 << 20, Range: 100_000}
}

// LimitError says which bound a template does not keep.
type LimitError struct {
	What  string // what is counted
	Bound int
}

func (e *LimitError) Error() string { return fmt.Sprintf("more than %d %s", e.Bound, e.What) }

// Error is a fault of a template or of what it was given, with its line.
type Error struct {
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Template is a parsed template: immutable and safe for concurrent use.
type Template struct {
	limits  Limits
	body    []statement
	filters map[string]filterDef // only read
}

// Parse reads a template. The error says at which line it is not Jinja, or
// which of the limits it does not keep.
func Parse(source string, limits Limits) (*Template, error) {
	if len(source) > limits.SourceBytes {
		return nil, &LimitError{"bytes of template", limits.SourceBytes}
	}
	if !utf8.ValidString(source) {
		return nil, &Error{1 + strings.Count(strings.ToValidUTF8(source[:invalidAt(source)], ""), "\n"), errors.New("not UTF-8; expected UTF-8")}
	}
	tokens, err := lex(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, limits: limits}
	body, err := p.template()
	if err != nil {
		return nil, err
	}
	return &Template{limits: limits, body: body, filters: filters()}, nil
}

// invalidAt is where a text stops being UTF-8.
func invalidAt(s string) int {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(s)
}

// Item is one entry of a Dict.
type Item struct {
	Key   string
	Value any
}

// Dict is a dictionary as it is given to a template, in the order that it is
// iterated in.
type Dict []Item

// Render runs the template over variables: nil, bool, int, float64, string,
// []any, Dict, of these. strftime_now tells now, or is undefined where now is
// zero.
func (t *Template) Render(variables Dict, now time.Time) (string, error) {
	r := &run{limits: t.limits, filters: t.filters, out: &strings.Builder{}, globals: builtins(now)}
	for _, v := range variables {
		value, err := r.given(v.Value, 0)
		if err != nil {
			return "", fmt.Errorf("%s: %w", v.Key, err)
		}
		r.globals[v.Key] = value
	}
	if _, err := r.body(t.body, &scope{}); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

// given makes a value of the caller's one of a template's.
func (r *run) given(v any, depth int) (any, error) {
	if depth > r.limits.Nesting {
		return nil, &LimitError{"values nested in each other", r.limits.Nesting}
	}
	switch v := v.(type) {
	case nil, bool, float64:
		return v, nil
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, errors.New("a string that is not UTF-8; expected UTF-8")
		}
		return v, nil
	case []any:
		l := make(list, len(v))
		for i, e := range v {
			var err error
			if l[i], err = r.given(e, depth+1); err != nil {
				return nil, err
			}
		}
		return l, nil
	case Dict:
		d := newDict()
		for _, e := range v {
			value, err := r.given(e.Value, depth+1)
			if err != nil {
				return nil, err
			}
			if err := d.set(r, e.Key, value); err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	return nil, fmt.Errorf("a %T; expected a string, a number, a boolean, a list or a Dict", v)
}
