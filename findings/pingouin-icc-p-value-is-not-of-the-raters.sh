#!/usr/bin/env bash
# pingouin 0.7.0, intraclass_corr: "F" and "pval" are said to be of "systematic differences (bias) between raters", where "a significant
# p-value suggests that rater means differ". They are of the differences between the items that were rated, and so say the opposite.
#
# Three raters who all have the same mean get a p of 0.000, by the docstring a bias that makes ICC(1,1) "invalid"; a rater
# who gives five points too many, among answers that are much alike, gets 0.471, so no bias. Its notes call this "a formal test of
# whether rater means differ significantly". Expected was the F of the raters' mean square over the error's, which the
# function has at hand (ICC(A,1) needs it). In its own example p is 0.0 too, and the raters there do not differ: p 0.382.
# The values are those of R's psych, whose F is against an ICC of 0. The intervals and the ICCs themselves are right.
#
# Seen on Python 3.11, scipy 1.17.1, pandas 3.1.1; the columns F and pval of ICC(A,1), and both tests by hand:
#   no bias, means [5.0, 5.0, 5.0]: F 85.00, pval 0.000; raters: F 0.00, p 1.000; items: F 85.00, p 0.000
#   bias, means [2.5, 2.5, 7.5]: F 1.00, pval 0.471; raters: F 233.33, p 0.000; items: F 1.00, p 0.471
#   its own example, means [5.12, 5.38, 4.25, 4.38]: F 11.79, pval 0.000; raters: F 1.07, p 0.382; items: F 11.79, p 0.000
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  pingouin==0.7.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 statsmodels==0.15.0 scikit-learn==1.9.1 seaborn==0.13.2 matplotlib==3.11.2 pandas-flavor==0.8.1
"$work/v/bin/python" -W ignore - <<'P' | tee "$work/seen"
import numpy as np, pandas as pd, pingouin
from scipy.stats import f
def show(name, ratings):
    n, k = ratings.shape
    items, raters, mean = ratings.mean(axis=1), ratings.mean(axis=0), ratings.mean()
    error = ((ratings - items[:, None] - raters + mean) ** 2).sum() / ((n - 1) * (k - 1))
    tests = {"raters": (n * ((raters - mean) ** 2).sum() / (k - 1), k - 1), "items": (k * ((items - mean) ** 2).sum() / (n - 1), n - 1)}
    table = pd.DataFrame([(item, rater, ratings[item, rater]) for item in range(n) for rater in range(k)], columns=["item", "rater", "rating"])
    seen = pingouin.intraclass_corr(table, targets="item", raters="rater", ratings="rating").set_index("Type").loc["ICC(A,1)"]
    print(f"{name}, means {[round(float(one), 2) for one in raters]}: F {seen['F']:.2f}, pval {seen['pval']:.3f}", end="")
    for test, (square, freedom) in tests.items():
        print(f"; {test}: F {square / error:.2f}, p {f.sf(square / error, freedom, (n - 1) * (k - 1)):.3f}", end="")
    print()
show("no bias", np.array([[1, 2, 1], [3, 2, 3], [4, 5, 4], [6, 5, 6], [7, 8, 7], [9, 8, 9], [2, 2, 2], [8, 8, 8]], dtype=float))
show("bias", np.array([[2, 3, 7], [3, 2, 8], [2, 2, 8], [3, 3, 7], [2, 3, 8], [3, 3, 8], [2, 2, 7], [3, 2, 7]], dtype=float))
wine = pingouin.read_dataset("icc")
show("its own example", wine.pivot(index="Wine", columns="Judge", values="Scores").to_numpy(dtype=float))
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
