#!/usr/bin/env bash
# datasets 5.2.0, load_dataset("json"): where a column holds a string in one row and something else in another (answers
# that are now a text, now a list), each string that happens to be JSON is read once more as such. Expected were strings.
#
# The answer "1984" becomes the number 1984, "007" becomes 7, "9.10" becomes 9.1, "true" a bool, "null" and "NaN" become None, a
# quoted title loses its quotes; to_json writes them so. A column of nothing but ISO dates becomes one of datetimes.
# Scores of answers, ids of rows and gold passages are compared as strings: they no longer match, or are no strings.
#
# Seen on Python 3.11, datasets 5.2.0, pyarrow 26.0.1, pandas 3.1.1:
#   beside a list: ['Paris'] 1984 7 9.1 True None None 'quoted' 'Paris'
#   alone: '1984' '007' '9.10' 'true' 'null' 'NaN' '"quoted"' 'Paris'
#   dates: datetime.datetime(2019, 5, 1, 0, 0) datetime.datetime(2020, 1, 31, 0, 0)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1 pandas==3.1.1
HF_HOME=$work HF_HUB_OFFLINE=1 v/bin/python - 2>/dev/null <<'P' | tee seen
import json, datasets
def read(name, answers):
    with open(f"{name}.jsonl", "w") as f:
        f.writelines(json.dumps({"answer": a}) + "\n" for a in answers)
    rows = datasets.load_dataset("json", data_files=f"{name}.jsonl", split="train")
    print(f"{name}:", *(repr(r["answer"]) for r in rows))
strings = ["1984", "007", "9.10", "true", "null", "NaN", '"quoted"', "Paris"]
read("beside a list", [["Paris"], *strings])
read("alone", strings)
read("dates", ["2019-05-01", "2020-01-31"])
P
diff seen - <<'P'
beside a list: ['Paris'] 1984 7 9.1 True None None 'quoted' 'Paris'
alone: '1984' '007' '9.10' 'true' 'null' 'NaN' '"quoted"' 'Paris'
dates: datetime.datetime(2019, 5, 1, 0, 0) datetime.datetime(2020, 1, 31, 0, 0)
P
