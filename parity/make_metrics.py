"""Makes text/evaluate/testdata/metrics.json: 500 pairs of made-up texts with their scores.

The scores come from the programs that gorqa's metrics are to equal:
  F1, exact match   SQuAD's official scorer, metrics/squad/compute_score.py of huggingface/evaluate
  ROUGE             the package rouge_score, no stemming
  BLEU              metrics/bleu/tokenizer_13a.py of huggingface/evaluate a7dd3383 and the
                    nmt/scripts/bleu.py of tensorflow/nmt 0be86425 that its bleu.py imports
Put those three files into a folder as squad.py, tokenizer_13a.py and nmt_bleu.py, then run from
the repository root: python parity/make_metrics.py FOLDER
"""

import json
import os
import random
import sys
from importlib.metadata import version

sys.path.insert(0, sys.argv[1])
import nmt_bleu  # noqa: E402
import squad  # noqa: E402
import tokenizer_13a  # noqa: E402
from rouge_score import rouge_scorer  # noqa: E402

SEED = 17
WORDS = (
    "the a an The A An THE order orders shop brand brands refund label labels ship shipping day days week return "
    "returns page button open close set price prices cost free tax invoice pay card bank account settings email "
    "message can cannot could will may must not no yes if when before after within until from to of in on at by for "
    "with your you we they it is are was be has have do does new old first last more less most all any each "
    "well-known e-mail U.S. Ph.D. don't it's brand's 3.5 1,000 10-day 24-7 $5.99 50% #12 v2.0 x_y a_b THE-END "
    "https://example.com/a?b=c&d=e foo@bar.org (see below) [note] {x} <b> &amp; &lt;tag&gt; &quot;quoted&quot; "
    "&amp;lt; <skipped> ... -- — – “quoted” ‘single’ «guillemets» … • ™ € £ ½ ² ① "
    "café naïve Straße İstanbul ΟΔΟΣ Σίσυφος ЖУРНАЛ данные 数据 データ 안녕 नमस्ते שלום مرحبا K ﬁne e\u0301tude "
    "the\u2013end a\u00a0b x\u2003y l\u2028m p\x1cq thé an' 'a \U0001f600 a\U0001f600the"
).split(" ")
EDGE = [
    ("", ""), ("", "text"), ("text", ""), (" \n\t", "text"), ("...", "..."), ("?!", "text"), ("text", "--"),
    ("the", "the"), ("a", "the an"), ("The cat", "cat"), ("cat cat cat", "cat"), ("cat", "cat cat cat"),
    ("one two three", "one two three"), ("one two three four", "one two three four"), ("a b c d e", "a b c d"),
    ("1.5 2,000 a.b", "1.5 2,000 a . b"), ("end.", "end ."), ("3-4", "3 - 4"), ("co-\noperate", "cooperate"),
    ("x\ny", "x y"), ("数据", "数据"), ("ΟΔΟΣ ΟΔΟΣ.", "οδος οδος"), ("İ", "i"), ("K", "k"), ("_the_", "the"),
    ("-\n\n", "\n"), (".,.,", ",.,."), ("5.", "5 ."), (".5", ". 5"), ("\x1c\x1f", "x"),
]


def text(rng, n):
    return rng.choice(["", " ", ""]) + "".join(
        w + rng.choice([" ", " ", " ", " ", " ", " ", ", ", ". ", "\n", "  ", "; ", "-\n"]) for w in rng.choices(WORDS, k=n))


def perturb(rng, reference):
    words = reference.split(" ")
    out = []
    for w in words:
        r = rng.random()
        if r < 0.08:
            continue
        if r < 0.14:
            w = rng.choice(WORDS)
        if r > 0.95:
            w = w.upper()
        out.append(w)
        if rng.random() < 0.05:
            out.append(w)
    if rng.random() < 0.3:
        cut = rng.randrange(len(out) + 1)
        out = out[cut:] + out[:cut]
    if rng.random() < 0.2:
        out = out[: rng.randrange(len(out) + 1)]
    return " ".join(out)


def pairs():
    rng = random.Random(SEED)
    made = list(EDGE)
    while len(made) < 500:
        reference = text(rng, rng.randint(1, 30))
        made.append((perturb(rng, reference) if rng.random() < 0.8 else text(rng, rng.randint(0, 30)), reference))
    return made


rouge = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"])
tokenize = tokenizer_13a.Tokenizer13a()
rows = []
for prediction, reference in pairs():
    r = rouge.score(target=reference, prediction=prediction)
    p, g = tokenize(prediction), tokenize(reference)
    bleu, brevity = None, None  # compute_bleu divides by zero where either is without tokens
    if p and g:
        bleu, _, brevity, _, _, _ = nmt_bleu.compute_bleu([[g]], [p])
    rows.append({
        "prediction": prediction,
        "reference": reference,
        "f1": float(squad.f1_score(prediction, reference)),
        "exact_match": float(squad.exact_match_score(prediction, reference)),
        "rouge1": r["rouge1"].fmeasure,
        "rouge2": r["rouge2"].fmeasure,
        "rougeL": r["rougeL"].fmeasure,
        "bleu": bleu,
        "brevity_penalty": brevity,
    })

golden = {
    "maker": "parity/make_metrics.py",
    "versions": {"python": sys.version.split()[0], "rouge_score": version("rouge_score"),
                 "huggingface/evaluate": "a7dd3383", "tensorflow/nmt": "0be86425"},
    "seed": SEED,
    "dtype": "float64",
    "tolerance": {"": [1e-12, 0]},
    "values": rows,
}
os.makedirs("text/evaluate/testdata", exist_ok=True)
with open("text/evaluate/testdata/metrics.json", "w", encoding="utf-8") as f:
    head = {k: v for k, v in golden.items() if k != "values"}
    f.write(json.dumps(head, indent=1)[:-2] + ',\n "values": [\n')
    f.write(",\n".join(json.dumps(r, ensure_ascii=True) for r in rows))
    f.write("\n ]\n}\n")
