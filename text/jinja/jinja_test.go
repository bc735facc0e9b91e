package jinja

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var conversation = Dict{
	{"messages", []any{Dict{{"role", "user"}, {"content", "Hello?"}}, Dict{{"role", "assistant"}, {"content", "Hi."}}}},
	{"eos_token", "</s>"},
}

// TestEachLimitIsNamed sets each bound low, so that a small template that is not harmful
// goes beyond it, and holds it to being named.
func TestEachLimitIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name, why string
		set       func(*Limits)
		source    string
		want      string
	}{
		{"source", "memory of the parsed template", func(l *Limits) { l.SourceBytes = 10 }, "{{ messages }}", "more than 10 bytes of template"},
		{"brackets", "depth of the parser", func(l *Limits) { l.Nesting = 5 }, "{{ ((((((1)))))) }}", "more than 5 brackets"},
		{"lists", "depth of the parser", func(l *Limits) { l.Nesting = 5 }, "{{ [[[[[[1]]]]]] }}", "more than 5 brackets"},
		{"targets", "depth of the parser", func(l *Limits) { l.Nesting = 5 }, "{% set ((((((a)))))) = 1 %}", "more than 5 brackets"},
		{"blocks", "depth of the parser", func(l *Limits) { l.Nesting = 5 }, strings.Repeat("{% if 1 %}", 6) + strings.Repeat("{% endif %}", 6), "more than 5 brackets, operators and blocks"},
		{"elses", "depth of the parser", func(l *Limits) { l.Nesting = 5 }, "{{ 1 if 0 else 1 if 0 else 1 if 0 else 1 if 0 else 1 if 0 else 2 }}", "more than 5 brackets"},
		{"nots", "depth of the parser", func(l *Limits) { l.Nesting = 5 }, "{{ not not not not not not 1 }}", "more than 5 brackets"},
		{"signs", "depth of the parser", func(l *Limits) { l.Nesting = 5 }, "{{ - - - - - - 1 }}", "more than 5 brackets"},
		{"sums", "each is evaluated within the next", func(l *Limits) { l.Nesting = 5 }, "{{ 1 + 1 + 1 + 1 + 1 + 1 + 1 }}", "more than 5 operators"},
		{"filters", "each is evaluated within the next", func(l *Limits) { l.Nesting = 5 }, "{{ 1 | abs | abs | abs | abs | abs | abs }}", "more than 5 operators"},
		{"ands", "each is evaluated within the next", func(l *Limits) { l.Nesting = 5 }, "{{ 1 and 1 and 1 and 1 and 1 and 1 and 1 }}", "more than 5 operators"},
		{"values", "depth of what prints and compares", func(l *Limits) { l.Nesting = 8 }, "{% set n = namespace(l=[]) %}{% for i in range(9) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l }}", "more than 8 values nested"},
		{"values as JSON", "depth of what prints and compares", func(l *Limits) { l.Nesting = 8 }, "{% set n = namespace(l=[]) %}{% for i in range(9) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l | tojson }}", "more than 8 values nested"},
		{"values compared", "depth of what prints and compares", func(l *Limits) { l.Nesting = 8 }, "{% set n = namespace(l=[], m=[]) %}{% for i in range(9) %}{% set n.l = [n.l] %}{% set n.m = [n.m] %}{% endfor %}{{ n.l == n.m }}", "more than 8 values nested"},
		{"macros", "the stack", func(l *Limits) { l.Calls = 3 }, "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "more than 3 macros and loops calling each other"},
		{"recursive loops", "the stack", func(l *Limits) { l.Calls = 2 }, "{% for m in [[[[]]]] recursive %}{{ loop(m) }}{% endfor %}", "more than 2 macros and loops calling each other"},
		{"rounds", "time", func(l *Limits) { l.Steps = 20 }, "{% for i in range(10) %}{% endfor %}", "more than 20 steps"},
		{"expressions", "time", func(l *Limits) { l.Steps = 5 }, "{{ 1 + 2 + 3 + 4 }}", "more than 5 steps"},
		{"elements", "time", func(l *Limits) { l.Steps = 20 }, "{% set l = [1, 2, 3, 4, 5, 6, 7] %}{{ l == l }}{{ l == l }}", "more than 20 steps"},
		{"output", "memory", func(l *Limits) { l.Bytes = 10 }, "a text of the template", "more than 10 bytes of texts and lists"},
		{"repeated text", "memory", func(l *Limits) { l.Bytes = 100 }, "{% set x = 'ab' * 60 %}", "more than 100 bytes"},
		{"repeated list", "memory", func(l *Limits) { l.Bytes = 100 }, "{% set x = [1] * 60 %}", "more than 100 bytes"},
		{"sum of texts", "memory", func(l *Limits) { l.Bytes = 100 }, "{% set n = namespace(s='ab') %}{% for i in range(3) %}{% set n.s = n.s + n.s + n.s %}{% endfor %}", "more than 100 bytes"},
		{"replaced", "memory", func(l *Limits) { l.Bytes = 100 }, "{% set x = 'aaaaaaaaaa'.replace('a', 'bbbbbbbbbb') %}", "more than 100 bytes"},
		{"joined", "memory", func(l *Limits) { l.Bytes = 100 }, "{% set x = 'abcdefghijklmnopqrst'.join('abcdef') %}", "more than 100 bytes"},
		{"indented", "memory", func(l *Limits) { l.Bytes = 100 }, "{% set x = 'a\nb\nc' | indent(60) %}", "more than 100 bytes"},
		{"indented JSON", "memory", func(l *Limits) { l.Bytes = 200 }, "{% set x = [[1], [2]] | tojson(indent=60) %}", "more than 200 bytes"},
		{"wide", "memory", func(l *Limits) { l.Bytes = 100 }, "{% set x = '%200d' % 1 %}", "more than 100 bytes"},
		{"wide by format", "memory", func(l *Limits) { l.Bytes = 100 }, "{% set x = '{:200}'.format(1) %}", "more than 100 bytes"},
		{"centred", "memory", func(l *Limits) { l.Bytes = 100 }, "{% set x = 'a' | center(200) %}", "more than 100 bytes"},
		{"filled rows", "memory", func(l *Limits) { l.Bytes = 300 }, "{% set x = [1] | batch(100, 'x') %}", "more than 300 bytes"},
		{"pieces", "memory", func(l *Limits) { l.Bytes = 100 }, "{% set x = 'a,b,c,d,e,f'.split(',') %}", "more than 100 bytes"},
		{"set block", "memory", func(l *Limits) { l.Bytes = 10 }, "{% set x %}a text of the template{% endset %}", "more than 10 bytes"},
		{"range", "memory; jinja2's sandbox has this bound too", func(l *Limits) { l.Range = 5 }, "{{ range(6) }}", "more than 5 numbers of a range"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := rendered(tc.source, DefaultLimits()); err != nil {
				t.Fatalf("within the default limits: %v", err)
			}
			limits := DefaultLimits()
			tc.set(&limits)
			_, err := rendered(tc.source, limits)
			var bound *LimitError
			if !errors.As(err, &bound) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v; want %q in it: %s", err, tc.want, tc.why)
			}
		})
	}
}

func rendered(source string, limits Limits) (string, error) {
	template, err := Parse(source, limits)
	if err != nil {
		return "", err
	}
	return template.Render(conversation, time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC))
}

// Templates whose time or memory would grow without end stay within the
// default limits, in a second at most.
func TestEndlessTemplatesStayWithinTheLimits(t *testing.T) {
	for name, source := range map[string]string{
		"loops":          "{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}",
		"macro":          "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
		"shared lists":   "{% set n = namespace(l=[1], m=[1]) %}{% for i in range(100) %}{% set n.l = [n.l, n.l] %}{% set n.m = [n.m, n.m] %}{% endfor %}{{ n.l == n.m }}",
		"shared printed": "{% set n = namespace(l=[1]) %}{% for i in range(100) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l }}",
		"doubled":        "{% set n = namespace(s='a') %}{% for i in range(100) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
		"power":          "{{ 2 ** 100000 }}",
		"searches":       "{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{{ 'b' in s }}{% endfor %}",
		"counts":         "{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{{ s.count('b') }}{% endfor %}",
		"lengths":        "{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{{ s | length }}{% endfor %}",
		"starts":         "{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{{ s.isalpha() }}{{ s[-1] }}{{ s[999999] }}{% endfor %}",
		"strips":         "{% set s = ' ' * 1000000 %}{% for i in range(100000) %}{{ s.strip() }}{% endfor %}",
		"cut sets":       "{% set s = 'ab' * 100000 %}{% for i in range(100000) %}{{ s.strip(s) }}{% endfor %}",
		"large keys":     "{% set s = 'a' * 1000000 %}{% set d = {s: 1} %}{% for i in range(100000) %}{{ d[s] }}{{ s in d }}{{ d.get(s) }}{% endfor %}",
		"tuples as keys": "{% set s = ('a' * 1000000, 1) %}{% set d = {s: 1} %}{% for i in range(100000) %}{{ d[s] }}{% endfor %}",
		"truth":          "{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{{ s and 1 }}{{ not s }}{{ 1 if s }}{% for j in range(100) %}{% if s %}{% endif %}{% endfor %}{% endfor %}",
		"sorts":          "{% set l = range(100000) | list %}{% for i in range(100000) %}{{ l | sort | first }}{{ l | max }}{% endfor %}",
		"sums":           "{% set l = range(100000) | list %}{% for i in range(100000) %}{{ l | sum }}{{ 5 in l }}{% endfor %}",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := rendered(source, DefaultLimits())
			if err == nil {
				t.Error("no error")
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("%v (%v); want a second at most", d, err)
			} else {
				t.Log(d, err)
			}
		})
	}
}

func TestErrorsSayWhatWasFoundAndExpected(t *testing.T) {
	for _, tc := range []struct{ name, why, source, want string }{
		{"line of a fault", "templates have hundreds of lines", "a\n{% if messages %}\n{{ messages + 1 }}\n{% endif %}", "line 3: \"+\" between a list and an integer; expected two numbers"},
		{"line within a macro", "the fault is there, not where it is called", "{% macro f(a) %}\n{{ a.b.c }}\n{% endmacro %}\n{{ f({}) }}", `line 2: "b" is not found in a dictionary`},
		{"line of the syntax", "the parser knows it", "a\n\n{% if %}", `line 3: found "%}"; expected an expression`},
		{"unknown filter", "which one", "{{ 1 | frob }}", `the filter "frob" is not known`},
		{"unknown test", "which one", "{{ 1 is frob }}", `the test "frob" is not known`},
		{"reads a file", "a template must not read the disk", "{% include 'x' %}", `the tag "include"`},
		{"changes a list", "jinja2's sandbox forbids it", "{{ messages.append(1) }}", `"append" of a list is closed to templates`},
		{"name not defined", "which one, where it is used", "{{ persona.name }}", `the variable "persona" is not defined`},
		{"no text", "~ is what joins a number", "{{ 'n: ' + 1 }}", `"+" between a string and an integer; expected two numbers, strings, lists or tuples, or ~ to join`},
		{"targets", "both numbers", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "3 values for 2 names"},
		{"argument of a macro", "which ones it has", "{% macro f(a, b) %}{% endmacro %}{{ f(c=1) }}", `the macro "f" has no parameter "c"; expected one of a, b`},
		{"argument of a function", "optional ones are named plainly", "{{ 'a' | indent(depth=1) }}", `indent: no parameter "depth"; expected one of width, first, blank`},
		{"argument missing", "which one", "{{ 'a' | replace('b') }}", `replace: the argument "new" is missing`},
		{"called", "what it is", "{{ messages() }}", "a list is called; expected a macro, function or method"},
		{"looped over", "what it is", "{% for m in 5 %}{% endfor %}", "an integer has no elements"},
		{"no value for a place", "how many there are", "{{ '%s %s' % (1,) }}", "more places in the format than values, 1"},
		{"wrong end", "which ends fit", "{% if 1 %}{% endfor %}", `the tag "endfor"; expected {% elif %}, {% else %}, {% endif %}`},
		{"no end", "how the tag ends", "{% if 1 foo %}", `found "foo"; expected "%}"`},
		{"limit while unpacking", "it is not told as a fault of the value", "{% set a, b = 'x' * 100000000 %}", "more than 134217728 bytes"},
		{"not UTF-8", "with its line", "a\nb\xff", "line 2: not UTF-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := rendered(tc.source, DefaultLimits())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v; want %q in it: %s", err, tc.want, tc.why)
			}
		})
	}
	template, err := Parse("{{ eos_token }}", DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := template.Render(Dict{{"eos_token", "\xff"}}, time.Time{}); err == nil || !strings.Contains(err.Error(), "eos_token: a string that is not UTF-8") {
		t.Errorf("error %v", err)
	}
}

func TestWithoutDate(t *testing.T) {
	template, err := Parse("{{ strftime_now is defined }}", DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := template.Render(nil, time.Time{}); err != nil || got != "False" {
		t.Errorf("%q, %v; want no date where none is given", got, err)
	}
}

// FuzzRender holds that no template panics, runs long or takes much.
func FuzzRender(f *testing.F) {
	g, err := readGoldenFile("testdata/golden.json.gz")
	if err != nil {
		f.Fatal(err)
	}
	for _, tc := range g.Cases {
		f.Add(tc.Source)
	}
	limits := Limits{SourceBytes: 1 << 14, Nesting: 100, Calls: 20, Steps: 20_000, Bytes: 1 << 20, Range: 1000}
	f.Fuzz(func(t *testing.T, source string) {
		template, err := Parse(source, limits)
		if err != nil {
			return
		}
		start := time.Now()
		text, err := template.Render(conversation, time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC))
		if len(text) > limits.Bytes {
			t.Errorf("%d bytes (%v)", len(text), err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%v for %q", d, source)
		}
	})
}
