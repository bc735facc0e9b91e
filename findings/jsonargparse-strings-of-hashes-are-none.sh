#!/usr/bin/env bash
# jsonargparse 4.53.0 (LightningCLI is built on it), a setting of type Optional[str]: a text that starts with "#", or is "---", becomes
# None, without a word, on the command line, quoted in a YAML or JSON file, and as the default. Expected was the text.
#
# "### Answer:" as the stop text of a prompt, or "#" as the mark of comments, is no stop text and no mark then; there is no spelling
# that would set it. The value, a string already, is read as YAML once more; a line with nothing but a comment is null
# to YAML. What is written by dump() comes back as None. Its documentation says that None is set by "null", as json and yaml define
# it; of texts it says nothing. With the type str, or in a list, the same value is kept; parser_mode="json" keeps it as well.
# Issue 28 of its repository, closed as a bug, was the like of " ".
# An Optional[int] of "# 5" is None too, where a word is an error.
#
# Seen on Python 3.11, PyYAML 6.0.4, for Optional[str]; then for str:
#   '### Answer:': command line None, YAML file None, JSON file None, default None, dump and read None; str '### Answer:'
#   '# 5': command line None, YAML file None, JSON file None, default None, dump and read None; str '# 5'
#   '---': command line None, YAML file None, JSON file None, default None, dump and read None; str '---'
#   'Answer: #': command line 'Answer: #', YAML file 'Answer: #', JSON file 'Answer: #', default 'Answer: #', dump and read 'Answer: #'; str 'Answer: #'
#   ' ': command line ' ', YAML file ' ', JSON file ' ', default ' ', dump and read ' '; str ' '
#   Optional[int] of '# 5' None, of 'five' an error; a list of Optional[str] ['### Answer:']; parser_mode json '### Answer:'
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check jsonargparse==4.53.0 pyyaml==6.0.4
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import json
from typing import List, Optional
import yaml
from jsonargparse import ArgumentError, ArgumentParser

def parser(kind=Optional[str], **settings):
    mode = {"parser_mode": settings.pop("mode")} if "mode" in settings else {}
    made = ArgumentParser(exit_on_error=False, **mode)
    made.add_argument("--stop", type=kind, **settings)
    return made

for text in ("### Answer:", "# 5", "---", "Answer: #", " "):
    yaml_file, json_file = yaml.safe_dump({"stop": text}), json.dumps({"stop": text})
    assert yaml.safe_load(yaml_file) == json.loads(json_file) == {"stop": text}
    p = parser()
    held = p.parse_args([])
    held.stop = text
    ways = {"command line": p.parse_args([f"--stop={text}"]), "YAML file": p.parse_string(yaml_file), "JSON file": p.parse_string(json_file),
            "default": parser(default=text).parse_args([]), "dump and read": p.parse_string(p.dump(held))}
    print(f"{text!r}: " + ", ".join(f"{way} {got.stop!r}" for way, got in ways.items()) + f"; str {parser(str).parse_args([f'--stop={text}']).stop!r}")
number = parser(Optional[int])
try:
    other = number.parse_args(["--stop=five"])
except ArgumentError:
    other = "an error"
several = parser(List[Optional[str]]).parse_string('{"stop": ["### Answer:"]}').stop
as_json = parser(mode="json").parse_string('{"stop": "### Answer:"}').stop
print(f"Optional[int] of '# 5' {number.parse_args(['--stop=# 5']).stop}, of 'five' {other}; a list of Optional[str] {several}; parser_mode json {as_json!r}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
