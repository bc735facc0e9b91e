#!/usr/bin/env bash
# ranx 0.3.21: evaluate changes the Run that it is given, so what is computed from it afterwards depends on whether, and with
# what, it has been evaluated before. Expected were figures of the run alone, as of Run(dictionary) made anew.
#
# A run filled by add_score is sorted when it is evaluated or saved, not by fuse; fusing by rank (rrf here) takes it in the
# order in which it was filled, so the last document found can come first. With make_comparable=True queries that the judgements
# lack are deleted from the caller's run; the judgements of a second split then find nothing in it and score 0, and save writes
# what is left. The docstring says that such queries are removed, not that they are gone for good.
#
# Seen on Python 3.11, ranx 0.3.21, numba 0.68.1; the relevant passage has the greatest score in each run:
#   hit rate at 1 of two equal runs, fused before they are evaluated: 0.0; each alone: 1.0, 1.0; fused after: 1.0
#   hit rate at 1 on the first split: 1.0; then on the second: 0.0; on the second with the run made anew: 1.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  ranx==0.3.21 numba==0.68.1 numpy==2.4.6 pandas==3.1.1
"$work/v/bin/python" -W ignore - <<'P' | tee "$work/seen"
from ranx import Qrels, Run, evaluate, fuse
def hit(qrels, run, **settings):
    return float(evaluate(Qrels(qrels), run, "hit_rate@1", **settings))
def filled():
    run = Run()
    for document, score in (("cats", 1.0), ("dogs", 2.0), ("library", 3.0)):
        run.add_score("q1", document, score)
    return run
qrels, runs = {"q1": {"library": 1}}, [filled(), filled()]
print("hit rate at 1 of two equal runs, fused before they are evaluated:", hit(qrels, fuse(runs, method="rrf")), end="; ")
print(f"each alone: {hit(qrels, runs[0])}, {hit(qrels, runs[1])}; fused after: {hit(qrels, fuse(runs, method='rrf'))}")
found = {"q1": {"library": 2.0, "cats": 1.0}, "q2": {"harbour": 2.0, "cats": 1.0}}
run, second = Run(found), {"q2": {"harbour": 1}}
print("hit rate at 1 on the first split:", hit(qrels, run, make_comparable=True), end="; ")
print("then on the second:", hit(second, run, make_comparable=True), end="; ")
print("on the second with the run made anew:", hit(second, Run(found), make_comparable=True))
P
diff "$work/seen" - <<'E'
hit rate at 1 of two equal runs, fused before they are evaluated: 0.0; each alone: 1.0, 1.0; fused after: 1.0
hit rate at 1 on the first split: 1.0; then on the second: 0.0; on the second with the run made anew: 1.0
E
