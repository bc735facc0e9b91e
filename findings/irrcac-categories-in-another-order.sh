#!/usr/bin/env bash
# irrCAC 0.4.4, CAC: with weights, an agreement depends on the order in which the categories are listed, and on whether they are
# listed in Python's integers or in numpy's. Expected was one agreement for one table of grades and one set of categories.
#
# Numbers among the categories are sorted for the weights and left as listed for the counts, so that one category is counted with
# the weights of another. The natural way to list them, unique(), has them by appearance. An array of numpy's integers isn't
# taken for numbers: grades 0, 1 and 5 are weighted as 1, 2 and 3 are, and no longer by how far they lie apart; an array of the
# same floats is. The text of the parameter asks for all possible ratings and for no order. That numbers are sorted is said of the
# weights alone, and that labels are weighted by their place is said of labels.
#
# Seen on Python 3.11, numpy 1.26.4, pandas 2.3.3; grades of eight answers by two people, quadratic weights:
#   krippendorff 0.9.0, interval: krippendorff 0.6056
#   none given: krippendorff 0.6056, fleiss 0.5793, gwet 0.5609
#   [0, 1, 5]: krippendorff 0.6056, fleiss 0.5793, gwet 0.5609
#   unique() of the grades, [5, 1, 0]: krippendorff 0.7712, fleiss 0.7559, gwet 0.7605
#   [1, 0, 5]: krippendorff 0.3904, fleiss 0.3498, gwet 0.3214
#   numpy, [0, 1, 5]: krippendorff 0.7429, fleiss 0.7257, gwet 0.7209
#   numpy, [0. 1. 5.]: krippendorff 0.6056, fleiss 0.5793, gwet 0.5609
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  irrCAC==0.4.4 krippendorff==0.9.0 numpy==1.26.4 scipy==1.12.0 pandas==2.3.3
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import krippendorff, numpy, pandas
from irrCAC.raw import CAC
grades = pandas.DataFrame({"one": [5, 5, 1, 0, 5, 1, 0, 5], "two": [5, 1, 1, 0, 5, 0, 0, 1]})
alpha = krippendorff.alpha(reliability_data=grades.to_numpy(dtype=float).T, level_of_measurement="interval")
print(f"krippendorff 0.9.0, interval: krippendorff {alpha:.4f}")
seen = grades.stack().unique().tolist()
for name, categories in (("none given", None), ("[0, 1, 5]", [0, 1, 5]), (f"unique() of the grades, {seen}", seen), ("[1, 0, 5]", [1, 0, 5]),
                         ("numpy, [0, 1, 5]", numpy.array([0, 1, 5])), ("numpy, [0. 1. 5.]", numpy.array([0.0, 1.0, 5.0]))):
    made = CAC(grades, weights="quadratic", categories=categories)
    print(f"{name}: " + ", ".join(f"{which} {getattr(made, which)()['est']['coefficient_value']:.4f}" for which in ("krippendorff", "fleiss", "gwet")))
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
