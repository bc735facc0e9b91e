#!/usr/bin/env bash
# nltk 3.10.4, METEOR (meteor_score, which evaluate's meteor runs): of words that are there more than once the last is taken for the last,
# so a phrase that stands in the reference as it is counts as torn apart. Expected was what the docstring of align_words says.
#
# It says that "in case there are multiple matches the match which has the least number of crossing is chosen", as the paper has it
# (Banerjee and Lavie, 2005). Nothing is compared: from the end of the answer each word gets the last place that is free.
# "the harbour" of "the harbour and the town" takes the town's "the": two chunks that cross, and 0.21 in place of 0.40. An answer's
# score so depends on what the reference says after it, and "harbour the" is no worse than "the harbour".
#
# Seen on Python 3.11, wordnet left out as no synonym matters; expected by trying all alignments:
#   "the harbour" of "the harbour": 0.938, crossed 0; expected 0.938, crossed 0
#   "the harbour" of "the harbour and the town": 0.213, crossed 1; expected 0.399, crossed 0
#   "harbour the" of "the harbour and the town": 0.213, crossed 0; expected 0.213, crossed 0
#   "the harbour" of "the harbour and a town": 0.399, crossed 0; expected 0.399, crossed 0
#   "built in 1990" of "it was built in 1990 and opened in 1992": 0.179, crossed 1; expected 0.351, crossed 0
#   "opened in 1992" of "it was built in 1990 and opened in 1992": 0.351, crossed 0; expected 0.351, crossed 0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check nltk==3.10.4
"$work/v/bin/python" - <<'P' | tee "$work/seen"
from itertools import combinations, product
from nltk.translate.meteor_score import align_words, meteor_score
class NoWordnet:
    def synsets(self, word):
        return []
def crossed(pairs):
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(pairs, 2))
def chunks(pairs):
    return 1 + sum(b != (a[0] + 1, a[1] + 1) for a, b in zip(pairs, pairs[1:]))
def best(answer, reference):
    places = [[None] + [j for j, other in enumerate(reference) if other == word] for word in answer]
    found = []
    for choice in product(*places):
        pairs = [(i, j) for i, j in enumerate(choice) if j is not None]
        if len({j for _, j in pairs}) == len(pairs):
            found.append(pairs)
    return min(found, key=lambda pairs: (-len(pairs), crossed(pairs), chunks(pairs)))
def score(answer, reference, pairs):
    precision, recall = len(pairs) / len(answer), len(pairs) / len(reference)
    return precision * recall / (0.9 * precision + 0.1 * recall) * (1 - 0.5 * (chunks(pairs) / len(pairs)) ** 3)
for reference, answer in (
    ("the harbour", "the harbour"),
    ("the harbour and the town", "the harbour"),
    ("the harbour and the town", "harbour the"),
    ("the harbour and a town", "the harbour"),
    ("it was built in 1990 and opened in 1992", "built in 1990"),
    ("it was built in 1990 and opened in 1992", "opened in 1992"),
):
    one, other = answer.split(), reference.split()
    seen, right = align_words(one, other, wordnet=NoWordnet())[0], best(one, other)
    print(f'"{answer}" of "{reference}": {meteor_score([other], one, wordnet=NoWordnet()):.3f}, crossed {crossed(seen)}', end="; ")
    print(f"expected {score(one, other, right):.3f}, crossed {crossed(right)}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
