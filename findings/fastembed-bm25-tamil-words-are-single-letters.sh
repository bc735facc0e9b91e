#!/usr/bin/env bash
# fastembed 0.9.1 (Qdrant's embeddings), Bm25 with language="tamil": every word falls into single letters, without the vowel signs, so words
# that have nothing in common are one. A question for milk finds tiger and grass just as well. Expected were words.
#
# Tamil is one of the languages it names as supported, with Snowball's stemmer, which never sees a word of it. Before words
# are taken, what Python's \w does not match is replaced by spaces, and that are also the marks that follow a letter (Unicode's Mn
# and Mc), which Unicode's rules for words and the module regex count in. So for Hindi with disable_stemmer=True, the way
# that its docstring has for other languages, and for Arabic, supported too, in a text with vowel signs.
#
# Seen on Python 3.11, regex 2026.11.19; words of the query's vector, and those of the stemmer given words by regex:
#   tamil, milk: 2 words, expected 1; equal to ['milk', 'tiger', 'grass'], expected ['milk']; score for milk 3.37
#   tamil, tiger: 2 words, expected 1; equal to ['milk', 'tiger', 'grass'], expected ['tiger']; score for milk 3.37
#   tamil, grass: 2 words, expected 1; equal to ['milk', 'tiger', 'grass'], expected ['grass']; score for milk 3.37
#   hindi, day: 2 words, expected 1; equal to ['day', 'gift'], expected ['day']; score for day 3.37
#   hindi, gift: 2 words, expected 1; equal to ['day', 'gift'], expected ['gift']; score for day 3.37
#   arabic, book: 1 words, expected 1; equal to ['book'], expected ['book', 'book with vowel signs']; score for book 1.69
#   arabic, book with vowel signs: 3 words, expected 1; equal to ['book with vowel signs'], expected ['book', 'book with vowel signs']; score for book 0.00
#   greek, milk: 1 words, expected 1; equal to ['milk'], expected ['milk']; score for milk 1.69
#   greek, tiger: 1 words, expected 1; equal to ['tiger'], expected ['tiger']; score for milk 0.00
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check fastembed==0.9.1 numpy==2.4.6 regex==2026.11.19
mkdir "$work/model"  # of the model's files only lists of stop words are read; there is none for Tamil
"$work/v/bin/python" - "$work/model" <<'P' | tee "$work/seen"
import sys, regex
from fastembed.sparse.bm25 import Bm25
def model(language):
    return Bm25("Qdrant/bm25", language=language, specific_model_path=sys.argv[1], disable_stemmer=language == "hindi")
def ids(model, text):
    return set(next(model.query_embed(text)).indices.tolist())
def expected(model, text):
    stem = model.stemmer.stem_word if model.stemmer else str
    return {model.compute_token_id(stem(word)) for word in regex.findall(r"\w+", text.lower())}
def score(model, question, text):
    found = next(model.embed(text))
    return sum(value for number, value in zip(found.indices.tolist(), found.values.tolist()) if number in ids(model, question))
for language, words in (
    ("tamil", {"milk": "பால்", "tiger": "புலி", "grass": "புல்"}),
    ("hindi", {"day": "दिन", "gift": "दान"}),
    ("arabic", {"book": "كتاب", "book with vowel signs": "كِتَاب"}),
    ("greek", {"milk": "γάλα", "tiger": "τίγρης"}),
):
    bm25, first = model(language), next(iter(words))
    for name, word in words.items():
        same = [other for other in words if ids(bm25, words[other]) == ids(bm25, word)]
        right = [other for other in words if expected(bm25, words[other]) == expected(bm25, word)]
        print(f"{language}, {name}: {len(ids(bm25, word))} words, expected {len(expected(bm25, word))}; equal to {same}, expected {right}", end="; ")
        print(f"score for {first} {score(bm25, words[first], word):.2f}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
