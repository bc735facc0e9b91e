"""Writes text/evaluate/human/testdata/agreement.json: Krippendorff's alpha of random
ratings by the package krippendorff, nominal and ordinal.

    /path/to/python parity/make_agreement.py
"""
import json
import random
from importlib.metadata import version

import krippendorff
import numpy as np

SEED = 1
rng = random.Random(SEED)
cases = []
for raters, items, labels, missing, copies in [
    (2, 10, 2, 0.0, 0.0), (2, 40, 5, 0.0, 0.6), (3, 25, 5, 0.3, 0.8), (5, 60, 3, 0.5, 0.3), (4, 40, 5, 0.7, 0.9), (3, 30, 3, 0.4, 1.0),
]:
    truth = [rng.randint(1, labels) for _ in range(items)]
    ratings = [
        [None if rng.random() < missing else t if rng.random() < copies else rng.randint(1, labels) for t in truth]
        for _ in range(raters)
    ]
    table = np.array([[np.nan if v is None else v for v in row] for row in ratings], dtype=float)
    cases.append({
        "ratings": ratings,
        **{level: krippendorff.alpha(reliability_data=table, level_of_measurement=level) for level in ("nominal", "ordinal")},
    })
with open("text/evaluate/human/testdata/agreement.json", "w", encoding="utf-8") as f:
    json.dump({
        "maker": "parity/make_agreement.py", "versions": {"krippendorff": version("krippendorff"), "numpy": np.__version__},
        "seed": SEED, "dtype": "float64", "tolerance": {"alpha": [1e-12, 1e-12]}, "values": cases,
    }, f)
    f.write("\n")
