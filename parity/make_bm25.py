"""Makes retrieve/testdata/bm25.json: BM25 scores by Python's rank_bm25.

Part one holds seeded texts of made-up words with all their scores. Part two
holds the ten best documents of the Faire test questions, as numbers only.
Run from the repository root: python parity/make_bm25.py
"""

import json
import random
import sys
from importlib.metadata import version

import numpy as np
import regex
from rank_bm25 import BM25Okapi

SEED = 11
FAIRE = "../shared/data/faire/"


def words(text):
    return regex.findall(r"[\p{L}\p{M}\p{N}_]+", text.lower())


def rank(scores, k):
    order = sorted(range(len(scores)), key=lambda i: (-np.float32(scores[i]), i))[:k]
    return [[i, float(scores[i])] for i in order]


def made_up():
    rng = random.Random(SEED)
    letters = ["a", "b", "C", "d", "É", "ñ", "ж", "中", "नि", "3", "_", "Ω"]
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(1, 4))) for _ in range(60)]
    weights = [1 / (i + 1) for i in range(60)]  # the first words stand nearly everywhere
    marks = [" ", ", ", " - ", "\n", "; ", "... "]

    def text(n):
        return "".join(w + rng.choice(marks) for w in rng.choices(vocabulary, weights, k=n))

    documents = [text(rng.randint(1, 40)) for _ in range(40)]
    queries = [text(rng.randint(1, 6)) for _ in range(12)] + ["unseen", ""]
    bm25 = BM25Okapi([words(d) for d in documents])
    scores = [list(map(float, bm25.get_scores(words(q)))) for q in queries]
    return {"documents": documents, "queries": queries, "scores": scores}


def faire():
    documents = [json.loads(line)["fmt_content"] for line in open(FAIRE + "documents.jsonl")]
    questions = [json.loads(line)["question"] for line in open(FAIRE + "test_w_qa.jsonl")]
    bm25 = BM25Okapi([words(d) for d in documents])
    return {"top10": [rank(bm25.get_scores(words(q)), 10) for q in questions]}


golden = {
    "made_by": "parity/make_bm25.py",
    "versions": {"python": sys.version.split()[0], "rank_bm25": version("rank_bm25"), "numpy": np.__version__},
    "seed": SEED,
    "dtype": "float64",
    "tolerance": 1e-6,
    "made_up": made_up(),
    "faire": faire(),
}
with open("retrieve/testdata/bm25.json", "w") as f:
    json.dump(golden, f, ensure_ascii=True)
    f.write("\n")
