#!/usr/bin/env bash
# fastparquet 2026.9.0 (pandas' other engine for Parquet, deprecated in 3.1) writes a column of lists of strings as one JSON text a row.
# It reads such files back as lists, so nobody notices; pyarrow, and with it datasets, gives text. Expected was a list.
#
# The passages of a row, or its gold answers, are then a string: len() counts characters, a loop goes over brackets and
# quotes, "answer in answers" is true for any part of it. Lists that pyarrow wrote, fastparquet reads as lists.
#
# Seen on Python 3.11, fastparquet 2026.9.0, pandas 3.1.1, pyarrow 26.0.1:
#   fastparquet reads: ['opens at nine', 'at nine']
#   pyarrow reads: '["opens at nine","at nine"]' of type extension<arrow.json>
#   physical column: BYTE_ARRAY, logical: JSON
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check fastparquet==2026.9.0 pandas==3.1.1 pyarrow==26.0.1
cd "$work"
v/bin/python -W ignore - <<'P' | tee seen
import pandas, pyarrow.parquet
pandas.DataFrame({"question": ["when?"], "answers": [["opens at nine", "at nine"]]}).to_parquet("rows.parquet", engine="fastparquet")
print("fastparquet reads:", list(pandas.read_parquet("rows.parquet", engine="fastparquet").answers[0]))
table = pyarrow.parquet.read_table("rows.parquet")
print(f"pyarrow reads: {table.column('answers')[0].as_py()!r} of type {table.schema.field('answers').type}")
column = pyarrow.parquet.ParquetFile("rows.parquet").schema.column(1)
print(f"physical column: {column.physical_type}, logical: {column.logical_type.type}")
P
diff seen - <<'P'
fastparquet reads: ['opens at nine', 'at nine']
pyarrow reads: '["opens at nine","at nine"]' of type extension<arrow.json>
physical column: BYTE_ARRAY, logical: JSON
P
