#!/usr/bin/env bash
# autorank 1.3.0: with order="descending", the default, the worst system is the first row of the ranking, and each effect size is
# measured against it; with approach="bayesian" the best is. The interval of a median is too wide and not about its middle. Expected was
# the best first: docstring and README have an effect size "in comparison to" the highest mean, or to the highest ranking system.
#
# Mean ranks, of which 1 is the best, are sorted like scores, from the greatest down. Both orders give the same table, right for times
# and losses, and how far a system is behind the best one is in no row of it: here B, as good as A, is said to be far from it.
# The interval of a median is taken from the places n/2 -+ z sqrt(n/2); the number of values below the median has the deviation
# sqrt(n)/2. Python's counting from 0 is left out of account below and not above, so that it isn't symmetric either.
#
# Seen on Python 3.11, scipy 1.12.0, pandas 2.3.3; mean scores of four systems, 20 runs each; 97.5% is alpha 0.05 for two systems:
#   descending: D 0.60 d 0.0 negligible, C 0.85 d -5.0 large, B 0.89 d -5.8 large, A 0.90 d -6.0 large
#   ascending: D 0.60 d 0.0 negligible, C 0.85 d -5.0 large, B 0.89 d -5.8 large, A 0.90 d -6.0 large
#   bayesian, descending: A 0.90 d 0.0 negligible, B 0.89 d 0.2 small, C 0.85 d 1.0 large, D 0.60 d 6.0 large
#   Cohen's d against A: A 0.0, B 0.2, C 1.0, D 6.0
#   median of 1 to 100: 35 to 68, which covers 0.9989; asked 0.9750, which 39 to 62 cover with 0.9790
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  autorank==1.3.0 baycomp==1.0.3 numpy==1.26.4 scipy==1.12.0 pandas==2.3.3 statsmodels==0.15.0 matplotlib==3.11.2
"$work/v/bin/python" - 2>/dev/null <<'P' | tee "$work/seen"
import contextlib, io
import numpy, pandas
from autorank import autorank
from scipy.stats import binom, norm
def ranked(table, **settings):
    with contextlib.redirect_stdout(io.StringIO()):
        return autorank(pandas.DataFrame(table), random_state=0, **settings).rankdf
spread = norm.ppf((numpy.arange(20) + 0.5) / 20)
table = {"A": 0.90, "B": 0.89, "C": 0.85, "D": 0.60}
table = {name: mean + 0.05 * numpy.random.default_rng(i).permutation(spread) for i, (name, mean) in enumerate(table.items())}
def d(one, two):
    return (table[one].mean() - table[two].mean()) / numpy.sqrt((table[one].var(ddof=1) + table[two].var(ddof=1)) / 2)
for name, settings in (("descending", {}), ("ascending", {"order": "ascending"}), ("bayesian, descending", {"approach": "bayesian", "nsamples": 1000})):
    seen = ranked(table, **settings)
    print(f"{name}: " + ", ".join(f"{system} {row['mean']:.2f} d {row['effect_size']:.1f} {row['magnitude']}" for system, row in seen.iterrows()))
print("Cohen's d against A: " + ", ".join(f"{name} {d('A', name):.1f}" for name in table))
n = 100
numbers = numpy.arange(1, n + 1)
row = ranked({"one": numbers, "two": numbers ** 3.0}).loc["one"]
low, high = int(row["ci_lower"]), int(row["ci_upper"])
def covers(low, high):  # the median lies between the low-th and the high-th of n
    return binom.cdf(high - 1, n, 0.5) - binom.cdf(low - 1, n, 0.5)
fit = max(k for k in range(1, n // 2) if covers(k, n + 1 - k) >= 1 - 0.05 / 2)
print(f"median of 1 to 100: {low} to {high}, which covers {covers(low, high):.4f}; asked 0.9750, which {fit} to {n + 1 - fit} cover with {covers(fit, n + 1 - fit):.4f}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
