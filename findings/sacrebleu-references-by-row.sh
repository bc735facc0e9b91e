#!/usr/bin/env bash
# sacrebleu 2.6.0 wants references by stream: one list for all first references, one for all second ones. Given by row,
# as nltk, evaluate and every QA file have them ([[gold of row 1], [gold of row 2], ...]), it scores the first answer
# alone, against the golds of all rows, and says nothing. Expected was an error: two answers, and "streams" of one line.
#
# BLEU 100 for a test set whose other answers are all wrong is the loud case; usually it is a figure that looks possible.
# chrF does the same. A plain list of golds is taken for streams of single characters: BLEU 0.
#
# Seen on Python 3.11, sacrebleu 2.6.0; the first answer is right, the second wrong:
#   by stream: bleu 51.8 chrf 60.0; by row: bleu 100.0 chrf 100.0; flat: bleu 0.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check sacrebleu==2.6.0
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import sacrebleu
golds = ["the library opens at nine in winter", "it was built in the old harbour"]
answers = [golds[0], "nobody knows"]
bleu = lambda refs: round(sacrebleu.corpus_bleu(answers, refs).score, 1)
chrf = lambda refs: round(sacrebleu.corpus_chrf(answers, refs).score, 1)
stream, row = [golds], [[g] for g in golds]
print(f"by stream: bleu {bleu(stream)} chrf {chrf(stream)}; by row: bleu {bleu(row)} chrf {chrf(row)}; flat: bleu {bleu(golds)}")
P
grep -qx 'by stream: bleu 51.8 chrf 60.0; by row: bleu 100.0 chrf 100.0; flat: bleu 0.0' "$work/seen"
