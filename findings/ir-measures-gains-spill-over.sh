#!/usr/bin/env bash
# ir_measures 0.4.3: nDCG@10 asked for together with nDCG(gains=...)@10 is, in some runs of the same program, computed with
# the other's gains, and the other is 0 for every query; in other runs both are right. Nothing is said. Expected were the
# values that each has when it is asked for alone.
#
# calc_aggregate holds measures in a set, so hash randomisation decides which comes first. nDCG without gains joins whatever
# call of pytrec_eval was planned first, "doesn't matter where", and that may be the one whose judgements were mapped to the
# gains; there both go by the name ndcg_cut_10, and the one that is lost gets the default. With other cut-offs only the first
# happens. Custom gains are how partly relevant passages are counted or not, and one table shows both.
#
# Seen on Python 3.11, ir_measures 0.4.3, pytrec_eval-terrier 0.5.11; a passage of grade 1 before one of grade 2:
#   alone: nDCG@10 0.86, with gains 0.63
#   ir_measures.pytrec_eval, plain first: nDCG@10 0.86, with gains 0.63
#   ir_measures.pytrec_eval, gains first: nDCG@10 0.63, with gains 0.0
#   ir_measures.calc_aggregate, some seeds: nDCG@10 0.63, with gains 0.0
#   ir_measures.calc_aggregate, some seeds: nDCG@10 0.86, with gains 0.63
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check \
  ir_measures==0.4.3 pytrec_eval-terrier==0.5.11 numpy==2.4.6
cat > ask.py <<'P'
import sys, ir_measures
from ir_measures import nDCG
plain, gains = nDCG@10, nDCG(gains={1: 0, 2: 1})@10
def calc(provider, *measures):
    found = provider.calc_aggregate(measures, {"q": {"partly": 1, "fully": 2}}, {"q": {"partly": 2.0, "fully": 1.0}})
    return {m: round(float(v), 2) for m, v in found.items()}
def show(name, found):
    print(f"{name}: nDCG@10 {found[plain]}, with gains {found[gains]}")
if sys.argv[1:]:
    show("ir_measures.calc_aggregate, some seeds", calc(ir_measures, plain, gains))
else:
    show("alone", calc(ir_measures, plain) | calc(ir_measures, gains))
    show("ir_measures.pytrec_eval, plain first", calc(ir_measures.pytrec_eval, plain, gains))
    show("ir_measures.pytrec_eval, gains first", calc(ir_measures.pytrec_eval, gains, plain))
P
{ v/bin/python ask.py; for seed in $(seq 16); do PYTHONHASHSEED=$seed v/bin/python ask.py together; done | sort -u; } | tee seen
diff seen - <<'E'
alone: nDCG@10 0.86, with gains 0.63
ir_measures.pytrec_eval, plain first: nDCG@10 0.86, with gains 0.63
ir_measures.pytrec_eval, gains first: nDCG@10 0.63, with gains 0.0
ir_measures.calc_aggregate, some seeds: nDCG@10 0.63, with gains 0.0
ir_measures.calc_aggregate, some seeds: nDCG@10 0.86, with gains 0.63
E
