"""Greedy answers with transformers' generate, bf16.

    python generate.py '{"model": PATH, "prompts": "prompts.json", "stop": [2]}'

prompts.json holds [[ids], ...]. Batches keep the order given, padded on the left.
"""
import time

import torch

import peer

args = peer.arguments(model=None, prompts=None, batch=8, max_new_tokens=128, stop=[2], limit=0, answers="")
model = peer.load_model(args["model"], torch.bfloat16 if args["bf16"] else torch.float32).eval()
model.generation_config = type(model.generation_config)()
prompts = peer.load_json(args["prompts"])
prompts = prompts[: args["limit"] or len(prompts)]


@torch.inference_mode()
def answer(batch, max_new_tokens):
    longest = max(len(p) for p in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, p in enumerate(batch):
        ids[i, longest - len(p) :] = torch.tensor(p)
        mask[i, longest - len(p) :] = 1
    out = model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=args["stop"],
        pad_token_id=0,
    )
    answers = []
    for row in out[:, longest:].tolist():
        ends = [row.index(s) + 1 for s in args["stop"] if s in row]
        answers.append(row[: min(ends, default=len(row))])
    return answers


answer(prompts[:1], 2)
started, answers = time.perf_counter(), []
for i in range(0, len(prompts), args["batch"]):
    answers += answer(prompts[i : i + args["batch"]], args["max_new_tokens"])
seconds = time.perf_counter() - started
if args["answers"]:
    with open(args["answers"], "w") as f:
        peer.json.dump(answers, f)
peer.report(
    rows_per_second=round(len(prompts) / seconds, 4),
    tokens_per_second=round(sum(map(len, answers)) / seconds, 2),
)
