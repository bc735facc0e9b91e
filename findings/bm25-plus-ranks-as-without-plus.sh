#!/usr/bin/env bash
# BM25+ of rank_bm25 0.2.2 and of bm25s 0.3.16: delta, the one thing that BM25+ adds, changes no ranking, whatever its value.
# Expected was the order of the paper (Lv and Zhai, CIKM 2011), which sums over the words that query and document share: there
# a word that occurs at all is worth delta more than one that doesn't, so that long documents are not ranked below it.
#
# Both add delta for the words that a document lacks, too, so each document gets the same sum on top, also those without any word
# of the query: a score above 0 no longer means a match. rank_bm25's BM25L, moreover, multiplies by the count once more: a hundred
# repeats of a word score 197 times as much as one, where bm25s, like the paper (SIGIR 2011), levels off at 2.
#
# Seen on Python 3.11, numpy 2.4.6; a long passage with both words of the question, a short one with one of them, twice:
#   delta 0: rank_bm25 short, bm25s short, paper short; score of a passage without a match 0.0, 0.0, 0.0
#   delta 1: rank_bm25 short, bm25s short, paper long; score of a passage without a match 3.2, 3.2, 0.0
#   delta 100: rank_bm25 short, bm25s short, paper long; score of a passage without a match 319.9, 319.9, 0.0
#   BM25L, a word 1, 10, 100 times: rank_bm25 1.0, 17.5, 197.1; bm25s 1.0, 1.8, 2.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  rank_bm25==0.2.2 bm25s==0.3.16 numpy==2.4.6
"$work/v/bin/python" - 2>/dev/null <<'P' | tee "$work/seen"
import math, bm25s, numpy, rank_bm25
docs = {"long": ["library", "opens"] + ["and"] * 198, "short": ["library", "library", "in", "town"],
        **{f"other {i}": ["cats", "and", "dogs", "too"] for i in range(4)}}
names, corpus, query = list(docs), list(docs.values()), ["library", "opens"]
mean = sum(map(len, corpus)) / len(corpus)
def paper(delta, k1=1.5, b=0.75):
    df = lambda w: sum(w in d for d in corpus)
    part = lambda w, d: (k1 + 1) * d.count(w) / (k1 * (1 - b + b * len(d) / mean) + d.count(w)) + delta
    return [sum(math.log((len(corpus) + 1) / df(w)) * part(w, d) for w in query if w in d) for d in corpus]
def stored(method, delta, corpus, query):
    index = bm25s.BM25(method=method, delta=delta, k1=1.5, b=0.75)
    index.index(corpus, show_progress=False)
    return index.get_scores(query)
for delta in (0, 1, 100):
    found = [rank_bm25.BM25Plus(corpus, delta=delta).get_scores(query), stored("bm25+", delta, corpus, query), paper(delta)]
    best = [names[numpy.argmax(f)] for f in found]
    print(f"delta {delta}: rank_bm25 {best[0]}, bm25s {best[1]}, paper {best[2]}; score of a passage without a match",
          ", ".join(str(round(float(f[-1]), 1)) for f in found))
corpus = [["cat"] * n + ["dog"] * (100 - n) for n in (1, 10, 100)] + [["dog"] * 100] * 4
show = lambda scores: ", ".join(str(round(float(s / scores[0]), 1)) for s in scores[:3])
print("BM25L, a word 1, 10, 100 times: rank_bm25", show(rank_bm25.BM25L(corpus).get_scores(["cat"])) + "; bm25s",
      show(stored("bm25l", 0.5, corpus, ["cat"])))
P
diff "$work/seen" - <<'E'
delta 0: rank_bm25 short, bm25s short, paper short; score of a passage without a match 0.0, 0.0, 0.0
delta 1: rank_bm25 short, bm25s short, paper long; score of a passage without a match 3.2, 3.2, 0.0
delta 100: rank_bm25 short, bm25s short, paper long; score of a passage without a match 319.9, 319.9, 0.0
BM25L, a word 1, 10, 100 times: rank_bm25 1.0, 17.5, 197.1; bm25s 1.0, 1.8, 2.0
E
