#!/usr/bin/env bash
# voyager 2.2.3 (Spotify's nearest-neighbour search), Space.InnerProduct: get_distance(a, b) depends on which vectors were added, and
# ranks other documents first than query. Two vectors at right angles are at 1, at -24 once [3, 4] is in the index.
#
# Expected was 1 - a.b, which query gives, as the docstring has it: "Get the distance between two provided vectors". For search,
# each vector gets one more number, by which it is as long as the longest that was added, and the two numbers are multiplied into
# the distance. query leaves its own at 0. So of two vectors the one that is shorter looks nearer, and the distance of a
# pair goes down as the index grows. Euclidean and Cosine are right. There is no word of it, nor a setting.
#
# Seen on Python 3.11, numpy 2.4.6; the last two lines are of 1000 vectors of 16 numbers:
#   empty index: right angle 1.0, expected 1.0; [0.6, 0.8] to itself 0.0, expected 0.0
#   [1, 0] added: right angle 1.0, expected 1.0; [0.6, 0.8] to itself 0.0, expected 0.0
#   [3, 4] added: right angle -15.0, expected 1.0; [0.6, 0.8] to itself -16.0, expected 0.0
#   [30, 40] added: right angle -2400.0, expected 1.0; [0.6, 0.8] to itself -2401.0, expected 0.0
#   query: [906, 922, 89, 610, 46], at [-27.6, -20.9, -20.1, -19.8, -19.2]; by hand [906, 922, 89, 610, 46]
#   get_distance: [983, 675, 202, 679, 717], at [-266.7, -265.2, -264.4, -264.3, -263.5]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check voyager==2.2.3 numpy==2.4.6
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import numpy as np
from voyager import Index, Space
def vector(*numbers):
    return np.array(numbers, dtype=np.float32)
index = Index(Space.InnerProduct, 2)
def show(name):
    right, self = index.get_distance(vector(1, 0), vector(0, 1)), index.get_distance(vector(0.6, 0.8), vector(0.6, 0.8))
    print(f"{name}: right angle {right:.1f}, expected 1.0; [0.6, 0.8] to itself {abs(self) if abs(self) < 1e-6 else self:.1f}, expected 0.0")
show("empty index")
for added in ((1, 0), (3, 4), (30, 40)):
    index.add_item(vector(*added))
    show(f"{list(added)} added")
generator = np.random.default_rng(2)
made = (generator.normal(size=(1000, 16)) * generator.uniform(0.2, 3, size=(1000, 1))).astype(np.float32)
question = generator.normal(size=16).astype(np.float32)
index = Index(Space.InnerProduct, 16)
index.add_items(made, num_threads=1)
ids, distances = index.query(question, 5, query_ef=1000)
print(f"query: {ids.tolist()}, at {[round(float(one), 1) for one in distances]}; by hand {np.argsort(1 - made @ question)[:5].tolist()}")
found = np.array([index.get_distance(question, one) for one in made])
print(f"get_distance: {np.argsort(found)[:5].tolist()}, at {[round(float(one), 1) for one in np.sort(found)[:5]]}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
