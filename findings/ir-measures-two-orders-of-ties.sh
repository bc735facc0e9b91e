#!/usr/bin/env bash
# ir_measures 0.4.3, one call, one run: documents of equal score are in one order for RR@10 and in the other for all the
# rest. RR without a cut-off, P, Success, AP and nDCG go to pytrec_eval, which puts the greater id first; RR@10 goes to
# the package's own "msmarco" code, which puts the smaller one first. Expected was one order, as there is in trec_eval.
#
# So RR@10 can be greater than RR, and is 1 where no query has its document in the first place. Equal scores are
# common: half precision, quantised vectors, doubled passages, BM25 of short texts. RR@10 is MS MARCO's measure and stands in
# tables beside nDCG@10. The page on measures says of the cut-off that it limits the depth that is looked at, no more.
#
# Seen on Python 3.11, ir_measures 0.4.3, pytrec_eval-terrier 0.5.11; two documents of score 1:
#   the relevant one is the smaller id: RR@10 1.0, RR 0.5, Success@1 0.0, AP 0.5, nDCG@10 0.63
#   the relevant one is the greater id: RR@10 0.5, RR 1.0, Success@1 1.0, AP 1.0, nDCG@10 1.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  ir_measures==0.4.3 pytrec_eval-terrier==0.5.11 numpy==2.4.6
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import ir_measures
from ir_measures import AP, RR, Success, nDCG
measures = [RR@10, RR, Success@1, AP, nDCG@10]
for relevant, name in (("d1", "smaller"), ("d2", "greater")):
    found = ir_measures.calc_aggregate(measures, {"q": {relevant: 1}}, {"q": {"d1": 1.0, "d2": 1.0}})
    print(f"the relevant one is the {name} id:", ", ".join(f"{m} {round(float(found[m]), 2)}" for m in measures))
P
diff "$work/seen" - <<'E'
the relevant one is the smaller id: RR@10 1.0, RR 0.5, Success@1 0.0, AP 0.5, nDCG@10 0.63
the relevant one is the greater id: RR@10 0.5, RR 1.0, Success@1 1.0, AP 1.0, nDCG@10 1.0
E
