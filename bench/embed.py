"""Sentence vectors with sentence-transformers, in float32 or, with bf16_encoder, bf16, its own batches of 32 by length.

    python embed.py '{"model": FOLDER, "texts": "texts.json"}'
"""
import time

from sentence_transformers import SentenceTransformer

import peer

args = peer.arguments(model=None, texts=None, batch=32, limit=0, bf16_encoder=False)
model = SentenceTransformer(args["model"], device=args["device"], local_files_only=True)
if args["bf16_encoder"]:
    model = model.bfloat16()
texts = peer.load_json(args["texts"])
texts = texts[: args["limit"] or len(texts)]
model.encode(texts[:2])
started = time.perf_counter()
model.encode(texts, batch_size=args["batch"], show_progress_bar=False)
seconds = time.perf_counter() - started
tokens = sum(len(ids) for ids in model.tokenizer(texts, truncation=True, max_length=model.max_seq_length)["input_ids"])
peer.report(rows_per_second=round(len(texts) / seconds, 3), tokens_per_second=round(tokens / seconds, 1))
