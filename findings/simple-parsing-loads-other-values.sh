#!/usr/bin/env bash
# simple-parsing 0.1.9, settings of a training run as a dataclass: what Serializable saves it does not load again, and a null in
# the YAML file of parse(config_path=...) is passed over, without a word. Expected were the values that were saved, valid by
# the types of their fields (its README has save and load for this very use), and None for null, as load gives.
#
# Of a Union the first type that takes the value without an error wins, and List[str] takes a string, letter by letter; str
# takes a list. So the target_modules of a LoRA, which are names or one word in peft too, come back as ten letters, and a
# list as the text of one. A float where int comes first is cut to an int too, but then there is a warning (issue 264).
# With a null the field keeps its default (5 here), so what is on by default can't be turned off in the file.
#
# Seen on Python 3.11:
#   saved: one='all-linear', many=['q', 'v'], revision='010', padding='no'
#   loaded: one=['a', 'l', 'l', '-', 'l', 'i', 'n', 'e', 'a', 'r'], many="['q', 'v']", revision=10, padding=False
#   warnings: 0
#   patience: null, read with load: None; with parse(config_path=...): 5
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  simple-parsing==0.1.9 docstring-parser==0.18.0 pyyaml==6.0.4
"$work/v/bin/python" - "$work/run.yaml" <<'P' 2>&1 | tee "$work/seen"
import sys, warnings
from dataclasses import dataclass, field
from typing import List, Optional, Union
from simple_parsing import parse
from simple_parsing.helpers import Serializable
@dataclass
class Modules(Serializable):
    one: Union[List[str], str] = "all-linear"
    many: Union[str, List[str]] = field(default_factory=lambda: ["q", "v"])
    revision: Union[int, str] = "010"
    padding: Union[bool, str] = "no"
@dataclass
class Stop(Serializable):
    patience: Optional[int] = 5
def line(settings):
    return ", ".join(f"{name}={value!r}" for name, value in vars(settings).items())
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    Modules().save(sys.argv[1])
    print("saved:", line(Modules()))
    print("loaded:", line(Modules.load(sys.argv[1])))
    print("warnings:", len(seen))
open(sys.argv[1], "w").write("patience: null\n")
loaded, parsed = Stop.load(sys.argv[1]), parse(Stop, config_path=sys.argv[1], args=[])
print(f"patience: null, read with load: {loaded.patience}; with parse(config_path=...): {parsed.patience}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
