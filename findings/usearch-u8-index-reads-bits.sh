#!/usr/bin/env bash
# usearch 2.26.6: an index of dtype "u8" takes a uint8 array for packed bits. Of each vector it keeps the bits of the first eighth
# of its bytes, as values 0 and 1, and finds other neighbours, without a word. Expected were the bytes, as an "i8" index has int8.
#
# uint8 and int8 are the two precisions of a byte in which sentence-transformers quantizes embeddings. The index knows that
# its type is "u8", and the length of a row tells bytes from bits. Given once more, in add and in search, dtype="u8" is heeded,
# but the docstrings of both do not name that argument. search(..., exact=True), which needs no index and serves as ground
# truth, takes bits as well. Packed bits are documented for "b1".
# Issue 595 of its repository asks why vectors are altered; pull request 780, which would change it, is open.
#
# Seen on Python 3.11, usearch 2.26.6, numpy 2.4.6; 64 vectors of 8 bytes, the distances of the three nearest to each:
#   number 5: [35, 55, 65, 85, 95, 115, 145, 155], its nearest by hand at [0, 3320, 3320], of the vectors halved at [0, 757, 907]
#   u8 of uint8: number 5 kept as [0, 0, 1, 0, 0, 0, 1, 1], its nearest at [0.0, 1.0, 1.0]; all right for 0 of 64
#   u8 of uint8, dtype repeated: number 5 kept as [35, 55, 65, 85, 95, 115, 145, 155], its nearest at [0, 3320, 3320]; all right for 64 of 64
#   i8 of int8, halved: number 5 kept as [17, 27, 32, 42, 47, 57, 72, 77], its nearest at [0, 757, 907]; all right for 64 of 64
#   search of uint8, no index: all right for 0 of 64
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check usearch==2.26.6 numpy==2.4.6
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import numpy as np
from usearch.index import Index, search
vectors = (np.arange(64)[:, None] * np.array([7, 11, 13, 17, 19, 23, 29, 31]) % 251).astype(np.uint8)
def by_hand(vectors):
    return np.sort(((vectors[:, None].astype(int) - vectors[None].astype(int)) ** 2).sum(-1), axis=1)[:, :3]
def show(name, found, vectors, kept):
    right = int((found.distances == by_hand(vectors)).all(axis=1).sum())
    print(f"{name}: number 5 kept as {kept.tolist()}, its nearest at {found.distances[5].astype(int if right else float).tolist()}; all right for {right} of 64")
print("number 5:", vectors[5].tolist(), end=", its nearest by hand at ")
print(f"{by_hand(vectors)[5].tolist()}, of the vectors halved at {by_hand(vectors // 2)[5].tolist()}")
for name, dtype, given, said in (
    ("u8 of uint8", "u8", vectors, {}),
    ("u8 of uint8, dtype repeated", "u8", vectors, {"dtype": "u8"}),
    ("i8 of int8, halved", "i8", (vectors // 2).astype(np.int8), {}),
):
    index = Index(ndim=8, metric="l2sq", dtype=dtype)
    index.add(np.arange(64), given, threads=1, **said)
    show(name, index.search(given, 3, exact=True, threads=1, **said), given, index.get(5))
found = search(vectors, vectors, 3, "l2sq", exact=True, threads=1)
print(f"search of uint8, no index: all right for {(found.distances == by_hand(vectors)).all(axis=1).sum()} of 64")
P
diff "$work/seen" - <<'E'
number 5: [35, 55, 65, 85, 95, 115, 145, 155], its nearest by hand at [0, 3320, 3320], of the vectors halved at [0, 757, 907]
u8 of uint8: number 5 kept as [0, 0, 1, 0, 0, 0, 1, 1], its nearest at [0.0, 1.0, 1.0]; all right for 0 of 64
u8 of uint8, dtype repeated: number 5 kept as [35, 55, 65, 85, 95, 115, 145, 155], its nearest at [0, 3320, 3320]; all right for 64 of 64
i8 of int8, halved: number 5 kept as [17, 27, 32, 42, 47, 57, 72, 77], its nearest at [0, 757, 907]; all right for 64 of 64
search of uint8, no index: all right for 0 of 64
E
