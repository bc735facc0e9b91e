#!/usr/bin/env bash
# @huggingface/jinja 0.5.11, with which JavaScript renders chat templates (transformers.js, node-llama-cpp), answers
# questions of Jinja2's language otherwise, without an error. Expected were Jinja2's answers where it answers at all.
#
# strip(chars) of a string ignores its argument, so dashes or quotes around a turn stay. Equal lists are unequal, the string
# '1' equals the number 1, a remainder has the dividend's sign, capitalize leaves the other letters as they are, and none
# prints as nothing where Python prints None. A prompt rendered so differs from the one trained on.
#
# Seen with Node 20, @huggingface/jinja 0.5.11, beside jinja2 3.1.6 on Python 3.11 (jinja2 first):
#   strip: a | --a--; [1] == [1]: True | false; '1' == 1: False | true; -7 % 3: 2 | -1; capitalize: Go | GO; none: None |
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check jinja2==3.1.6
npm install --silent --no-audit --no-fund --prefix . @huggingface/jinja@0.5.11 >/dev/null
cat > ask.json <<'J'
{"strip": "{{ '--a--'.strip('-') }}", "[1] == [1]": "{{ [1] == [1] }}",
 "'1' == 1": "{{ '1' == 1 }}", "-7 % 3": "{{ -7 % 3 }}", "capitalize": "{{ 'gO' | capitalize }}", "none": "{{ none }}"}
J
cat > ask.mjs <<'J'
import { Template } from "@huggingface/jinja";
import { readFileSync } from "node:fs";
const asked = JSON.parse(readFileSync("ask.json", "utf8"));
console.log(JSON.stringify(Object.fromEntries(Object.entries(asked).map(([name, text]) => [name, new Template(text).render({})]))));
J
node ask.mjs > javascript.json
v/bin/python - <<'P' | tee seen
import json
from jinja2.sandbox import ImmutableSandboxedEnvironment
seen = json.load(open("javascript.json"))
render = lambda text: ImmutableSandboxedEnvironment().from_string(text).render()
print("; ".join(f"{name}: {render(text)} | {seen[name]}" for name, text in json.load(open("ask.json")).items()).strip())
P
grep -qx "strip: a | --a--; \[1\] == \[1\]: True | false; '1' == 1: False | true; -7 % 3: 2 | -1; capitalize: Go | GO; none: None |" seen
