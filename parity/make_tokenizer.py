"""Makes the goldens of package tokenizer with Hugging Face tokenizers.

    python parity/make_tokenizer.py

reads the tokenizers of text/tokenizer/testdata/*.json.gz (made by
parity/make_tokenizer_files.py) and the Faire data, and writes
text/tokenizer/testdata/golden.json.gz: the ids and decoded texts of the torture set
whole, those of Faire and of 100,000 fuzzed strings as a hash per block. The Go
test makes the same strings from the same generator (splitmix64).
"""
import glob
import gzip
import hashlib
import json
import os
import struct
import sys

import tokenizers
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "text", "tokenizer", "testdata")
FAIRE = os.path.join(HERE, "..", "..", "shared", "data", "faire")
SEED, STRINGS, BLOCK = 20261124, 100_000, 5_000

TORTURE = [
    "", " ", "  ", "   ", "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n", "\t", "\t\t", " \n", "\n ", " \n ", "\n \n",
    "a", " a", "a ", "  a", "a  ", "a  b", "a   b", "a\nb", "a\n\nb", "a\n\n\nb", "a \nb", "a\n b", "a \n b", "a\r\nb",
    "\n\n1", "\n\nA", "1\n\n2", "x\n\n  y", "x  \n\n  y", "tab\there", "a\u00a0b", "a\u00a0\u00a0b", "\u3000全角", "a\u2028b\u2029c",
    "\u000b\u000c\u0085\u001c\u001d", "a\x00b\x01c\x7fd\x80e\x9f", "\ufeffBOM", "zero\u200bwidth\u200djoin\u200c", "soft\u00adhyphen",
    "It's we're they've I'm you'll he'd don't", "IT'S WE'RE THEY'VE I'M YOU'LL HE'D DON'T", "'s't're've'm'll'd", "'S'T'RE'VE'M'LL'D",
    "'\u017f '\u212a 'ſt", "o'clock 'quoted' ''double'' ’s ’t don’t", "!'s", " 's", "a's's", "'", "''", " '", "' ", "x'", "'lL 'Ve 'rE",
    "123", "1234", "12345678901234567890", "3.14159", "1,000,000", "a1b2c3", "１２３４", "①②③", "½¼¾", "Ⅷ ⅷ", "٣٤٥", "१२३", "一二三", "x² y³",
    "camelCase PascalCase snake_case kebab-case SCREAMING_CASE", "__init__ _x_ x_", "foo(bar[baz]{qux})", "a+b=c; d-=e; f*=g /= h", "...!!!???",
    "if (x) {\n\treturn y;\n}\n", "def f(x):\n    return x ** 2\n\n\n", "<html><b>bold</b></html>", "http://example.com/a?b=c&d=%20#frag", "e-mail@example.org",
    "éèêëàâäùûüôöîïç ÉÈÊ ñ ß ẞ Œ æ", "e\u0301 E\u0301 a\u0308 o\u0302\u0323 o\u0323\u0302", "\u0301", "\u0301\u0302", " \u0301a", "\u212b \u00c5 A\u030a", "ﬁ ﬂ ﬀ ﬃ ſ", "Ａｂｃ　１２", "Ǆ ǅ ǆ", "İ I ı i", "ΑΣ ΑΣΑ σς Ω Ω", "Straße STRASSE",
    "q\u0307\u0323 q\u0323\u0307", "\u1e9b\u0323", "\u0344 \u0340 \u0341 \u0374 \u037e \u0387", "a" + "\u0301" * 40 + "b", "a" + "\u0323\u0301" * 20 + "b",
    "Привет, мир! Ёлка ёж", "Ελληνικά και ἀρχαῖα ᾳ ᾼ", "שלום עולם שָׁלוֹם", "مرحبا بالعالم اَلْعَرَبِيَّة ﷺ", "हिन्दी में नमस्ते क्षत्रिय", "বাংলা", "தமிழ் கொ கோ", "ภาษาไทย น้ำ ก็", "ລາວ", "မြန်မာ", "ខ្មែរ", "ქართული", "Հայերեն", "አማርኛ",
    "日本語のテスト。カタカナ ｶﾀｶﾅ が ガ か\u3099 は\u309a", "中文测试，你好世界！", "한국어 테스트 한글 \u1112\u1161\u11ab 각\u11a8 가\u11a8", "𠀀𠀁 豈 更 車", "\u2f800\ufa30",
    "😀 😀😀 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇫🇷🇩🇪 ❤️ ☺ ©️ ®", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛", "\U0001f9d1\u200d\U0001f680", "\U000e0041\U000e007f", "\ue000\uf8ff\U000f0000\U0010ffff", "\ufdd0\uffff", "\u0378\U0001fbf0\U00011938\U0001e08f",
    "▁", "▁a", "a▁b", "▁▁", " ▁ ", "<0x0A>", "<0x41>", "Ġ", "ĠĠ", "Ċ", "##a", "a##b", "## a",
    "<s>", "</s>", "<unk>", "<pad>", "[CLS] [SEP] [MASK] [UNK] [PAD]", "<s>a</s>", "<s> a </s>", " <s> a", "a<s>", "a <s>  b", "<|im_start|>user\nhi<|im_end|>\n", "<|endoftext|>", "<|begin_of_text|>hi<|eot_id|>",
    "<|im_start|><|im_end|>", "<|im_start|", "<mask>", " <mask> ", "a<mask>b", "x  <mask>  y", "<extra_id_0> <extra_id_1>", "<extra_id_0><extra_id_1>x", "wordtok wordtoks a.wordtok.b", "ABC Abc abc ÀBC",
    "a" * 300, "ab " * 50, " " * 100, "\n" * 50, "é" * 101, "x" * 99 + "é", "中" * 60, "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "The quick brown fox jumps over the lazy dog. THE QUICK BROWN FOX.", "  leading and trailing  ", "mixed 日本 and English と numbers 123 です", "a.b.c,d;e:f?g!h", "(nested (parens) [and] {braces})", "$100.00 €50 £20 ¥1000", "50% ± 3° ≤ ≥ ≠ → ← ∀∃", "don ' t do not isn ' t n't", "hello .world ? no ! yes , ok",
]

# Ranges of code points that fuzzed strings draw from, and whole words.
RANGES = [
    (0x61, 0x7A), (0x61, 0x7A), (0x41, 0x5A), (0x30, 0x39), (0x20, 0x20), (0x20, 0x20), (0x09, 0x0D), (0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E),
    (0x00, 0x1F), (0x7F, 0xA0), (0xA1, 0xFF), (0x100, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xEFF),
    (0x1100, 0x11FF), (0x1AB0, 0x1AFF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F), (0x2460, 0x24FF), (0x2581, 0x2581), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
    (0xF900, 0xFB4F), (0xFE00, 0xFFFD), (0x10000, 0x11FFF), (0x1D400, 0x1D7FF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1FAFF), (0x20000, 0x2FFFF), (0xE0000, 0xE01EF), (0x0, 0x10FFFF),
]
WORDS = [
    "the", "and", "Hello", "world", "model", "token", "ing", "ation", "don't", "I'll", "we're", "'s", "'S", "'ſ", "  ", "   ", "\n\n", "\r\n", " \n", "\n ", "\t\t", "e\u0301", "か\u3099", "\u200d", "\ufe0f", "👍🏽", "👨‍👩‍👧",
    "क्ष", "한", "<s>", "</s>", "<unk>", "<pad>", "<mask>", "[CLS]", "[SEP]", "[MASK]", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<extra_id_7>", "wordtok", "<0x0A>", "▁", "Ġ", "##", "123", "3.14", "2026", "...", "http://",
]
MASK = (1 << 64) - 1


class Random:
    """splitmix64 (Steele, Lea and Flood 2014)."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % n


def fuzzed(n=STRINGS, seed=SEED):
    r = Random(seed)
    out = []
    for _ in range(n):
        parts, favourite = [], RANGES[r.below(len(RANGES))]
        for _ in range(r.below(12)):
            what = r.below(8)
            if what == 0:
                parts.append(WORDS[r.below(len(WORDS))])
                continue
            lo, hi = favourite if what < 4 else RANGES[r.below(len(RANGES))]
            for _ in range(1 + r.below(5)):
                c = lo + r.below(hi - lo + 1)
                parts.append(chr(c if not 0xD800 <= c <= 0xDFFF else 0xFFFD))
        out.append("".join(parts))
    return out


def faire():
    seen = {}
    for name in ("train_w_qa.jsonl", "eval_w_qa.jsonl", "test_w_qa.jsonl", "documents.jsonl"):
        for line in open(os.path.join(FAIRE, name), encoding="utf-8"):
            row = json.loads(line)
            docs = row.get("gold_docs", []) + row.get("hard_neg_docs", []) if "question" in row else [row]
            texts = [row.get("question"), row.get("gold_answer")] + [d.get("fmt_content") for d in docs]
            for t in texts:
                if t:
                    seen.setdefault(t)
    return list(seen)


def hash_ids(lists):
    h = hashlib.sha256()
    for ids in lists:
        h.update(struct.pack("<%dI" % (len(ids) + 1), len(ids), *ids))
    return h.hexdigest()[:16]


def hash_texts(texts):
    h = hashlib.sha256()
    for t in texts:
        b = t.encode("utf-8", "surrogatepass")
        h.update(struct.pack("<I", len(b)) + b)
    return h.hexdigest()[:16]


def blocks(items, size):
    return [items[i:i + size] for i in range(0, len(items), size)]


def random_ids(size, seed):
    """1,000 lists of ids for decoding, every id equally likely, a few out of range."""
    r = Random(seed)
    return [[r.below(size + 2) for _ in range(r.below(20))] for _ in range(1000)]


def hashes(t, texts, size, plain=True):
    enc = t.encode_batch_fast(texts, add_special_tokens=True)
    ids = [e.ids for e in enc]
    plain = [e.ids for e in t.encode_batch_fast(texts, add_special_tokens=False)] if plain else []
    return {
        "ids": [hash_ids(b) for b in blocks(ids, size)],
        "plain": [hash_ids(b) for b in blocks(plain, size)],
        "decoded": [hash_texts(b) for b in blocks(t.decode_batch(ids, skip_special_tokens=False), size)],
        "skipped": [hash_texts(b) for b in blocks(t.decode_batch(ids, skip_special_tokens=True), size)],
    }


def golden(path, texts, strings):
    t = Tokenizer.from_str((gzip.open if path.endswith("gz") else open)(path, "rt", encoding="utf-8").read())
    t.no_truncation()
    t.no_padding()
    torture = []
    for s in TORTURE:
        ids = t.encode(s).ids
        torture.append({"ids": ids, "plain": t.encode(s, add_special_tokens=False).ids,
                        "decoded": t.decode(ids, skip_special_tokens=False), "skipped": t.decode(ids)})
    size = max(t.get_vocab(True).values()) + 1
    lists = [ids for ids in random_ids(size, SEED + 1)]
    decode = lambda ids, skip: t.decode(ids, skip_special_tokens=skip) if ids else ""
    return {
        "size": size,
        "torture": torture,
        "faire": hashes(t, texts, 500),
        # The small tokenizers check their structure on a fifth of the strings.
        "fuzzed": hashes(t, strings if size > 10_000 else strings[:STRINGS // 5], BLOCK, plain=False),
        "random": {"decoded": [hash_texts([decode(i, False) for i in lists])], "skipped": [hash_texts([decode(i, True) for i in lists])]},
    }


if __name__ == "__main__":
    # Other files on the command line: their goldens go to the folder of the first.
    paths = sys.argv[1:] or sorted(p for p in glob.glob(os.path.join(DATA, "*.json.gz")) if "golden" not in p and "parts" not in p)
    out = os.path.join(os.path.dirname(paths[0]), "golden.json.gz") if sys.argv[1:] else os.path.join(DATA, "golden.json.gz")
    texts, strings = faire(), fuzzed()
    result = {
        "made_by": "parity/make_tokenizer.py", "tokenizers": tokenizers.__version__, "seed": SEED, "tolerance": "exact",
        "strings": STRINGS, "block": BLOCK, "ranges": RANGES, "words": WORDS,
        "faire_texts": len(texts), "faire_hash": hash_texts(texts), "fuzzed_hash": hash_texts(strings),
        "texts": TORTURE, "tokenizers_files": {},
    }
    for p in paths:
        name = os.path.basename(p).removesuffix(".gz").removesuffix(".json")
        result["tokenizers_files"][name] = golden(p, texts, strings)
        print(name, result["tokenizers_files"][name]["size"], flush=True)
    with gzip.GzipFile(out, "wb", mtime=0) as f:
        f.write(json.dumps(result, separators=(",", ":")).encode())
    print(len(texts), "Faire texts;", os.path.getsize(out), "bytes")
