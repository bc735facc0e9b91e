#!/usr/bin/env bash
# trectools 0.0.50 beside pandas 3: R-precision gives a query the documents found for other queries, and goes above 1. It asks
# for pandas of any version from 0.15 on, so a plain install today brings pandas 3. Expected was trec_eval's result, as the
# docstring says ("set to True if result should be the same as trec_eval", the default), and as pandas 2 still gives.
#
# get_rprec takes the first documents of each query with groupby("query").apply, which in pandas 3 leaves out the column it
# groups by, then merges with the judgments, which joins on what columns there are: the document alone. Two questions whose
# answers were swapped so look right, and evaluate_all has the number too.
# A query without a hit also has no row for recip_rank in pandas 3 (it was NaN in pandas 2), so the mean that
# extract_metric_from_results takes is that of the other queries, beside the right one in the row "all".
#
# Seen on Python 3.11 with pytrec_eval-terrier 0.5.11: R-precision of q1, q2 and of all:
#   right: trec_eval 1.0 0.5 0.75; pandas 2.3.3 1.0 0.5 0.75; pandas 3.1.1 1.0 0.5 0.75
#   swapped: trec_eval 0.0 0.0 0.0; pandas 2.3.3 0.0 0.0 0.0; pandas 3.1.1 1.0 0.5 0.75
#   one document for both: trec_eval 1.0 1.0 1.0; pandas 2.3.3 1.0 1.0 1.0; pandas 3.1.1 2.0 2.0 2.0
#   mean recip_rank, a miss and a hit: trec_eval 0.5; pandas 2.3.3 nan, all 0.5; pandas 3.1.1 1.0, all 0.5
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
cat > score.py <<'P'
import logging, warnings; warnings.simplefilter("ignore")
import numpy, pytrec_eval
from trectools import TrecEval, TrecQrel, TrecRun, procedures
def write(judged, found):
    open("qrels", "w").writelines(f"{query} 0 {document} 1\n" for query in judged for document in judged[query])
    open("run", "w").writelines(
        f"{query} Q0 {document} {rank} {9 - rank} system\n" for query in found for rank, document in enumerate(found[query], 1))
    measured = pytrec_eval.RelevanceEvaluator({query: dict.fromkeys(judged[query], 1) for query in judged}, {"Rprec", "recip_rank"})
    right = measured.evaluate({query: {document: 9.0 - rank for rank, document in enumerate(found[query])} for query in found})
    return TrecRun("run"), TrecQrel("qrels"), right
def say(values):
    return " ".join(str(round(float(value), 2)) for value in [*values, numpy.mean(values)])
two = {"q1": ["refund", "invoice"], "q2": ["delivery", "parcel"]}
one = {"q1": ["contact"], "q2": ["contact"]}
for name, judged, found in (
    ("right", two, {"q1": ["refund", "invoice"], "q2": ["delivery", "privacy"]}),
    ("swapped", two, {"q1": ["delivery", "privacy"], "q2": ["refund", "invoice"]}),
    ("one document for both", one, one),
):
    run, qrels, right = write(judged, found)
    result = run.evaluate_run(qrels, per_query=True).get_results_for_metric("Rprec")
    values = [numpy.nan_to_num(result[query]) for query in ("q1", "q2")]
    assert numpy.mean(values) == TrecEval(run, qrels).get_rprec()
    print(f"{name}: {say([right[query]['Rprec'] for query in ('q1', 'q2')])};{say(values)}")
run, qrels, right = write(one, {"q1": ["privacy"], "q2": ["contact"]})
result = run.evaluate_run(qrels, per_query=True)
mean = procedures.extract_metric_from_results([result], "recip_rank")[0][1]
print(f"mean recip_rank, a miss and a hit: {numpy.mean([right[query]['recip_rank'] for query in right])};"
      f"{round(float(mean), 2)}, all {result.get_result('recip_rank')}")
P
for pandas in 2.3.3 3.1.1; do
  python3 -m venv --without-pip "v$pandas"
  python3 -m pip --python "v$pandas/bin/python" install --quiet --no-compile --disable-pip-version-check \
    trectools==0.0.50 pandas==$pandas numpy==2.4.6 scipy==1.17.1 pytrec_eval-terrier==0.5.11
  "v$pandas/bin/python" score.py > "seen$pandas"
done
paste -d ';' seen2.3.3 <(cut -d ';' -f 2 seen3.1.1) | sed 's/: \([^:;]*\);/: trec_eval \1; pandas 2.3.3 /; s/;\([^ ]\)/; pandas 3.1.1 \1/' | tee seen
diff seen - <<'E'
right: trec_eval 1.0 0.5 0.75; pandas 2.3.3 1.0 0.5 0.75; pandas 3.1.1 1.0 0.5 0.75
swapped: trec_eval 0.0 0.0 0.0; pandas 2.3.3 0.0 0.0 0.0; pandas 3.1.1 1.0 0.5 0.75
one document for both: trec_eval 1.0 1.0 1.0; pandas 2.3.3 1.0 1.0 1.0; pandas 3.1.1 2.0 2.0 2.0
mean recip_rank, a miss and a hit: trec_eval 0.5; pandas 2.3.3 nan, all 0.5; pandas 3.1.1 1.0, all 0.5
E
