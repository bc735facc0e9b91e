#!/usr/bin/env bash
# krippendorff 0.9.0: where raters agree on everything and so alpha is not defined, alpha() raises ValueError. One rating
# more, of an item that nobody else rated, and it returns nan with a RuntimeWarning of numpy's instead, although such an
# item takes no part in alpha. With value_domain given it is nan in both cases. A script that catches the error prints nan
# for the same agreement. Expected was one answer for one state of the shared items.
#
# Seen on Python 3.11, krippendorff 0.9.0 (the newest on the index), numpy 2.4.6:
#   all agree: ValueError There has to be more than one value in the domain.
#   all agree, and a lone rating: nan
#   all agree, value_domain [1, 2]: nan
#   one disagreement: 0.0; and a lone rating: 0.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check krippendorff==0.9.0 numpy==2.4.6
"$work/v/bin/python" -W ignore - <<'P' | tee "$work/seen"
import krippendorff
import numpy as np

lone = [2, np.nan]  # one rater's alone
def alpha(*items, **more):
    try:
        return krippendorff.alpha(reliability_data=np.array(items, dtype=float).T, level_of_measurement="nominal", **more)
    except ValueError as error:
        return f"ValueError {error}"
same = [1, 1], [1, 1], [1, 1]
print("all agree:", alpha(*same))
print("all agree, and a lone rating:", alpha(*same, lone))
print("all agree, value_domain [1, 2]:", alpha(*same, value_domain=[1, 2]))
print(f"one disagreement: {alpha([1, 2], *same[1:]):.1f}; and a lone rating: {alpha([1, 2], *same[1:], lone):.1f}")
P
diff "$work/seen" - <<'P'
all agree: ValueError There has to be more than one value in the domain.
all agree, and a lone rating: nan
all agree, value_domain [1, 2]: nan
one disagreement: 0.0; and a lone rating: 0.0
P
