"""Renders templates that show Jinja2's language in transformers' environment.

    python parity/make_jinja.py

writes text/jinja/testdata/golden.json.gz. The templates are written for
this test.
"""

import gzip
import json
import pathlib

import jinja2
import transformers

from jinja_cases import NOW, outcome

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "text" / "jinja" / "testdata"

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Où est le  café ?\nIci."},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nyes", "n": 2},
    ],
    "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True, "tools": None, "documents": None,
    "words": ["pear", "Apple", "fig", "apple", "Zoë"], "numbers": [3, -1, 2.5, 10], "empty": [], "text": "Hello, Wörld! 日本",
    "tree": [{"name": "a", "children": [{"name": "b", "children": []}, {"name": "c", "children": [{"name": "d", "children": []}]}]}],
    "d": {"z": 1, "a": {"b": [1, {"c": "é\"\\\n\t<&>'"}]}, "items": "own", "f": 1.0, "t": True, "n": None},
    "people": [{"name": "Bo", "age": 5}, {"name": "al", "age": 7}, {"name": "Cy", "age": 5}],
    "deep": {"x": {"y": [{"z": "found"}]}}, "yes": True, "no": False, "zero": 0, "big": 12345678901234, "nl": "a\r\nb\nc\x0bd",
    "json": {"type": "function", "list": [1, 2.0, 1e20, 1e-7, True, None, "x"], "empty": {}, "none": []},
}

# What stands between {{ and }}; each is a case of its own.
EXPRESSIONS = r"""
'a' if yes else 'b'
('a' if no else 'b') + 'c'
['x' if yes else 'y', 'z']
['x', 'y'][0 if no else 1]
{'k': 1 if yes else 2}['k']
text.replace('l' if yes else 'x', 'L')
'a' if no else 'b' if no else 'c'
('a' if yes else 'b') if yes else 'c'
'a' if no
('a' if no) is defined
'x' ~ ('a' if no) ~ 'y'
[1, 2, 3] if yes else []
words[1 if yes else 0][0 if yes else 1:3 if yes else 4]
range(3 if yes else 4) | list
yes and 'a' or 'b'
no or '' or none
zero and 1
not yes
not not yes
not no and yes
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 != 1
1 == 1.0 == true
'a' < 'b'
'a' in 'cat'
'z' not in 'cat'
'z' in d
'q' in d
1 in [1, 2]
2.0 in [1, 2]
'x' in undefined_name
not 'a' in 'cat'
[1, 2] == [1, 2.0]
(1, 2) == [1, 2]
{'a': 1} == {'a': 1.0}
none == undefined_name
undefined_name == other_name
[1, [2, 3]] < [1, [2, 4]]
1 + 2 * 3
(1 + 2) * 3
7 / 2
6 / 2
7 // 2
-7 // 2
7 // -2
-7 % 3
7 % -3
7.5 // 2
-7.5 % 2
2 ** 10
2 ** -1
2 ** 3 ** 2
-2 ** 2
+zero
-numbers[0]
1 + true
true + true
1.5 + 1
0.1 + 0.2
1e16
1e15
1e-5
123456789.123
1_000 + 1
0x1f + 0b11 + 0o17
1.0
-0.0
3.0 * 2
10 / 3
1e400
2 * 'ab'
'ab' * 3
[1] * 3
'a' * 0
[1] + [2]
(1,) + (2,)
'a' + 1
1 + 'a'
'a' - 'b'
none + 1
undefined_name + 'x'
'x' + undefined_name
'x' ~ undefined_name ~ 'y'
1 ~ 2.0 ~ true ~ none ~ [1] ~ 'é'
1 / 0
1 // 0
1 % 0
1 - -1
'%s and %d' % ('a', 3)
'%05.2f|%-5s|%+d|%x|%%' % (3.14159, 'ab', 5, 255)
'%s' % [1, 2]
'%(a)s %(b)03d' % {'a': 'x', 'b': 7}
'%s' % ('a', 'b')
'%r' % 'a'
'%e %g %G' % (12345.678, 0.0001, 1e20)
'{} {}'.format('a', 1)
'{0} {1} {0}'.format('a', 'b')
'{x} {y!r}'.format(x=1, y='é')
'{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd')
'{:05d} {:+} {:,} {:.2f} {:x} {:08.3f} {:.1%} {:e}'.format(42, 7, 1234567, 3.14159, 255, 3.14159, 0.256, 12345.678)
'{a[0]} {b.z} {{}}'.format(a=[1], b={'z': 1})
'{0[a]}'.format({'a': 1})
'{:{w}}|'.format('a', w=4)
'{}'.format(1.0)
'{}'.format([1, 'a', none])
'{:10}|{:10}|'.format('a', 1)
'{} {1}'.format(1)
none
true
[none, true, false, 1, 1.0, 'a', "it's", '"', '\'"', 'é\n\t\\', '\x00\x7f', ()]
(1,)
(1, 2)
()
{}
{'a': 1, 2: 'b', none: true, 1.5: (1,)}
d
messages
'\n\t\\\'\"\x41\u00e9\U0001F600\101'
'\d \é'
"a" 'b' "c"
'a\
b'
'\\'
'\\'[0] + 'n'
'ends in \\' + '|'
"he said \"x\""
text[0]
text[-1]
text[7]
text[1:4]
text[:-3]
text[::-1]
text[::2]
text[-3:]
text[10:2]
text[10:2:-2]
text[100:]
text[100]
text[-100:2]
words[1:]
words[::-1]
words[-2:]
words[:2] + words[3:]
words[3:0:-1]
words[10]
words[-1]
words['x']
words[1.0]
words[true]
(1, 2, 3)[1:]
range(10)[2:8:2] | list
range(5)[-1]
range(5)
range(1, 10, 3)
range(5, 0, -2) | list
range(0) | list
range(3) | length
3 in range(5)
range(5) == range(0, 5)
d.z
d['z']
d.a.b[1].c
d['a']['b'][0]
d['items']
d.nothing
d.nothing is defined
d.nothing.more
d.n.x
d.n.x is defined
none.x
d.keys() | list
d.values() | list | length
d.get('z')
d.get('q')
d.get('q', 'other')
json.items() | list
json.items()
json.keys()
json.values() | list
json.get('type', 1)
d.copy() == d
d.update({'a': 1})
words.append('x')
words.pop()
d.pop('a')
d.setdefault('a', 1)
text.__class__
''.__class__.__mro__
undefined_name
undefined_name is defined
undefined_name.x
undefined_name['x']
undefined_name()
undefined_name | length
undefined_name | list
undefined_name | upper
undefined_name | trim
undefined_name | default('x')
undefined_name | tojson
undefined_name[1:]
-undefined_name
undefined_name < 1
undefined_name or 'x'
words()
'a'.nothing()
words | length
text | length
text | count
d | length
5 | length
none | length
words | first
words | last
empty | first
empty | last
(empty | first) is defined
text | first
text | last
d | first
words | join(', ')
words | join
numbers | join('-')
people | join(', ', attribute='name')
[none, 1, true] | join('|')
text | join('.')
words | sort
words | sort(case_sensitive=true)
words | sort(reverse=true)
people | sort(attribute='age') | map(attribute='name') | list
people | sort(attribute='name') | map(attribute='name') | list
people | sort(attribute='age,name') | map(attribute='name') | list
people | sort(attribute='age', reverse=true) | map(attribute='name') | list
numbers | sort
[1, 'a'] | sort
words | unique | list
people | unique(attribute='age') | map(attribute='name') | list
words | reverse | list
text | reverse
(words | reverse) is iterable
numbers | sum
people | sum(attribute='age')
people | sum('age', 10)
numbers | max
numbers | min
words | max
words | min(case_sensitive=true)
people | max(attribute='age')
empty | max
words | map('upper') | list
words | map('length') | list
words | map('replace', 'p', 'P') | join(' ')
people | map(attribute='name') | join(',')
people | map(attribute='nothing', default='-') | list
messages | map(attribute='content') | map('trim') | map('length') | list
words | select('in', ['fig', 'pear']) | list
numbers | select('odd') | list
[1, 2, 3, 4] | select('even') | list
[0, 1, '', 'a', none] | select | list
[0, 1, '', 'a', none] | reject | list
[1, 2, 3, 4] | reject('gt', 2) | list
messages | selectattr('role', 'equalto', 'user') | list | length
messages | selectattr('role', 'eq', 'user') | map(attribute='content') | first
messages | rejectattr('role', 'in', ['system', 'user']) | map(attribute='role') | list
messages | selectattr('n', 'defined') | list | length
messages | selectattr('n') | list | length
messages | rejectattr('n', 'undefined') | map(attribute='n') | list
(messages | selectattr('role', 'equalto', 'nobody')) and 'always'
(messages | selectattr('role', 'equalto', 'nobody') | list) or 'none'
messages | selectattr('role') | length
none | selectattr('a') | list
none | map('upper') | list
none | list
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3, 4, 5] | batch(2, 'x') | list
[1, 2, 3, 4, 5] | slice(2) | list
[1, 2, 3, 4, 5] | slice(3, 'x') | list
people | groupby('age') | list
d | dictsort | map('first') | list
{'b': 1, 'A': 2, 'c': 0} | dictsort
{'b': 1, 'A': 2, 'c': 0} | dictsort(true)
{'b': 1, 'A': 2, 'c': 0} | dictsort(by='value')
{'b': 1, 'A': 2, 'c': 0} | dictsort(false, 'value', true)
json | items | list
undefined_name | items | list
[1] | items | list
text | upper
text | lower
text | title
'hello-wörld (foo) [bar] it\'s' | title
text | capitalize
'ÉCOLE straße' | lower
'ÉCOLE straße' | upper
'élan vital' | capitalize
'  a b \n' | trim
'xxaxx' | trim('x')
'--a-b--' | trim('-')
5 | trim
text | replace('l', 'L')
text | replace('l', 'L', 1)
'aaa' | replace('', '-')
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2, true)
'a\nb\n\nc' | indent(width=2, first=false, blank=true)
'a\nb' | indent('> ')
'abc' | center(9) ~ '|'
'a b  c' | wordcount
'foo bar baz qux' | truncate(9)
'foo bar baz qux' | truncate(9, true)
'foo bar baz qux' | truncate(11)
'foo bar baz qux' | truncate(11, false, '…', 0)
'12' | int + 1
'12.7' | int
'x' | int
'x' | int(7)
'0x1f' | int(0, 16)
'101' | int(base=2)
3.9 | int
-3.9 | int
none | int
' 42 ' | int
'1.5' | float
'x' | float
'x' | float(2.5)
'inf' | float
3 | float
42 | string ~ '!'
1.0 | string
none | string
[1] | string | length
2.5 | round
3.5 | round
2.675 | round(2)
42 | round
1234.567 | round(-2)
2.1 | round(0, 'ceil')
2.9 | round(method='floor')
-5 | abs
5.5 | abs
'x' | abs
none | default('d')
none | default('d', true)
'' | d('d')
'' | d('d', boolean=true)
d.nothing | default
'a' | list
d | list
'<a>&"\'' | e
'<a>' | escape | escape
'<a>' | safe
'<a>' + ('<b>' | safe)
('<b>' | safe) + '<a>'
'<a>' ~ ('<b>' | safe)
['<a>', '<b>' | safe] | join('<')
('<b>' | safe) | upper
('<a>' | e) | length
'<b>' | forceescape
people[0] | attr('name')
'%s-%s' | format('a', 2)
'%(x)s' | format(x=1)
words | nothing
'a' is nothing
d | tojson
json | tojson
json | tojson(indent=2)
json | tojson(true)
d | tojson(ensure_ascii=true)
d | tojson(indent=0)
json | tojson(indent='--')
json | tojson(separators=(',', ':'))
json | tojson(sort_keys=true)
json | tojson(indent=2, separators=(', ', ' = '))
text | tojson
'日本 😀 \u2028 </script>' | tojson
'日本 😀' | tojson(ensure_ascii=True)
none | tojson
true | tojson
1.0 | tojson
(1, 2) | tojson
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
range(3) | tojson
words | map('upper') | tojson
d.a | tojson | length
1 is odd
2 is even
3 is divisibleby 3
3 is divisibleby(2)
3 is not divisibleby 2
none is none
d.n is none
undefined_name is none
undefined_name is undefined
d.z is defined
yes is true
no is false
1 is true
zero is false
yes is boolean
1 is boolean
1 is integer
true is integer
1.0 is float
1 is number
true is number
'a' is string
('a' | safe) is string
1 is string
words is sequence
d is sequence
text is sequence
undefined_name is sequence
1 is sequence
words is iterable
5 is iterable
undefined_name is iterable
d is mapping
words is mapping
range is callable
text is callable
text.upper is callable
'abc' is lower
'ABC' is upper
'Abc' is lower
1 is eq 1
1 is equalto(1.0)
2 is gt 1
2 is lessthan 3
'a' is in ['a']
'a' is in 'cat'
'a' is not in ['b']
1 is sameas 1
1 is sameas true
none is sameas none
'x' is ne 'y'
'upper' is filter
'nothing' is filter
'odd' is test
yes is defined and no is defined
yes is defined or undefined_name
'a' if d.z is defined else 'b'
d.z is defined and d.z == 1
d.a is mapping and 'b' in d.a
'<b>' | e is escaped
text.split(',')
text.split()
'  a  b '.split()
'a,b,,c'.split(',')
'a,b,c'.split(',', 1)
'a,b,c'.rsplit(',', 1)
' a  b c '.split(none, 1)
' a  b c '.rsplit(none, 1)
'a b'.split('')
''.split()
''.split(',')
messages[2].content.split('</think>')[-1].lstrip('\n')
messages[2].content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n')
'xxabxx'.strip('x')
'  a '.strip() ~ '|'
'  a '.lstrip() ~ '|'
'  a '.rstrip() ~ '|'
'\u00a0\u3000a\x1c'.strip()
'abcba'.strip('ab')
text.startswith('Hello')
text.startswith(('x', 'He'))
text.startswith('W', 7)
text.endswith('日本')
text.endswith(('a', 'b'))
text.replace('l', 'L')
text.replace('l', 'L', 1)
text.replace('l', '')
text.upper()
text.lower()
"it's a wörld".title()
text.capitalize()
text.swapcase()
'ß'.upper()
'straße'.casefold()
text.find('W')
text.find('本')
text.find('q')
text.find('l', 4)
text.rfind('l')
text.index('q')
text.count('l')
text.count('l', 3, 5)
'aaa'.count('')
text.zfill(20)
'-5'.zfill(4)
'a'.center(4, '*') ~ 'ab'.center(5, '*')
'a'.ljust(3, '.') ~ 'b'.rjust(3)
'a\tb'.expandtabs(4)
nl.splitlines()
nl.splitlines(true)
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'abc'.partition('x')
'abc'.removeprefix('a').removesuffix('c')
', '.join(words)
','.join([1])
'abc'.isalpha() and '12'.isdigit() and 'a1'.isalnum() and ' '.isspace()
'Ab Cd'.istitle()
'é'.isalpha()
''.isalpha()
'a_1'.isidentifier()
'abc'.islower()
words.index('fig')
words.count('fig')
(1, 2, 1).count(1)
3.0.is_integer()
dict(a=1, b='x')
dict({'a': 1}, b=2)
dict([('a', 1), ['b', 2]])
dict.fromkeys(['a', 'b'], 0)
namespace(a=1).a
namespace(a=1).b is defined
namespace(a=1)['a']
namespace(a=1)
namespace(_a=1)
strftime_now('%Y-%m-%d')
strftime_now('%d %b %Y')
strftime_now('%A, %B %d, %Y at %H:%M:%S %p (%I) %j %U %W %w %u %V %G %y %f %% %a %e %-d %-m %_d %k %l %D %F %T %R %h %c %x %X %Z|%z|%C %^a %P %n%t %Q')
strftime_now(1)
raise_exception('no: ' ~ text)
raise_exception(1)
'a' 'b'
words | join(', ') | upper | replace('A', 'x')
(words | first | upper).lower()
-1 | abs
- 3 | abs
1 if 2 is even else 3
words|map('first')|list
'a' 1
1 +
(1
[1, 2
{'a' 1}
{'a': 1
words[
'abc
1 ! 2
a.
x | 
x is
not
x if
f(a=1, 2)
f(**1, 2)
1,2
1,
{}.x
{'a': {'b': 1}}.a.b
{'a': 1}.a
[{'a': 1}][0].a
'a'.upper().lower().title()
d.a['b'][1]['c'] | length
deep.x.y[0].z
deep['x'].y[0]['z']
words.0
words.1.upper()
numbers | map('string') | list
[1, 2, 3][-1:]
[1, 2, 3][5:]
[][0] is defined
{'a': 1, 'a': 2}
1 == '1'
'a' == "a"
none is defined
loop
caller
true.x
1 .x
big + 1
9223372036854775807
big // 7 * 3 % 1000
big * 1.0
1e22
123456.789e3
""".strip("\n").replace("'a\\\nb'", "'a\\\x00b'").split("\n")

# Whole templates.
TEMPLATES = {
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "white space": "a\n  {% if yes %}\n  b\n  {% endif %}\n  c {% if yes %} d {% endif %}\n{{ 1 }}\n{{ 2 -}}\n\n  e\n  {#- c -#}  f\n {# c #}\n g {# c #}\n{%- if yes -%}\n h \n{%- endif %}\n\n\ni\n\n",
    "plus": "a\n  {%+ if yes %}b{% endif +%}\nc\n  {%+ if yes +%}\n d\n{%- endif +%}\n  {{+ 1 }}  {{- 2 }}\n  {#+ c +#}\ne",
    "white space of line starts": "  {% set a = 1 %}  {% set b = 2 %}\n\t{% set c = 3 %}x {% set e = 4 %}\n{{ a }}  {% set f = 1 %}\n  {{ b }}\n\u00a0{% set g = 1 %}\u2003y",
    "carriage returns": "a\r\n{% if yes %}\r\nb\rc\r\n{% endif %}\r\nd\r\n",
    "last newlines": "a\n\n",
    "raw": "{% raw %}\n  {{ x }} {% if %} {# c #}\n  {% endraw %}\n b {%- raw -%}  x  {%- endraw -%}  c\n {% raw +%}",
    "raw plus": "a\n {% raw %} b\n {%+ endraw %}\nc{% raw %}{% raw %}{% endraw %}d\n",
    "comment": "a{# {{ x }} {% if %} #}b{##}c{#-#}d\n{# multi\nline #}\ne",
    "comment without end": "a {# b",
    "brackets in tags": "{{ {'a': {'b': 1}} }}{{ {'a': '}}'}['a'] }}{% if '%}' == '%}' %}y{% endif %}{{ '{{' }}{{ \"{%\" }}",
    "line breaks in tags": "{{\n  'a'\n  ~\n  'b'\n}}{%\n  if yes\n%}c{%\nendif\n%}",
    "text with braces": "{ a } } }} %} #} { {",
    "elif": "{% for x in [1, 2, 3, 4] %}{% if x == 1 %}a{% elif x == 2 %}b{% elif x == 3 %}c{% else %}d{% endif %}{% endfor %}",
    "loop variables": "{% for x in words %}{{ loop.index }} {{ loop.index0 }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }} {{ loop.length }} {{ loop.depth }} {{ loop.depth0 }} {{ loop.previtem | default('-') }} {{ loop.nextitem | default('-') }} {{ loop.cycle('a', 'b') }} {{ loop.changed(x | lower) }}\n{% endfor %}",
    "loop else": "{% for x in empty %}x{% else %}none{% endfor %}{% for x in words %}{{ x }}{% else %}none{% endfor %}{% for x in words if x == 'q' %}x{% else %}none{{ loop is defined }}{% endfor %}",
    "loop filter": "{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ m.role }}{{ loop.last }} {% endfor %}",
    "loop over pairs": "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k, v in json | items %}{{ k }};{% endfor %}{% for k, v in json | dictsort %}{{ k }};{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
    "loop over text": "{% for c in text %}{{ c }}.{% endfor %}",
    "loop unpack": "{% for a, b in [(1,)] %}{% endfor %}",
    "loop over number": "{% for a in 5 %}{% endfor %}",
    "loop over none": "{% for a in none %}{% endfor %}",
    "loop over undefined": "a{% for a in undefined_name %}x{% endfor %}b",
    "loop over a condition": "{% for a in (words if yes else []) %}{{ a }}{% endfor %}",
    "loop over a tuple": "{% for a in 1, 2, 3 %}{{ a }}{% endfor %}",
    "loop scope": "{% set x = 0 %}{% for i in [1, 2] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}{% for x in [7] %}{{ x }}{% endfor %}{{ x }}{{ i is defined }}",
    "if scope": "{% if yes %}{% set x = 1 %}{% endif %}{{ x }}",
    "break and continue": "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}|{% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}",
    "break outside": "{% break %}",
    "recursive loop": "{% for n in tree recursive %}{{ n.name }}{{ loop.depth }}{% if n.children %}({{ loop(n.children) }}){% endif %}{% endfor %}",
    "loop called": "{% for n in tree %}{{ loop(n.children) }}{% endfor %}",
    "nested loop": "{% for x in [1, 2] %}{% set outer = loop %}{% for y in ['a', 'b'] %}{{ outer.index }}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }}{% endfor %}",
    "generator once": "{% set g = words | map('upper') %}{{ g | join(',') }}|{{ g | join(',') }}|{% if g %}true{% endif %}",
    "set tuple": "{% set a, b = 1, 'x' %}{{ a }}{{ b }}{% set (c, e) = [3, 4] %}{{ c }}{{ e }}{% set t = 1, 2 %}{{ t }}",
    "set block": "{% set x %}a {{ text }}\n b{% endset %}[{{ x }}]{% set y | upper | trim %} abc {% endset %}[{{ y }}]{{ x is string }}",
    "set block scope": "{% set x = 1 %}{% set y %}{% set x = 2 %}{{ x }}{% endset %}{{ x }}{{ y }}",
    "set item": "{% set d.x = 1 %}",
    "namespace": "{% set ns = namespace(found=false, n=0, l=[]) %}{% for x in words %}{% if x == 'fig' %}{% set ns.found = true %}{% endif %}{% set ns.n = ns.n + 1 %}{% set ns.l = ns.l + [x[0]] %}{% endfor %}{{ ns.found }}{{ ns.n }}{{ ns.l }}{% set ns.new = 1 %}{{ ns.new }}{{ ns.nothing is defined }}",
    "namespace of a dict": "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a + ns.b }}{% set ns.a, ns.b = 3, 4 %}{{ ns.a }}{{ ns.b }}",
    "namespace underscore": "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "with": "{% with a = 1, b = text %}{{ a }}{{ b }}{% set c = 1 %}{% endwith %}{{ a is defined }}{{ c is defined }}{% with %}{% set z = 9 %}{{ z }}{% endwith %}{% set a = 5 %}{% with a = a + 1, b = a %}{{ a }}{{ b }}{% endwith %}",
    "macro": "{% macro f(a, b=2, c=a) %}[{{ a }} {{ b }} {{ c }}]{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=5, a=4) }}{{ f(1, c=9) }}{{ f() }}{{ f.name }}{{ f.arguments }}{{ f is callable }}",
    "macro too many": "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}",
    "macro unknown": "{% macro f(a) %}{% endmacro %}{{ f(b=2) }}",
    "macro twice": "{% macro f(a) %}{% endmacro %}{{ f(1, a=2) }}",
    "macro varargs": "{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, x=4, y='z') }}{{ f(*[1, 2], **{'k': 3}) }}",
    "macro scope": "{% set x = 1 %}{% macro f() %}{{ x }}{% set x = 2 %}{{ x }}{{ messages | length }}{% endmacro %}{{ f() }}{{ x }}{% set x = 5 %}{{ f() }}{% for i in [1] %}{% macro g() %}{{ i }}{{ loop.index }}{% endmacro %}{{ g() }}{% endfor %}{{ g is defined }}",
    "macro sees later names": "{% macro f() %}{{ later }}{% endmacro %}{% set later = 'x' %}{{ f() }}{% macro g() %}{{ h() }}{% endmacro %}{% macro h() %}h{% endmacro %}{{ g() }}",
    "macro recursion": "{% macro show(n) %}{{ n.name }}{% for c in n.children %}<{{ show(c) }}>{% endfor %}{% endmacro %}{{ show(tree[0]) }}",
    "macro text": "{% macro f() %} x {% endmacro %}{{ f() | trim }}{{ f() | length }}{{ f() ~ 'a' }}{% set y = f() %}{{ y is string }}",
    "macro in macro": "{% macro outer(a) %}{% macro inner(b) %}{{ a }}{{ b }}{% endmacro %}{{ inner(1) }}{{ inner(2) }}{% endmacro %}{{ outer('x') }}",
    "macro default of none": "{% macro f(a=none, b=[], c={}) %}{{ a is none }}{{ b }}{{ c }}{% endmacro %}{{ f() }}",
    "parameter not given": "{% macro f(a) %}{{ a is defined }}{{ a.x }}{% endmacro %}{{ f() }}",
    "call": "{% macro box(title) %}[{{ title }}: {{ caller() }}]{% endmacro %}{% call box('t') %}body {{ text }}{% endcall %}{% macro each(l) %}{% for x in l %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(x, i) each(words) %}{{ i }}{{ x }};{% endcall %}",
    "call without caller": "{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}",
    "macro without caller": "{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}",
    "caller is defined": "{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }}{% call f() %}{% endcall %}",
    "filter block": "{% filter upper | replace('A', 'x') %}abc {{ text }}{% endfilter %}",
    "generation": "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% set q = 1 %}{% endgeneration %}{{ q is defined }}{% else %}{{ m.content }}{% endif %}{{ loop.index }}{% endfor %}",
    "generation trimmed": "a\n  {%- generation -%}\n b \n{%- endgeneration +%}\nc\n  {% generation %}\nd\n  {% endgeneration %}\ne",
    "break in generation": "{% for x in words %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "print": "{% print 1 + 2 %}{% print 'a', 'b' %}",
    "joiner and cycler": "{% set j = joiner(', ') %}{% for w in words %}{{ j() }}{{ w }}{% endfor %}{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{% set x = c.reset() %}{{ c.current }}",
    "raise": "{% if messages[0].role != 'user' %}{{ raise_exception('Roles must alternate: ' + messages[0]['role']) }}{% endif %}",
    "method stored": "{% set up = text.upper %}{{ up() }}",
    "tuple keys": "{% set x = {(1, 2): 'a'} %}{{ x[(1, 2)] }}{{ x[1, 2] }}",
    "numbers as keys": "{{ {1: 'a'}[true] }}{{ {1: 'a'}[1.0] }}{{ {'1': 'a'}[1] is defined }}",
    "unhashable": "{{ {[1]: 2} }}",
    "names of keywords": "{% set true = 1 %}",
    "name of loop": "{% set loop = 5 %}{{ loop }}",
    "unicode names": "{% set été = 1 %}{{ été }}",
    "shadowed": "{% set range = 3 %}{{ range }}{% set text = 'own' %}{{ text }}",
    "include": "{% include 'x' %}",
    "unknown tag": "{% frob %}",
    "unclosed": "{% if yes %}a",
    "wrong end": "{% if yes %}a{% endfor %}",
    "lone end": "a{% endif %}",
    "lone else": "a{% else %}",
    "empty tag": "{% %}",
    "empty print": "{{ }}",
    "no end of a tag": "{{ a",
    "tool schema": "{% macro type(t) %}{% if t is mapping %}{% if t.type == 'array' %}{{ type(t['items']) + '[]' }}{% elif t.type is string %}{{ t.type }}{% else %}{{ t.type | join(' | ') }}{% endif %}{% else %}any{% endif %}{% endmacro %}{{ type({'type': 'array', 'items': {'type': ['string', 'null']}}) }}",
    "dates": "{% if not date_string is defined %}{% if strftime_now is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% else %}{% set date_string = '26 Jul 2024' %}{% endif %}{% endif %}Today Date: {{ date_string }}",
    "yesterday": "{% set today = strftime_now('%Y-%m-%d') %}{% set day = today.split('-')[2] | int - 1 %}{{ today[:8] }}{{ '%02d' | format(day) }}",
    "reversed messages": "{% set ns = namespace(last=messages | length - 1) %}{% for m in messages[::-1] %}{% set i = (messages | length - 1) - loop.index0 %}{{ i }}{{ m.role }}{% if ns.last == i and m.role == 'assistant' and m.content is string and not (m.content.startswith('<tool>') and m.content.endswith('</tool>')) %}{% set ns.last = i - 1 %}{% endif %}{% endfor %}{{ ns.last }}",
}


def main():
    cases = [(e, "{{ " + e.replace("\x00", "\n") + " }}") for e in EXPRESSIONS] + list(TEMPLATES.items())
    golden = {
        "made_by": "parity/make_jinja.py",
        "versions": {"transformers": transformers.__version__, "jinja2": jinja2.__version__},
        "seed": None, "dtype": "text", "tolerance": 0,
        "now": NOW.isoformat(),
        "cases": [{"name": name, "source": source, "variables": VARIABLES, **outcome(source, VARIABLES)} for name, source in cases],
    }
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / "golden.json.gz", "wb") as f:
        f.write(gzip.compress(json.dumps(golden, ensure_ascii=False, indent=1).encode(errors="surrogatepass"), mtime=0))
    print(len(cases), "cases,", sum("refusal" in c for c in golden["cases"]), "refused,", sum("error" in c for c in golden["cases"]), "with errors")


main()
