#!/usr/bin/env bash
# outlines-core 0.2.14, build_regex_from_schema, the regex that Outlines makes of a JSON schema to keep
# an answer to it: of two keywords that stand together it heeds one, and of others it makes what takes no valid answer, or
# what is no JSON, without a word. Expected were regexes of valid answers, or the error that it raises for format ipv4.
#
# maxLength drops the pattern beside it, enum the type, properties an anyOf. A name in required without properties is not
# asked for. A pattern goes between two quotes as it is: "." and [^0-9] take the quote that ends the string, a ^ without
# a $ stands in the middle of the regex, where it matches nothing, "^no|yes$" becomes a quote and no, or yes and a
# quote, and [0-9] is the whole string and no part of it. A second member of allOf is appended: a number is two of them.
# llguidance 1.9.1 and jsonschema 4.26.0 agree on all of it. Issues 147, 259 and 261 there have other keywords, and allOf.
#
# Seen on Python 3.11, with the whole answer matched by Python's re:
#   maxLength: takes "A B"; enum: takes 1; anyOf: takes {}; required: takes {"a":1}; any: takes "a"b"; but: takes "a"b"
#   start: refuses "AB-1"; either: refuses "no"; part: refuses "in 1984"; allOf: refuses 7; sisters wrong: 0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --no-compile --disable-pip-version-check outlines_core==0.2.14 llguidance==1.9.1 jsonschema==4.26.0
"$work/v/bin/python" - <<'E' | tee "$work/seen"
import json, re
from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer
from outlines_core.json_schema import build_regex_from_schema
number, letters, sisters = {"type": "integer"}, LLTokenizer("byte"), 0
text = lambda pattern, **more: {"type": "string", "pattern": pattern, **more}
record = lambda required, **more: {"type": "object", "properties": {"a": number}, "required": required, **more}

def ask(cases, valid):
    global sisters
    for name, (schema, answer) in cases.items():
        Draft202012Validator.check_schema(schema)
        try:
            assert Draft202012Validator(schema).is_valid(json.loads(answer)) == valid
        except json.JSONDecodeError:
            assert not valid
        matcher, data = LLMatcher(letters, LLMatcher.grammar_from_json_schema(json.dumps(schema))), list(answer.encode())
        assert not matcher.is_error()
        sisters += (matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting()) != valid
        taken = re.fullmatch(build_regex_from_schema(json.dumps(schema)), answer) is not None
        yield f"{name}: {'takes' if taken else 'refuses'} {answer}"

print("; ".join(ask({"maxLength": (text("^[a-z]+$", maxLength=3), '"A B"'), "enum": ({"type": "string", "enum": ["a", 1]}, "1"),
                      "anyOf": (record([], anyOf=[{"required": ["a"]}]), "{}"), "required": (record(["a", "b"]), '{"a":1}'),
                      "any": (text("^.+$"), '"a"b"'), "but": (text("^[^0-9]+$"), '"a"b"')}, False)))
print("; ".join(ask({"start": (text("^[A-Z]{2}-"), '"AB-1"'), "either": (text("^no|yes$"), '"no"'), "part": (text("[0-9]"), '"in 1984"'),
                      "allOf": ({"allOf": [number, number]}, "7")}, True)) + f"; sisters wrong: {sisters}")
E
diff "$work/seen" - <<'E'
maxLength: takes "A B"; enum: takes 1; anyOf: takes {}; required: takes {"a":1}; any: takes "a"b"; but: takes "a"b"
start: refuses "AB-1"; either: refuses "no"; part: refuses "in 1984"; allOf: refuses 7; sisters wrong: 0
E
