"""Embeds texts with all-mpnet-base-v2, by sentence-transformers.

    python parity/make_mpnet.py FOLDER [--texts N --out FILE]

FOLDER is what gorqa fetch model all-mpnet-base-v2 brings. It writes qa/testdata/mpnet.json,
or FILE, which GORQA_MPNET=FILE go test ./qa -run TestMPNet compares.
"""
import argparse
import json

import sentence_transformers
from sentence_transformers import SentenceTransformer

import golden
from make_encoders import ROOT, texts

p = argparse.ArgumentParser()
p.add_argument("folder")
p.add_argument("--texts", type=int, default=9)
p.add_argument("--out", default=ROOT / "mpnet.json")
a = p.parse_args()
some = texts(a.texts)[-5:] if a.out == ROOT / "mpnet.json" else texts(a.texts)
vectors = SentenceTransformer(a.folder, device="cpu").encode(some, batch_size=16)
head = golden.header("parity/make_mpnet.py", 0, {"vector": [1e-5, 0]}, {"texts": some, "vectors": vectors.tolist()})
head["versions"]["sentence_transformers"] = sentence_transformers.__version__
with open(a.out, "w", encoding="utf-8") as f:
    json.dump(head, f, ensure_ascii=False)
    f.write("\n")
