#!/usr/bin/env bash
# trectools 0.0.50: settings that some of its measures take and pass over, and measures where one question changes another's
# score, without a word. Expected was what the docstrings say: trec_eval=True (the default) for "the same as trec_eval, e.g.,
# sort documents by score first", removeUnjudged=True "to remove the unjudged documents before calculating this metric".
#
# get_reciprocal_rank and get_rprec make the run without unjudged documents and then measure the whole one; get_precision and
# get_ndcg heed the setting. get_ndcg does not sort: at equal scores it keeps the order of the reader (document ids
# ascending), where get_precision takes trec_eval's (descending), so in one report P@1 is 0 and nDCG@1 is 1.
# get_rbp averages over ties by looking at the score in the row before, which may be the last of the question before: RBP of
# q2 depends on whether q1 ended with that score. get_bpref is 0 where all judged documents are relevant, for 0/0 is left out;
# trec_eval has 1. Issue 18 of its repository, open, has R-precision and nDCG other than trec_eval's.
#
# Seen on Python 3.11 with pandas 2.3.3 and pytrec_eval-terrier 0.5.11 (trec_eval's own code):
#   x unjudged before a: RR 0.5, judged only 0.5; trec_eval 0.5, judged only 1.0
#   x unjudged before a: R-precision 0.0, judged only 0.0; trec_eval 0.0, judged only 1.0
#   x unjudged before a: P@1 0.0, judged only 1.0; trec_eval 0.0, judged only 1.0
#   x unjudged before a: nDCG@1 0.0, judged only 1.0; trec_eval 0.0, judged only 1.0
#   a relevant and b not, at one score: P@1 0.0, nDCG@1 1.0; trec_eval P@1 0.0, nDCG@1 0.0
#   RBP of q2, d relevant at score 1: alone 0.2, after q1 ending at 2: 0.2, after q1 ending at 1: 0.18
#   a and b relevant, nothing else judged, both found: bpref 0.0; trec_eval 1.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  trectools==0.0.50 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1 pytrec_eval-terrier==0.5.11
"$work/v/bin/python" - "$work" <<'P' | tee "$work/seen"
import sys, warnings; warnings.simplefilter("ignore")
import pytrec_eval
from trectools import TrecEval, TrecQrel, TrecRun
def read(judged, found):
    names = sys.argv[1] + "/qrels", sys.argv[1] + "/run"
    open(names[0], "w").writelines(f"{query} 0 {name} {grade}\n" for query in judged for name, grade in judged[query].items())
    open(names[1], "w").writelines(f"{query} Q0 {name} {rank} {score} system\n" for query in found
                                   for rank, (name, score) in enumerate(found[query].items(), 1))
    return TrecEval(TrecRun(names[1]), TrecQrel(names[0]))
def right(judged, found, measure, only=False):
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {measure}, judged_docs_only_flag=only)
    return list(evaluator.evaluate(found)["q1"].values())[0]
def value(number):
    return round(float(number), 3)
judged, found = {"q1": {"a": 1, "b": 0}}, {"q1": {"x": 3, "a": 2, "b": 1}}
mine = read(judged, found)
for name, measure, theirs, depth in (
    ("RR", mine.get_reciprocal_rank, "recip_rank", 1000), ("R-precision", mine.get_rprec, "Rprec", 1000),
    ("P@1", mine.get_precision, "P.1", 1), ("nDCG@1", mine.get_ndcg, "ndcg_cut.1", 1),
):
    print(f"x unjudged before a: {name} {value(measure(depth))}, judged only {value(measure(depth, removeUnjudged=True))}; "
          f"trec_eval {right(judged, found, theirs)}, judged only {right(judged, found, theirs, True)}")
found = {"q1": {"a": 1, "b": 1}}
mine = read(judged, found)
print(f"a relevant and b not, at one score: P@1 {value(mine.get_precision(1))}, nDCG@1 {value(mine.get_ndcg(1))}; "
      f"trec_eval P@1 {right(judged, found, 'P.1')}, nDCG@1 {right(judged, found, 'ndcg_cut.1')}")
judged, second = {"q1": {"a": 1}, "q2": {"d": 1}}, {"q2": {"d": 1, "e": 0.5}}
say = lambda found: value(read(judged, found).get_rbp(per_query=True)[0].loc["q2"].iloc[0])
print(f"RBP of q2, d relevant at score 1: alone {say(second)}, after q1 ending at 2: {say({'q1': {'a': 3, 'b': 2}, **second})}, "
      f"after q1 ending at 1: {say({'q1': {'a': 3, 'b': 1}, **second})}")
judged, found = {"q1": {"a": 1, "b": 1}}, {"q1": {"a": 2, "b": 1}}
print(f"a and b relevant, nothing else judged, both found: bpref {value(read(judged, found).get_bpref())}; "
      f"trec_eval {right(judged, found, 'bpref')}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
