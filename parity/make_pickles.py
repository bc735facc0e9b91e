"""Writes text/dataset/testdata/pickles.json: documents as LocalRQA and LangChain pickle
them, in every protocol, with what else stands in metadata, and the JSON that
each means.

    /path/to/python parity/make_pickles.py > text/dataset/testdata/pickles.json

needs requirements-localrqa.txt; the classes of LocalRQA and of
older versions of LangChain are stood in for.
"""

import base64
import collections
import dataclasses
import datetime
import decimal
import json
import pathlib
import pickle
import sys
import types
import uuid
import zoneinfo
from importlib.metadata import version

import langchain_core.documents
import numpy as np
import pandas as pd
import pydantic.v1
import pytz


def module_class(module, cls):
    """The class as if it were of the module."""
    parts = module.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    cls.__module__, cls.__qualname__, cls.__name__ = module, "Document", "Document"
    setattr(sys.modules[module], "Document", cls)
    return cls


def dataclass_of(module):
    @dataclasses.dataclass
    class Document:
        page_content: str
        fmt_content: str = ""
        metadata: dict = dataclasses.field(default_factory=dict)

    return module_class(module, Document)


def pydantic1_of(module):
    class Document(pydantic.v1.BaseModel):
        page_content: str
        metadata: dict = {}

    return module_class(module, Document)


LocalRQA = dataclass_of("local_rqa.schema.document")
OpenRQA = dataclass_of("open_rqa.schema.document")
LangChain1 = pydantic1_of("langchain.schema.document")
Docstore1 = pydantic1_of("langchain.docstore.document")
LangChain2 = langchain_core.documents.Document

berlin = zoneinfo.ZoneInfo("Europe/Berlin")
VALUES = [
    # name, value, the JSON that it means
    ("int", -7, -7),
    ("large", 2**70, 2**70),
    ("long", -(2**33), -(2**33)),
    ("float", 0.1, 0.1),
    ("text", "ü 中 \U0001f600 \\ \n'\"", "ü 中 \U0001f600 \\ \n'\""),
    ("bool", True, True),
    ("none", None, None),
    ("nested", {"a": [1, {"b": (2, "c")}], 3: "x"}, {"a": [1, {"b": [2, "c"]}], "3": "x"}),
    ("bytes", b"caf\xc3\xa9", "café"),
    ("bytes that are no text", b"\xff\x00", base64.b64encode(b"\xff\x00").decode()),
    ("bytearray", bytearray(b"ab"), "ab"),
    ("empty bytes", b"", ""),
    ("tuple", (1, "b", 2.5, None), [1, "b", 2.5, None]),
    ("set", {"b", "a", "c"}, ["a", "b", "c"]),
    ("frozenset", frozenset([2, 1]), [1, 2]),
    ("datetime", datetime.datetime(2024, 2, 29, 13, 5, 9, 1200), "2024-02-29T13:05:09.001200"),
    ("datetime in UTC", datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc), "2024-02-29T00:00:00+00:00"),
    ("datetime with an offset", datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.timezone(-datetime.timedelta(hours=3, minutes=30))), None),
    ("datetime in a zone", datetime.datetime(2024, 7, 1, 12, tzinfo=berlin), None),
    ("datetime in a zone in winter", datetime.datetime(2024, 1, 1, 12, tzinfo=berlin), None),
    ("datetime by pytz", datetime.datetime(2024, 7, 1, 12, tzinfo=pytz.utc), None),
    ("date", datetime.date(1999, 12, 31), "1999-12-31"),
    ("time", datetime.time(23, 59, 1), "23:59:01"),
    ("timedelta", datetime.timedelta(days=-1, seconds=3, microseconds=500000), datetime.timedelta(days=-1, seconds=3, microseconds=500000).total_seconds()),
    ("timestamp", pd.Timestamp("2024-03-01 10:00:00.25"), "2024-03-01T10:00:00.250000"),
    ("path", pathlib.PosixPath("/srv/docs/a b.md"), "/srv/docs/a b.md"),
    ("relative path", pathlib.PurePosixPath("docs/a.md"), "docs/a.md"),
    ("no path", pathlib.PurePosixPath(""), "."),
    ("windows path", pathlib.PureWindowsPath(r"C:\docs\a.md"), "C:\\docs\\a.md"),
    ("decimal", decimal.Decimal("12.50"), decimal.Decimal("12.50")),
    ("decimal that is no number", decimal.Decimal("NaN"), "NaN"),
    ("uuid", uuid.UUID("12345678-1234-5678-1234-567812345678"), "12345678-1234-5678-1234-567812345678"),
    ("ordered dict", collections.OrderedDict([("b", 1), ("a", 2)]), {"b": 1, "a": 2}),
    ("default dict", collections.defaultdict(list, {"k": [1]}), {"k": [1]}),
    ("counter", collections.Counter("aab"), {"a": 2, "b": 1}),
    ("deque", collections.deque([1, 2]), [1, 2]),
    ("numpy float64", np.float64(0.1), 0.1),
    ("numpy float32", np.float32(0.1), 0.1),
    ("numpy float16", np.float16(0.5), 0.5),
    ("numpy int64", np.int64(-5), -5),
    ("numpy int8", np.int8(-5), -5),
    ("numpy uint64", np.uint64(2**64 - 1), 2**64 - 1),
    ("numpy bool", np.bool_(True), True),
    ("numpy text", np.str_("中é"), "中é"),
    ("numpy array", np.array([1.5, 2.0]), [1.5, 2]),
    ("numpy matrix", np.arange(6, dtype=np.int32).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
]


def meaning_of(value, meaning):
    if meaning is None and value is not None:
        return value.isoformat()
    return float(meaning) if isinstance(meaning, decimal.Decimal) else meaning


meta = {name: (value, meaning_of(value, meaning)) for name, value, meaning in VALUES}
cases = []
for protocol in range(6):
    for name, cls in [("LocalRQA", LocalRQA), ("OpenRQA", OpenRQA), ("LangChain, pydantic 1", LangChain1), ("docstore, pydantic 1", Docstore1), ("LangChain, pydantic 2", LangChain2)]:
        docs = [cls(page_content="one", metadata={"source": "s"}), cls(page_content="zwei ü", metadata={})]
        cases.append({"name": f"{name}, protocol {protocol}", "pickle": docs, "protocol": protocol,
                      "documents": [{"page_content": d.page_content, "fmt_content": "", "metadata": d.metadata} for d in docs]})
    if protocol == 4:
        formatted = [LocalRQA("one", "F one", {"source": "s"})]
        cases.append({"name": "formatted", "pickle": formatted, "protocol": protocol, "documents": [dataclasses.asdict(formatted[0])]})
        kept = [LangChain2(page_content="F one", metadata={"source": "s", "page_content": "one", "fmt_content": "F one"})]
        cases.append({"name": "as LocalRQA's retriever keeps it", "pickle": kept, "protocol": protocol, "documents": [{"page_content": "one", "fmt_content": "F one", "metadata": {"source": "s"}}]})
        cases.append({"name": "dicts", "pickle": [{"page_content": "one", "metadata": {"source": "s"}}], "protocol": protocol, "documents": [{"page_content": "one", "fmt_content": "", "metadata": {"source": "s"}}]})
    cases.append({"name": f"metadata, protocol {protocol}", "pickle": [LocalRQA("c", "f", {k: v for k, (v, _) in meta.items()})], "protocol": protocol,
                  "documents": [{"page_content": "c", "fmt_content": "f", "metadata": {k: m for k, (_, m) in meta.items()}}]})
for c in cases:
    c["pickle"] = base64.b64encode(pickle.dumps(c["pickle"], c.pop("protocol"))).decode()

json.dump(
    {
        "made_by": "parity/make_pickles.py",
        "versions": {"python": sys.version.split()[0], "numpy": np.__version__, "pandas": pd.__version__, "pydantic": version("pydantic"), "langchain-core": version("langchain-core")},
        "cases": cases,
    },
    sys.stdout,
)
print()
