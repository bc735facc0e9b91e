"""Training steps on one long sequence, its last fifth the answer: what attention costs as it grows."""
import torch

import peer

args = peer.arguments(model=None, tokens=2048, rows_per_step=1, steps=3)
model = peer.load_model(args["model"], torch.float32)
n, answer = args["tokens"], args["tokens"] // 5
rows = [
    {"ids": torch.randint(3, model.config.vocab_size, (n,)).tolist(), "labels": [0] * (n - answer) + [1] * answer}
    for _ in range(args["steps"])
]
peer.train(model, rows, args)
