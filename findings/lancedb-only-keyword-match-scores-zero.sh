#!/usr/bin/env bash
# LanceDB 0.40.0, hybrid search with LinearCombinationReranker: where one document alone has the question's word, it comes
# last, with relevance 0, whatever weight the full-text side is given. Expected was the first place, at least where
# nearly all the weight is on words; RRFReranker, the default, puts it there.
#
# Scores are normalised to (score - min) / (max - min) before they are combined; of one score, or of several equal ones,
# that makes 0, which is what documents have that were not found at all. An error code, a part number, a name: just the
# questions for which one adds keyword search to vectors. Likewise the weakest of several matches counts as none. The API
# reference says "the scores are normalized directly" and nothing of a single one; normalize="rank" does the same.
#
# Seen on Python 3.11, lancedb 0.40.0, lance's own full-text index, four documents:
#   score, weight of vectors 0.7: place 4 of 4, relevance 0.0
#   score, weight of vectors 0.1: place 4 of 4, relevance 0.0
#   rank, weight of vectors 0.1: place 4 of 4, relevance 0.0
#   score, weight of vectors 0.1, a second match that is weaker: place 1 of 4
#   RRF: place 1 of 4
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check lancedb==0.40.0
v/bin/python -W ignore - <<'P' | tee seen
import math

import lancedb
from lancedb.rerankers import LinearCombinationReranker, RRFReranker

texts = ["the error E1234 means that the disk is full", "apples are green and the disk of the sun is red", "rivers flow to the sea", "lamps give light"]
angles = [0.6, 0.1, 0.2, 0.3]  # from the question; the one that answers it is the farthest
table = lancedb.connect("db").create_table("t", [{"text": t, "vector": [math.cos(a), math.sin(a)]} for t, a in zip(texts, angles)])
table.create_fts_index("text")


def ask(name, words, reranker, normalize="score"):
    found = table.search(query_type="hybrid").vector([1.0, 0.0]).text(words).rerank(reranker, normalize=normalize).limit(4).to_list()
    place = [r["text"] for r in found].index(texts[0])
    print(f"{name}: place {place + 1} of {len(found)}", *([f"relevance {found[place]['_relevance_score']:.1f}"] if words == "E1234" and name != "RRF" else []), sep=", ")


ask("score, weight of vectors 0.7", "E1234", LinearCombinationReranker(weight=0.7))
ask("score, weight of vectors 0.1", "E1234", LinearCombinationReranker(weight=0.1))
ask("rank, weight of vectors 0.1", "E1234", LinearCombinationReranker(weight=0.1), "rank")
ask("score, weight of vectors 0.1, a second match that is weaker", "E1234 disk", LinearCombinationReranker(weight=0.1))
ask("RRF", "E1234", RRFReranker())
P
diff seen - <<'T'
score, weight of vectors 0.7: place 4 of 4, relevance 0.0
score, weight of vectors 0.1: place 4 of 4, relevance 0.0
rank, weight of vectors 0.1: place 4 of 4, relevance 0.0
score, weight of vectors 0.1, a second match that is weaker: place 1 of 4
RRF: place 1 of 4
T
