#!/usr/bin/env bash
# tantivy 0.27.0 for Python (Rust's full-text engine): a query with AND NOT finds nothing, OR NOT adds nothing, and a negated
# group of negated words excludes nothing. Expected were the documents with the one word and without the other.
#
# The changelog has AND, OR and NOT "in addition to the +,- syntax". red NOT blue, red AND -blue and red -blue are right; but
# beside AND or OR, NOT makes a query of its own that has only what to leave out, and such a query matches no document. Alone,
# NOT blue raises "Only excluding terms given"; inside another query there is no error, nor does parse_query_lenient name one.
# Issue 1980 of quickwit-oss/tantivy says that "some_term AND NOT query" is allowed; pull request 3025, open, puts it right.
#
# Seen on Python 3.11; the documents are numbered, expected by plain conditions on them:
#   red NOT blue: found [0, 5]; expected [0, 5]
#   red AND -blue: found [0, 5]; expected [0, 5]
#   red AND NOT blue: found []; expected [0, 5]
#   NOT blue AND red: found []; expected [0, 5]
#   red AND NOT year:2020: found []; expected [1, 4, 5]
#   * AND NOT red: found []; expected [2, 3]
#   green OR NOT red: found [3, 4, 5]; expected [2, 3, 4, 5]
#   red -(-blue -green): found [0, 1, 4, 5]; expected [1, 4, 5]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check tantivy==0.27.0
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import tantivy
schema = tantivy.SchemaBuilder().add_text_field("text").add_integer_field("year", stored=True, indexed=True).build()
index = tantivy.Index(schema)
texts = ["red", "red blue", "blue", "green", "red blue green", "red green"]
writer = index.writer(num_threads=1)
for number, text in enumerate(texts):
    writer.add_document(tantivy.Document.from_dict({"text": text, "year": 2020 + number}, schema))
writer.commit()
writer.wait_merging_threads()
index.reload()
searcher = index.searcher()
def numbers(query):
    return sorted(searcher.doc(address)["year"][0] - 2020 for _, address in searcher.search(query, 10).hits)
def ask(question, wanted):
    found = numbers(index.parse_query(question, ["text"]))
    query, errors = index.parse_query_lenient(question, ["text"])
    assert numbers(query) == found and not errors
    print(f"{question}: found {found}; expected {[n for n, text in enumerate(texts) if wanted(n, text.split())]}")
ask("red NOT blue", lambda number, words: "red" in words and "blue" not in words)
ask("red AND -blue", lambda number, words: "red" in words and "blue" not in words)
ask("red AND NOT blue", lambda number, words: "red" in words and "blue" not in words)
ask("NOT blue AND red", lambda number, words: "red" in words and "blue" not in words)
ask("red AND NOT year:2020", lambda number, words: "red" in words and number != 0)
ask("* AND NOT red", lambda number, words: "red" not in words)
ask("green OR NOT red", lambda number, words: "green" in words or "red" not in words)
ask("red -(-blue -green)", lambda number, words: "red" in words and ("blue" in words or "green" in words))
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
