"""Makes text/retrieve/testdata/bm25.json: BM25 scores by Python's rank_bm25.

Part one holds seeded texts of made-up words with all their scores. Part two
holds the ten best documents of the Faire test questions, as numbers only.
Part three holds texts of scripts without spaces between words, cut into pairs of
characters here by patterns, and their scores. Run from the repository root: python parity/make_bm25.py
"""

import json
import random
import sys
from importlib.metadata import version

import numpy as np
import regex
from rank_bm25 import BM25Okapi

SEED = 11
FAIRE = "../shared/data/faire/"


def words(text):
    return regex.findall(r"[\p{L}\p{M}\p{N}_]+", text.lower())


def rank(scores, k):
    order = sorted(range(len(scores)), key=lambda i: (-np.float32(scores[i]), i))[:k]
    return [[i, float(scores[i])] for i in order]


def made_up():
    rng = random.Random(SEED)
    letters = ["a", "b", "C", "d", "É", "ñ", "ж", "글", "नि", "3", "_", "Ω"]
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(1, 4))) for _ in range(60)]
    weights = [1 / (i + 1) for i in range(60)]  # the first words stand nearly everywhere
    marks = [" ", ", ", " - ", "\n", "; ", "... "]

    def text(n):
        return "".join(w + rng.choice(marks) for w in rng.choices(vocabulary, weights, k=n))

    documents = [text(rng.randint(1, 40)) for _ in range(40)]
    queries = [text(rng.randint(1, 6)) for _ in range(12)] + ["unseen", ""]
    bm25 = BM25Okapi([words(d) for d in documents])
    scores = [list(map(float, bm25.get_scores(words(q)))) for q in queries]
    return {"documents": documents, "queries": queries, "scores": scores}


def faire():
    documents = [json.loads(line)["fmt_content"] for line in open(FAIRE + "documents.jsonl")]
    questions = [json.loads(line)["question"] for line in open(FAIRE + "test_w_qa.jsonl")]
    bm25 = BM25Okapi([words(d) for d in documents])
    return {"top10": [rank(bm25.get_scores(words(q)), 10) for q in questions]}


UNSPACED = (
    r"(?:[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u30fc\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]\p{M}*)"
)


def pairs(text):
    """Words, with pairs of characters for every stretch of unspaced ones."""
    out = []
    for word in words(text):
        for piece in regex.findall(rf"{UNSPACED}+|(?:(?!{UNSPACED}).)+", word):
            chars = regex.findall(UNSPACED, piece)
            if not chars:
                out.append(piece)
            elif len(chars) == 1:
                out += chars
            else:
                out += [a + b for a, b in zip(chars, chars[1:])]
    return out


def unspaced():
    documents = [
        "退货须在三十天内提出，运费由买家承担。",
        "订单发货后，您会收到一封带有跟踪号的邮件。",
        "用Go编写的程序可以静态链接。第3章说明如何做到。",
        "返品は三十日以内に受け付けます。送料はお客様のご負担です。",
        "パッケージの説明はコメントに書きます。",
        "การคืนสินค้าต้องแจ้งภายในสามสิบวัน",
        "คำสั่งซื้อจะถูกจัดส่งภายในสองวันทำการ",
        "ការប្រគល់ទំនិញត្រូវធ្វើក្នុងរយៈពេលសាមសិបថ្ងៃ",
        "Returns are free within thirty days.",
    ]
    queries = [
        "谁承担退货的运费？", "怎样用Go静态链接？", "3", "返品はいつまで受け付けますか", "コメント", "คืนสินค้าภายในกี่วัน",
        "จัดส่งเมื่อไร", "ប្រគល់ទំនិញ", "天气", "猫",
    ]
    bm25 = BM25Okapi([pairs(d) for d in documents])
    return {
        "documents": documents, "queries": queries, "words": [pairs(d) for d in documents],
        "scores": [list(map(float, bm25.get_scores(pairs(q)))) for q in queries],
    }


golden = {
    "made_by": "parity/make_bm25.py",
    "versions": {"python": sys.version.split()[0], "rank_bm25": version("rank_bm25"), "numpy": np.__version__},
    "seed": SEED,
    "dtype": "float64",
    "tolerance": 1e-6,
    "made_up": made_up(),
    "faire": faire(),
    "unspaced": unspaced(),
}
with open("text/retrieve/testdata/bm25.json", "w") as f:
    json.dump(golden, f, ensure_ascii=True)
    f.write("\n")
