"""End-to-end evaluation: sentence-transformers, an exact search, transformers' generate, F1 and ROUGE-L.

    python evaluate.py '{"model": PATH, "embedder": FOLDER, "test": "test.json", "texts": "texts.json", "vectors": "vectors.npy"}'

Timed from the questions to the answers' texts, as gorqa's end-to-end latency is; scoring, milliseconds
a row on either side, is not. No prompt of Faire is so long that gorqa would cut it.
"""
import collections
import re
import string
import time

import numpy
from sentence_transformers import SentenceTransformer

import peer

args = peer.arguments(
    model=None, embedder=None, test=None, texts=None, vectors=None, k=4, batch=8, max_new_tokens=128, stop=[2], limit=0, answers=""
)
rows = peer.load_json(args["test"])
rows = rows[: args["limit"] or len(rows)]
texts, vectors = peer.load_json(args["texts"]), numpy.load(args["vectors"])
embedder = SentenceTransformer(args["embedder"], device=args["device"], local_files_only=True)
tokenizer, model = peer.load_tokenizer(args["model"]), peer.load_generator(args)


def retrieve(questions):
    scores = embedder.encode(questions, show_progress_bar=False) @ vectors.T
    return numpy.argsort(-scores, axis=1, kind="stable")[:, : args["k"]].tolist()


def respond(prompts):
    """The answers' texts. Prompts of like length go together, so that little is padded."""
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    answers = [""] * len(prompts)
    for start in range(0, len(order), args["batch"]):
        places = order[start : start + args["batch"]]
        made = peer.answer(model, [prompts[i] for i in places], args["max_new_tokens"], args["stop"])
        for i, ids in zip(places, made):
            answers[i] = tokenizer.decode(ids, skip_special_tokens=True).strip()
    return answers


def balance(hits, answer, gold):
    """The harmonic mean of hits / answer and hits / gold."""
    return 2 * hits / (len(answer) + len(gold)) if hits else 0.0


def f1(answer, gold):
    """SQuAD's."""
    bare = lambda text: "".join(c for c in text.lower() if c not in string.punctuation)
    a, g = (re.sub(r"\b(a|an|the)\b", " ", bare(text)).split() for text in (answer, gold))
    return balance((collections.Counter(a) & collections.Counter(g)).total(), a, g)


def rouge_l(answer, gold):
    """rouge_score's, without stemming."""
    a, g = (re.findall("[a-z0-9]+", text.lower()) for text in (answer, gold))
    longest = [0] * (len(g) + 1)  # common subsequence of a so far and the first words of g
    for word in a:
        corner = 0
        for j, other in enumerate(g):
            above = longest[j + 1]
            longest[j + 1] = corner + 1 if word == other else max(above, longest[j])
            corner = above
    return balance(longest[-1], a, g)


retrieve([rows[0]["question"]])
peer.answer(model, [tokenizer(rows[0]["question"]).input_ids], 2, args["stop"])
started = time.perf_counter()
found = retrieve([row["question"] for row in rows])
prompts = [
    tokenizer(peer.prompt([texts[i] for i in places], row["question"]), add_special_tokens=False).input_ids
    for places, row in zip(found, rows)
]
answers = respond(prompts)
seconds = time.perf_counter() - started
if args["answers"]:
    with open(args["answers"], "w") as f:
        peer.json.dump([dict(zip(("passages", "prompt", "answer"), row)) for row in zip(found, prompts, answers)], f)
mean = lambda score: round(sum(score(a, row["gold_answer"]) for a, row in zip(answers, rows)) / len(rows), 4)
peer.report(rows_per_second=round(len(rows) / seconds, 4), scores={"f1": mean(f1), "rouge_l": mean(rouge_l)})
