#!/usr/bin/env bash
# sqlite-vec 0.1.9 (vector search in SQLite): in a search with a condition on an integer column, the fraction of what the column is
# compared with is cut off. "stars >= 4.5" finds those with 4 stars, "stars = 4.5" too, and "stars < 0.5" nothing, not even those
# with none. Expected were the rows that the same condition finds without MATCH in the same table, as a float column gives them.
#
# Conditions on metadata columns hold before the k nearest are taken, so the wrong rows take the places of right ones. A mean or
# a quantile makes such a bound. Two more come without a word: "in" on a partition key gives k rows of each partition, not k
# (issue 142 asks for it); and a bound on the primary key, or "not in", holds after the k nearest are taken, so that fewer
# are left, or none. Other conditions that it can't take, LIKE or those on a "+" column, are errors.
#
# Seen on Python 3.11 with apsw 3.54.1.0; 12 articles, 0 to 11 away:
#   stars >= 4.5: with MATCH [4, 5, 10, 11], without [5, 11]
#   stars = 4.5: with MATCH [4, 10], without []
#   stars < 0.5: with MATCH [], without [0, 6]
#   price >= 4.5: with MATCH [5, 11], without [5, 11]
#   k = 2, stars >= 4.5: [4, 5]
#   k = 2, stars >= 5: [5, 11]
#   k = 2, part in ('x', 'y'): [0, 1, 4, 5]
#   k = 2, part < 'z': [0, 1]
#   k = 2, id >= 7: []
#   k = 2, id in (7, 8, 9): [7, 8]
#   k = 2, stars not in (0, 1): []
#   k = 2, stars in (2, 3, 4, 5): [2, 3]
set -euo pipefail
script=$(realpath "$0")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check \
  sqlite-vec==0.1.9 apsw==3.54.1.0
cat > ask.py <<'P'
import apsw, sqlite_vec
base = apsw.Connection(":memory:")
base.enable_load_extension(True)
base.load_extension(sqlite_vec.loadable_path())
base.execute("create virtual table articles using vec0(id integer primary key, place float[1], stars integer, price float, "
             "part text partition key)")
for number in range(12):
    base.execute("insert into articles(id, place, stars, price, part) values (?, ?, ?, ?, ?)",
                 (number, f"[{number}]", number % 6, float(number % 6), "xyz"[number // 4]))
def ids(query):
    return sorted(row[0] for row in base.execute(query))
for condition in ("stars >= 4.5", "stars = 4.5", "stars < 0.5", "price >= 4.5"):
    found = ids(f"select id from articles where place match '[0]' and k = 12 and {condition}")
    print(f"{condition}: with MATCH {found}, without {ids(f'select id from articles where {condition}')}")
for condition in ("stars >= 4.5", "stars >= 5", "part in ('x', 'y')", "part < 'z'", "id >= 7", "id in (7, 8, 9)", "stars not in (0, 1)",
                  "stars in (2, 3, 4, 5)"):
    print(f"k = 2, {condition}:", ids(f"select id from articles where place match '[0]' and k = 2 and {condition}"))
P
v/bin/python ask.py | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
