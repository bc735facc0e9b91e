#!/usr/bin/env bash
# rouge_score 0.1.2, which most QA papers and LocalRQA score with, throws away every character but a-z and 0-9:
# an answer in Chinese equal to the gold answer has ROUGE 0, and German with umlauts equals its own ruins.
# Nothing warns: a table of ROUGE over a multilingual test set is quietly a table over its English part.
#
# Seen on Python 3.11, rouge_score 0.1.2 (the newest on the index), nltk 3.9.2:
#   equal Chinese answers: 0.0
#   'Öl für Zürich' against 'l f r z rich': 1.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check rouge_score==0.1.2 nltk==3.9.2
"$work/v/bin/python" - <<'E' | tee "$work/seen"
from rouge_score.rouge_scorer import RougeScorer
score = lambda gold, answer: RougeScorer(["rougeL"], use_stemmer=False).score(gold, answer)["rougeL"].fmeasure
print("equal Chinese answers:", float(score("图书馆在冬天开放", "图书馆在冬天开放")))
print("'Öl für Zürich' against 'l f r z rich':", score("Öl für Zürich", "l f r z rich"))
E
diff "$work/seen" - <<'E'
equal Chinese answers: 0.0
'Öl für Zürich' against 'l f r z rich': 1.0
E
