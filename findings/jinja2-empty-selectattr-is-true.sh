#!/usr/bin/env bash
# In Jinja2 3.1.6, which renders every chat template, what selectattr, select, reject and map give is true in an {% if %}
# even when it is empty (it is a generator), and they take none for an empty list, where list itself refuses it.
#
# A chat template that asks "is there a system message?" so, without | list, always answers yes; one whose messages are
# missing renders on in silence. An interpreter that is not Python is right about the test and thereby different.
#
# Seen on Python 3.11, jinja2 3.1.6, in the sandbox that transformers uses:
#   selectattr, nothing found: true; with | list: false; none | selectattr: []; none | list: TypeError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check jinja2==3.1.6
"$work/v/bin/python" - <<'E' | tee "$work/seen"
from jinja2.sandbox import ImmutableSandboxedEnvironment
def render(source):
    try:
        return ImmutableSandboxedEnvironment().from_string(source).render(messages=[{"role": "user"}])
    except Exception as e:
        return type(e).__name__
found = "messages | selectattr('role', 'equalto', 'system')"
ask = lambda what: render("{% if " + what + " %}true{% else %}false{% endif %}")
print(f"selectattr, nothing found: {ask(found)}; with | list: {ask(found + ' | list')}; "
      f"none | selectattr: {render('{{ none | selectattr(1) | list }}')}; none | list: {render('{{ none | list }}')}")
E
grep -qx 'selectattr, nothing found: true; with | list: false; none | selectattr: \[\]; none | list: TypeError' "$work/seen"
