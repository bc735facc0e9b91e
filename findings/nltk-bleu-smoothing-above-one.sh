#!/usr/bin/env bash
# nltk 3.10.4, BLEU with SmoothingFunction().method5 or method7: a perfect answer scores 1.117, one with a wrong word above 1.
# Expected was at most 1, and the paper's value (Chen and Cherry, WMT 2014, whose methods these are): its method averages the
# counts of matching n-grams of neighbouring lengths, m'(n) = (m'(n-1) + m(n) + m(n+1)) / 3 with m'(0) = m(1) + 1. The docstring
# speaks of "matched counts" too.
#
# What is averaged are the precisions, and the 1 is added to a precision. That is worth as much as all the words of a text, not
# one of them, so a longer answer is not scored as in the paper either: a half right one gets 0.53 for 0.43. Method 6 had
# the same mistake until it was mended in #1477.
#
# Seen on Python 3.11; 14 words, "by the counts" is method 5 as in the paper:
#   all right: plain 1.000, method5 1.117, method7 1.117, by the counts 1.000
#   last word wrong: plain 0.919, method5 1.034, method7 1.034, by the counts 0.919
#   first and last wrong: plain 0.839, method5 0.951, method7 0.951, by the counts 0.839
#   second half wrong: plain 0.432, method5 0.527, method7 0.527, by the counts 0.432
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check nltk==3.10.4
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import math
from nltk.translate.bleu_score import SmoothingFunction, brevity_penalty, modified_precision, sentence_bleu
smooth = SmoothingFunction()
meant = "the museum in the old town opens at nine on every day but monday".split()
def by_counts(said):
    precisions = [modified_precision([meant], said, n) for n in range(1, 6)]
    counts = [p.numerator for p in precisions]
    before, logs = counts[0] + 1, 0
    for n in range(4):
        before = (before + counts[n] + counts[n + 1]) / 3
        logs += math.log(before / precisions[n].denominator) / 4
    return brevity_penalty(len(meant), len(said)) * math.exp(logs)
for name, said in {"all right": meant, "last word wrong": meant[:-1] + ["tuesday"],
                   "first and last wrong": ["a"] + meant[1:-1] + ["tuesday"],
                   "second half wrong": meant[:7] + "yes no maybe so and then some".split()}.items():
    plain, five, seven = (sentence_bleu([meant], said, smoothing_function=f) for f in (None, smooth.method5, smooth.method7))
    print(f"{name}: plain {plain:.3f}, method5 {five:.3f}, method7 {seven:.3f}, by the counts {by_counts(said):.3f}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
