"""Makes the goldens of how rows are divided into prompt and answer: both are
tokenised as one text by Hugging Face tokenizers, and the answer's tokens begin
with the first one that ends behind the border, by its offsets, as a data set of
whole texts with masked prompts has them.

    python parity/make_rows.py

reads the tokenizers of text/tokenizer/testdata and writes text/recipe/testdata/rows.json.
"""
import gzip
import json
import os

import tokenizers
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "text", "tokenizer", "testdata")
NAMES = ["smollm2", "llama3", "qwen2", "llama2", "mistral", "gemma", "t5", "xlmr", "unifallback", "minilm", "bpeprefix", "wordlevel"]
ROWS = [
    ("a space begins the answer", "Passages: x\nUSER: Where? ASSISTANT:", " A museum.</s>"),
    ("after a line of the template", "<|user|>\nWhere?</s>\n<|assistant|>\n", "The museum is old.</s>"),
    ("after a special token", "<|im_start|>assistant\n", "It is 42.<|im_end|>\n"),
    ("the space is the prompt's", "Q: Where? A: ", "A museum"),
    ("two spaces", "Answer:  ", "  yes"),
    ("newlines on both sides", "Answer:\n", "\n\nyes"),
    ("in a word", "The answ", "er is here"),
    ("in a number", "It costs 12", "345 dollars"),
    ("punctuation", "really.", "..</s>"),
    ("unknown characters on both sides", "the \u0d05\u0d06", "\u0d07\u0d08 end"),
    ("a combining mark begins the answer", "cafe", "\u0301 au lait"),
    ("an emoji of several runes", "ok \U0001f468\u200d", "\U0001f469\u200d\U0001f467 yes"),
    ("Chinese", "\u7b54\u6848\uff1a", "\u535a\u7269\u9986\u3002"),
    ("only a stop", "x:", "</s>"),
    ("white space at the end", "A:", " yes  "),
]
out = {"made_by": "parity/make_rows.py", "tokenizers": tokenizers.__version__, "seed": None, "tolerance": "exact", "rows": []}
for name in NAMES:
    j = json.loads(gzip.open(os.path.join(DATA, name + ".json.gz"), "rt", encoding="utf-8").read())
    j["post_processor"] = None
    t = Tokenizer.from_str(json.dumps(j))
    t.no_padding()
    t.no_truncation()
    for why, prompt, answer in ROWS:
        e = t.encode(prompt + answer, add_special_tokens=False)
        answers = [i for i, (_, hi) in enumerate(e.offsets) if hi > len(prompt)]
        out["rows"].append({"tokenizer": name, "why": why, "prompt": prompt, "answer": answer, "ids": e.ids, "from": answers[0] if answers else len(e.ids)})
path = os.path.join(HERE, "..", "text", "recipe", "testdata", "rows.json")
with open(path, "w") as f:
    json.dump(out, f, ensure_ascii=False)
    f.write("\n")
print(len(out["rows"]), "rows")
