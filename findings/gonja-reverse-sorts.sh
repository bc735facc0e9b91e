#!/usr/bin/env bash
# gonja 2.9.1, which renders Jinja templates in Go, those of chats among them, and means to be as compatible with Python's as
# it can: its filter reverse sorts, from the greatest down, and more filters, operators and methods answer otherwise without
# an error. Expected were Jinja2's answers, to whose pages its own refer, or the error that it has for what it lacks.
#
# Passages reversed so that the best stands next to the question are in the order of their texts instead, a chat's turns in
# that of their printed form. max with an attribute gives its value, not what has it; a chain of comparisons compares with
# true or false; a range has no length; % cuts floats; split with a limit splits once too few; dict loses what it is given.
# The README names limitations: methods may differ slightly from Python's (a comment above split promises Python's all the
# same), and format has Go's syntax; nothing of the rest.
#
# Seen on go 1.26, Python 3.11, Jinja2 3.1.6:
#   ["b", "c", "a"]|reverse|join -> Jinja2 acb, gonja cba
#   [{"by": "system"}, {"by": "user"}, {"by": "model"}]|reverse|map(attribute="by")|join("/") -> Jinja2 model/user/system, gonja user/system/model
#   [{"score": 1}, {"score": 2}]|max(attribute="score") -> Jinja2 {'score': 2}, gonja 2
#   0.2 <= 0.9 <= 0.5 -> Jinja2 False, gonja True
#   range(5)|length -> Jinja2 5, gonja 0
#   5.5 % 2 -> Jinja2 1.5, gonja 1
#   "a</think>b</think>c".split("</think>", 1)|join("|") -> Jinja2 a|b</think>c, gonja a</think>b</think>c
#   dict({"a": 1}, b=2) -> Jinja2 {'a': 1, 'b': 2}, gonja {'b': 2}
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check Jinja2==3.1.6
sed -n 's/^#   \(.*\) -> Jinja2 .*/\1/p' "$0" > "$work/expressions"
cat > "$work/main.go" <<'G'
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/nikolalohinski/gonja/v2"
	"github.com/nikolalohinski/gonja/v2/exec"
)

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		template, err := gonja.FromString("{{ " + lines.Text() + " }}")
		if err == nil {
			err = template.Execute(os.Stdout, exec.EmptyContext())
		}
		if err != nil {
			panic(err)
		}
		fmt.Println()
	}
}
G
(cd "$work" && go mod init render && go get github.com/nikolalohinski/gonja/v2@v2.9.1) 2>/dev/null
(cd "$work" && go run .) < "$work/expressions" > "$work/gonja"
"$work/v/bin/python" - "$work" <<'P' | tee "$work/seen"
import jinja2, sys
expressions, gonja = (open(f"{sys.argv[1]}/{name}").read().splitlines() for name in ("expressions", "gonja"))
for expression, answer in zip(expressions, gonja, strict=True):
    print(expression, "-> Jinja2", jinja2.Template("{{ " + expression + " }}").render() + ", gonja", answer)
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
