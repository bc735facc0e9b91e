#!/usr/bin/env bash
# deepsig 1.2.8 (tests whether one model is better than another): its corrections for several comparisons and its paired
# bootstrap decide other than they say, without a word. Expected was Bonferroni's correction, for which its README has alpha
# divided by the number of comparisons, and a bootstrap in which the two scores of a question stay together.
#
# The level of 0.95 gets 0.05/n added, where 1 - 0.05/n is meant: right for two comparisons only, and the more there are, the
# nearer to no correction. For one it makes the level 1, so of two models multi_aso, where the correction is on by default,
# finds neither better, whatever the scores (the first is better below 0.5).
# bonferroni_correction sorts the p-values and puts them back by the wrong permutation, so they move to other hypotheses: the
# smallest becomes the largest here. (It multiplies the k-th smallest by n - k + 1, as its source says; taken as given.)
# bootstrap_test, paired by its docstring and the README, draws the questions of the two models apart. A gain on each of 50
# questions then is nothing beside how much the questions differ.
#
# Seen on Python 3.11 with numpy 2.4.6 and scipy 1.17.1:
#   aso, 1 comparisons: 0.434; at the level 1 - 0.05/1: 0.434
#   aso, 2 comparisons: 0.484; at the level 1 - 0.05/2: 0.484
#   aso, 10 comparisons: 0.442; at the level 1 - 0.05/10: 0.581
#   aso, 100 comparisons: 0.435; at the level 1 - 0.05/100: 0.693
#   two models: aso 0.206; multi_aso 1.0, without correction 0.206
#   p-values [0.03, 0.001, 0.02]: corrected [0.04, 0.03, 0.003]; expected [0.03, 0.003, 0.04]
#   50 of 50 questions better: bootstrap 0.304, drawn in pairs 0.0; permutation test 0.001
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  deepsig==1.2.8 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 joblib==1.6.0
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import numpy as np
from deepsig import aso, bonferroni_correction, bootstrap_test, multi_aso, permutation_test
runs = np.arange(12) / 11
old, near, better = 0.66 + 0.13 * runs, 0.73 + 0.02 * runs, 0.74 + 0.02 * runs
common = dict(show_progress=False, seed=1, num_bootstrap_iterations=300)
def compare(new, level=0.95, **settings):
    return round(float(aso(new, old, confidence_level=level, **settings, **common)), 3)
for count in (1, 2, 10, 100):
    print(f"aso, {count} comparisons: {compare(near, num_comparisons=count)}; at the level 1 - 0.05/{count}: {compare(near, 1 - 0.05 / count)}")
corrected, plain = (round(float(multi_aso(np.array([better, old]), use_bonferroni=use, **common)[0, 1]), 3) for use in (True, False))
print(f"two models: aso {compare(better)}; multi_aso {corrected}, without correction {plain}")
values = np.array([0.03, 0.001, 0.02])
expected = np.empty(3)
expected[np.argsort(values)] = np.sort(values) * [3, 2, 1]
print(f"p-values {values.tolist()}: corrected {bonferroni_correction(values).round(3).tolist()}; expected {expected.round(3).tolist()}")
first = np.linspace(0.1, 0.9, 50)
second = first + 0.02 + 0.004 * np.sin(np.arange(50))
gain = second - first
drawn = np.random.default_rng(1).choice(gain, (1000, 50)).mean(axis=1)
print(f"{int((gain > 0).sum())} of 50 questions better: bootstrap {bootstrap_test(second, first, seed=1)}, drawn in pairs "
      f"{float((drawn >= 2 * gain.mean()).mean())}; permutation test {round(float(permutation_test(second, first, seed=1)), 3)}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
