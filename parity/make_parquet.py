"""Writes text/convert/testdata/squad.parquet: rows as Hugging Face's datasets store SQuAD,
in pages of snappy and with dictionaries.

    python parity/make_parquet.py
"""
import json
import pathlib

import pyarrow
import pyarrow.parquet

OUT = pathlib.Path(__file__).parent.parent / "text/convert/testdata"
rows = [json.loads(line) for line in (OUT / "squad-flat.jsonl").read_text().splitlines()]
schema = pyarrow.schema([("id", pyarrow.string()), ("title", pyarrow.string()), ("context", pyarrow.string()), ("question", pyarrow.string()),
                         ("answers", pyarrow.struct([("text", pyarrow.list_(pyarrow.string())), ("answer_start", pyarrow.list_(pyarrow.int32()))]))])
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), OUT / "squad.parquet", compression="snappy")
plain = pyarrow.Table.from_pylist([{"query": "How long?", "response": "three minutes", "passages": ["It boils in three minutes.", "Tea."], "n": 1, "none": None}] * 3)
pyarrow.parquet.write_table(plain, OUT / "table.parquet", compression="zstd")
