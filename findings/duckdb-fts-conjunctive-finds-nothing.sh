#!/usr/bin/env bash
# DuckDB 1.5.5, full-text search: match_bm25 with conjunctive := true finds nothing if the question has a stop word, a number or a
# mark at its end, and of the fields in "title, body" only the first is searched. Expected were the documents that have all the words.
#
# The index leaves out stop words, and by default digits and marks; from the question they are not taken, yet each counts as a word
# that a document must have. "the harbour?" so finds no document, though one begins with "The harbour", nor can any, and
# 570 stop words, "new" and "help" among them, are in force if one names none. Without conjunctive the same questions are right.
# The page's words are "all terms in the query string must be present"; the readme of what is not yet released has "that remain after
# tokenization, stopword removal, and stemming". The page's own example of fields is 'text_field_2, text_field_N': a space
# after the comma becomes a part of the name, and a field that isn't there is no error, but a search in fewer or none.
# Issues 15 and 21 of duckdb/duckdb-fts, both open, have the like of the stop words and of the space.
#
# Seen on Python 3.11, the extension of the package duckdb-extension-fts; expected by sets of words, without stop words and digits:
#   harbour: conjunctive [1, 4], expected [1, 4]; otherwise [1, 4]
#   harbour boats: conjunctive [1], expected [1]; otherwise [1, 2, 4]
#   the harbour: conjunctive [], expected [1, 4]; otherwise [1, 4]
#   the boats of the harbour: conjunctive [], expected [1]; otherwise [1, 2, 4]
#   harbour boats?: conjunctive [], expected [1]; otherwise [1, 2, 4]
#   bridge 1990: conjunctive [], expected [3]; otherwise [3]
#   new bridge: conjunctive [], expected [3]; otherwise [3]
#   lamps in "title,body": [2, 4], expected [2, 4]
#   lamps in "title, body": [4], expected [2, 4]
#   lamps in "body, title": [2], expected [2, 4]
#   lamps in "tilte": [], expected an error
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  duckdb==1.5.5 duckdb-extensions==1.5.5 duckdb-extension-fts==1.5.5 setuptools==80.9.0
"$work/v/bin/python" -W ignore - <<'P' | tee "$work/seen"
import re, duckdb
from duckdb_extensions import import_extension
documents = [
    ("The harbour", "The boats of the harbour are red."), ("The sea", "Boats, and lamps."),
    ("The new bridge", "In 1990 a new bridge was opened."), ("Lamps of the harbour", "They give light."),
]
base = duckdb.connect()
import_extension("fts", con=base)
base.execute("LOAD fts")
base.execute("CREATE TABLE d (id INT, title VARCHAR, body VARCHAR)")
base.executemany("INSERT INTO d VALUES (?, ?, ?)", [(number, *document) for number, document in enumerate(documents, 1)])
base.execute("PRAGMA create_fts_index('d', 'id', 'title', 'body', stemmer = 'none')")
stop_words = {word for word, in base.execute("SELECT * FROM fts_main_d.stopwords").fetchall()}
assert len(stop_words) == 570 and "help" in stop_words
def words(text):
    return set(re.findall("[a-z]+", text.lower())) - stop_words
def ask(question, **settings):
    named = "".join(f", {name} := ${name}" for name in settings)
    query = f"SELECT id FROM d WHERE fts_main_d.match_bm25(id, $question{named}) IS NOT NULL ORDER BY id"
    return [number for number, in base.execute(query, {"question": question, **settings}).fetchall()]
for question in ("harbour", "harbour boats", "the harbour", "the boats of the harbour", "harbour boats?", "bridge 1990", "new bridge"):
    expected = [number for number, document in enumerate(documents, 1) if words(question) <= words(" ".join(document))]
    print(f"{question}: conjunctive {ask(question, conjunctive=True)}, expected {expected}; otherwise {ask(question)}")
for fields in ("title,body", "title, body", "body, title"):
    print(f'lamps in "{fields}": {ask("lamps", fields=fields)}, expected {[n for n, d in enumerate(documents, 1) if "lamps" in words(" ".join(d))]}')
print(f'lamps in "tilte": {ask("lamps", fields="tilte")}, expected an error')
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
