"""Makes the goldens of single components of a tokenizer.json: what each
normalizer, pre-tokenizer and decoder of Hugging Face tokenizers makes of the
torture set. Writes text/tokenizer/testdata/parts.json.gz.

    python parity/make_tokenizer_parts.py
"""
import gzip
import json
import os

import tokenizers
from make_tokenizer import DATA, TORTURE, WORDS, hash_texts
from make_tokenizer_files import small_charsmap
from tokenizers import Tokenizer, models

rx = lambda p: {"Regex": p}
st = lambda p: {"String": p}
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
bert = lambda **k: {"type": "BertNormalizer", **dict(dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), **k)}

normalizers = [{"type": t} for t in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel")] + [
    {"type": "Strip", "strip_left": l, "strip_right": r} for l in (True, False) for r in (True, False)] + [
    bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True), bert(lowercase=True), bert(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True),
    {"type": "Prepend", "prepend": "▁x"}, {"type": "Replace", "pattern": st(" "), "content": "▁"}, {"type": "Replace", "pattern": rx(r"\s+"), "content": ""},
    {"type": "Replace", "pattern": rx(" {2,}"), "content": "▁"}, {"type": "Replace", "pattern": rx(r"(\p{L})(?=\d)"), "content": "$1"}, {"type": "Replace", "pattern": st("a.b"), "content": "ab"},
    {"type": "Precompiled", "precompiled_charsmap": small_charsmap()},
    {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Lowercase"}]},
]
split = lambda p, b, i=False: {"type": "Split", "pattern": p, "behavior": b, "invert": i}
pre_tokenizers = [{"type": t} for t in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")] + [
    {"type": "Punctuation", "behavior": b} for b in BEHAVIORS] + [split(st(" "), b, i) for b in BEHAVIORS for i in (False, True)] + [
    split(rx(r"\p{N}{1,3}"), b, i) for b in BEHAVIORS for i in (False, True)] + [split(rx(GPT2), b) for b in BEHAVIORS] + [split(rx(GPT2), "Removed", True)] + [
    split(rx(LLAMA3), "Isolated"), split(rx(LLAMA3.replace("{1,3}", "")), "Isolated"), split(rx(LLAMA3), "Removed", True), split(rx(r"(?=[A-Z])|_"), "Isolated"),
    split(rx("[\r\n]"), "Isolated"), split(rx(r"\s?\p{P}+"), "Isolated"), split(rx(r"\s+$"), "Isolated"), split(rx("^a"), "Removed"), split(rx("[一-龥ࠀ-一가-퟿]+"), "Isolated"), split(rx(r"\w+|[^\w\s]+"), "Removed", True),
    {"type": "Digits", "individual_digits": True}, {"type": "Digits", "individual_digits": False}, {"type": "CharDelimiterSplit", "delimiter": "-"}, {"type": "FixedLength", "length": 3}] + [
    {"type": "ByteLevel", "add_prefix_space": p, "trim_offsets": True, "use_regex": r} for p in (True, False) for r in (True, False)] + [
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": p, "split": s} for p in ("always", "first", "never") for s in (True, False)] + [
    {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}, {"type": "Punctuation", "behavior": "Isolated"}]},
]
rep = {"type": "Replace", "pattern": st("▁"), "content": " "}
decoders = [
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True}, {"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "WordPiece", "prefix": "##", "cleanup": False},
    {"type": "BPEDecoder", "suffix": "</w>"}, {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True}, rep, {"type": "Replace", "pattern": rx("[▁Ġ]+"), "content": "_"},
    {"type": "Sequence", "decoders": [rep, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
]
TOKENS = [
    ["▁Hello", "▁world", "!"], ["Hello", "##lo", "do", "not", "n't", "'m", "don", "'", "t", ".", ",", "?"], ["<0xE2>", "<0x82>", "<0xAC>", "x", "<0xE2>", "<0x82>"], ["<0xff>", "<0xG0>", "<0x+1>", "<0x1>"],
    ["Ġa", "Ċ", "Ã", "©", "Ã", "日"], ["Ã"], ["▁", "▁▁", "a▁b", ""], ["a</w>", "b</w>", "c"], ["h", "h", "<pad>", "|", "h", "<pad>", "e", " .", "|"], ["<s>", "a", "</s>"], ["  a", " b "], ["â", "Ĥ", "x"], ["ðŁĺ", "x"],
]

base = json.loads(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).to_str())
part = lambda key, c: Tokenizer.from_str(json.dumps({**base, key: c}))
texts = TORTURE + WORDS
out = {"made_by": "parity/make_tokenizer_parts.py", "tokenizers": tokenizers.__version__, "seed": None, "tolerance": "exact", "texts": texts, "tokens": TOKENS, "normalizers": [], "pre_tokenizers": [], "decoders": []}
for c in normalizers:
    n = part("normalizer", c).normalizer
    out["normalizers"].append({"part": c, "want": [n.normalize_str(s) for s in texts]})
for c in pre_tokenizers:
    p = part("pre_tokenizer", c).pre_tokenizer
    out["pre_tokenizers"].append({"part": c, "want": [[x for x, _ in p.pre_tokenize_str(s)] for s in texts]})
for c in decoders:
    d = part("decoder", c).decoder
    out["decoders"].append({"part": c, "want": [d.decode(list(t)) for t in TOKENS]})
path = os.path.join(DATA, "parts.json.gz")
with gzip.GzipFile(path, "wb", mtime=0) as f:
    f.write(json.dumps(out, separators=(",", ":")).encode())
print(os.path.getsize(path))
