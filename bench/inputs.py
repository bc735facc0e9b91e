"""Makes the peers' inputs from the Faire data, so that both sides see the same tokens in the same order.

    python inputs.py FAIRE MODEL.gguf EMBEDDER OUT

Writes rows.json (training rows on their gold passages), rows-grouped.json (the same with those of
one passage together), rows-swr.json (three drawn passages beside the gold one) and texts.json (the
documents), all in the reference's wording, test.json (the test rows as they are), vectors.npy (the
documents by sentence-transformers) and adapter (peft's LoRA of rank 16 on every linear layer but the
head, as it draws it).
"""
import json
import os
import random
import sys

import numpy
import peft
import torch
from sentence_transformers import SentenceTransformer

import peer


def fmt(doc):
    meta = doc.get("metadata", {})
    return doc.get("fmt_content") or f"Source: {meta['source']}\nTitle: {meta['title']}\nContent:\n{doc['page_content']}"


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def main():
    faire, model, embedder, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    tokenizer = peer.load_tokenizer(model)
    encode = lambda text: tokenizer(text, add_special_tokens=False).input_ids
    render = lambda docs, question: peer.prompt(map(fmt, docs), question)
    documents = lines(os.path.join(faire, "documents.jsonl"))

    def tokens(row, docs):
        prompt = encode(render(docs, row["question"]))
        answer = encode(f" {row['gold_answer']}<|im_end|>")
        return {"ids": prompt + answer, "labels": [0] * len(prompt) + [1] * len(answer)}

    training = lines(os.path.join(faire, "train_w_qa.jsonl"))
    random.Random(0).shuffle(training)
    rows = [tokens(row, row["gold_docs"]) for row in training]
    passages = {}  # in the order of their first row
    for row, ids in zip(training, rows):
        passages.setdefault(json.dumps(row["gold_docs"]), []).append(ids)
    grouped = [ids for group in passages.values() for ids in group]
    g = random.Random(1)
    swr = []
    for row in training[:64]:
        docs = row["gold_docs"][:1] + g.sample(documents, 3)
        g.shuffle(docs)
        swr.append(tokens(row, docs))
    test = lines(os.path.join(faire, "test_w_qa.jsonl"))
    texts = [fmt(d) for d in documents]
    for name, value in {"rows": rows, "rows-grouped": grouped, "rows-swr": swr, "texts": texts, "test": test}.items():
        with open(os.path.join(out, name + ".json"), "w", encoding="utf-8") as f:
            json.dump(value, f)
    vectors = SentenceTransformer(embedder, device="cpu", local_files_only=True).encode(texts, show_progress_bar=False)
    numpy.save(os.path.join(out, "vectors.npy"), vectors)
    torch.manual_seed(0)
    config = peft.LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    peft.get_peft_model(peer.load_model(model, torch.float32), config).save_pretrained(os.path.join(out, "adapter"))
    mean = lambda xs: sum(xs) / len(xs)
    length = lambda rows: f"{mean([len(r['ids']) for r in rows]):.0f}"
    print(f"rows {len(rows)}, mean {length(rows)} tokens, with four passages {length(swr)}, answer {mean([sum(r['labels']) for r in rows]):.0f}; texts {len(texts)}")


main()
