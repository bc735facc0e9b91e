#!/usr/bin/env bash
# ranx 0.3.21, evaluate(qrels, run) with dictionaries: the first query of the one is scored with the judgements of the first
# of the other, whatever their ids. A run that finds everything gets 0. Expected was that queries are matched by id.
#
# Dictionaries of dictionaries are in evaluate's signature, and it checks that both have the same ids, but as sets; of each it
# then takes the values in the order in which they stand. Qrels and Run, the preferred way, are built sorted by query; Qrels
# with a dictionary go wrong all the same. Files of judgements and of results are seldom in one order, and where most queries
# happen to be in place, the figure looks possible.
#
# Seen on Python 3.11, ranx 0.3.21, numba 0.68.1, beside pytrec_eval-terrier 0.5.11; two queries, each with its one
# relevant passage in the first place:
#   queries in the judgements' order: ranx 1.0, pytrec_eval 1.0
#   queries in the other order: ranx 0.0, pytrec_eval 1.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  ranx==0.3.21 numba==0.68.1 numpy==2.4.6 pandas==3.1.1 pytrec_eval-terrier==0.5.11
"$work/v/bin/python" -W ignore - <<'P' | tee "$work/seen"
import pytrec_eval
from ranx import evaluate
qrels = {"q1": {"a": 1}, "q2": {"b": 1}}
run = {"q1": {"a": 2.0, "x": 1.0}, "q2": {"b": 2.0, "x": 1.0}}
def success(run):
    found = pytrec_eval.RelevanceEvaluator(qrels, {"success_1"}).evaluate(run)
    return sum(f["success_1"] for f in found.values()) / len(found)
for name, order in (("the judgements'", ("q1", "q2")), ("the other", ("q2", "q1"))):
    ordered = {q: run[q] for q in order}
    print(f"queries in {name} order: ranx {float(evaluate(qrels, ordered, 'hit_rate@1'))}, pytrec_eval {success(ordered)}")
P
diff "$work/seen" - <<'E'
queries in the judgements' order: ranx 1.0, pytrec_eval 1.0
queries in the other order: ranx 0.0, pytrec_eval 1.0
E
