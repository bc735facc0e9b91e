#!/usr/bin/env bash
# Whoosh-Reloaded 2.7.5, collapse=field, to keep one document of each value: of value 0 all are kept, of those without a value
# but one if the field is a sortable number, and with a collapse_order the limit changes what is found. Expected were one of a
# value, all that have none (a docstring says that "an empty key" is never eliminated), and for a limit the first of all.
#
# Passages of source number 0 crowd the others out, and passages without a number get lost: a sortable number that is missing is
# taken for 2147483647, and groupedby names that group so. With collapse_order, a document replaces one of its value that was
# kept before; where its score is lower, what the other had pushed out of the first ones meanwhile doesn't come back.
#
# Seen on Python 3.11; the documents come by score:
#   number: kept a b c d g h i; expected a d g h i; groups [(0, 3), (1, 3), (None, 3)]
#   sortable number: kept a b c d g; expected a d g h i; groups [(0, 3), (1, 3), (2147483647, 3)]
#   ID: kept a d g h i; expected a d g h i; groups [('0', 3), ('1', 3), (None, 3)]
#   oldest of each: all z y x-old; the first 2 z x-old; expected z y
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  whoosh-reloaded==2.7.5 cached-property==2.0.1
"$work/v/bin/python" - <<'P' | tee "$work/seen"
from whoosh import fields
from whoosh.filedb.filestore import RamStorage
from whoosh.query import Term
def fill(source, rows):
    index = RamStorage().create_index(fields.Schema(name=fields.STORED, text=fields.TEXT, source=source, day=fields.NUMERIC()))
    with index.writer() as writer:
        for name, number, count, day in rows:
            known = {} if number is None else {"source": number}
            writer.add_document(name=name, text="red " * count + "blue " * (20 - count), day=day, **known)
    return index.searcher()
def names(results):
    return " ".join(hit["name"] for hit in results)
numbers = [0, 0, 0, 1, 1, 1, None, None, None]
rows = [("abcdefghi"[n], number, 18 - n, n) for n, number in enumerate(numbers)]
for kind, source, keep in (
    ("number", fields.NUMERIC(), rows), ("sortable number", fields.NUMERIC(sortable=True), rows),
    ("ID", fields.ID(), [(n, None if v is None else str(v), *more) for n, v, *more in rows]),
):
    searcher = fill(source, keep)
    results = searcher.search(Term("text", "red"), collapse="source")
    groups = searcher.search(Term("text", "red"), groupedby="source").groups("source")
    print(f"{kind}: kept {names(results)}; expected a d g h i; groups {[(key, len(found)) for key, found in groups.items()]}")
searcher = fill(fields.NUMERIC(), [("y", 2, 5, 1), ("x-new", 1, 6, 2), ("z", 3, 7, 1), ("x-old", 1, 1, 1)])
settings = {"collapse": "source", "collapse_order": "day"}
kept = [names(searcher.search(Term("text", "red"), limit=limit, **settings)) for limit in (None, 2)]
print(f"oldest of each: all {kept[0]}; the first 2 {kept[1]}; expected {' '.join(kept[0].split()[:2])}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
