#!/usr/bin/env bash
# mlxtend 0.25.0, proportion_difference: the p-value is the share of the normal curve to the left of z. It is half of what the test of
# equal proportions gives if the worse model is named first, and near 1, however clear the difference, if the better one is.
# Expected was the same value both ways: its user guide has the null hypothesis "that the proportions are the same" and, as the
# alternative, that they "are different, if we use a two-tailed test"; there is no setting, and no word of one side.
#
# The guide's own example, accuracies of 0.84 and 0.92 on 100 answers, has a p-value of 0.040 and finds "a statistically significant
# difference" at 0.05. Two-sided it is 0.079, which is none. In the other order 0.96 is given: 0.50 against 0.95 on
# 1000 answers each is then not significant at all. mcnemar of the same module is two-sided. z itself is right.
#
# Seen on Python 3.11, scipy 1.17.1, statsmodels 0.15.0:
#   0.84 and 0.92, n 100: z -1.754, p 0.040, statsmodels 0.079
#   0.92 and 0.84, n 100: z 1.754, p 0.960, statsmodels 0.079
#   0.50 and 0.95, n 1000: z -26.090, p 0.000, statsmodels 0.000
#   0.95 and 0.50, n 1000: z 26.090, p 1.000, statsmodels 0.000
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  mlxtend==0.25.0 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 pandas==3.1.1 statsmodels==0.15.0
"$work/v/bin/python" - <<'P' | tee "$work/seen"
from mlxtend.evaluate import proportion_difference
from statsmodels.stats.proportion import test_proportions_2indep
for one, two, n in ((0.84, 0.92, 100), (0.92, 0.84, 100), (0.5, 0.95, 1000), (0.95, 0.5, 1000)):
    z, p = proportion_difference(one, two, n)
    other = test_proportions_2indep(round(one * n), n, round(two * n), n, method="wald").pvalue
    print(f"{one:.2f} and {two:.2f}, n {n}: z {z:.3f}, p {p:.3f}, statsmodels {other:.3f}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
