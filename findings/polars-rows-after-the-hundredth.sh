#!/usr/bin/env bash
# polars 2.1.0: rows of JSON whose types show only after the 100 rows that it looks at lose answers, keys and fractions, each
# way of reading others, without a word. Expected were the values, or the error that the next way of reading raises.
#
# A file that starts with the unanswerable questions is enough: "answers": [] in its first 100 rows, and read_ndjson makes each
# later answer null, in a list of the right length, although ignore_errors, which asks for null at a mismatch, is False (pull
# request 21953 made such nulls errors, not those in lists). A key that first comes later is gone, from an object within a row
# too (issue 29330). DataFrame(rows), strict by default, which its page says raises for what does not exactly match the type,
# makes 7 of 7.9 and of "7", and drops the key (issue 23152); given as a column, 7.9 raises, as promised. read_json makes 7 of
# 7.9, which read_ndjson refuses, and null of an id that is no 64-bit integer, where the two others raise. With
# infer_schema_length=None all three give the rows' values.
#
# Seen on Python 3.11; of the last of 101 rows, the value in read_ndjson | read_json | DataFrame(rows) | the rows:
#   answers, [] before: [None] | ComputeError | ['gold'] | ['gold']
#   gold, no such key before: no column | ComputeError | no column | 'yes'
#   meta, without lang before: {'a': 1} | ComputeError | {'a': 1} | {'a': 1, 'lang': 'en'}
#   score, 7 before: ComputeError | 7 | 7 | 7.9
#   count, 7 before: ComputeError | ComputeError | 7 | '7'
#   id, small before: ComputeError | None | ComputeError | 10000000000000000000
#   score as a column: TypeError
#   as in the rows, with infer_schema_length=None: 18 of 18
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check polars==2.1.0
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import io, json, polars as pl
def ndjson(rows, **settings):
    return pl.read_ndjson(io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode()), **settings)
def array(rows, **settings):
    return pl.read_json(io.BytesIO(json.dumps(rows).encode()), **settings)
ways = [ndjson, array, pl.DataFrame]
def last(read, rows, key, **settings):
    try:
        table = read(rows, **settings)
        return repr(table.rows(named=True)[-1][key]) if key in table.columns else "no column"
    except Exception as error:
        return type(error).__name__
cases = [("answers", "[] before", {"answers": []}, ["gold"]), ("gold", "no such key before", {}, "yes"),
         ("meta", "without lang before", {"meta": {"a": 1}}, {"a": 1, "lang": "en"}), ("score", "7 before", {"score": 7}, 7.9),
         ("count", "7 before", {"count": 7}, "7"), ("id", "small before", {"id": 1}, 10**19)]
whole = []
for key, note, before, value in cases:
    rows = [{"n": n, **before} for n in range(100)] + [{"n": 100, key: value}]
    print(f"{key}, {note}:", " | ".join(last(read, rows, key) for read in ways), "|", repr(value))
    whole += [last(read, rows, key, infer_schema_length=None) == repr(value) for read in ways]
print("score as a column:", last(pl.DataFrame, {"score": [7] * 100 + [7.9]}, "score"))
print(f"as in the rows, with infer_schema_length=None: {sum(whole)} of {len(whole)}")
P
diff "$work/seen" - <<'E'
answers, [] before: [None] | ComputeError | ['gold'] | ['gold']
gold, no such key before: no column | ComputeError | no column | 'yes'
meta, without lang before: {'a': 1} | ComputeError | {'a': 1} | {'a': 1, 'lang': 'en'}
score, 7 before: ComputeError | 7 | 7 | 7.9
count, 7 before: ComputeError | ComputeError | 7 | '7'
id, small before: ComputeError | None | ComputeError | 10000000000000000000
score as a column: TypeError
as in the rows, with infer_schema_length=None: 18 of 18
E
