"""Greedy answers with transformers' generate, bf16.

    python generate.py '{"model": PATH, "prompts": "prompts.json", "stop": [2]}'

prompts.json holds [[ids], ...]. Batches keep the order given, padded on the left.
"""
import time

import peer

args = peer.arguments(model=None, prompts=None, batch=8, max_new_tokens=128, stop=[2], limit=0, answers="")
model = peer.load_generator(args)
prompts = peer.load_json(args["prompts"])
prompts = prompts[: args["limit"] or len(prompts)]

peer.answer(model, prompts[:1], 2, args["stop"])
started, answers = time.perf_counter(), []
for i in range(0, len(prompts), args["batch"]):
    answers += peer.answer(model, prompts[i : i + args["batch"]], args["max_new_tokens"], args["stop"])
seconds = time.perf_counter() - started
if args["answers"]:
    with open(args["answers"], "w") as f:
        peer.json.dump(answers, f)
peer.report(
    rows_per_second=round(len(prompts) / seconds, 4),
    tokens_per_second=round(sum(map(len, answers)) / seconds, 2),
)
