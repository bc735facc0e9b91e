"""Exact search with faiss-cpu's IndexFlatIP over vectors that are made once, of unit length.

    python search.py '{"vectors": FILE, "rows": 400000, "width": 384, "queries": 256, "k": 4}'

FILE is float32 as it lies in memory: the rows, and behind them 256 queries. It is made where it is not there.
"""
import os
import time

import faiss
import numpy

import peer

args = peer.arguments(vectors=None, rows=400_000, width=384, queries=256, k=4, searches=5)
rows, width = args["rows"], args["width"]
if not os.path.exists(args["vectors"]):
    made = numpy.random.default_rng(0).standard_normal((rows + 256, width), dtype=numpy.float32)
    made /= numpy.linalg.norm(made, axis=1, keepdims=True)
    made.tofile(args["vectors"] + ".part")
    os.rename(args["vectors"] + ".part", args["vectors"])
all_rows = numpy.fromfile(args["vectors"], dtype=numpy.float32).reshape(rows + 256, width)
faiss.omp_set_num_threads(args["threads"])
index = faiss.IndexFlatIP(width)
index.add(all_rows[:rows])
queries = all_rows[rows : rows + args["queries"]]
index.search(queries, args["k"])
took = []
for _ in range(args["searches"]):
    started = time.perf_counter()
    scores, _ = index.search(queries, args["k"])
    took.append(time.perf_counter() - started)
peer.report(rows_per_second=round(len(queries) / min(took), 3), scores={"mean": float(scores.mean())})
