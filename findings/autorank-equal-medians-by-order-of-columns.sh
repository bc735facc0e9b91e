#!/usr/bin/env bash
# autorank 1.3.0, two systems: if their medians are equal, the p-value depends on which column comes first, and the report names the worse
# system the better one; if they differ, p is half of what it should be. Expected was the two-sided test, as for normal data.
#
# Wilcoxon's test is made one-sided, "greater", for the column with the greater median, and for the first one where both are the
# same. Scores of single answers, 0 or 1, have the median 1 for any two systems that are right more often than not. With B
# first, the report takes the equal medians' order for the other way round and writes that A is significantly larger. With a direction
# that the scores themselves have chosen, two equal systems are told apart twice as often as alpha says. The docstring calls alpha
# the significance level and names Wilcoxon's test beside the t-test, which is two-sided here, and its README the question
# whether the central tendencies differ. One side is named only in a line of verbose=True.
#
# Seen on Python 3.11, scipy 1.12.0, pandas 2.3.3; of 100 answers both systems have 55, A alone has 5, B alone 25:
#   columns A, B: shares right 0.60 and 0.80, p 0.9999, scipy 0.0003, sign test 0.0003; larger: none
#   columns B, A: shares right 0.80 and 0.60, p 0.0001, scipy 0.0003, sign test 0.0003; larger: A
#   response times of 12 questions: p 0.0261, scipy 0.0522
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  autorank==1.3.0 baycomp==1.0.3 numpy==1.26.4 scipy==1.12.0 pandas==2.3.3 statsmodels==0.15.0 matplotlib==3.11.2
"$work/v/bin/python" - 2>/dev/null <<'P' | tee "$work/seen"
import contextlib, io, re
import numpy, pandas
from autorank import autorank, create_report
from scipy.stats import binomtest, wilcoxon
def tested(table):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        result = autorank(pandas.DataFrame(table))
        create_report(result)
    larger = re.search(r"(?:mean value|median) of (\w+) is significantly larger", said.getvalue())
    assert result.omnibus == "wilcoxon"
    return result.pvalue, larger[1] if larger else "none"
a, b = [1] * 55 + [1] * 5 + [0] * 25 + [0] * 15, [1] * 55 + [0] * 5 + [1] * 25 + [0] * 15
for table in ({"A": a, "B": b}, {"B": b, "A": a}):
    p, larger = tested(table)
    one, two = (sum(right) / 100 for right in table.values())
    print(f"columns {', '.join(table)}: shares right {one:.2f} and {two:.2f}, p {p:.4f}, scipy {wilcoxon(a, b).pvalue:.4f}, "
          f"sign test {binomtest(5, 30).pvalue:.4f}; larger: {larger}")
first = 2.0 ** numpy.arange(-4, 8)
second = first + [1, 2, 3, -4, 5, 6, 7, 8, 9, -10, 11, 12]
p = tested({"first": first, "second": second})[0]
print(f"response times of 12 questions: p {p:.4f}, scipy {wilcoxon(first, second).pvalue:.4f}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
