#!/usr/bin/env bash
# confidenceinterval 1.0.5, classification_report_with_ci: confidence_level, documented as "The confidence level, by default 0.95",
# changes the F1 intervals of the single classes only. Those of precision and recall, and the rows of the averages, stay at 95%,
# so one table has intervals of two levels side by side. Expected was what the single functions give for that level.
#
# A report at 0.99, or one at 0.6 to look at a trend, has numbers in it that are of another level than it says; there is no warning.
#
# Seen on Python 3.11, scipy 1.17.1, scikit-learn 1.9.1; widths of the intervals, 200 answers of three classes, asked for 0.95 and 0.5:
#   Class 0: precision 0.228 0.228, recall 0.230 0.230, F1 0.197 0.068
#   Class 1: precision 0.211 0.211, recall 0.207 0.207, F1 0.179 0.062
#   Class 2: precision 0.194 0.194, recall 0.198 0.198, F1 0.169 0.058
#   micro: precision 0.124 0.124, recall 0.124 0.124, F1 0.124 0.124
#   macro: precision 0.116 0.116, recall 0.116 0.116, F1 0.186 0.186
#   precision_score of class 0 itself: 0.229 0.081
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  confidenceinterval==1.0.5 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 statsmodels==0.15.0 pandas==3.1.1
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import random
import confidenceinterval
draw = random.Random(1)
meant = [draw.randrange(3) for _ in range(200)]
said = [m if draw.random() < 0.6 else draw.randrange(3) for m in meant]
rows = [confidenceinterval.classification_report_with_ci(meant, said, confidence_level=level).iterrows() for level in (0.95, 0.5)]
width = lambda ci: f"{ci[1] - ci[0]:.3f}"
for (_, a), (_, b) in zip(*rows):
    print(a["Class"] + ":", ", ".join(f"{short} {width(a[name + ' CI'])} {width(b[name + ' CI'])}" for short, name in
                                    (("precision", "Precision"), ("recall", "Recall"), ("F1", "F1-Score"))))
binary = [[int(x == 0) for x in y] for y in (meant, said)]
print("precision_score of class 0 itself:", *(width(confidenceinterval.precision_score(*binary, confidence_level=level,
      average="binary", method="wilson")[1]) for level in (0.95, 0.5)))
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
