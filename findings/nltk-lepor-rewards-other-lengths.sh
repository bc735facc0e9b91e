#!/usr/bin/env bash
# nltk 3.10.4, sentence_lepor and corpus_lepor: the penalty for another length is a reward. A right answer that says each word twice
# scores 2.14 where the answer itself has 1, and every second word of it 1.07. Expected was at most 1, and the paper's value.
#
# The paper (Han, Wong and Chao, COLING 2012, its equation 2, which the docstring of length_penalty names) has exp(1 - r/c) for an answer
# of c words that is shorter than the reference's r and exp(1 - c/r) for a longer one, both below 1. nltk has each for the
# other case, so that it is between 1 and e. Words that repeat are each counted as found, so recall gets above 1, and of
# several places the farthest is taken, so an answer equal to the reference gets less than 1. A word that is not found is
# left out before positions are counted, and all that follow seem to have moved. No setting changes any of it.
#
# Seen on Python 3.11; by the paper: each word to the nearest place that is not yet taken, computed here:
#   equal: 1.000, by the paper 1.000; penalty 1.000, by the paper 1.000
#   equal, words repeat: 0.801, by the paper 1.000; penalty 1.000, by the paper 1.000
#   one wrong word: 0.878, by the paper 0.889; penalty 1.000, by the paper 1.000
#   every second word: 1.066, by the paper 0.307; penalty 1.560, by the paper 0.449
#   an um after each word: 0.965, by the paper 0.281; penalty 1.601, by the paper 0.411
#   each word twice: 2.138, by the paper 0.239; penalty 1.649, by the paper 0.368
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check nltk==3.10.4
"$work/v/bin/python" - <<'P' | tee "$work/seen"
from math import exp
from nltk.translate.lepor import corpus_lepor, length_penalty, sentence_lepor
def paper(reference, answer):
    r, c = len(reference), len(answer)
    penalty = exp(1 - max(r, c) / min(r, c))
    places, moved, matched = list(range(r)), 0, 0
    for i, word in enumerate(answer):
        free = [j for j in places if reference[j] == word]
        if free:
            j = min(free, key=lambda j: abs(j - i))
            places.remove(j)
            moved, matched = moved + abs((i + 1) / c - (j + 1) / r), matched + 1
    precision, recall = matched / c, matched / r
    return penalty, penalty * exp(-moved / c) * 2 * precision * recall / (precision + recall)
gold = "boats leave our harbour at noon every second day"
for name, reference, answer in (
    ("equal", gold, gold),
    ("equal, words repeat", "to be or not to be", "to be or not to be"),
    ("one wrong word", gold, gold.replace("second", "third")),
    ("every second word", gold, "boats our at every day"),
    ("an um after each word", gold, gold.replace(" ", " um ")),
    ("each word twice", gold, " ".join(f"{word} {word}" for word in gold.split())),
):
    score = sentence_lepor([reference], answer, tokenizer=str.split)[0]
    assert corpus_lepor([[reference]], [answer], tokenizer=str.split) == [[score]]
    penalty, right = paper(reference.split(), answer.split())
    print(f"{name}: {score:.3f}, by the paper {right:.3f}; penalty {length_penalty(reference.split(), answer.split()):.3f}, by the paper {penalty:.3f}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
