#!/usr/bin/env bash
# textdistance 4.6.3, MongeElkan and monge_elkan: the sum over the words is divided by their number twice, so the more words a text
# has, the less it is like one that means the same. Expected was the mean over the words, as in the paper that its docstring names.
#
# That (Cohen, Ravikumar and Fienberg, 2003) has the mean, over the words of the first, of the greatest similarity to any word of
# the second. Two answers of six words that differ by one letter are at 0.166, and one wrong word beside that answer at 0.500. Only
# where both are equal to the last letter is it right, as then nothing is computed. So a threshold drops every long answer, and of
# several the shortest is the nearest. symmetric=True divides the same way, and so do the defaults, which go by letters.
# Pull request 81 of life4/textdistance said so in 2022; it was closed.
#
# Seen on Python 3.11, words compared by Jaro and Winkler's similarity; expected: the mean, by textdistance's own jaro_winkler:
#   "the old harbour of the town": 1.000, expected 1.000; symmetric 1.000, expected 1.000
#   "the old harbor of the town": 0.166, expected 0.995; symmetric 0.166, expected 0.995
#   "bridge": 0.500, expected 0.500; symmetric 0.263, expected 0.328
#   "the new bridge over the river": 0.116, expected 0.696; symmetric 0.116, expected 0.698
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check textdistance==4.6.3
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import textdistance
from textdistance import JaroWinkler, MongeElkan
measure, both = MongeElkan(algorithm=JaroWinkler()), MongeElkan(algorithm=JaroWinkler(), symmetric=True)
def mean(one, other):
    return sum(max(textdistance.jaro_winkler(a, b) for b in other) for a in one) / len(one)
gold = "the old harbour of the town"
for answer in (gold, "the old harbor of the town", "bridge", "the new bridge over the river"):
    one, other = answer.split(), gold.split()
    print(f'"{answer}": {measure.normalized_similarity(one, other):.3f}, expected {mean(one, other):.3f}', end="; ")
    print(f"symmetric {both.normalized_similarity(one, other):.3f}, expected {(mean(one, other) + mean(other, one)) / 2:.3f}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
