"""Makes the goldens of EncodeSpans in package tokenizer: the offsets that Hugging
Face tokenizers give each token of the torture set and of the first of make_tokenizer.py's
fuzzed strings, for the tokenizers of
text/tokenizer/testdata/*.json.gz and the SentencePiece models there.

    python parity/make_offsets.py

Post-processors are left out, since they trim white space off offsets. Writes
text/tokenizer/testdata/offsets.json.gz.
"""
import glob
import gzip
import json
import os
import shutil
import tempfile

import tokenizers
import transformers
from make_tokenizer import DATA, SEED, TORTURE, fuzzed
from tokenizers import Tokenizer

FUZZED = 200


def bare(source):
    j = json.loads(source)
    j["post_processor"] = None
    t = Tokenizer.from_str(json.dumps(j))
    t.no_padding()
    t.no_truncation()
    return t


def sentencepiece(model, name, kind):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(DATA, "sentencepiece", model), os.path.join(folder, name))
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
            json.dump({"tokenizer_class": kind}, f)
        return bare(transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer.to_str())


tokenizers_by_name = {}
for path in sorted(glob.glob(os.path.join(DATA, "*.json.gz"))):
    name = os.path.basename(path)[: -len(".json.gz")]
    if name not in ("golden", "parts", "offsets"):
        tokenizers_by_name[name] = bare(gzip.open(path, "rt", encoding="utf-8").read())
tokenizers_by_name["sentencepiece/unigram.model"] = sentencepiece("unigram.model", "spiece.model", "T5Tokenizer")
tokenizers_by_name["sentencepiece/bpe.model"] = sentencepiece("bpe.model", "tokenizer.model", "LlamaTokenizer")

flat = lambda e: [x for pair in e.offsets for x in pair]
out = {"made_by": "parity/make_offsets.py", "tokenizers": tokenizers.__version__, "transformers": transformers.__version__, "seed": SEED, "tolerance": "exact",
       "texts": TORTURE, "fuzzed": FUZZED, "offsets": {}}
strings = TORTURE + fuzzed(FUZZED)
for name, t in tokenizers_by_name.items():
    out["offsets"][name] = [flat(t.encode(s, add_special_tokens=False)) for s in strings]
with open(os.path.join(DATA, "offsets.json.gz"), "wb") as f:
    f.write(gzip.compress(json.dumps(out, ensure_ascii=False).encode(), 9, mtime=0))
print({k: sum(map(len, v)) for k, v in out["offsets"].items()})
