#!/usr/bin/env bash
# rouge 1.0.1 (the package of that name, not rouge_score) compares sets of words: an answer that repeats itself, the
# commonest failure of a small generator, has the full score, precision included. Expected were counts: a precision of 1/4.
#
# ROUGE-L splits at every full stop, and so within numbers, and joins what each piece finds, whatever its order: version
# 1.2.3 equals version 1.3.2. Case and punctuation count, so "Paris." is nothing like "paris", and equal texts do not
# reach 1: the formula adds 1e-8. Figures of this package do not compare with those of rouge_score.
#
# Seen on Python 3.11, rouge 1.0.1 (the newest on the index):
#   four times over: rouge-1 p 1.0 r 1.0, rouge-l p 1.0 r 1.0
#   version 1.3.2 for 1.2.3: rouge-l p 1.0 r 1.0
#   'Paris.' for 'paris': rouge-1 f 0.0; equal: rouge-1 f 0.999999995
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check rouge==1.0.1 six==1.17.0
"$work/v/bin/python" - <<'P' | tee "$work/seen"
from rouge import Rouge
def score(answer, gold, *names):
    found = Rouge().get_scores(answer, gold)[0]
    return ", ".join(f"{n} p {found[n]['p']} r {found[n]['r']}" for n in names)
f = lambda answer, gold: Rouge().get_scores(answer, gold)[0]["rouge-1"]["f"]
print("four times over:", score("in 1999 " * 4, "in 1999", "rouge-1", "rouge-l"))
print("version 1.3.2 for 1.2.3:", score("v1.3.2 of go", "v1.2.3 of go", "rouge-l"))
print(f"'Paris.' for 'paris': rouge-1 f {f('Paris.', 'paris')}; equal: rouge-1 f {f('in 1999', 'in 1999')}")
P
diff "$work/seen" - <<'P'
four times over: rouge-1 p 1.0 r 1.0, rouge-l p 1.0 r 1.0
version 1.3.2 for 1.2.3: rouge-l p 1.0 r 1.0
'Paris.' for 'paris': rouge-1 f 0.0; equal: rouge-1 f 0.999999995
P
